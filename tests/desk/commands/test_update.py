"""python manage.py update, with a tutorial's repository and a learner's clone of it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import nbformat
import pytest
from django.core.management import CommandError, call_command

from tutorial_project.desk.management import updating
from tutorial_project.desk.management.commands import update as update_command

from .conftest import write_notebook

STUBS = ["def first():\n    # Your code here\n    raise NotImplementedError", "await exercise.check(first)",
         "def second():\n    # Your code here\n    raise NotImplementedError", "await exercise.check(second)"]  # fmt: skip
ANSWER = "def first():\n    return 'my own answer'"


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True)


def commit(folder: Path, message: str) -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", message)


@pytest.fixture(autouse=True)
def author(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "An author")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "author@example.com")


@pytest.fixture
def tutorial(tmp_path: Path) -> Path:
    """The repository that learners clone, with one exercise."""
    folder = tmp_path / "tutorial"
    (folder / "exercises").mkdir(parents=True)
    write_notebook(folder / "exercises" / "01_first.ipynb", *STUBS)
    (folder / ".gitignore").write_text("progress/\n")
    git(folder, "init", "--quiet", "--initial-branch=main")
    commit(folder, "Lesson 01")
    return folder


@pytest.fixture
def clone(tutorial: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A learner's clone, in which task one is answered, run, and noted as done."""
    git(tmp_path, "clone", "--quiet", str(tutorial), "clone")
    folder = tmp_path / "clone"
    file = folder / "exercises" / "01_first.ipynb"
    notebook = nbformat.read(file, as_version=4)
    notebook.cells[0].update(source=ANSWER, execution_count=3)
    notebook.cells[1].update(
        execution_count=4, outputs=[nbformat.v4.new_output("stream", text="✓ first   done\n")]
    )
    notebook.metadata["language_info"] = {"name": "python", "version": "3.13.0"}
    nbformat.write(notebook, file)
    (folder / "progress").mkdir()
    (folder / "progress" / "01_first.json").write_text("{}")
    monkeypatch.setattr(update_command, "ROOT", folder)
    return folder


def sources(folder: Path, name: str = "01_first") -> list[str]:
    return [cell.source for cell in nbformat.read(folder / "exercises" / f"{name}.ipynb", as_version=4).cells]


def test_new_lessons_come_and_the_answer_stays(tutorial: Path, clone: Path) -> None:
    write_notebook(tutorial / "exercises" / "02_second.ipynb", *STUBS)
    commit(tutorial, "Lesson 02")
    call_command("update")
    assert sources(clone, "02_second") == STUBS
    assert sources(clone) == [ANSWER, *STUBS[1:]]
    assert (clone / "progress" / "01_first.json").read_text() == "{}"


def test_a_correction_of_another_cell_of_the_same_exercise_comes_beside_the_answer(
    tutorial: Path, clone: Path
) -> None:
    corrected = "def second(request):\n    # Your code here\n    raise NotImplementedError"
    write_notebook(tutorial / "exercises" / "01_first.ipynb", *STUBS[:2], corrected, STUBS[3])
    commit(tutorial, "Correct task two")
    call_command("update")
    assert sources(clone) == [ANSWER, STUBS[1], corrected, STUBS[3]]


def test_where_both_changed_the_cell_the_learners_stays(tutorial: Path, clone: Path) -> None:
    write_notebook(tutorial / "exercises" / "01_first.ipynb", STUBS[0].replace("code", "view"), *STUBS[1:])
    commit(tutorial, "Correct task one")
    call_command("update")
    assert sources(clone) == [ANSWER, *STUBS[1:]]


def test_a_second_update_still_keeps_the_answer(tutorial: Path, clone: Path) -> None:
    for number in (2, 3):
        write_notebook(tutorial / "exercises" / f"0{number}_next.ipynb", *STUBS)
        commit(tutorial, f"Lesson 0{number}")
        call_command("update")
    assert sources(clone, "03_next") == STUBS
    assert sources(clone)[0] == ANSWER


def test_a_notebook_that_a_merge_would_break_is_kept_as_it_was(clone: Path, monkeypatch, capsys) -> None:
    file = clone / "exercises" / "01_first.ipynb"
    monkeypatch.setattr(updating, "_pull", lambda *_: file.write_text('{"cells": ['))
    call_command("update")
    assert sources(clone)[0] == ANSWER
    assert "01_first.ipynb could not be merged: yours is kept as it was" in capsys.readouterr().out


def test_a_folder_without_git_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(update_command, "ROOT", tmp_path)
    with pytest.raises(CommandError, match="not cloned with git: clone the tutorial"):
        call_command("update")


def test_a_copy_inside_another_repository_leaves_that_one_alone(
    clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(update_command, "ROOT", clone / "exercises")
    with pytest.raises(CommandError, match="not cloned with git"):
        call_command("update")


def test_an_origin_out_of_reach_is_one_sentence(tutorial: Path, clone: Path) -> None:
    tutorial.rename(tutorial.with_name("away"))
    with pytest.raises(CommandError, match=r"git could not reach or merge .*: connect, then try again"):
        call_command("update")
    assert sources(clone)[0] == ANSWER


def test_a_branch_of_ones_own_is_told_to_go_back(clone: Path) -> None:
    git(clone, "switch", "--quiet", "--create", "mine")
    with pytest.raises(CommandError, match="there is no branch mine"):
        call_command("update")
