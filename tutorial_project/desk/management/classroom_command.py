"""What the learner's commands share: finding an exercise by its number, and printing."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from django.core.management import BaseCommand, CommandError
from rich.console import Console

from tutorial_project import paths
from tutorial_project.checks.loading import exercise_names, load_tasks
from tutorial_project.checks.task import Task
from tutorial_project.paths import ROOT

EXERCISE_HELP = "its number or name, such as 3, 03 or 03_waiting_together"


class ClassroomCommand(BaseCommand):
    """A command that needs no database, and none of Django's system checks."""

    requires_system_checks: list[str] = []

    def execute(self, *arguments: Any, **options: Any) -> str | None:
        """Run the command; a file that cannot be read or written is a sentence, not a traceback."""
        try:
            return super().execute(*arguments, **options)
        except OSError as problem:
            if problem.filename is None:
                raise
            raise CommandError(
                f"{problem.filename}: {problem.strerror}. See that it is there and that you may read and write it, "
                "then try again."
            ) from None

    def console(self) -> Console:
        """Where the command prints."""
        # Trap: a pipe on Windows may have an encoding without ✓, which would end the command.
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(errors="replace")
        return Console(file=self.stdout, highlight=False, soft_wrap=not self.stdout.isatty())


def find_exercise(text: str) -> str:
    """The full name of an exercise.

    Args:
        text: its number, its name or its file.

    Raises:
        CommandError: when there is none; the message lists those there are.
    """
    wanted = Path(text).stem
    for name in exercise_names():
        if wanted == name or wanted.zfill(2) == name.partition("_")[0]:
            return name
    raise CommandError(f"There is no exercise {text!r}. There are: {', '.join(exercise_names())}")


def find_task(exercise: str, text: str | None) -> Task:
    """A task of an exercise; the only one when `text` is None.

    Raises:
        CommandError: when there is none of that name; the message lists those there are.
    """
    tasks = load_tasks(exercise)
    if text is None and len(tasks) == 1:
        return next(iter(tasks.values()))
    if text not in tasks:
        asked = "Say for which task" if text is None else f"There is no task {text!r} in {exercise}"
        raise CommandError(f"{asked}. Its tasks: {', '.join(tasks)}")
    return tasks[text]


def notebook_file(exercise: str) -> Path:
    """The learner's notebook of an exercise."""
    return paths.EXERCISES / f"{exercise}.ipynb"


def shown(file: Path) -> str:
    """A file as messages name it: from the root of the project."""
    return file.relative_to(ROOT).as_posix() if file.is_relative_to(ROOT) else str(file)
