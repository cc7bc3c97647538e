"""python manage.py hint 03 TASK: the next hint for a task."""

from __future__ import annotations

from typing import Any

from django.core.management import CommandParser

from tutorial_project.desk.management.classroom_command import (
    EXERCISE_HELP,
    ClassroomCommand,
    find_exercise,
    find_task,
)
from tutorial_project.desk.progress import Progress


class Command(ClassroomCommand):
    help = "Prints the next hint for a task: first a question, then a direction, then nearly the code."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("exercise", help=EXERCISE_HELP)
        parser.add_argument("task", nargs="?", help="its name; may be left out where there is one task only")

    def handle(self, *, exercise: str, task: str | None, **options: Any) -> None:
        name = find_exercise(exercise)
        asked = find_task(name, task)
        self.stdout.write(Progress(name).next_hint(asked))
