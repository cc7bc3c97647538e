"""A built notebook as a page of the site."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell

from tutorial_project.classroom.requirement import needed

LINK = re.compile(r"\]\((?!https?://|mailto:)([^)#\s]*)(#[^)\s]*)?\)")
CODE = re.compile(r"(```.*?```|`[^`\n]*`)", re.DOTALL)
NOTES = {
    "notebooks": "",
    "exercises": "You do this exercise in JupyterLab, where its checks answer: `make lab`, then open `exercises/{name}.ipynb`.",
    "solutions": "This is a solved [exercise](../exercises/{name}.ipynb), with what its checks said. Try it yourself first.",
}
"""What the reader is told below the title of a page."""


def page(notebook: NotebookNode, kind: str, name: str) -> NotebookNode:
    """Change a notebook, in place, into what Sphinx can read.

    Args:
        notebook: with its stored outputs.
        kind: the folder it is from, a key of `NOTES`.
        name: of its lesson.
    """
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = with_site_links(cell.source)
        if cell.metadata.get("jupyter", {}).get("source_hidden"):
            cell.metadata.setdefault("tags", []).append("hide-input")
        for output in cell.get("outputs", []):
            _without_live_page(output)
    notes = [NOTES[kind].format(name=name)]
    if requirement := notebook.metadata.get("lesson", {}).get("requires"):
        notes.append(f"It needs {needed(requirement)}.")
    if note := " ".join(filter(None, notes)):
        _insert_below_title(notebook, note)
    return notebook


def with_site_links(text: str) -> str:
    """The links of a Markdown text as the site has them; code in it is left alone."""
    parts = CODE.split(text)
    parts[::2] = (LINK.sub(_site_link, part) for part in parts[::2])
    return "".join(parts)


def _site_link(match: re.Match[str]) -> str:
    target, anchor = match[1], match[2] or ""
    target = re.sub(r"README\.md$", "index.md", target)
    target = re.sub(r"\.py$", ".md", target)
    return f"]({target}{slug(anchor)})"


def slug(anchor: str) -> str:
    """An anchor as the site writes it, from one as JupyterLab or GitHub writes it."""
    return re.sub(r"[^\w\-#]", "", unquote(anchor)).lower()


def linked_modules(notebook: NotebookNode, folder: Path) -> set[Path]:
    """The Python files that a notebook in this folder links to."""
    texts = (cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    links = (link for text in texts for link, _ in LINK.findall(text))
    return {(folder / link).resolve() for link in links if link.endswith(".py")}


def _without_live_page(output: NotebookNode) -> None:
    # Trap: a page that a kernel served is gone, and the browser would ask for it all the same.
    if "<iframe" in output.get("data", {}).get("text/html", ""):
        output.data = NotebookNode({"text/markdown": "*In JupyterLab, the live page shows here.*"})


def _insert_below_title(notebook: NotebookNode, note: str) -> None:
    first = notebook.cells[0]
    title, _, rest = first.source.partition("\n")
    first.source = title
    notebook.cells[1:1] = [
        new_markdown_cell(text) for text in (f"```{{note}}\n{note}\n```", rest.strip()) if text
    ]
