"""Links inside the repository."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from urllib.parse import unquote

import build
import nbformat
import pytest
from project import ROOT

MAKERS = {
    "notebooks": build.lesson_notebook,
    "exercises": build.exercise_notebook,
    "solutions": build.solution_notebook,
}
PAGES = [(kind, folder.name) for kind in MAKERS for folder in build.lesson_folders()]
OUTSIDE = ("http://", "https://", "mailto:")


def links(text: str) -> list[str]:
    prose = re.sub(r"^```.*?^```|`[^`\n]*`", "", text, flags=re.DOTALL | re.MULTILINE)
    return [link for link in re.findall(r"\]\(([^)\s]+)\)", prose) if not link.startswith(OUTSIDE)]


@cache
def text_of(file: Path) -> str:
    """The Markdown of a page; of a built notebook, as its source says it."""
    if file.suffix != ".ipynb":
        return file.read_text(encoding="utf-8")
    lesson = build.LESSONS / file.stem
    notebook = MAKERS[file.parent.name](lesson) if lesson.is_dir() else nbformat.read(file, as_version=4)
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def anchors(file: Path) -> set[str]:
    """The anchors of headings, as JupyterLab makes them, from the text that shows, and as GitHub does."""
    headings = [heading.replace("`", "") for heading in re.findall(r"^#+ (.+)$", text_of(file), re.MULTILINE)]
    github = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    return {heading.replace(" ", "-") for heading in headings} | github


def broken(page: Path) -> list[str]:
    found = []
    for link in links(text_of(page)):
        target, _, anchor = unquote(link).partition("#")
        file = (page.parent / target).resolve() if target else page
        if not file.exists() or (anchor and file.is_file() and anchor not in anchors(file)):
            found.append(link)
    return found


@pytest.mark.parametrize(("kind", "lesson_name"), PAGES, ids=[f"{k}-{n}" for k, n in PAGES])
def test_every_link_in_a_notebook_resolves(kind: str, lesson_name: str) -> None:
    assert broken(ROOT / kind / f"{lesson_name}.ipynb") == []


@pytest.mark.parametrize("page", ["README.md", "deploy/README.md"])
def test_every_link_in_a_readme_resolves(page: str) -> None:
    assert broken(ROOT / page) == []


@pytest.mark.parametrize(("kind", "lesson_name"), PAGES, ids=[f"{k}-{n}" for k, n in PAGES])
def test_no_notebook_names_a_lesson_that_does_not_exist(kind: str, lesson_name: str) -> None:
    named = set(re.findall(r"\b[Ll]essons? (\d\d)\b", text_of(ROOT / kind / f"{lesson_name}.ipynb")))
    assert named <= {folder.name[:2] for folder in build.lesson_folders()}


def test_a_broken_link_and_a_broken_anchor_are_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Title\n[here](#title) [gone](missing.md) [no such place](page.md#nowhere)\n")
    assert broken(page) == ["missing.md", "page.md#nowhere"]
