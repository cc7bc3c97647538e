"""Other right answers to a task, shown to who has found one: each with when it is the better one."""

from __future__ import annotations

import html
import inspect
import re
import textwrap
from dataclasses import dataclass
from types import FunctionType
from typing import Any

from tutorial_project.checks.known_answers import KnownAnswer
from tutorial_project.checks.loading import load_known_answers

MARK = re.compile(r"\A@known_answer\(.*?\)\n(?=@|async def |def |class )", re.DOTALL)


@dataclass(frozen=True)
class Approach:
    """One right answer: when it is the better one, and its code."""

    when: str
    code: str


class Approaches:
    """Right answers side by side, as text and as HTML that says the same."""

    def __init__(self, approaches: list[Approach]) -> None:
        self.approaches = approaches

    def __repr__(self) -> str:
        shown = (f"{one.when}\n\n{textwrap.indent(one.code, '    ')}" for one in self.approaches)
        return "\n\n".join(shown)

    def _repr_html_(self) -> str:
        columns = (
            '<div style="flex: 1 1 24em; min-width: 0">'
            f"<p>{html.escape(one.when)}</p>"
            f'<pre style="overflow-x: auto"><code>{html.escape(one.code)}</code></pre></div>'
            for one in self.approaches
        )
        return f'<div style="display: flex; flex-wrap: wrap; gap: 1.5em">{"".join(columns)}</div>'


def approaches_to(exercise: str, task: str) -> list[Approach]:
    """The right answers to a task that say when they are the better ones.

    Args:
        exercise: the name of the lesson, such as "03_waiting_together".
        task: the name of the task.
    """
    right = [known for known in load_known_answers(exercise) if known.task == task and known.when]
    return [Approach(known.when, _code(known)) for known in right]


def _code(known: KnownAnswer) -> str:
    answer = inspect.unwrap(known.answer)
    parts = [inspect.getsource(part).rstrip() for part in (*_helpers_of(answer), answer)]
    return "\n\n\n".join(MARK.sub("", part) for part in parts)


def _helpers_of(answer: Any) -> list[FunctionType]:
    """The functions beside an answer whose names it uses: what is shown would not run without them."""
    here = vars(inspect.getmodule(answer) or answer)
    source = inspect.getsource(answer)
    named = [here.get(name) for name in dict.fromkeys(re.findall(r"\b[a-zA-Z_]\w*\b", source))]
    return [
        part
        for part in named
        if isinstance(part, FunctionType) and part.__module__ == answer.__module__ and part is not answer
    ]
