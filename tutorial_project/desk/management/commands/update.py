"""python manage.py update: bring new lessons; every answer stays."""

from __future__ import annotations

from typing import Any

from django.core.management import CommandError

from tutorial_project.desk.management.classroom_command import ClassroomCommand, shown
from tutorial_project.desk.management.updating import NotUpdated, update
from tutorial_project.paths import ROOT


class Command(ClassroomCommand):
    help = "Merges new lessons and corrections into your copy. Where you wrote something, yours stays."

    def handle(self, **options: Any) -> None:
        self.stdout.write("Looking for new lessons …")
        try:
            kept = update(ROOT)
        except NotUpdated as problem:
            raise CommandError(f"Nothing is updated: {problem}.") from None
        for file in kept:
            self.stdout.write(f"{shown(file)} could not be merged: yours is kept as it was.")
        self.stdout.write("You have the newest lessons, and your answers.")
