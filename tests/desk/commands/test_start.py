"""python manage.py start, and the page that it writes."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.management import call_command

from tutorial_project import paths

from .conftest import write_progress


@pytest.fixture
def clone(learner: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A learner's folder that is the tutorial's own, as a clone is."""
    monkeypatch.setattr(paths, "ROOT", learner.resolve())
    return learner


def opened(capsys: pytest.CaptureFixture[str]) -> str:
    call_command("start")
    return capsys.readouterr().out.strip()


def test_who_has_begun_nothing_gets_the_first_lesson_and_no_page(clone: Path, capsys) -> None:
    assert opened(capsys) == "notebooks/01_hello.ipynb"
    assert not (clone / "progress" / "start.md").exists()


def test_who_has_begun_gets_a_page_that_says_what_is_done_and_what_comes_next(clone: Path, capsys) -> None:
    write_progress(clone, "01_hello", hello="done")
    write_progress(clone, "02_both", hello="done", farewell="not yet")
    page = clone / opened(capsys)
    lines = page.read_text(encoding="utf-8").splitlines()
    assert page == clone / "progress" / "start.md"
    assert "2 of 3 tasks done. Your path: Everything" in lines[2]
    assert lines[4] == "**Go on with [Exercise 02: A lesson](../exercises/02_both.ipynb)**"
    assert (
        "| 02 | [A lesson](../notebooks/02_both.ipynb) | [✓✗ 1 of 2](../exercises/02_both.ipynb) |" in lines
    )


def test_the_page_is_of_the_path_that_was_chosen(clone: Path, capsys) -> None:
    write_progress(clone, "01_hello", hello="done")
    (clone / "lessons" / "02_both" / "lesson.md").write_text("---\npaths: live\n---\n\n# Both\n")
    call_command("path", "live")
    capsys.readouterr()
    text = (clone / opened(capsys)).read_text(encoding="utf-8")
    assert "0 of 2 tasks done. Your path: I send live updates" in text
    assert "01_hello" not in text


def test_what_cannot_run_here_is_not_counted_and_says_what_it_needs(clone: Path, capsys) -> None:
    write_progress(clone, "01_hello", hello="done")
    (clone / "lessons" / "02_both" / "lesson.md").write_text("---\nrequires: django>=99\n---\n\n# Both\n")
    text = (clone / opened(capsys)).read_text(encoding="utf-8")
    assert "1 of 1 task done." in text
    assert "| needs Django 99" in text


def test_progress_that_lies_elsewhere_has_no_page_since_jupyter_could_not_open_it(
    learner: Path, capsys
) -> None:
    write_progress(learner, "01_hello", hello="done")
    assert opened(capsys) == "notebooks/02_both.ipynb"
