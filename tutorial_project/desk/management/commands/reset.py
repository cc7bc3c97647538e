"""python manage.py reset 03: begin an exercise again."""

from __future__ import annotations

import os
import runpy
from pathlib import Path
from typing import Any

import nbformat
from django.core.management import CommandParser

from tutorial_project import paths
from tutorial_project.desk.management.classroom_command import (
    EXERCISE_HELP,
    ClassroomCommand,
    find_exercise,
    notebook_file,
    shown,
)
from tutorial_project.desk.management.files import set_aside, write_whole
from tutorial_project.desk.progress import Progress


class Command(ClassroomCommand):
    help = "Puts a fresh notebook in place of yours, and the progress back to not started. Copies of both are kept."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("exercise", help=EXERCISE_HELP)
        parser.add_argument(
            "--no-input", "--noinput", action="store_false", dest="interactive", help="do not ask first"
        )

    def handle(self, *, exercise: str, interactive: bool, **options: Any) -> None:
        name = find_exercise(exercise)
        file, progress = notebook_file(name), Progress(name).file
        fresh = fresh_notebook(name)
        if interactive and not self._agreed(file):
            self.stdout.write("Nothing is changed.")
            return
        for old in (file, progress):
            if old is not None and os.path.lexists(old):
                self.stdout.write(f"Kept as {shown(set_aside(old, 'reset'))}")
        write_whole(file, fresh)
        self.stdout.write(f"{shown(file)} is fresh. Where it is open: File → Reload Notebook from Disk.")

    def _agreed(self, file: Path) -> bool:
        answer = input(f"Put a fresh notebook in place of {shown(file)}? A copy of yours is kept. [y/N] ")
        return answer.strip().lower() in {"y", "yes"}


def fresh_notebook(exercise: str) -> str:
    """The text of the notebook as it was before the learner's first edit, built from the lesson."""
    build: dict[str, Any] = runpy.run_path(str(paths.ROOT / "lessons" / "build.py"))
    return nbformat.writes(build["exercise_notebook"](paths.LESSONS / exercise)) + "\n"
