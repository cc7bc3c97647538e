"""A learner's notebook file, which may be broken, and the cells of it in which they wrote."""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path

import nbformat
from nbformat import NotebookNode


class NotANotebook(ValueError):
    """JupyterLab cannot open a file; the message names it, and says what to do."""


def read_notebook(file: Path) -> NotebookNode:
    """Read a notebook of any version as one of version 4.

    Raises:
        NotANotebook: when the file is none, for example because it was saved half.
    """
    notebook = parsed(file.read_bytes())
    if notebook is None:
        name = f"{file.parent.name}/{file.name}"
        raise NotANotebook("\n".join([f"{name} is not a notebook any more.", *remedies(file)]))
    return notebook


def parsed(content: bytes) -> NotebookNode | None:
    """The notebook that a file with this content holds; None when it holds none."""
    with warnings.catch_warnings(action="ignore"):
        try:
            notebook = nbformat.reader.reads(content.decode("utf-8"))
            nbformat.validate(notebook)
            return nbformat.convert(notebook, 4)
        except Exception:
            # Trap: on JSON that is no notebook nbformat raises whatever comes, from KeyError to RecursionError.
            return None


def remedies(file: Path) -> list[str]:
    """What to do about a file that is no notebook any more, one sentence a line, the best first."""
    kind, copy = file.parent.name, file.parent / ".ipynb_checkpoints" / f"{file.stem}-checkpoint.ipynb"
    sentences = []
    if copy.is_file() and parsed(copy.read_bytes()) is not None:
        sentences.append(f"JupyterLab kept a copy: put {kind}/.ipynb_checkpoints/{copy.name} in its place.")
    if not (file.parent.parent / "lessons" / file.stem / "lesson.md").is_file():
        sentences.append("There is no lesson of this name: if you do not need the file, delete it.")
    elif kind == "exercises":
        sentences.append(f"A fresh one:  python manage.py reset {file.stem[:2]}  (keeps this file too).")
    else:
        sentences.append("A fresh one: give this file another name, then run  make update.")
    return [f"  {sentence}" for sentence in sentences]


def original_id(cell: NotebookNode) -> str:
    """The id that a cell has when it is built: it comes from the text, so it tells of an edit."""
    return hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:12]


def edited(cell: NotebookNode) -> bool:
    """Whether a cell of a built notebook was written in since, or added."""
    # A second cell of the same text has the id of the first with "-2".
    return cell.get("id", "").partition("-")[0] != original_id(cell)
