"""python manage.py next: the notebook to go on with."""

from __future__ import annotations

from typing import Any

from tutorial_project.desk.learning_paths import next_notebook
from tutorial_project.desk.management.classroom_command import ClassroomCommand


class Command(ClassroomCommand):
    help = "Names the notebook to go on with: the next lesson on your path, or its exercise once you have begun it."

    def handle(self, **options: Any) -> None:
        self.stdout.write(next_notebook())
