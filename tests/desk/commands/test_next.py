"""python manage.py next."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.management import call_command

from tutorial_project import paths

from .conftest import write_progress


def named(capsys: pytest.CaptureFixture[str]) -> str:
    call_command("next")
    return capsys.readouterr().out.strip()


def test_who_has_begun_nothing_begins_with_the_first_lesson(learner: Path, capsys) -> None:
    assert named(capsys) == "notebooks/01_hello.ipynb"


def test_an_exercise_that_was_begun_is_gone_on_with(learner: Path, capsys) -> None:
    write_progress(learner, "01_hello", hello="done")
    write_progress(learner, "02_both", hello="done", farewell="not yet")
    assert named(capsys) == "exercises/02_both.ipynb"


def test_after_an_exercise_the_next_lesson_on_the_path_comes(learner: Path, capsys) -> None:
    file = paths.LESSONS / "02_both" / "lesson.md"
    file.write_text("---\npaths: live\n---\n\n# A lesson\n", encoding="utf-8")
    call_command("path", "live")
    capsys.readouterr()
    assert named(capsys) == "notebooks/02_both.ipynb"


def test_who_has_done_everything_comes_back_to_the_first_page(learner: Path, capsys) -> None:
    write_progress(learner, "01_hello", hello="done")
    write_progress(learner, "02_both", hello="done", farewell="done")
    assert named(capsys) == "exercises/01_hello.ipynb"
