"""Finding what a lesson's folder holds: its tasks, and the answers whose verdict is known."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from types import ModuleType

from tutorial_project import paths

from .gaps import broken_cell
from .known_answers import KnownAnswer, known_answers
from .task import Task

REQUIREMENTS = re.compile(r"^\{\{ requirements: (\w+) \}\}$", re.MULTILINE)
"""Where `exercise.md` shows what a task demands; its tasks have the order of these lines."""


def exercise_names() -> list[str]:
    """The names of all lessons that have an exercise, in order."""
    return sorted(file.parent.name for file in paths.LESSONS.glob("[0-9][0-9]_*/exercise.md"))


def task_names(lesson: str) -> list[str]:
    """The names of a lesson's tasks, in the order in which its exercise shows them.

    Raises:
        LookupError: when there is no such exercise; the message lists those there are.
    """
    file = paths.LESSONS / lesson / "exercise.md"
    if not file.is_file():
        raise LookupError(f"there is no exercise {lesson!r}; there are: {', '.join(exercise_names())}")
    return REQUIREMENTS.findall(file.read_text(encoding="utf-8"))


def load_tasks(lesson: str) -> dict[str, Task]:
    """The tasks of a lesson by name, loaded anew, in the order in which its exercise shows them.

    Raises:
        LookupError: when there is no such exercise, or a task has no file; the message says what to do.
    """
    return {name: load_task(lesson, name) for name in task_names(lesson)}


def load_task(lesson: str, name: str) -> Task:
    """One task of a lesson, loaded anew.

    Raises:
        LookupError: when it has no file; the message says what to do.
    """
    file = _file(lesson, "tasks", name)
    shown = file.relative_to(paths.LESSONS.parent).as_posix()
    if not file.is_file():
        raise LookupError(
            f"lessons/{lesson}/exercise.md names a task {name!r}: write it into {shown}, or mend the name"
        )
    task = getattr(_load(lesson, "tasks", name), name, None)
    if not isinstance(task, Task) or task.name != name:
        raise LookupError(f'{shown} has to hold  {name} = Task("{name}", …)')
    task.broken = broken_cell((paths.LESSONS / lesson / "exercise.md").read_text(encoding="utf-8"), name)
    return task


def load_known_answers(lesson: str) -> list[KnownAnswer]:
    """The known answers of a lesson, task by task; those of a task in the order in which they are written."""
    names = [name for name in task_names(lesson) if _file(lesson, "answers", name).is_file()]
    return [known for name in names for known in known_answers(_load(lesson, "answers", name))]


def load_equal_mutants(lesson: str, task: str) -> dict[str, str]:
    """The mutants of a task's solution that are right answers too, with the reason.

    They stand in `answers/TASK.py` as `EQUAL_MUTANTS = {name: reason}`, named as `make mutants` names them; in a name …
    stands for any text.
    """
    if not _file(lesson, "answers", task).is_file():
        return {}
    equal: dict[str, str] = getattr(_load(lesson, "answers", task), "EQUAL_MUTANTS", {})
    return equal


def load_broken(lesson: str, task: str) -> str:
    """The name of the requirement that refuses the broken code of a task: `BROKEN` in `answers/TASK.py`, or nothing."""
    if not _file(lesson, "answers", task).is_file():
        return ""
    named: str = getattr(_load(lesson, "answers", task), "BROKEN", "")
    return named


def _file(lesson: str, kind: str, name: str) -> Path:
    return paths.LESSONS / lesson / kind / f"{name}.py"


def _load(lesson: str, kind: str, name: str) -> ModuleType:
    """Import `lessons/LESSON/KIND/NAME.py` anew, with what it imports from its lesson's folder."""
    # Trap: the folder of a lesson begins with a digit, so no import statement could name it. As packages of
    # another name the files can import each other: `from ..shared import …`.
    package = f"lesson_{lesson}"
    for loaded in [module for module in sys.modules if module.split(".")[0] == package]:
        del sys.modules[loaded]
    folder = paths.LESSONS / lesson
    for module, place in ((package, folder), (f"{package}.{kind}", folder / kind)):
        sys.modules[module] = ModuleType(module)
        sys.modules[module].__path__ = [str(place)]
    return importlib.import_module(f"{package}.{kind}.{name}")
