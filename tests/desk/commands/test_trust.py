"""python manage.py trust."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from django.core.management import call_command
from nbformat.sign import NotebookNotary

from tutorial_project.desk.management.commands import trust

from .conftest import commit, git, write_notebook


@pytest.fixture
def notary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NotebookNotary:
    """What JupyterLab asks whether it may show an output; it has signed nothing yet."""
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))
    return NotebookNotary()


def trusted(notary: NotebookNotary, file: Path) -> bool:
    found: bool = notary.check_signature(nbformat.read(file, as_version=4))
    return found


def test_notebooks_as_they_came_are_trusted_and_no_edited_one(
    tutorial: Path, notary: NotebookNotary, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trust, "ROOT", tutorial)
    (tutorial / "notebooks").mkdir()
    lesson, edited = (tutorial / "notebooks" / f"{name}.ipynb" for name in ("01_first", "02_second"))
    write_notebook(lesson, "1 + 1")
    write_notebook(edited, "2 + 2")
    commit(tutorial, "Two lessons")
    write_notebook(edited, "3 + 3")
    call_command("trust")
    assert trusted(notary, lesson)
    assert not trusted(notary, edited)
    assert git(tutorial, "status", "--porcelain").split() == ["M", "notebooks/02_second.ipynb"]


def test_where_git_cannot_tell_nothing_is_trusted_and_nothing_fails(
    tmp_path: Path, notary: NotebookNotary, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trust, "ROOT", tmp_path)
    (tmp_path / "notebooks").mkdir()
    write_notebook(file := tmp_path / "notebooks" / "01_first.ipynb", "1 + 1")
    call_command("trust")
    assert not trusted(notary, file)
