"""The page that `make lab` opens for who has begun: what is done, and where to go on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from tutorial_project import paths
from tutorial_project.checks.loading import exercise_names
from tutorial_project.checks.verdict import MARKS
from tutorial_project.classroom.requirement import in_short
from tutorial_project.desk.front_matter import missing_for, requires, title_in
from tutorial_project.desk.learning_paths import PATHS, chosen_path, lessons_on, next_notebook, states_of
from tutorial_project.desk.progress import Progress, progress_folder
from tutorial_project.words import counted


def written_page() -> Path | None:
    """Write the page, as it is now; None for who has begun nothing, or keeps progress where Jupyter cannot see it."""
    folder = progress_folder()
    if folder is None or not folder.resolve().is_relative_to(paths.ROOT) or not has_begun():
        return None
    page = folder / "start.md"
    page.write_text(start_page(folder), encoding="utf-8")
    return page


def has_begun() -> bool:
    """Whether any answer was ever checked."""
    return any(Progress(name).begun for name in exercise_names())


def start_page(folder: Path) -> str:
    """The page as Markdown.

    Args:
        folder: where it will lie; its links begin there.
    """
    lessons, to_root = lessons_on(chosen_path()), Path(os.path.relpath(paths.ROOT, folder)).as_posix()
    here = [name for name in lessons if name in exercise_names() and not missing_for(name)]
    states = {name: states_of(name) for name in here}
    every = [state for states in states.values() for state in states]
    notebook = next_notebook()
    kind, name = notebook.removesuffix(".ipynb").split("/")
    what = f"{'Exercise' if kind == 'exercises' else 'Lesson'} {name[:2]}: {title_in(paths.LESSONS / name)}"
    return "\n".join(
        [
            "# Async views in Django",
            "",
            f"{every.count('done')} of {counted(len(every), 'task')} done. Your path: {PATHS[chosen_path()]} "
            "(`python manage.py path` chooses another).",
            "",
            f"**Go on with [{what}]({to_root}/{notebook})**",
            "",
            "| | Lesson | Exercise |",
            "|---|---|---|",
            *rows(lessons, states, to_root),
            "",
            f"{', '.join(f'{mark} {state}' for state, mark in MARKS.items())}. As it was when `make lab` started; "
            "`python manage.py progress` tells more.",
            "",
        ]
    )


def rows(lessons: list[str], states: dict[str, list[str]], to_root: str) -> Iterator[str]:
    """A row of the table for each lesson."""
    for name in lessons:
        lesson = f"[{title_in(paths.LESSONS / name)}]({to_root}/notebooks/{name}.ipynb)"
        exercise = ""
        if missing_for(name):
            exercise = f"needs {in_short(requires(name))}"
        elif name in states:
            done, marks = states[name].count("done"), "".join(MARKS[state] for state in states[name])
            exercise = f"[{marks} {done} of {len(states[name])}]({to_root}/exercises/{name}.ipynb)"
        yield f"| {name[:2]} | {lesson} | {exercise} |"
