"""python manage.py progress."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from django.core.management import call_command

from tutorial_project.paths import ROOT

from .conftest import write_progress


def test_every_task_is_listed_with_its_state_checks_and_hints(learner: Path, capsys) -> None:
    write_progress(learner, "02_both", hello="done", farewell="not yet")
    call_command("progress")
    rows = [" ".join(line.replace("│", " ").split()) for line in capsys.readouterr().out.splitlines()]
    assert "01_hello hello ○ not started 0 0" in rows
    assert "02_both hello ✓ done 4 2" in rows
    assert "farewell ✗ not yet 4 2" in rows


def test_the_exercise_to_go_on_with_is_named(learner: Path, capsys) -> None:
    write_progress(learner, "01_hello", hello="done")
    call_command("progress")
    printed = capsys.readouterr().out.replace("\n", "")
    assert "1 of 3 tasks done. Next: " in printed
    assert printed.endswith("exercises/02_both.ipynb")


def test_it_works_where_no_database_was_ever_made(tmp_path: Path) -> None:
    database = tmp_path / "no" / "such" / "folder" / "db.sqlite3"
    env = {**os.environ, "DJANGO_SQLITE_PATH": str(database), "PYTHONIOENCODING": "utf-8"}
    env["DJANGO_SETTINGS_MODULE"] = "tutorial_project.settings"
    command = [sys.executable, "manage.py", "progress"]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, encoding="utf-8", check=True)
    assert "tasks done." in done.stdout
    assert done.stderr == ""


def test_what_cannot_run_here_says_what_it_needs_and_is_not_waited_for(learner: Path, capsys) -> None:
    (learner / "lessons" / "02_both" / "lesson.md").write_text("---\nrequires: django>=99\n---\n\n# Both\n")
    write_progress(learner, "01_hello", hello="done")
    call_command("progress")
    printed = capsys.readouterr().out
    assert printed.count("needs Django 99") == 2
    assert printed.strip().endswith("1 of 1 task done.")
