"""Every task refuses every adversary, or says why it cannot."""

from __future__ import annotations

import functools
import gc
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from solved import TASKS, solution

from tutorial_project.checks import general

from .calls import around
from .checks import load_task
from .meeting import judged, rehearse
from .rehearsal import Rehearsal
from .table import ADVERSARIES, excuse

pytestmark = pytest.mark.usefixtures("the_machine_may_be_busy", "clients_start_soon")

TO_DO = Path(__file__).with_name("accepted.txt")
"""What may be accepted although nothing excuses it: lines go when a check tells the difference, and none may come."""

PATIENCE = general.PATIENCE
"""Seconds, a learner's: an answer that lets in one caller at a time uses up whatever patience there is."""

TIMED = ("holder", "one at a time")
"""Adversaries that take time, by which a busy machine may let a check refuse them that accepts them elsewhere."""


def to_do() -> set[str]:
    return set(TO_DO.read_text(encoding="utf-8").splitlines())


MEETINGS = [
    pytest.param(lesson, task, adversary, id=f"{lesson}-{task}-{adversary.replace(' ', '_')}")
    for lesson, task in TASKS
    for adversary in ADVERSARIES
]


@pytest.fixture(autouse=True)
def what_adversaries_leave() -> Iterator[None]:
    """Let calls that were broken off end quietly, in the test that made them."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="coroutine .* was never awaited")
        warnings.filterwarnings("ignore", category=ResourceWarning)
        yield
        gc.collect()


@functools.cache  # the proofs of a lesson run one after another, in one process
def rehearsal(lesson_name: str, task_name: str, database: Any) -> Rehearsal:
    task = load_task(lesson_name, task_name)
    return rehearse(task, solution(lesson_name, task_name), database.restore)


@pytest.mark.parametrize(("lesson_name", "task_name", "adversary"), MEETINGS)
def test_an_adversary_is_refused_or_excused(
    lesson_name: str, task_name: str, adversary: str, sample_database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = rehearsal(lesson_name, task_name, sample_database)
    task = load_task(lesson_name, task_name)
    listed = f"{lesson_name} {task_name}: {adversary}" in to_do()
    chosen = ADVERSARIES[adversary](heard)
    if not chosen.can_act(heard):
        return
    if adversary == "one at a time":
        monkeypatch.setattr(general, "PATIENCE", PATIENCE)
    adversarial = around(solution(lesson_name, task_name), chosen)
    found = judged(task, adversarial, sample_database.restore, until_held=adversary.startswith("holder"))
    reason = excuse(task.excused, adversary)
    if found.state == "done":
        assert reason or listed, f"accepted, and nothing excuses it\n{found.text}"
        assert not (reason and listed), f"excused: take it out of {TO_DO.name}"
    elif not adversary.startswith(TIMED):
        assert not reason, f"no excuse is needed any more: {reason}\n{found.text}"
        assert not listed, f"refused: take it out of {TO_DO.name}"


def test_every_excuse_names_an_adversary() -> None:
    excuses = {
        (lesson, name): excused
        for lesson, name in TASKS
        for excused in load_task(lesson, name).excused
        if not any(adversary.startswith(excused) for adversary in (*ADVERSARIES, "beside itself"))
    }
    assert excuses == {}


def test_every_line_of_the_list_names_a_meeting() -> None:
    meetings = {f"{lesson} {task}: {adversary}" for lesson, task in TASKS for adversary in ADVERSARIES}
    assert to_do() <= meetings
