"""The page of statements about async Django that stand in many texts, with what they are worth."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from sheet import HEADING, LESSON

TITLE = "Statements you will read elsewhere"
SECTION = re.compile(rf"^### {TITLE}\n(.*?)(?=^#{{1,3}} |\Z)", re.DOTALL | re.MULTILINE)


def statements(folders: Iterable[Path]) -> str:
    """The page, as Markdown: what a lesson says under this heading.

    Args:
        folders: of the lessons.

    Raises:
        LookupError: when no lesson has such a heading.
    """
    for folder in folders:
        if found := SECTION.search((folder / "lesson.md").read_text(encoding="utf-8")):
            return f"# {TITLE}\n\n{_on_the_site(found[1], folder.name)}"
    raise LookupError(f"No lesson has a heading {TITLE!r}: the site's page of this name is made from it.")


def _on_the_site(text: str, lesson: str) -> str:
    text = HEADING.sub(rf"](notebooks/{lesson}.ipynb#\1)", text)
    return LESSON.sub(r"](notebooks/\1", text).strip() + "\n"
