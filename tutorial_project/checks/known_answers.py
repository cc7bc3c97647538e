"""Known answers, written beside the checks: right ones to accept, wrong ones to refuse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class KnownAnswer:
    """An answer whose verdict is known.

    `breaks` names the proof that must refuse it, `says` words that its verdict must hold, and `because` words of
    the cause that it states, where `says` holds none; all are empty for a right answer. `when` says when a right
    answer is the better one, for `exercise.approaches`.
    """

    task: str
    answer: Any
    breaks: str = ""
    says: str = ""
    name: str = ""
    when: str = ""
    because: str = ""

    def is_the_cause(self, stated: str, step: str) -> bool:
        """Whether the cause that a verdict states, or the next step that it names, is the one declared here.

        Args:
            stated: the verdict's `because`, empty where it states no cause.
            step: its `next`, empty where it names none.
        """
        if self.because:
            return self.because in stated
        return not stated or self.says in stated or self.says in step


def known_answer(
    task: str, *, breaks: str = "", says: str = "", when: str = "", because: str = ""
) -> Callable[[Any], Any]:
    """Decorate a right answer (no `breaks`) or a wrong one in `answers/TASK.py`.

    Args:
        task: the name of the task.
        breaks: the name of the proof in `tasks/TASK.py` that must be the first to refuse a wrong answer.
        says: words that the verdict must hold: they name the mistake.
        because: words of the cause that the verdict states, where `says` is no part of it. A verdict that states a
            cause which is not that of the answer claims too much.
        when: of a right answer, one sentence for who has solved the task: when this way is the better one.
    """
    if breaks and when:
        raise ValueError("a wrong answer is never the better one")
    if bool(breaks) != bool(says):
        raise ValueError("a wrong answer needs both: what it breaks, and what the verdict says")

    def mark(answer: Any) -> Any:
        answer.known_answer = KnownAnswer(task, answer, breaks, says, answer.__name__, when, because)
        return answer

    return mark


def known_answers(module: Any) -> list[KnownAnswer]:
    """The known answers of an `answers/TASK.py`, in the order in which they are written."""
    return [vars(value)["known_answer"] for value in vars(module).values() if _is_marked(value)]


def _is_marked(value: Any) -> bool:
    return "known_answer" in getattr(value, "__dict__", {})
