"""The sources of lessons: where they are, and what is wrong with them, said with the file and the remedy."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from tutorial_project.checks.gaps import CELL, MARKER, broken_cell, marks_are_right
from tutorial_project.checks.loading import REQUIREMENTS
from tutorial_project.desk.front_matter import TITLE

BROKEN = re.compile(r"^BROKEN = ", re.MULTILINE)
PLACEHOLDER = re.compile(r"^.*\{\{.*$", re.MULTILINE)


def lesson_faults(folder: Path) -> list[str]:
    """What keeps a lesson from being built, each with the file and the remedy; empty when nothing does.

    Args:
        folder: of the lesson, such as `lessons/03_waiting_together`.
    """
    named = f"lessons/{folder.name}"
    faults = list(_faults_of_the_lesson(f"{named}/lesson.md", _read(folder / "lesson.md")))
    exercise = _read(folder / "exercise.md")
    if exercise:
        faults += _faults_of_the_exercise(f"{named}/exercise.md", exercise)
        faults += _faults_of_the_tasks(folder, exercise)
    return faults


def lessons_in(folder: Path) -> list[Path]:
    """The folders of all lessons, in order.

    Args:
        folder: holds them, as `lessons/` does.
    """
    return sorted(file.parent for file in folder.glob("[0-9][0-9]_*/lesson.md"))


def _read(file: Path) -> str:
    return file.read_text(encoding="utf-8") if file.is_file() else ""


def _faults_of_the_lesson(file: str, text: str) -> Iterator[str]:
    if not TITLE.search(text):
        yield f"{file}: has no title. Its first heading is  # A title that begins with a verb"


def _faults_of_the_exercise(file: str, text: str) -> Iterator[str]:
    if not TITLE.search(text):
        yield f"{file}: has no title. Its first heading is  # A title"
    for line in PLACEHOLDER.findall(REQUIREMENTS.sub("", text)):
        yield f"{file}: {line!r} is no placeholder. Write  {{{{ requirements: TASK }}}}  on a line of its own"
    for number, cell in enumerate(CELL.findall(text), start=1):
        if not marks_are_right(cell):
            found = ", ".join(map(" ".join, MARKER.findall(cell)))
            yield (
                f"{file}: in code cell {number} the markers are {found}. Each gap has a line "
                "### BEGIN SOLUTION  and a line  ### END SOLUTION,  or its solution would be in the exercise; "
                "broken code stands above it, below a line  ### BEGIN BROKEN"
            )


def _faults_of_the_tasks(folder: Path, text: str) -> Iterator[str]:
    named = f"lessons/{folder.name}"
    tasks, cells = REQUIREMENTS.findall(text), "\n".join(CELL.findall(text))
    if not tasks:
        yield f"{named}/exercise.md: shows no task. Write  {{{{ requirements: TASK }}}}  where its list belongs"
    for task in tasks:
        if not (folder / "tasks" / f"{task}.py").is_file():
            yield f"{named}/exercise.md: shows the task {task!r}. Write {named}/tasks/{task}.py, or mend the name"
        if not re.search(rf"exercise\.check\({task}\b|task=[\"']{task}[\"']", cells):
            yield f"{named}/exercise.md: never checks {task!r}. Add a cell  await exercise.check({task})"
    for kind in ("tasks", "answers"):
        for file in sorted(folder.glob(f"{kind}/*.py")):
            if file.stem not in tasks:
                yield f"{named}/{kind}/{file.name}: no exercise shows it. Name it in exercise.md, or remove it"
    for task in tasks:
        if not (folder / "answers" / f"{task}.py").is_file():
            yield f"{named}/answers/{task}.py: is missing. It holds at least 1 other right answer and 3 wrong ones"
        elif bool(broken_cell(text, task)) != bool(BROKEN.search(_read(folder / "answers" / f"{task}.py"))):
            yield (
                f"{named}/answers/{task}.py: a gap that holds broken code, and a line  BROKEN = …  which "
                "names the requirement that refuses it, belong together: one of them is missing"
            )
