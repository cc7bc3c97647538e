"""python manage.py check_exercise."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from django.core.management import CommandError, call_command
from nbformat.v4 import new_code_cell, new_notebook, new_output

from tutorial_project.desk.management import headless
from tutorial_project.desk.management.commands import check_exercise
from tutorial_project.desk.management.headless import Findings, check_notebook, read_findings

from .conftest import write_notebook

OPEN = """
from pathlib import Path
from tutorial_project.classroom import open_exercise
from tutorial_project import paths
paths.LESSONS = Path("../lessons").resolve()
exercise = open_exercise("02_both")
"""
DONE = "✓ hello   done · 1 of 1\n\n  ✓ returns hello"
REFUSED = "✗ farewell   not yet · 0 of 1\n\n  ✗ returns farewell"


def shows(text: str):
    return new_output("display_data", {"text/plain": text})


def raised(name: str, value: str, traceback: str = ""):
    return new_output("error", ename=name, evalue=value, traceback=traceback.splitlines())


def findings(*outputs, **metadata) -> Findings:
    cells = [
        new_code_cell("\nfirst_line()\nsecond()", outputs=[output], metadata=metadata) for output in outputs
    ]
    return read_findings(new_notebook(cells=cells))


def test_the_learners_notebook_is_run_with_the_real_checks_and_not_changed(learner: Path, capsys) -> None:
    file = learner / "exercises" / "02_both.ipynb"
    hello = "def hello():\n    return 'hello'"
    farewell = "async def farewell():\n    return 'good night'"
    write_notebook(file, OPEN, hello, "await exercise.check(hello)", "trips = 1 + seats", farewell,
                   "await exercise.check(farewell)")  # fmt: skip
    before = file.read_bytes()
    with pytest.raises(SystemExit) as stop:
        call_command("check_exercise", "2")
    printed = capsys.readouterr().out
    assert stop.value.code == 1
    assert "✓ hello   done · 1 of 1" in printed
    assert "✗ farewell   not yet · 0 of 1" in printed
    assert "got        good night" in printed
    assert "Code cell 4, which begins  trips = 1 + seats\n  raised NameError: name 'seats'" in printed
    assert "1 of 2 tasks done." in printed
    assert file.read_bytes() == before


def test_a_cell_that_does_not_end_is_named_and_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(headless, "CELL_LIMIT", 1)
    file = tmp_path / "endless.ipynb"
    write_notebook(file, "import asyncio\nawait asyncio.Event().wait()", "raise ValueError")
    assert check_notebook(file).errors == [
        "Code cell 1, which begins  import asyncio\n"
        "  did not end within 1 seconds. The cells below it were not run."
    ]


def test_a_verdict_that_the_notebook_shows_from_before_does_not_count(tmp_path: Path, monkeypatch) -> None:
    file = tmp_path / "edited.ipynb"
    cell = new_code_cell("print('no check any more')", outputs=[shows(DONE)], id="edited")
    nbformat.write(new_notebook(cells=[cell]), file)
    monkeypatch.setattr(headless.NotebookClient, "execute", lambda client: None)
    assert check_notebook(file).verdicts == {}


def test_a_refusal_is_read_from_its_verdict_and_not_from_the_error_below_it() -> None:
    found = findings(shows(REFUSED), raised("AnswerRefused", "✗ farewell not yet · 0 of 1: see above"))
    assert found == Findings({"farewell": REFUSED}, [])
    assert found.state("farewell") == "not yet"


def test_of_several_verdicts_on_a_task_the_last_counts() -> None:
    assert findings(shows("○ hello   not started\n\n  Fill the gap"), shows(DONE)).state("hello") == "done"


def test_an_error_before_the_check_is_reported_with_its_cell() -> None:
    assert findings(raised("NameError", "name 'seats' is not defined")).errors == [
        "Code cell 1, which begins  first_line()\n  raised NameError: name 'seats' is not defined"
    ]


def test_an_error_that_the_exercise_shows_on_purpose_is_none() -> None:
    assert findings(raised("ValueError", "as told"), tags=["raises-exception"]).errors == []


def test_a_task_that_no_cell_checked_says_so() -> None:
    assert check_exercise.report(Findings(), "hello").startswith("? hello   not checked")


@pytest.mark.parametrize("names", [["1"], ["01"], ["01_hello"], ["exercises/01_hello.ipynb"], ["--all"]])
def test_all_done_ends_well(learner: Path, monkeypatch: pytest.MonkeyPatch, capsys, names: list[str]) -> None:
    for name in ("01_hello", "02_both"):
        write_notebook(learner / "exercises" / f"{name}.ipynb")
    verdicts = {task: DONE.replace("hello", task) for task in ("hello", "farewell")}
    monkeypatch.setattr(check_exercise, "check_notebook", lambda file: Findings(verdicts))
    call_command("check_exercise", *names)
    assert ("3 of 3" if names == ["--all"] else "1 of 1") in capsys.readouterr().out


def test_a_missing_notebook_says_how_to_get_it_back(learner: Path, capsys) -> None:
    with pytest.raises(SystemExit):
        call_command("check_exercise", "01")
    assert "is missing. A fresh one:  python manage.py reset 01" in capsys.readouterr().out


def test_a_broken_notebook_says_how_to_get_a_fresh_one(learner: Path, capsys) -> None:
    (learner / "exercises" / "01_hello.ipynb").write_text('{"cells": [')
    with pytest.raises(SystemExit):
        call_command("check_exercise", "01")
    assert "01_hello.ipynb is not a notebook any more" in capsys.readouterr().out


@pytest.mark.parametrize("names", [["42"], []])
def test_what_is_no_exercise_is_answered_with_those_there_are(learner: Path, names: list[str]) -> None:
    with pytest.raises(CommandError, match="There are: 01_hello, 02_both"):
        call_command("check_exercise", *names)
