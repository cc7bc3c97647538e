"""What holds for every built notebook, beside what nbval compares."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import build
import nbformat
import pytest
from nbformat import NotebookNode
from project import ROOT, git

MAKERS = {
    "notebooks": build.lesson_notebook,
    "exercises": build.exercise_notebook,
    "solutions": build.solution_notebook,
}
COMPARED_LOOSELY = {"nbval-ignore-output"}


def stored(kind: str, lesson: Path) -> NotebookNode:
    """The built notebook: as committed where that comes from the present source, else as it is here.

    So a learner may have answered, run or cleared it, and an author need not have committed it yet.
    """
    name, fresh = f"{kind}/{lesson.name}.ipynb", MAKERS[kind](lesson)
    if committed := git("show", f"HEAD:{name}"):
        notebook = nbformat.reads(committed, as_version=4)
        if build.cells(notebook) == build.cells(fresh) and notebook.metadata.lesson == fresh.metadata.lesson:
            return notebook
    if not (ROOT / name).is_file():
        pytest.fail(f"{name} is missing: make notebooks")
    return nbformat.read(ROOT / name, as_version=4)


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def tags(cell: NotebookNode) -> set[str]:
    return set(cell.metadata.get("tags", []))


@pytest.mark.parametrize("kind", MAKERS)
def test_a_built_notebook_equals_its_source(lesson: Path, kind: str) -> None:
    fresh, built = MAKERS[kind](lesson), stored(kind, lesson)
    assert build.cells(built) == build.cells(fresh), "the source has changed: make notebooks"
    assert built.metadata.lesson == fresh.metadata.lesson, "the source has changed: make notebooks"


@pytest.mark.parametrize("kind", ["notebooks", "solutions"])
def test_no_cell_is_green_by_vacuity(lesson: Path, kind: str) -> None:
    assert vacuous(stored(kind, lesson)) == []


def vacuous(notebook: NotebookNode) -> list[str]:
    """What nbval would let pass without comparing anything, in words."""
    found = []
    cells = code_cells(notebook)
    for number, cell in enumerate(cells):
        failed = any(output.output_type == "error" for output in cell.outputs)
        if cell.execution_count is None:
            found.append(f"code cell {number} was never executed")
        if failed != ("raises-exception" in tags(cell)):
            found.append(f"code cell {number}: its error and its tag raises-exception do not agree")
        if tags(cell) & COMPARED_LOOSELY and not _states_a_fact(cells[number + 1 :]):
            found.append(f"code cell {number} is ignored, and no cell after it states a stable fact")
        if "nbval-skip" in tags(cell) or re.search("nbval[-_]skip", cell.source, re.IGNORECASE):
            found.append(f"code cell {number} is skipped")
    return found


def _states_a_fact(below: list[NotebookNode]) -> bool:
    """Whether the next cell that is compared shows something: one fact may stand for several pictures in a row."""
    compared = next((cell for cell in below if not tags(cell) & COMPARED_LOOSELY), None)
    return compared is not None and bool(compared.outputs)


def test_a_vacuous_notebook_is_found_out() -> None:
    cell = nbformat.v4.new_code_cell
    notebook = nbformat.v4.new_notebook(
        cells=[
            cell("1", execution_count=None),
            cell("1 / 0", execution_count=1, metadata={"tags": ["raises-exception"]}),
            cell("random()", execution_count=2, metadata={"tags": ["nbval-ignore-output"]}),
        ]
    )
    assert len(vacuous(notebook)) == 3


@pytest.mark.parametrize("kind", MAKERS)
def test_a_notebook_has_one_title_and_no_heading_jumps(lesson: Path, kind: str) -> None:
    levels = [len(marks) for marks in re.findall(r"^(#+) ", markdown(MAKERS[kind](lesson)), re.MULTILINE)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(deeper - level <= 1 for level, deeper in itertools.pairwise(levels))


def markdown(notebook: NotebookNode) -> str:
    """The Markdown cells as one text, without fenced code."""
    text = "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    return re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("kind", MAKERS)
def test_every_image_has_an_alternative_text(lesson: Path, kind: str) -> None:
    text = markdown(MAKERS[kind](lesson))
    assert (
        re.findall(r"!\[\s*\]\(", text)
        + [tag for tag in re.findall(r"<img[^>]*>", text) if "alt=" not in tag]
        == []
    )
    images = [
        output
        for cell in code_cells(stored(kind, lesson))
        for output in cell.outputs
        if "image/png" in output.get("data", {})
    ]
    assert [
        image for image in images if "text/plain" not in image.data or "<Figure" in image.data["text/plain"]
    ] == []


def test_async_safety_is_switched_off_nowhere_but_in_lesson_02() -> None:
    switch = "DJANGO_ALLOW_" + "ASYNC_UNSAFE"
    holders = [
        name
        for name in git(
            "grep", "--untracked", "-l", switch, "--", "*.py", "*.toml", "*.yml", "Makefile", ".ci", "lessons"
        ).split()
    ]
    # Lesson 15 says in words what a tool for browsers asks of a test process.
    spoken_of = {"02_event_loop_in_the_notebook": 2, "15_testing": 0}
    assert {name.split("/")[1] for name in holders} <= set(spoken_of), holders
    for lesson, cells in spoken_of.items():
        notebook = build.lesson_notebook(build.LESSONS / lesson)
        assert sum(switch in cell.source for cell in code_cells(notebook)) == cells
