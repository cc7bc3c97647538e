"""How long a lesson takes, counted: nobody writes minutes by hand."""

from __future__ import annotations

import re
from dataclasses import dataclass

from nbformat import NotebookNode

WORD = 60 / 200
"""Seconds to read a word, 200 a minute: below the 238 that adults read of English non-fiction, as this is to be learnt
(M. Brysbaert, "How many words do we read per minute?", Journal of Memory and Language 109, 2019)."""
LINE, PREDICTION, RUN = 2.5, 30, 8
"""Seconds for a line of code, to think about a prediction, and to run a cell and look at what it shows: estimates,
nobody was measured."""
CORE_LIMIT = 30
"""Minutes that the core of a lesson may take."""

DEEPER = re.compile(r"^## Going deeper$", re.MULTILINE)
WORDS = re.compile(r"\w[\w'’.-]*")
TARGET = re.compile(r"\]\([^)]*\)")


@dataclass(frozen=True)
class ReadingTime:
    """Minutes for the core of a lesson, and for what stands below "Going deeper"."""

    core: int
    deeper: int


def reading_time(notebook: NotebookNode) -> ReadingTime:
    """Count how long it takes to read and run a lesson.

    Args:
        notebook: of the lesson; its outputs do not count.
    """
    core, deeper = 0.0, 0.0
    for cell in notebook.cells:
        before, heading, after = ("", "", cell.source) if deeper else _parted(cell)
        core += _seconds(cell.cell_type, before)
        deeper += _seconds(cell.cell_type, heading + after)
    return ReadingTime(round(core / 60), round(deeper / 60))


def _parted(cell: NotebookNode) -> tuple[str, str, str]:
    """What stands above "Going deeper", this heading, and what stands below."""
    place = DEEPER.search(cell.source) if cell.cell_type == "markdown" else None
    if place is None:
        return cell.source, "", ""
    return cell.source[: place.start()], place[0], cell.source[place.end() :]


def _seconds(kind: str, text: str) -> float:
    if not text.strip():
        return 0
    if kind == "code":
        return RUN + LINE * len([line for line in text.splitlines() if line.strip()])
    return WORD * len(WORDS.findall(TARGET.sub("]", text))) + PREDICTION * text.count("**Predict.**")
