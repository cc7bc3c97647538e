"""Answers that do not finish, and answers that would end the process, are judged like any other."""

from __future__ import annotations

import asyncio
import logging
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from types import SimpleNamespace
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.http import HttpResponse
from kernel import printed, run_cells

from tutorial_project.checks import NotStarted, Outcome, Task, Trial
from tutorial_project.checks import judge as judging
from tutorial_project.checks.judge import judge
from tutorial_project.checks.proofs.clock import held_clock
from tutorial_project.checks.verdict import NOT_TRIED, Verdict
from tutorial_project.checks.watchdog import STANDS_STILL, Interrupted, Watchdog

A_MOMENT = 0.05
"""Seconds: enough to get to the next line."""


class WatchdogOfTests(Watchdog):
    """The watchdog of the judge, for answers that say themselves when they hang: no test waits for a limit."""

    last: Watchdog

    def __enter__(self) -> Watchdog:
        WatchdogOfTests.last = super().__enter__()
        return WatchdogOfTests.last


@pytest.fixture(autouse=True)
def the_time_is_over_when_an_answer_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "Watchdog", WatchdogOfTests)
    monkeypatch.setattr(judging, "LIMIT", 60.0)
    monkeypatch.setattr(judging, "LATER_LIMIT", 60.0)


def hangs() -> None:
    WatchdogOfTests.last.deadline = time.monotonic() + A_MOMENT


def task_of(*proofs: Any) -> Task:
    task = Task("page", hints=("Why?",), praise="", routes=["page/"])
    for proof in proofs:
        task.requirement(proof.__name__.replace("_", " "))(proof)
    return task


async def answers(trial: Trial) -> None:
    (await trial.get("/page/")).expect(200)


async def answers_again(trial: Trial) -> None:
    tried.append("again")
    (await trial.get("/page/")).expect(200)


tried: list[str] = []


def judged(answer: Any, *proofs: Any) -> Verdict:
    async def judging() -> Verdict:
        verdict = await judge(task_of(*(proofs or (answers, answers_again))), answer)
        # What others do on this loop, and on the threads that they share, still works.
        assert await asyncio.to_thread(int) == await sync_to_async(int)() == 0
        return verdict

    tried.clear()
    return asyncio.run(judging())


# Hanging, and leaving the event loop free


async def goes_round(request: Any) -> HttpResponse:
    hangs()
    while True:
        await asyncio.sleep(0)


async def takes_a_lock_twice(request: Any) -> HttpResponse:
    hangs()
    lock = asyncio.Lock()
    async with lock:
        await lock.acquire()


async def waits_for_a_task(request: Any) -> HttpResponse:
    hangs()
    async with asyncio.TaskGroup() as group:
        group.create_task(nobody_fills(asyncio.Queue()))


async def nobody_fills(items: asyncio.Queue) -> None:
    await items.get()


async def catches_every_cancellation(request: Any) -> HttpResponse:
    hangs()
    while True:
        with suppress(BaseException):
            await asyncio.sleep(3600)


def blocks_its_thread(request: Any) -> HttpResponse:
    hangs()
    threading.Semaphore(0).acquire()


def computes_for_ever(request: Any) -> HttpResponse:
    hangs()
    while True:
        pass


async def waits_for_a_thread(request: Any) -> HttpResponse:
    await sync_to_async(blocks_its_thread)(request)


@pytest.mark.parametrize(
    ("answer", "doing", "at"),
    [
        (goes_round, "running", "`await asyncio.sleep(0)`, in `goes_round`"),
        (takes_a_lock_twice, "waiting", "`await lock.acquire()`, in `takes_a_lock_twice`"),
        (waits_for_a_task, "waiting", "`await items.get()`, in `nobody_fills`"),
        (catches_every_cancellation, "waiting", "`await asyncio.sleep(3600)`"),
        (
            blocks_its_thread,
            "waiting",
            "`threading.Semaphore(0).acquire()`, in `blocks_its_thread`, in a thread",
        ),
        (computes_for_ever, "running", "in `computes_for_ever`, in a thread"),
        (waits_for_a_thread, "waiting", "`await sync_to_async(blocks_its_thread)(request)`"),
    ],
)
def test_a_hanging_answer_is_told_the_line_it_hangs_at_and_no_cause(
    answer: Callable[..., Any], doing: str, at: str
) -> None:
    verdict = judged(answer)
    assert verdict.evidence["got"] == f"it did not finish within 60 seconds: it was still {doing}"
    assert at in verdict.evidence["at"]
    assert set(verdict.evidence) == {"sent", "expected", "got", "at"}


async def answers_and_leaves_the_loop_free(trial: Trial) -> None:
    await trial.leaves_the_loop_free("/page/")


def test_the_judge_may_block_where_an_answer_may_not_though_both_are_of_one_notebook() -> None:
    """This file holds the answer, and the code that awaits the judge, as a notebook does."""

    async def cell() -> Verdict:
        return await judge(task_of(answers_and_leaves_the_loop_free), blocks_its_thread)

    # Trap: asyncio.run() would wait for ever on what a judge that has raised leaves behind.
    with closing(asyncio.new_event_loop()) as loop:
        verdict = loop.run_until_complete(cell())
        loop.run_until_complete(loop.shutdown_default_executor())
    assert "`threading.Semaphore(0).acquire()`, in `blocks_its_thread`" in verdict.evidence["at"]


# Hanging, and blocking the event loop


async def takes_a_semaphore(request: Any) -> HttpResponse:
    hangs()
    threading.Semaphore(0).acquire()


async def waits_for_its_own_loop(request: Any) -> HttpResponse:
    hangs()
    asyncio.run_coroutine_threadsafe(asyncio.sleep(0), asyncio.get_running_loop()).result()


async def joins_a_thread(request: Any) -> HttpResponse:
    hangs()
    waits = threading.Thread(target=threading.Event().wait)
    waits.start()
    waits.join()


async def gets_from_a_queue(request: Any) -> HttpResponse:
    hangs()
    queue.Queue().get()


async def counts_for_ever(request: Any) -> HttpResponse:
    hangs()
    number = 0
    while True:
        number += 1


async def swallows_everything(request: Any) -> HttpResponse:
    hangs()
    while True:
        try:
            while True:
                with suppress(BaseException):
                    threading.Semaphore(0).acquire()
        except BaseException:
            continue


async def blocks_while_it_cleans_up(request: Any) -> HttpResponse:
    hangs()
    try:
        await asyncio.Event().wait()
    finally:
        threading.Semaphore(0).acquire()


@pytest.mark.parametrize(
    ("answer", "doing", "at"),
    [
        (takes_a_semaphore, "waiting", "`threading.Semaphore(0).acquire()`"),
        (waits_for_its_own_loop, "waiting", ".result()`"),
        (joins_a_thread, "waiting", "`waits.join()`"),
        (gets_from_a_queue, "waiting", "`queue.Queue().get()`"),
        (counts_for_ever, "running", "in `counts_for_ever`"),
        (swallows_everything, "waiting", "`threading.Semaphore(0).acquire()`"),
    ],
)
def test_an_answer_that_blocks_the_event_loop_for_ever_is_interrupted_and_told_its_line(
    answer: Callable[..., Any], doing: str, at: str
) -> None:
    verdict = judged(answer)
    assert f"it was still {doing}, and the event loop stood still" in verdict.evidence["got"]
    assert at in verdict.evidence["at"]
    assert "because" not in verdict.evidence


def test_an_answer_that_blocks_when_it_is_cancelled_ends() -> None:
    assert "`await asyncio.Event().wait()`" in judged(blocks_while_it_cleans_up).evidence["at"]


async def calls_back_what_blocks(request: Any) -> HttpResponse:
    hangs()
    asyncio.get_running_loop().call_soon(threading.Semaphore(0).acquire)
    await asyncio.sleep(0)
    return HttpResponse()


def test_a_callback_that_blocks_is_interrupted_though_no_line_of_the_answer_runs() -> None:
    verdict = judged(calls_back_what_blocks)
    assert "the event loop stood still" in verdict.evidence["got"]


class BlocksInItsFinalizer:
    def __del__(self) -> None:
        hangs()
        while True:
            pass


async def blocks_where_nothing_can_be_raised(request: Any) -> HttpResponse:
    BlocksInItsFinalizer()
    return HttpResponse()


def test_an_interrupt_where_python_cannot_raise_is_reported_to_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reported: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", reported.append)
    judged(blocks_where_nothing_can_be_raised)
    sys.unraisablehook(
        SimpleNamespace(exc_type=Interrupted)
    )  # a thread that slept in C wakes after the check
    assert not reported


async def answers_at_once(request: Any) -> HttpResponse:
    return HttpResponse()


def test_what_else_python_cannot_raise_is_reported_once_after_many_checks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reported: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", reported.append)
    judged(answers_at_once)
    hook = sys.unraisablehook
    judged(answers_at_once)
    assert sys.unraisablehook is hook
    hook(other := SimpleNamespace(exc_type=ValueError))
    assert reported == [other]


async def all_fifty(trial: Trial) -> None:
    await trial.together(*["/page/"] * 50)


# An interrupt may hit Django between a call and its await.
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
def test_fifty_requests_that_block_one_after_another_are_all_interrupted() -> None:
    assert "the event loop stood still" in judged(takes_a_semaphore, all_fifty).evidence["got"]


async def holds_the_clock(trial: Trial) -> None:
    with held_clock():
        await trial.get("/page/")


@pytest.mark.parametrize("answer", [waits_for_a_task, catches_every_cancellation, takes_a_semaphore])
def test_an_answer_that_hangs_while_the_check_holds_the_clock_of_the_loop_ends(
    answer: Callable[..., Any],
) -> None:
    assert "it did not finish" in judged(answer, holds_the_clock).evidence["got"]


# After the first requirement that hangs


def test_after_a_hang_nothing_else_is_tried_and_the_verdict_says_so() -> None:
    verdict = judged(goes_round)
    assert tried == []
    assert verdict.results[1].refusal is NOT_TRIED
    assert "  · answers again (not tried)" in verdict.text.splitlines()


async def refuses(trial: Trial) -> None:
    (await trial.get("/page/")).expect(404)


async def takes_its_time(trial: Trial) -> None:
    await asyncio.Event().wait()  # no answer does: the check itself


async def right(request: Any) -> HttpResponse:
    return HttpResponse()


def test_a_refused_answer_is_not_tried_for_longer_than_a_hanging_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "REFUSED_LIMIT", 0.1)
    verdict = judged(right, refuses, takes_its_time, answers_again)
    assert [result.refusal is NOT_TRIED for result in verdict.results] == [False, True, True]
    assert tried == []


async def two_requests(trial: Trial) -> None:
    for _ in range(2):
        await trial.get("/page/")
        deadlines.append(WatchdogOfTests.last.deadline)


deadlines: list[float] = []


def test_each_sign_of_life_moves_the_deadline() -> None:
    assert judged(right, two_requests).state == "done"
    assert deadlines[0] < deadlines[1]


def test_a_hang_costs_less_than_six_seconds_whatever_the_limit_of_the_task(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.undo()
    assert judging.LIMIT + judging.GRACE + STANDS_STILL < 6
    assert judging.REFUSED_LIMIT < 6

    async def first(trial: Trial) -> None:
        left.append(WatchdogOfTests.last.deadline - time.monotonic())

    left: list[float] = []
    monkeypatch.setattr(judging, "Watchdog", WatchdogOfTests)
    judged(right, first)
    assert left[0] <= judging.LIMIT


# Ending the process


async def exits(request: Any) -> HttpResponse:
    sys.exit(3)


def exits_in_its_thread(request: Any) -> HttpResponse:
    sys.exit(3)


async def exits_in_another_thread(request: Any) -> HttpResponse:
    await asyncio.to_thread(sys.exit, 3)


async def exits_in_a_task(request: Any) -> HttpResponse:
    await asyncio.create_task(exits(request))


async def interrupts(request: Any) -> HttpResponse:
    raise KeyboardInterrupt


async def ends_a_generator(request: Any) -> HttpResponse:
    raise GeneratorExit


class Own(BaseException):
    pass


async def raises_its_own(request: Any) -> HttpResponse:
    raise Own("of the worst kind")


async def cancels_itself(request: Any) -> HttpResponse:
    asyncio.current_task().cancel()
    await asyncio.sleep(1)


@pytest.mark.parametrize(
    ("answer", "got"),
    [
        (exits, "SystemExit: 3"),
        (exits_in_its_thread, "SystemExit: 3"),
        (exits_in_another_thread, "SystemExit: 3"),
        (exits_in_a_task, "SystemExit: 3"),
        (interrupts, "KeyboardInterrupt"),
        (ends_a_generator, "GeneratorExit"),
        (raises_its_own, "Own: of the worst kind"),
        (cancels_itself, "CancelledError"),
    ],
)
def test_whatever_an_answer_raises_is_a_verdict(answer: Callable[..., Any], got: str) -> None:
    verdict = judged(answer)
    assert verdict.evidence["got"] == got
    assert [result.refusal is None for result in verdict.results] == [False, False]


async def leaves_a_task_that_exits(request: Any) -> HttpResponse:
    background.add(asyncio.create_task(exits(request)))
    await asyncio.sleep(0)
    return HttpResponse()


async def leaves_a_callback_that_exits(request: Any) -> HttpResponse:
    asyncio.get_running_loop().call_soon(sys.exit, 3)
    await asyncio.sleep(0)
    return HttpResponse()


background: set[asyncio.Task[Any]] = set()


@pytest.mark.parametrize("answer", [leaves_a_task_that_exits, leaves_a_callback_that_exits])
def test_an_exit_that_the_answer_left_behind_is_a_verdict_too(answer: Callable[..., Any]) -> None:
    assert "SystemExit: 3, in a task or a callback" in judged(answer).evidence["got"]


# What is left


def test_the_handlers_and_the_steps_of_the_loop_are_afterwards_as_before(caplog: Any) -> None:
    def state() -> tuple[Any, ...]:
        numbers = (signal.SIGUSR2, signal.SIGINT)
        return (*map(signal.getsignal, numbers), asyncio.Handle._run, threading.main_thread().daemon)

    before = state()
    for answer in (right, takes_a_semaphore, exits):
        with caplog.at_level(logging.ERROR, logger="asyncio"):
            judged(answer)
        assert state() == before
    assert caplog.messages == []


@pytest.mark.parametrize(
    "answer", [goes_round, catches_every_cancellation, waits_for_a_task, takes_a_semaphore]
)
def test_a_hanging_answer_leaves_no_task_behind(answer: Callable[..., Any]) -> None:
    async def left() -> set[asyncio.Task[Any]]:
        before = asyncio.all_tasks()
        await judge(task_of(answers), answer)
        return asyncio.all_tasks() - before

    assert asyncio.run(left()) == set()


async def the_first_half(trial: Trial) -> None:
    (await trial.get("/page/")).expect(200)


async def the_second_half(trial: Trial) -> None:
    (await trial.post("/page/")).expect(201)


async def half_done(request: Any) -> HttpResponse:
    if request.method == "GET":
        return HttpResponse()
    raise NotImplementedError


def test_a_stub_is_not_started_only_where_the_first_requirement_meets_it() -> None:
    verdict = judged(half_done, the_first_half, the_second_half)
    assert (verdict.state, verdict.broken) == ("not yet", "the_second_half")
    assert verdict.evidence["because"] == "this part is still the stub"
    assert verdict.evidence["sent"] == "POST /page/"
    assert verdict.evidence["got"] == "NotImplementedError, in `half_done`"
    assert judged(half_done, the_second_half, the_first_half).state == "not started"


async def asks_what_django_leaves_open(request: Any) -> HttpResponse:
    from django.contrib.auth.backends import BaseBackend
    from django.core.cache.backends.base import BaseCache

    BaseCache({}).get(BaseBackend)


def test_a_NotImplementedError_of_somebody_else_is_no_stub() -> None:
    verdict = judged(asks_what_django_leaves_open)
    assert (verdict.state, verdict.evidence["got"].partition(":")[0]) == ("not yet", "NotImplementedError")


async def says_not_started(trial: Trial) -> None:
    raise NotStarted


async def keeps_every_error(trial: Trial) -> None:
    try:
        await trial.get("/page/")
    except Exception as error:
        Outcome("a call", error=error).expect(200)


def test_a_stub_stays_a_stub_in_a_check_that_keeps_every_error() -> None:
    assert judged(half_done, the_second_half).state == "not started"
    assert judged(lambda request: stub(), keeps_every_error).state == "not started"


def stub() -> None:
    raise NotImplementedError


def test_a_check_may_say_itself_that_an_answer_is_not_started() -> None:
    assert judged(right, says_not_started).state == "not started"


# In a kernel

OPEN = """
from tutorial_project.classroom import open_exercise
exercise = open_exercise("00_start_here")
import asyncio, signal, sys, threading
from django.http import JsonResponse
before = signal.getsignal(signal.SIGUSR2)
"""
ANSWER = "async def opening_hours(request):\n    {}"
CHECK = "await exercise.check(opening_hours)"
RIGHT = ANSWER.format('return JsonResponse({"opens": 9, "closes": 18})')


def test_the_kernel_goes_on_after_answers_that_block_it_and_that_exit() -> None:
    cells = [OPEN]
    for line in ("threading.Semaphore(0).acquire()", "await asyncio.Event().wait()", "sys.exit(1)"):
        cells += [ANSWER.format(line), CHECK]
    cells += [RIGHT, CHECK, "print(signal.getsignal(signal.SIGUSR2) == before)"]
    ran = run_cells(*cells, folder="exercises")
    assert "at         `threading.Semaphore(0).acquire()`, in `opening_hours`" in printed(ran[2])
    assert "at         `await asyncio.Event().wait()`, in `opening_hours`" in printed(ran[4])
    assert "got        SystemExit: 1" in printed(ran[6])
    assert "✓ opening_hours   done · 2 of 2" in printed(ran[8])
    assert printed(ran[9]) == "True\n"
    assert [
        output.ename for n in (2, 4, 6) for output in ran[n].outputs if output.output_type == "error"
    ] == ["AnswerRefused"] * 3
