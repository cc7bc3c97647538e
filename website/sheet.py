"""One sheet to print: the beginning of every lesson, and its traps."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import build as lessons

IN_SHORT = re.compile(r"^## In short\n(.*?)(?=^## |^\*\*What you'll build)", re.DOTALL | re.MULTILINE)
TRAPS = re.compile(r"^## Traps\n(.*?)(?=^## )", re.DOTALL | re.MULTILINE)
CELL = re.compile(r"^```\{code-cell\}[^\n]*\n(?::[^\n]*\n)*", re.MULTILINE)
PLUMBING = re.compile(
    r"^```\{code-cell\}[^\n]*\n(?:(?!^```$).)*open_lesson\(.*?^```\n", re.DOTALL | re.MULTILINE
)
HEADING = re.compile(r"\]\(#([^)]+)\)")
LESSON = re.compile(r"\]\((\d\d_\w+\.ipynb)")


def sheet(folders: Iterable[Path]) -> str:
    """The page, as Markdown: of each lesson what stands under "In short" and "Traps".

    Args:
        folders: of the lessons, in order.
    """
    parts = [
        "# On one sheet",
        "What each lesson comes to, to print or to search. The titles lead to what shows why.",
    ]
    for folder in folders:
        text = (folder / "lesson.md").read_text(encoding="utf-8")
        found = [part[1].strip() for part in (IN_SHORT.search(text), TRAPS.search(text)) if part]
        if found:
            title = f"## [{folder.name[:2]} · {lessons.title_in(folder)}](notebooks/{folder.name}.ipynb)"
            parts += [title, *(_for_paper(part, folder.name) for part in found)]
    return "\n\n".join(parts) + "\n"


def _for_paper(text: str, lesson: str) -> str:
    text = CELL.sub("```python\n", PLUMBING.sub("", text))
    text = HEADING.sub(rf"](notebooks/{lesson}.ipynb#\1)", text)
    return LESSON.sub(r"](notebooks/\1", text)
