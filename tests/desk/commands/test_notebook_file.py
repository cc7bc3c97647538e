"""Notebook files that may be broken."""

from __future__ import annotations

import json
from pathlib import Path

import build
import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from tutorial_project.desk.management.notebook_file import NotANotebook, edited, parsed, read_notebook

from .conftest import write_notebook

GOOD = nbformat.writes(new_notebook(cells=[new_code_cell("1", id="one")]))
BROKEN = {
    "empty": b"",
    "half": GOOD[: len(GOOD) // 2].encode(),
    "other bytes": b"\xff\xfe" + GOOD.encode(),
    "marked by Windows": b"\xef\xbb\xbf" + GOOD.encode(),
    "other JSON": b"[1, 2]",
    "nothing in it": b"null",
    "without cells": b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}}',
    "of the future": GOOD.replace('"nbformat": 4', '"nbformat": 9').encode(),
    "too deep": b"[" * 100_000,
    "a cell that is none": GOOD.replace('"1"', "1").encode(),
    "in conflict": f"<<<<<<< HEAD\n{GOOD}=======\n{GOOD}>>>>>>> origin/main\n".encode(),
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_a_file_that_is_no_notebook_says_what_a_person_can_do(learner: Path, content: bytes) -> None:
    file = learner / "exercises" / "01_hello.ipynb"
    file.write_bytes(content)
    with pytest.raises(NotANotebook) as said:
        read_notebook(file)
    assert str(said.value).splitlines() == [
        "exercises/01_hello.ipynb is not a notebook any more.",
        "  A fresh one:  python manage.py reset 01  (keeps this file too).",
    ]


def test_a_copy_that_jupyterlab_kept_comes_first(learner: Path) -> None:
    file = learner / "exercises" / "01_hello.ipynb"
    file.write_text("{")
    copy = file.parent / ".ipynb_checkpoints" / "01_hello-checkpoint.ipynb"
    copy.parent.mkdir()
    write_notebook(copy, "1")
    with pytest.raises(NotANotebook) as said:
        read_notebook(file)
    assert "put exercises/.ipynb_checkpoints/01_hello-checkpoint.ipynb in its place" in str(said.value)
    assert str(said.value).index("checkpoint") < str(said.value).index("reset 01")


def test_a_copy_that_is_broken_as_well_is_not_named(learner: Path) -> None:
    file = learner / "exercises" / "01_hello.ipynb"
    copy = file.parent / ".ipynb_checkpoints" / "01_hello-checkpoint.ipynb"
    copy.parent.mkdir()
    for broken in (file, copy):
        broken.write_text("{")
    with pytest.raises(NotANotebook) as said:
        read_notebook(file)
    assert "checkpoint" not in str(said.value)


@pytest.mark.parametrize(
    ("name", "words"),
    [("notebooks/01_hello.ipynb", "run  make update"), ("exercises/mine.ipynb", "delete it")],
)
def test_what_reset_does_not_bring_back_has_a_remedy_of_its_own(learner: Path, name: str, words: str) -> None:
    (learner / name).parent.mkdir(exist_ok=True)
    (learner / name).write_text("{")
    with pytest.raises(NotANotebook, match=words) as said:
        read_notebook(learner / name)
    assert "reset" not in str(said.value)


def test_a_notebook_of_an_older_version_is_one() -> None:
    old = {"nbformat": 3, "nbformat_minor": 0, "metadata": {}}
    old["worksheets"] = [
        {"cells": [{"cell_type": "code", "input": "1", "language": "python", "outputs": []}]}
    ]
    assert parsed(json.dumps(old).encode()).cells[0].source == "1"


@pytest.mark.parametrize("lesson_name", [folder.name for folder in build.lesson_folders()])
def test_no_cell_of_a_built_exercise_looks_edited_until_it_is(lesson_name: str) -> None:
    for cell in build.exercise_notebook(build.LESSONS / lesson_name).cells:
        assert not edited(cell)
        cell.source += " "
        assert edited(cell)
