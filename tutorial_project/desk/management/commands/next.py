"""python manage.py next: the notebook to go on with."""

from __future__ import annotations

from typing import Any

from tutorial_project.desk.learning_paths import EVERYTHING, lessons_on, next_exercise
from tutorial_project.desk.management.classroom_command import ClassroomCommand
from tutorial_project.desk.progress import Progress


class Command(ClassroomCommand):
    help = "Names the notebook to go on with: the next lesson on your path, or its exercise once you have begun it."

    def handle(self, **options: Any) -> None:
        exercise = next_exercise() or lessons_on(EVERYTHING)[0]
        begun = any(record["checks"] for record in Progress(exercise).tasks.values())
        self.stdout.write(f"{'exercises' if begun else 'notebooks'}/{exercise}.ipynb")
