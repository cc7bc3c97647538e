"""Ways through the lessons, for people who come with one thing in mind.

The front matter of a `lesson.md` says on which of them the lesson lies; all lie on "everything":

    paths: services, asgi
"""

from __future__ import annotations

from collections.abc import Mapping

from tutorial_project import paths
from tutorial_project.checks.loading import exercise_names, load_tasks
from tutorial_project.desk.front_matter import missing_for, said_under
from tutorial_project.desk.progress import Progress, progress_folder

EVERYTHING = "everything"
PATHS: Mapping[str, str] = {
    "services": "I call other services",
    "asgi": "My site moves to ASGI",
    "live": "I send live updates",
    "fastapi": "I come from FastAPI",
    EVERYTHING: "Everything",
}
"""The title of each path, by the name that front matter and `manage.py path` use."""


def lessons_on(path: str) -> list[str]:
    """The names of the lessons on a path, in order.

    Args:
        path: one of `PATHS`.
    """
    files = sorted(paths.LESSONS.glob("[0-9][0-9]_*/lesson.md"))
    return [
        file.parent.name
        for file in files
        if path == EVERYTHING or path in said_under("paths", file.read_text(encoding="utf-8"))
    ]


def chosen_path() -> str:
    """The path that the learner chose with `manage.py path`, or "everything"."""
    folder = progress_folder()
    file = folder / "path" if folder else None
    name = file.read_text(encoding="utf-8").strip() if file and file.is_file() else EVERYTHING
    return name if name in PATHS else EVERYTHING


def states_of(exercise: str) -> list[str]:
    """The state of each task of an exercise, in order."""
    progress = Progress(exercise)
    return [progress.task(task)["state"] for task in load_tasks(exercise)]


def open_exercises() -> list[str]:
    """The exercises that can run here and have a task that is not done, in order."""
    return [name for name in exercise_names() if not missing_for(name) and set(states_of(name)) != {"done"}]


def next_exercise() -> str | None:
    """The first exercise on the learner's path that is not done."""
    on_the_path = lessons_on(chosen_path())
    return next((name for name in open_exercises() if name in on_the_path), None)


def next_notebook() -> str:
    """The notebook to go on with, from the root of the project: a lesson, or its exercise once that is begun."""
    exercise = next_exercise() or lessons_on(EVERYTHING)[0]
    return f"{'exercises' if Progress(exercise).begun else 'notebooks'}/{exercise}.ipynb"


def choose(path: str) -> None:
    """Remember the learner's path.

    Args:
        path: one of `PATHS`.
    """
    if folder := progress_folder():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "path").write_text(path + "\n", encoding="utf-8")
