"""A run on a second Python leaves out what the first one has proven for both, and nothing else."""

from __future__ import annotations

import subprocess
import sys

import pytest
from another_python import NOT_ON_EVERY_PYTHON, OPTION, is_proven_once
from project import ROOT


@pytest.mark.parametrize(
    "nodeid",
    [
        "tests/adversaries/test_adversaries.py::test_an_adversary[03_waiting_together-dashboard-replay]",
        "tests/browser/test_site.py::test_axe_finds_nothing_serious[dark]",
        "tests/test_exercises.py::test_a_wrong_answer_is_refused_by_the_requirement_it_breaks[03_waiting_together-a]",
    ],
)
def test_what_every_python_does_alike_is_proven_once(nodeid: str) -> None:
    assert is_proven_once(nodeid)


@pytest.mark.parametrize(
    "nodeid",
    [
        "notebooks/03_waiting_together.ipynb::Cell 1",
        "notebooks/03_waiting_together.ipynb::Cell 1 again",
        "tests/test_exercises.py::test_the_solution_is_done[03_waiting_together-dashboard]",
        "tests/desk/commands/test_update.py::test_an_answer_survives",
        *(
            f"tests/adversaries/test_adversaries.py::test_an_adversary[{name}-a]"
            for name in NOT_ON_EVERY_PYTHON
        ),
        *(
            f"tests/test_exercises.py::test_a_wrong_answer_is_refused[{name}-a]"
            for name in NOT_ON_EVERY_PYTHON
        ),
    ],
)
def test_what_python_or_django_decides_is_proven_on_both(nodeid: str) -> None:
    assert not is_proven_once(nodeid)


def test_there_is_a_lesson_that_only_the_second_python_runs() -> None:
    assert NOT_ON_EVERY_PYTHON


def test_a_run_counts_what_it_leaves_out() -> None:
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-n0", OPTION, "tests/repository"]
    collected = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    left = [line for line in collected.splitlines() if "::" in line]
    assert left
    assert not any(map(is_proven_once, left))
    assert "deselected" in collected
