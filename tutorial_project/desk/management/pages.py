"""What lessons say besides their questions: headings with their text, rows of Traps, errors that were stored."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tutorial_project import paths

HEADING = re.compile(r"^#+ (.+)$")
ROW = re.compile(r"^\| (?P<symptom>.+?) \| (?P<cause>.+?) \| (?P<fix>.+?) \|$", re.MULTILINE)
WITHOUT_TEXT = {"Exercise", "Read on"}


@dataclass(frozen=True)
class Page:
    """A piece of a lesson that can be found by its words.

    Attributes:
        lesson: the name of its folder.
        notebook: where it is, from the root of the project.
        heading: that it stands under.
        title: the heading, or the symptom of a trap.
        errors: the errors that are stored under the heading.
        text: what is said there.
    """

    lesson: str
    notebook: str
    heading: str
    title: str
    errors: str
    text: str


def all_pages() -> list[Page]:
    """The pages of all built lessons; none of a notebook that cannot be read."""
    return [page for file in sorted(paths.NOTEBOOKS.glob("[0-9]*.ipynb")) for page in pages_of(file)]


def pages_of(file: Path) -> Iterator[Page]:
    """The headings and Traps rows of one built lesson."""
    lesson, notebook = file.stem, f"{file.parent.name}/{file.name}"
    for heading, (texts, errors) in _parts(file).items():
        text = "\n".join(texts)
        if heading == "Traps":
            for row in ROW.finditer(text):
                if not row["symptom"].startswith(("Symptom", "-")):
                    yield Page(lesson, notebook, heading, row["symptom"], "", f"{row['cause']}: {row['fix']}")
        elif heading not in WITHOUT_TEXT:
            yield Page(lesson, notebook, heading, heading, "\n".join(errors), text)


def _parts(file: Path) -> dict[str, tuple[list[str], list[str]]]:
    """Texts and errors under each heading."""
    parts: dict[str, tuple[list[str], list[str]]] = {}
    texts, errors = parts.setdefault("", ([], []))
    for cell in _cells(file):
        source = "".join(cell.get("source", []))
        for line in source.splitlines() if cell.get("cell_type") == "markdown" else ():
            if heading := HEADING.match(line):
                texts, errors = parts.setdefault(heading[1], ([], []))
            else:
                texts.append(line)
        if cell.get("cell_type") == "code":
            texts.append(source)
            errors += [
                f"{o.get('ename')}: {o.get('evalue')}" for o in cell.get("outputs", []) if "ename" in o
            ]
    del parts[""]
    return parts


def _cells(file: Path) -> list[dict[str, Any]]:
    try:
        return list(json.loads(file.read_text(encoding="utf-8"))["cells"])
    except (ValueError, KeyError, TypeError):
        return []
