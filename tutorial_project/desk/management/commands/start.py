"""python manage.py start: what `make lab` opens."""

from __future__ import annotations

from typing import Any

from tutorial_project.desk.learning_paths import next_notebook
from tutorial_project.desk.management.classroom_command import ClassroomCommand, shown
from tutorial_project.desk.start_page import written_page


class Command(ClassroomCommand):
    help = "Names what make lab opens: the first lesson, or, once an answer was checked, a page that says where you are."

    def handle(self, **options: Any) -> None:
        page = written_page()
        self.stdout.write(shown(page) if page else next_notebook())
