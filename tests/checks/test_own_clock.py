"""The clock of an answer stands still, and nobody else's does."""

from __future__ import annotations

import threading
import time
from types import ModuleType
from typing import Any

import pytest

from tutorial_project.checks.proofs.own_clock import own_clock

SOURCE = """
import time
from time import monotonic_ns, perf_counter as now

def by_its_module(between):
    started = time.monotonic()
    between()
    return time.monotonic() - started

def by_its_name(between):
    started = now()
    between()
    return now() - started

def in_nanoseconds(between):
    started = monotonic_ns()
    between()
    return (monotonic_ns() - started) / 10**9

def of_the_processor(between):
    started = time.process_time()
    between()
    return time.process_time() - started
"""


@pytest.fixture
def answers() -> ModuleType:
    module = ModuleType("answers_that_measure")
    exec(SOURCE, vars(module))
    return module


@pytest.mark.parametrize("name", ["by_its_module", "by_its_name", "in_nanoseconds"])
def test_an_answer_measures_what_the_proof_has_put_forward(answers: Any, name: str) -> None:
    answer = getattr(answers, name)
    with own_clock(answer) as clock:
        measured = answer(lambda: clock.forward(1.237))
    assert round(measured * 1000) == 1237
    assert clock.reads == 2


def test_so_does_one_in_a_thread_of_its_own(answers: Any) -> None:
    measured: list[float] = []
    with own_clock(answers.by_its_name) as clock:

        def run() -> None:
            measured.append(answers.by_its_name(lambda: clock.forward(2.5)))

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
    assert measured == [2.5]


def test_one_that_reads_another_clock_is_seen_not_to_read_it(answers: Any) -> None:
    with own_clock(answers.of_the_processor) as clock:
        assert answers.of_the_processor(lambda: clock.forward(5)) < 5
    assert clock.reads == 0


def test_others_read_what_they_always_do(answers: Any) -> None:
    before = time.monotonic()
    with own_clock(answers.by_its_name) as clock:
        clock.forward(1000)
        assert before <= time.monotonic() < before + 900


def test_afterwards_everything_is_as_it_was(answers: Any) -> None:
    with own_clock(answers.by_its_name):
        pass
    assert answers.now is time.perf_counter
    assert answers.by_its_name(lambda: None) > 0
    assert time.monotonic.__module__ == "time"
