"""python manage.py path: choose a way through the lessons."""

from __future__ import annotations

from typing import Any

from django.core.management import CommandError, CommandParser
from rich.table import Table

from tutorial_project.desk.learning_paths import PATHS, choose, chosen_path, lessons_on
from tutorial_project.desk.management.classroom_command import ClassroomCommand


class Command(ClassroomCommand):
    help = (
        "Shows the ways through the lessons, or chooses one: `progress` then names the next exercise on it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", nargs="?", help=f"one of: {', '.join(PATHS)}")

    def handle(self, *, name: str | None, **options: Any) -> None:
        if name is not None and name not in PATHS:
            raise CommandError(f"There is no path {name!r}. There are: {', '.join(PATHS)}")
        if name is not None:
            choose(name)
        table = Table("", "Path", "For", "Lessons")
        for path, title in PATHS.items():
            numbers = " ".join(lesson[:2] for lesson in lessons_on(path))
            table.add_row("→" if path == chosen_path() else "", path, title, numbers)
        console = self.console()
        console.print(table)
        console.print(
            "Choose one with  python manage.py path NAME;  progress  then names what comes next on it."
        )
