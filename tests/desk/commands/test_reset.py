"""python manage.py reset."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import nbformat
import pytest
from django.core.management import CommandError, call_command

from tutorial_project import paths
from tutorial_project.desk.progress import Progress
from tutorial_project.paths import ROOT

from .conftest import write_notebook, write_progress


@pytest.fixture
def answered(learner: Path) -> Path:
    """The learner's notebook of 01_hello, with an answer in it and progress beside it."""
    file = learner / "exercises" / "01_hello.ipynb"
    write_notebook(file, "my = 'answer'")
    write_progress(learner, "01_hello", hello="done")
    return file


def test_the_fresh_notebook_has_the_gap_and_the_learners_is_kept(answered: Path) -> None:
    call_command("reset", "1", "--no-input")
    assert "raise NotImplementedError" in nbformat.read(answered, as_version=4).cells[-2].source
    assert "my = 'answer'" in answered.with_name("01_hello.before-reset-1.ipynb").read_text()


def test_progress_is_not_started_again_and_the_old_one_is_kept(answered: Path, learner: Path) -> None:
    call_command("reset", "1", "--no-input")
    assert Progress("01_hello").task("hello") == {"state": "not started", "checks": 0, "hints": 0}
    assert '"done"' in (learner / "progress" / "01_hello.before-reset-1.json").read_text()


def test_a_second_reset_leaves_the_first_copy_alone(answered: Path) -> None:
    call_command("reset", "1", "--no-input")
    call_command("reset", "1", "--no-input")
    assert "my = 'answer'" in answered.with_name("01_hello.before-reset-1.ipynb").read_text()
    assert answered.with_name("01_hello.before-reset-2.ipynb").is_file()


@pytest.mark.parametrize(
    "make", [Path.mkdir, lambda file: file.write_text("{"), lambda file: file.symlink_to("x")]
)
def test_whatever_stands_at_the_name_is_kept(learner: Path, make) -> None:
    file = learner / "exercises" / "01_hello.ipynb"
    make(file)
    call_command("reset", "1", "--no-input")
    assert "NotImplementedError" in file.read_text()
    assert os.path.lexists(file.with_name("01_hello.before-reset-1.ipynb"))


def test_a_place_that_cannot_be_written_is_a_sentence(
    answered: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "EXERCISES", answered / "no folder")
    with pytest.raises(CommandError, match=r"no folder: .*you may read and write it"):
        call_command("reset", "1", "--no-input")


@pytest.mark.parametrize(("reply", "replaced"), [("", False), ("n", False), ("y", True), ("Yes", True)])
def test_it_asks_first(answered: Path, monkeypatch: pytest.MonkeyPatch, reply: str, replaced: bool) -> None:
    monkeypatch.setattr("builtins.input", lambda question: reply)
    call_command("reset", "1")
    assert ("my = 'answer'" not in answered.read_text()) == replaced


def test_a_missing_notebook_is_made(learner: Path) -> None:
    call_command("reset", "1", "--no-input")
    assert (learner / "exercises" / "01_hello.ipynb").is_file()


def test_git_ignores_the_copies() -> None:
    names = ["exercises/01_hello.before-reset-1.ipynb", "progress/01_hello.before-reset-1.json"]
    ignored = subprocess.run(
        ["git", "check-ignore", "--no-index", *names], cwd=ROOT, capture_output=True, text=True
    )
    if ignored.returncode == 128:
        pytest.skip("2026-11-23: this copy of the project is no git checkout")
    assert ignored.stdout.split() == names
