"""python manage.py check_exercise 03: run the exercise as its notebook stands, and print the verdicts."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management import CommandError, CommandParser
from rich.console import Console
from rich.text import Text

from tutorial_project.checks.loading import exercise_names, load_tasks
from tutorial_project.desk.front_matter import missing_for
from tutorial_project.desk.management.classroom_command import (
    EXERCISE_HELP,
    ClassroomCommand,
    find_exercise,
    notebook_file,
    shown,
)
from tutorial_project.desk.management.headless import Findings, check_notebook
from tutorial_project.desk.management.notebook_file import NotANotebook
from tutorial_project.words import counted


class Command(ClassroomCommand):
    help = "Runs your notebook of an exercise in a kernel of its own, without changing it, and prints the verdicts."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("exercise", nargs="*", help=EXERCISE_HELP)
        parser.add_argument("--all", action="store_true", help="check all exercises")

    def handle(self, *, exercise: list[str], all: bool, **options: Any) -> None:
        names = exercise_names() if all else [find_exercise(text) for text in exercise]
        if not names:
            raise CommandError(f"Say which exercise, or --all. There are: {', '.join(exercise_names())}")
        console = self.console()
        done = [state == "done" for name in names for state in self._check(name, console, all)]
        console.print(f"\n{sum(done)} of {counted(len(done), 'task')} done.")
        if not done or False in done:
            sys.exit(1)

    def _check(self, name: str, console: Console, all_of_them: bool) -> list[str | None]:
        """Check one exercise and print what was found; return the state of each task."""
        console.print(f"\n{name}", style="bold", markup=False)
        file, tasks = notebook_file(name), list(load_tasks(name))
        if missing := missing_for(name):
            console.print(f"  {missing}", markup=False)
            return [] if all_of_them else [None] * len(tasks)
        if not file.is_file():
            console.print(
                f"  {shown(file)} is missing. A fresh one:  python manage.py reset {name[:2]}", markup=False
            )
            return [None] * len(tasks)
        try:
            findings = check_notebook(file)
        except NotANotebook as problem:
            console.print(f"  {problem}".replace("\n", "\n  "), markup=False)
            return [None] * len(tasks)
        for paragraph in (*findings.errors, *(report(findings, task) for task in tasks)):
            console.print(Text(paragraph))
        return [findings.state(task) for task in tasks]


def report(findings: Findings, task: str) -> str:
    """What is printed on one task: its whole verdict when it is refused, else the first line."""
    if task not in findings.verdicts:
        return f"? {task}   not checked: no cell with  await exercise.check({task})  got that far"
    verdict = findings.verdicts[task]
    return verdict if findings.state(task) == "not yet" else verdict.partition("\n")[0]
