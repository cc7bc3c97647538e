"""Lessons that have another name now: what a learner did under a former name is carried over.

The front matter of a `lesson.md` tells the names that a lesson had before, the newest first:

    formerly: 01_first_async_view, 01_first_view
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from tutorial_project.desk.front_matter import said_under
from tutorial_project.desk.progress import Progress

from .files import set_aside, write_whole
from .notebook_file import NotANotebook, edited, read_notebook

KINDS = ("exercises", "notebooks", "solutions")
STUB = re.compile(r"^ *# Your code here\n *raise NotImplementedError$", re.MULTILINE)
DEFINED = re.compile(r"^(?:(?:async +)?def|class) +(\w+)|^(\w+) *=(?!=)", re.MULTILINE)


@dataclass
class Carried:
    """A notebook that was carried over: its former file, its present one, and where the former one is kept.

    `kept` is None when nothing in the former one was the learner's. `old` is not there any more.
    """

    old: Path
    new: Path
    kept: Path | None


def former_names(lessons: Path) -> dict[str, str]:
    """Each name that a lesson had once and none has now, with the lesson's present name."""
    files = {file.parent.name: file for file in sorted(lessons.glob("*/lesson.md"))}
    return {
        former: name
        for name, file in files.items()
        for former in said_under("formerly", file.read_text(encoding="utf-8"))
        if former not in files
    }


def carry_over(folder: Path) -> Iterator[Carried]:
    """Bring what a learner wrote and achieved under former names to the present ones. Safe to do again.

    Args:
        folder: the learner's clone, in which the lessons have their present names.

    Yields:
        One notebook after the other, as soon as it is carried over.
    """
    for former, name in former_names(folder / "lessons").items():
        for kind in KINDS:
            old, new = (folder / kind / f"{lesson}.ipynb" for lesson in (former, name))
            if old.is_file() and new.is_file():
                yield from _carry_notebook(old, new)
        _carry_progress(former, name)


def _carry_notebook(old: Path, new: Path) -> Iterator[Carried]:
    try:
        mine, present = read_notebook(old), read_notebook(new)
    except NotANotebook:
        return  # an update names it, and once it is mended the next one carries it over
    if not (written := cells_written(mine, present)):
        old.unlink()
        yield Carried(old, new, None)
        return
    for cell in written:
        cell.source = cell.source.replace(old.stem, new.stem)
    bring_in(written, mine.cells, present.cells)
    write_whole(new, nbformat.writes(present) + "\n")
    yield Carried(old, new, set_aside(old, "update"))


def _carry_progress(former: str, name: str) -> None:
    old = Progress(former)
    if old.file is not None and old.file.is_file():
        Progress(name).add(old)
        set_aside(old.file, "update")


def cells_written(mine: NotebookNode, present: NotebookNode) -> list[NotebookNode]:
    """The cells in which the learner wrote, or that they added."""
    written = [cell for cell in mine.cells if edited(cell)]
    if len(written) < len(mine.cells):
        return written
    # Trap: an editor that gives every cell a new id makes all look edited. Then an answer is what fills a gap.
    names = {name for cell in present.cells for name in defined(cell)}
    return [cell for cell in written if defined(cell) & names and not STUB.search(cell.source)]


def bring_in(written: list[NotebookNode], mine: list[NotebookNode], present: list[NotebookNode]) -> None:
    """Put cells that the learner wrote where they belong, but not over a cell in which they wrote as well.

    Args:
        written: the cells of `mine` to bring in.
        mine: the cells of the former notebook, in order.
        present: the cells of the present one, which change.
    """
    after = 0
    filled: set[int] = set()
    for cell in mine:
        twin = _twin(cell, present)
        if cell in written and cell.source not in [other.source for other in present]:
            if twin is None or twin in filled:
                present.insert(after, cell)
                filled = {place + (place >= after) for place in filled}
                twin = after
            elif not edited(present[twin]) or STUB.search(present[twin].source):
                present[twin] = NotebookNode(cell | {"id": present[twin].id})
                filled.add(twin)
        after = after if twin is None else twin + 1


def _twin(cell: NotebookNode, others: list[NotebookNode]) -> int | None:
    """The place of the cell that has the same id or text, or else defines the same names."""
    same = [
        place
        for place, other in enumerate(others)
        if cell.get("id") == other.id or cell.source == other.source
    ]
    common = {place: len(defined(cell) & defined(other)) for place, other in enumerate(others)}
    likely = sorted(filter(common.get, common), key=lambda place: common[place], reverse=True)
    return next(iter(same + likely), None)


def defined(cell: NotebookNode) -> set[str]:
    """The names that a code cell gives to functions, classes and values; it need not be correct Python."""
    if cell.cell_type != "code":
        return set()
    return {name for names in DEFINED.findall(cell.source) for name in names if name}
