"""An answer that keeps the event loop from others is refused, wherever it does that, and only such an answer."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest
from django.http import HttpResponse

from tutorial_project.checks import Task, Trial
from tutorial_project.checks.general import LEAVES_THE_LOOP_FREE
from tutorial_project.checks.judge import judge
from tutorial_project.checks.verdict import Verdict

pytestmark = pytest.mark.usefixtures("the_machine_may_be_busy", "clients_start_soon")

TOO_LONG = 0.6
"""Seconds on a processor or asleep: more than one step may take."""


def judged(answer: Any, **arguments: Any) -> Verdict:
    task = Task("page", hints=("Why?",), praise="", routes=["page/"], **arguments)

    @task.requirement("answers with 200")
    async def answers(trial: Trial) -> None:
        (await trial.get("/page/")).expect(200)

    return asyncio.run(judge(task, answer))


def compute() -> int:
    until, number = time.thread_time() + TOO_LONG, 0
    while time.thread_time() < until:
        number += 1
    return number


def join_a_thread() -> None:
    thread = threading.Thread(target=time.sleep, args=(TOO_LONG,))
    thread.start()
    thread.join()


async def waits_for_a_thread_after_its_own_wait(request: Any) -> HttpResponse:
    await asyncio.sleep(0.01)
    join_a_thread()
    return HttpResponse()


async def computes(request: Any) -> HttpResponse:
    compute()
    await asyncio.sleep(0.01)
    return HttpResponse()


async def computes_on_a_thread(request: Any) -> HttpResponse:
    await asyncio.to_thread(compute)
    return HttpResponse()


def test_a_step_that_waits_is_refused_with_its_line() -> None:
    verdict = judged(waits_for_a_thread_after_its_own_wait)
    assert (verdict.state, verdict.broken) == ("not yet", "leaves_the_loop_free")
    assert LEAVES_THE_LOOP_FREE in verdict.text
    assert "waiting in `thread.join()`, in `join_a_thread`" in " ".join(verdict.text.split())


def test_a_step_that_computes_is_refused() -> None:
    verdict = judged(computes)
    assert verdict.broken == "leaves_the_loop_free"
    assert "computing in" in verdict.text


def test_what_a_thread_does_holds_nobody_up() -> None:
    assert judged(computes_on_a_thread).state == "done"


def test_a_task_may_excuse_it() -> None:
    excused = {"holder": "the answer is a command, and its process has nobody else to serve"}
    assert judged(waits_for_a_thread_after_its_own_wait, excused=excused).state == "done"
