"""Files of a learner: put aside and never lost, written whole or not at all."""

from __future__ import annotations

import os
from itertools import count
from pathlib import Path


def set_aside(file: Path, event: str) -> Path:
    """Rename a file or folder to the first free `NAME.before-EVENT-1.ipynb`, `-2`, …; return the new name.

    Git ignores such names.
    """
    names = (file.with_name(f"{file.stem}.before-{event}-{number}{file.suffix}") for number in count(1))
    return file.rename(next(name for name in names if not os.path.lexists(name)))


def write_whole(file: Path, text: str) -> None:
    """Write a file so that it is never there half, and its folder where that is missing."""
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_suffix(".new")
    new.write_text(text, encoding="utf-8")
    os.replace(new, file)
