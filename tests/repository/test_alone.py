"""A busy machine makes nothing red, and hides nothing that is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import alone
import pytest

# Trap: Locust's plugin, which pytest would load, exchanges subprocess for one that waits for ever here.
ONLY_XDIST = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": "-p xdist.plugin"}
BESIDE_OTHERS = """
import os


def test_passes_alone():
    assert "PYTEST_XDIST_WORKER" not in os.environ
"""
NEVER = """

def test_never_passes():
    assert False
"""


def run_beside_others(folder: Path, tests: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_some.py").write_text(tests, encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    ours = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_XDIST")}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "alone", "--numprocesses=1"],
        env=ours | ONLY_XDIST | {"PYTHONPATH": str(Path(alone.__file__).parent)},
        cwd=folder,
        capture_output=True,
        text=True,
    )


def test_what_passes_alone_is_named_and_refutes_nothing(tmp_path: Path) -> None:
    run = run_beside_others(tmp_path, BESIDE_OTHERS)
    assert run.returncode == 0, run.stdout
    assert "asked once more alone: test_some.py::test_passes_alone" in run.stdout


def test_what_fails_alone_too_is_red(tmp_path: Path) -> None:
    run = run_beside_others(tmp_path, BESIDE_OTHERS + NEVER)
    assert run.returncode == pytest.ExitCode.TESTS_FAILED, run.stdout
    assert "1 failed, 1 passed" in run.stdout


def test_many_failures_are_red_at_once(tmp_path: Path) -> None:
    many = "".join(NEVER.replace("never", f"never_{number}") for number in range(alone.MOST + 1))
    run = run_beside_others(tmp_path, many)
    assert run.returncode == pytest.ExitCode.TESTS_FAILED
    assert "once more" not in run.stdout


def test_of_a_notebook_all_cells_are_asked_again() -> None:
    cells = ["notebooks/01_a.ipynb::Cell 3", "notebooks/01_a.ipynb::Cell 3 again", "tests/test_b.py::test_c"]
    assert alone.selected(cells) == ["notebooks/01_a.ipynb", "tests/test_b.py::test_c"]
