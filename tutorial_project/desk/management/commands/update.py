"""python manage.py update: bring new lessons; every answer stays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.core.management import CommandError

from tutorial_project.desk.management.classroom_command import ClassroomCommand, shown
from tutorial_project.desk.management.updating import NotUpdated, Updated, update
from tutorial_project.paths import ROOT


class Command(ClassroomCommand):
    help = "Merges new lessons and corrections into your copy. Where you wrote something, yours stays."

    def handle(self, **options: Any) -> None:
        self.stdout.write("Looking for new lessons …")
        try:
            updated = update(ROOT)
        except NotUpdated as problem:
            raise CommandError(f"Nothing is updated: {problem}") from None
        for sentence in report(updated):
            self.stdout.write(sentence)


def report(updated: Updated) -> Iterator[str]:
    """What the learner is told."""
    for old, new in updated.moved:
        yield f"{shown(old)} stood where something new belongs: yours is now {shown(new)}."
    for file in updated.kept:
        yield f"{shown(file)} could not be merged: yours is kept as it was."
    for notebook in updated.carried:
        copy = f" A copy is {shown(notebook.kept)}." if notebook.kept else ""
        yield f"{shown(notebook.old)} is now {shown(notebook.new)}, with what you wrote.{copy}"
    yield from map(str, updated.broken)
    yield "You have the newest lessons" + (", and your answers." if not updated.broken else ".")
