"""python manage.py path."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from tutorial_project import paths
from tutorial_project.desk.front_matter import said_under
from tutorial_project.desk.learning_paths import EVERYTHING, PATHS, lessons_on

from .conftest import write_progress


def lie_on(folder: Path, lesson: str, said: str) -> None:
    file = folder / lesson / "lesson.md"
    file.write_text(f"---\npaths: {said}\n---\n\n# A lesson\n", encoding="utf-8")


def test_progress_names_what_comes_next_on_the_path_that_was_chosen(learner: Path, capsys) -> None:
    lie_on(paths.LESSONS, "02_both", "services, live")
    call_command("path", "live")
    assert "→ │ live" in " ".join(capsys.readouterr().out.split())
    call_command("progress")
    assert "Next on the path 'live': " in (printed := capsys.readouterr().out.replace("\n", ""))
    assert printed.endswith("exercises/02_both.ipynb")
    write_progress(learner, "02_both", hello="done", farewell="done")
    call_command("progress")
    assert "Everything on the path 'live' is done." in capsys.readouterr().out


def test_a_path_that_is_none_is_answered_with_those_there_are() -> None:
    with pytest.raises(CommandError, match="There are: services, asgi"):
        call_command("path", "sevrices")


def test_every_lesson_names_paths_that_there_are_and_every_path_has_lessons() -> None:
    said = {
        path
        for file in paths.LESSONS.glob("[0-9]*/lesson.md")
        for path in said_under("paths", file.read_text(encoding="utf-8"))
    }
    assert said == set(PATHS) - {EVERYTHING}
    assert all(lessons_on(path)[0] == lessons_on(EVERYTHING)[0] for path in PATHS)
