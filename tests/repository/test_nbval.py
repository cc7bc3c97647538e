"""nbval compares what it should: one notebook must pass, the others must fail."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook, new_output
from project import ROOT

PICTURE = "from IPython.display import HTML; HTML('<svg class=\"timeline\">{}</svg><pre>facts</pre>')"


def nbval(tmp_path: Path, *pairs: tuple[str, object]) -> str:
    """The closing line of pytest for a notebook whose cells have these sources and stored outputs; run twice."""
    cells = [new_code_cell(source, execution_count=1, outputs=[output]) for source, output in pairs]
    notebook = new_notebook(cells=cells)
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, tmp_path / "page.ipynb")
    options = [f"--rootdir={tmp_path}", f"--nbval-sanitize-with={ROOT / 'tests' / 'sanitize.cfg'}"]
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-n0",
            "-c",
            str(ROOT / "pyproject.toml"),
            "-p",
            "twice",
            *options,
            "page.ipynb",
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT / "tests")},
        capture_output=True,
        text=True,
    )
    return done.stdout.splitlines()[-1]


def result(text: str, **data: str) -> object:
    return new_output("execute_result", data={"text/plain": text, **data}, execution_count=1)


def picture(name: str, facts: str) -> object:
    html = f'<svg class="timeline">{name}</svg><pre>{facts}</pre>'
    return result("<IPython.core.display.HTML object>", **{"text/html": html})


def test_another_address_and_another_picture_of_the_same_facts_pass(tmp_path: Path) -> None:
    closing = nbval(
        tmp_path,
        ("object()", result("<object at 0x7f0000000000>")),
        (PICTURE.format("new"), picture("old", "facts")),
    )
    assert closing.startswith("4 passed")


def test_another_result_other_facts_and_a_warning_fail(tmp_path: Path) -> None:
    closing = nbval(
        tmp_path,
        ("1 + 1", result("3")),
        (PICTURE.format("new"), picture("new", "other facts")),
        ("import warnings; warnings.warn('beware'); 2", result("2")),
    )
    assert closing.startswith("6 failed")


def test_a_cell_that_shows_something_else_when_it_is_run_again_fails(tmp_path: Path) -> None:
    closing = nbval(
        tmp_path,
        ("runs = globals().get('runs', 0) + 1; runs", result("1")),
        ("'the same'", result("'the same'")),
    )
    assert closing.startswith("1 failed, 3 passed")
