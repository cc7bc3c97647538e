"""A task of an exercise: its requirements, in the order in which they are proven, and its hints."""

from __future__ import annotations

import importlib.util
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .trial import Trial

LESSONS = Path(__file__).resolve().parents[3] / "lessons"
"""The folder that holds one folder a lesson."""


@dataclass(frozen=True)
class Requirement:
    """One sentence that an answer must live up to, and the proof that it does."""

    sentence: str
    proof: Callable[[Trial], Awaitable[None]]

    @property
    def name(self) -> str:
        """The name of the proof, by which `answers.py` says what a wrong answer breaks."""
        return self.proof.__name__


@dataclass
class Task:
    """What an answer must do.

    Args:
        name: the name of the function or class that the learner writes.
        routes: URL routes at which a view is mounted, as in `path()`, for example "hello/<str:name>/".
        hints: three grades: a question, a direction, nearly the code.
        praise: said when all requirements hold: what was right, and what else would have been.
        settings: Django settings that differ while the task is checked.
        application: for answers that are no views: makes the ASGI application to call from the answer.
        database: makes the entry of `DATABASES` to check on, such as `postgresql`; by default the
            database of the process.
        limit: seconds that one requirement may take before it counts as hanging.
    """

    name: str
    hints: Sequence[str]
    praise: str
    routes: Sequence[str] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    application: Callable[[Any], Any] | None = None
    database: Callable[[], dict[str, Any]] | None = None
    limit: float = 5.0
    requirements: list[Requirement] = field(default_factory=list)

    def requirement(self, sentence: str) -> Callable[[Any], Any]:
        """Decorate `async def proof(trial)`, which raises `Refusal` when the sentence does not hold.

        Args:
            sentence: completes "the answer …", as the task and the verdict print it.
        """

        def add(proof: Any) -> Any:
            self.requirements.append(Requirement(sentence, proof))
            return proof

        return add


def load_module(lesson: str, name: str) -> ModuleType:
    """Import `lessons/LESSON/NAME.py`.

    Raises:
        LookupError: when there is no such lesson or file; the message lists the lessons there are.
    """
    file = LESSONS / lesson / f"{name}.py"
    if not file.is_file():
        raise LookupError(f"there is no exercise {lesson!r}; there are: {', '.join(exercise_names())}")
    spec = importlib.util.spec_from_file_location(f"lesson_{lesson}_{name}", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def load_tasks(lesson: str) -> dict[str, Task]:
    """The tasks of a lesson by name, in the order in which `checks.py` defines them."""
    module = load_module(lesson, "checks")
    return {task.name: task for task in vars(module).values() if isinstance(task, Task)}


def exercise_names() -> list[str]:
    """The names of all lessons that have an exercise, in order."""
    return sorted(file.parent.name for file in LESSONS.glob("*/checks.py"))
