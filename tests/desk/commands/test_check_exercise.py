"""python manage.py check_exercise."""

from __future__ import annotations

import inspect
from pathlib import Path

import nbformat
import pytest
from django.core.management import CommandError, call_command
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook, new_output

from tutorial_project.classroom.kernel import watch_cells
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


SHOWS_DONE = f"class Verdict:\n    __repr__ = lambda self: {DONE!r}\n\nVerdict()"
LETS_AWAITS_BE_INTERRUPTED = f"""
from importlib.util import module_from_spec, spec_from_file_location
spec = spec_from_file_location("notebook", {inspect.getsourcefile(watch_cells)!r})
notebook = module_from_spec(spec)
spec.loader.exec_module(notebook)  # without the packages above it, which take their time
notebook.watch_cells()
"""
AWAITS_FOR_EVER = "import asyncio\nawait asyncio.Event().wait()"


@pytest.mark.parametrize("hangs", [AWAITS_FOR_EVER, "while True:\n    pass"], ids=["awaits", "loops"])
def test_a_cell_that_does_not_end_is_named_and_the_tasks_below_it_are_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hangs: str
) -> None:
    class Client(headless.NotebookClient):
        """Waits long for every cell but the one that hangs, so that a busy machine makes no difference."""

        async def async_execute_cell(self, cell: NotebookNode, *arguments, **options) -> NotebookNode:
            self.timeout = 1 if cell.source == hangs else 120
            monkeypatch.setattr(headless, "CELL_LIMIT", self.timeout)
            return await super().async_execute_cell(cell, *arguments, **options)

    monkeypatch.setattr(headless, "PATIENCE", 120)
    monkeypatch.setattr(headless, "NotebookClient", Client)
    file = tmp_path / "endless.ipynb"
    write_notebook(file, LETS_AWAITS_BE_INTERRUPTED, hangs, SHOWS_DONE)
    found = check_notebook(file)
    assert found.errors == [
        f"Code cell 2, which begins  {hangs.splitlines()[0]}\n  was interrupted after 120 seconds."
    ]
    assert found.state("hello") == "done"


def test_a_cell_that_cannot_be_interrupted_is_named_and_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(headless, "CELL_LIMIT", 1)
    monkeypatch.setattr(headless, "PATIENCE", 1)
    file = tmp_path / "endless.ipynb"
    write_notebook(file, AWAITS_FOR_EVER, "raise ValueError")
    assert check_notebook(file).errors == [
        "Code cell 1, which begins  import asyncio\n"
        "  did not end within 1 seconds. The cells below it were not run."
    ]


def test_a_cell_that_ends_the_kernel_is_named(tmp_path: Path) -> None:
    file = tmp_path / "ends.ipynb"
    write_notebook(file, SHOWS_DONE, "import os\nos._exit(1)")
    found = check_notebook(file)
    assert found.errors == [
        "Code cell 2, which begins  import os\n  ended the kernel. The cells below it were not run."
    ]
    assert found.state("hello") == "done"


async def executes_nothing(client: object) -> None:
    """Leaves a notebook as it is."""


def test_a_verdict_that_the_notebook_shows_from_before_does_not_count(tmp_path: Path, monkeypatch) -> None:
    file = tmp_path / "edited.ipynb"
    cell = new_code_cell("print('no check any more')", outputs=[shows(DONE)], id="edited")
    nbformat.write(new_notebook(cells=[cell]), file)
    monkeypatch.setattr(headless.NotebookClient, "async_execute", executes_nothing)
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


def test_a_broken_notebook_says_what_to_do_and_the_others_are_checked(
    learner: Path, monkeypatch, capsys
) -> None:
    (learner / "exercises" / "01_hello.ipynb").write_text('{"cells": [')
    write_notebook(learner / "exercises" / "02_both.ipynb", SHOWS_DONE)
    with pytest.raises(SystemExit):
        call_command("check_exercise", "--all")
    printed = capsys.readouterr().out
    assert "exercises/01_hello.ipynb is not a notebook any more" in printed
    assert "python manage.py reset 01" in printed
    assert "1 of 3 tasks done" in printed


@pytest.mark.parametrize("names", [["42"], []])
def test_what_is_no_exercise_is_answered_with_those_there_are(learner: Path, names: list[str]) -> None:
    with pytest.raises(CommandError, match="There are: 01_hello, 02_both"):
        call_command("check_exercise", *names)


def test_an_exercise_that_cannot_run_here_says_why_and_fails_only_who_named_it(
    learner: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    (learner / "lessons" / "02_both" / "lesson.md").write_text("---\nrequires: django>=99\n---\n\n# Both\n")
    write_notebook(learner / "exercises" / "01_hello.ipynb")
    monkeypatch.setattr(check_exercise, "check_notebook", lambda file: Findings({"hello": DONE}))
    call_command("check_exercise", "--all")
    printed = capsys.readouterr().out
    assert "This lesson needs Django 99 or newer" in printed
    assert "1 of 1 task done." in printed
    with pytest.raises(SystemExit):
        call_command("check_exercise", "2")
    assert "0 of 2 tasks done." in capsys.readouterr().out
