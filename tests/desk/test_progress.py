"""The progress of a learner."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tutorial_project.desk.progress import Progress

NAME = "00_start_here"


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUTORIAL_PROGRESS", str(tmp_path / "progress"))


def test_progress_is_read_again_by_the_next_kernel() -> None:
    Progress(NAME).checked("opening_hours", "done")
    assert Progress(NAME).task("opening_hours")["state"] == "done"


def test_a_crash_while_writing_leaves_the_old_file_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    progress = Progress(NAME)
    progress.checked("opening_hours", "done")
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk is gone")))
    with pytest.raises(OSError, match="disk is gone"):
        progress.checked("lunch", "not yet")
    assert json.loads(progress.file.read_text())["tasks"].keys() == {"opening_hours"}


def test_a_damaged_file_is_kept_aside_and_named(capsys: Any) -> None:
    progress = Progress(NAME)
    progress.checked("opening_hours", "done")
    progress.file.write_text("{ half")
    assert Progress(NAME).tasks == {}
    assert progress.file.with_suffix(".damaged").read_text() == "{ half"
    assert "00_start_here.damaged" in capsys.readouterr().out


@pytest.mark.parametrize(
    "content",
    ["{ half", "[]", '{"tasks": []}', '{"tasks": {"lunch": 3}}', '{"tasks": {"lunch": {"state": "?"}}}'],
)
def test_whatever_is_no_progress_counts_as_damaged(content: str, capsys: Any) -> None:
    file = Progress(NAME).file
    file.parent.mkdir()
    file.write_text(content)
    assert Progress(NAME).tasks == {}
    assert file.with_suffix(".damaged").read_text() == content


def test_progress_of_two_exercises_adds_up_to_the_best_of_both() -> None:
    one, other = Progress("00_one"), Progress("00_other")
    one.checked("lunch", "not yet")
    one.checked("dinner", "done")
    for _ in range(2):
        other.checked("lunch", "done")
    other.hinted("dinner", 3)
    one.add(other)
    assert Progress("00_one").tasks == {
        "lunch": {"state": "done", "checks": 3, "hints": 0},
        "dinner": {"state": "done", "checks": 1, "hints": 1},
    }


def test_running_a_solution_is_no_progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    solutions = tmp_path / "solutions"
    solutions.mkdir()
    monkeypatch.chdir(solutions)
    Progress(NAME).checked("opening_hours", "done")
    assert not (tmp_path / "progress").exists()
