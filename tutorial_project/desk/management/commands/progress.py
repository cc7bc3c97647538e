"""python manage.py progress: all exercises at a glance."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from tutorial_project.checks.loading import exercise_names, load_tasks
from tutorial_project.checks.verdict import MARKS
from tutorial_project.classroom.requirement import in_short
from tutorial_project.desk.front_matter import missing_for, requires
from tutorial_project.desk.learning_paths import EVERYTHING, chosen_path, next_exercise, open_exercises
from tutorial_project.desk.management.classroom_command import ClassroomCommand, notebook_file, shown
from tutorial_project.desk.progress import Progress
from tutorial_project.words import counted


class Command(ClassroomCommand):
    help = "Shows every task of every exercise: its state, how often it was checked, and how many hints were read."

    def handle(self, **options: Any) -> None:
        table = Table("Exercise", "Task", "State", "Checks", "Hints")
        records = {name: task_records(name) for name in exercise_names()}
        for name, tasks in records.items():
            for row, (task, record) in enumerate(tasks.items()):
                state = f"{MARKS[record['state']]} {record['state']}"
                if missing_for(name):
                    state = f"needs {in_short(requires(name))}"
                table.add_row("" if row else name, task, state, str(record["checks"]), str(record["hints"]))
            table.add_section()
        console = self.console()
        console.print(table)
        console.print(summary({name: tasks for name, tasks in records.items() if not missing_for(name)}))


def task_records(exercise: str) -> dict[str, dict[str, Any]]:
    """The learner's record of each task of an exercise: "state", "checks" and "hints"."""
    progress = Progress(exercise)
    return {task: progress.task(task) for task in load_tasks(exercise)}


def summary(records: dict[str, dict[str, dict[str, Any]]]) -> str:
    """How many tasks are done, and the exercise to go on with, on the path that the learner chose."""
    states = [record["state"] for tasks in records.values() for record in tasks.values()]
    counts = f"{states.count('done')} of {counted(len(states), 'task')} done."
    path, exercise = chosen_path(), next_exercise()
    if exercise is None:
        return f"{counts} Everything on the path {path!r} is done." if open_exercises() else counts
    where = "" if path == EVERYTHING else f" on the path {path!r}"
    return f"{counts} Next{where}: {shown(notebook_file(exercise))}"
