from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import inspect
import random
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NoReturn

from django.db import connections
from django.db.backends.signals import connection_created

from tutorial_project.checks import NotStarted, Outcome, Refusal, Task, Trial, run_without_a_loop
from tutorial_project.checks.known_errors import explain
from tutorial_project.checks.outcome import DidNotFinish, quoted
from tutorial_project.checks.own_code import OwnCode, frames_of_thread, shown_line
from tutorial_project.trips.models import Destination, Trip

from ..shared import exchange_names, new_destination, new_trip

cheapest_trip = Task(
    "cheapest_trip",
    hints=(
        "In a cell a loop runs in the thread that calls you. In which thread does none run?",
        "Put the query into an inner function, and let a thread of your own run it: way 3 of the lesson.",
        "`with ThreadPoolExecutor(max_workers=1) as pool: return pool.submit(query).result()`",
    ),
    praise="Right: the query runs where no event loop does, so it does not matter who calls. "
    "Inside async code it still holds the loop while it waits: there, await `sync_to_async(cheapest_trip)(…)`.",
)


CHEAPEST = "Fado, sardines and custard tarts"


ASYNCIO = asyncio.run, asyncio.Task
"""What packages such as nest_asyncio replace."""


DEADLOCK = 2.0
"""Seconds after which a call that blocks the only loop is given up."""


@cheapest_trip.requirement(
    f'returns `"{CHEAPEST}"` for `"Lisbon"` when a script calls it, and for every city what is cheapest at that moment'
)
async def works_in_a_script(trial: Trial) -> None:
    (await _in_a_script(trial, "Lisbon")).expect(CHEAPEST)
    await _expect_the_cheapest_of_a_new_city(trial, _in_a_script)


@cheapest_trip.requirement("returns the same when a cell calls it, where an event loop runs")
async def works_in_a_cell(trial: Trial) -> None:
    outcome = await _in_a_cell(trial, "Lisbon")
    if outcome.error is None:
        outcome.expect(CHEAPEST)
        await _expect_the_cheapest_of_a_new_city(trial, _in_a_cell)
        return
    _refuse_the_error(outcome, expected=CHEAPEST)


def _refuse_the_error(outcome: PlainCall, expected: str) -> NoReturn:
    because, _ = explain(outcome.error)
    # Not the steps that explain() knows: they say `await`, and the call of this answer has none.
    step = (
        "let a thread of your own do it, where no event loop runs: way 3 of the lesson" if because else None
    )
    raise Refusal(sent=outcome.sent, expected=expected, got=outcome.got, because=because, next=step)


async def _expect_the_cheapest_of_a_new_city(
    trial: Trial, call: Callable[[Trial, str], Awaitable[PlainCall]]
) -> None:
    city = await new_destination()
    others = [await new_destination(name) for name in (f"New {city.name}", city.name.upper())]
    trips_of_others = [await new_trip(other, 1) for other in others]
    euros = [random.randrange(*span) for span in ((500, 600), (1000, 1100), (90, 100))]
    prices = [Decimal(price) + Decimal(random.randrange(1, 50)) / 100 for price in euros]
    prices.append(prices[-1] - Decimal("0.01"))  # by one cent the cheapest, and the last
    for number in (2, 4):
        for price in prices[number - 2 : number]:
            await new_trip(city, price)
        cheapest = await city.trips.order_by("price").afirst()
        (await call(trial, city.name)).expect(cheapest.title)
    await Trip.objects.filter(pk=trips_of_others[0].pk).aupdate(
        price=cheapest.price, departs=cheapest.departs
    )
    await new_trip(city, cheapest.price, title=cheapest.title)
    (await call(trial, city.name)).expect(cheapest.title)
    await exchange_names(city, others[0])
    (await call(trial, others[0].name)).expect(trips_of_others[0].title)


@cheapest_trip.requirement('raises `Destination.DoesNotExist` for `"Atlantis"`, in a script and in a cell')
async def raises_for_an_unknown_city(trial: Trial) -> None:
    for call in (_in_a_script, _in_a_cell):
        outcome = await call(trial, "Atlantis")
        expected = "Destination.DoesNotExist to be raised"
        if outcome.error is not None and explain(outcome.error) != (None, None):
            _refuse_the_error(outcome, expected)
        words: dict[str, str] = {}
        if "'NoneType' object has no attribute" in outcome.got:
            words = {
                "because": "a query such as `.first()` gives None where there is no row",
                "next": "`Destination.objects.get(name=…)` raises the error that is asked for",
            }
        if outcome.lost:
            words = {
                "because": f"the thread ended with {outcome.lost[0]}, and a `Thread` hands no error to who started it",
                "next": "use a `ThreadPoolExecutor`: `.result()` raises the error where it is called",
            }
        outcome.expect_error(Destination.DoesNotExist, expected=expected, **words)
    trip = await new_trip(await new_destination("Atlantis"))
    for call in (_in_a_script, _in_a_cell):
        (await call(trial, "Atlantis")).expect(
            trip.title, because="a moment ago there was no Atlantis, and now there is"
        )


@cheapest_trip.requirement(
    "when a cell calls it, sends no query from the event loop's own thread, and leaves asyncio as it was"
)
async def stays_off_the_loops_thread(trial: Trial) -> None:
    for city in ("Lisbon", "Atlantis"):
        queries: list[str] = []
        outcome = await _in_a_cell(trial, city, queries)
        if isinstance(outcome.error, Destination.DoesNotExist):
            outcome.error = None  # as it should be
        _expect_a_thread_and_asyncio_as_they_were(outcome, queries)


def _expect_a_thread_and_asyncio_as_they_were(outcome: PlainCall, queries: list[str]) -> None:
    outcome.expect_that(
        not queries,
        "no query from the thread of the event loop",
        got=f"from the thread of the event loop: {quoted(' '.join(queries))}",
        because="the guard against sync queries in the loop was tricked or switched off",
        next="let the query run in another thread",
    )
    outcome.expect_that(
        outcome.same_loop,
        "the event loop that asyncio knew in the cell's thread",
        got="another one, or none: the call has set it",
        next="set no loop in the thread that calls you; a thread of your own may have one",
    )
    outcome.expect_that(
        (asyncio.run, asyncio.Task) == ASYNCIO,
        "the asyncio with which this notebook began",
        got="a patched asyncio: another `asyncio.run`, another `asyncio.Task`",
        because="a package such as nest_asyncio patches the whole process, for good: restart the kernel to undo it",
        next="let the query run in another thread",
    )


@dataclass
class PlainCall(Outcome):
    """What came back from a call without `await`, and the errors that died with a thread meanwhile.

    Attributes:
        same_loop: whether asyncio knows the same event loop of the calling thread as before.
    """

    lost: list[str] = field(default_factory=list)
    same_loop: bool = True


async def _in_a_script(trial: Trial, city: str) -> PlainCall:
    def script() -> Any:
        with _the_loop_of_a_main_thread():
            return trial.answer(city)

    return await _plainly(trial, f"{trial.task.name}({city!r})   in a script", script)


@contextlib.contextmanager
def _the_loop_of_a_main_thread() -> Iterator[None]:
    # Trap: before Python 3.14 asyncio.get_event_loop() finds a loop in a script's main thread, and in no other.
    if sys.version_info >= (3, 14):
        yield
        return
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        yield
    finally:
        asyncio.set_event_loop(None)
        loop.close()


async def _in_a_cell(trial: Trial, city: str, queries: list[str] | None = None) -> PlainCall:
    """Call the answer where a loop runs; not where the check's own does, which a deadlock would stop.

    Args:
        queries: receives the SQL of the queries sent from the thread of the loop.
    """

    async def cell() -> Any:
        nonlocal same_loop
        loop = asyncio.get_running_loop()
        try:
            return trial.answer(city)
        finally:
            same_loop = _running_loop() is loop

    def kernel() -> Any:
        nonlocal same_loop
        with _queries_of_this_thread(queries if queries is not None else []), asyncio.Runner() as runner:
            try:
                return runner.run(cell())
            finally:
                same_loop = same_loop and _loop_of_this_thread() is runner.get_loop()

    same_loop = True
    outcome = await _plainly(trial, f"{trial.task.name}({city!r})   in a cell", kernel)
    outcome.same_loop = same_loop
    return outcome


def _running_loop() -> asyncio.AbstractEventLoop | None:
    with contextlib.suppress(RuntimeError):
        return asyncio.get_running_loop()
    return None


def _loop_of_this_thread() -> asyncio.AbstractEventLoop | None:
    with contextlib.suppress(RuntimeError):
        return asyncio.get_event_loop()
    return None


@contextlib.contextmanager
def _queries_of_this_thread(queries: list[str]) -> Iterator[None]:
    # Trap: Django keeps one connection for a thread, and another one for each async context in that thread.
    thread, opened = threading.get_ident(), []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        queries.append(sql)
        return execute(sql, params, many, context)

    def watch(connection: Any, **_: Any) -> None:
        if threading.get_ident() == thread:
            connection.execute_wrappers.append(note)
            opened.append(connection)

    connection_created.connect(watch, weak=False)
    try:
        yield
    finally:
        connection_created.disconnect(watch)
        for connection in opened:
            connection.close()


async def _plainly(trial: Trial, sent: str, call: Callable[[], Any]) -> PlainCall:
    def call_and_close() -> Any:
        nonlocal thread
        thread = threading.get_ident()
        try:
            return call()
        finally:
            connections.close_all()

    outcome, thread = PlainCall(sent), 0
    with _errors_of_threads(outcome.lost):
        try:
            async with asyncio.timeout(DEADLOCK) as deadline:
                outcome.value = await run_without_a_loop(call_and_close)
        except NotImplementedError as error:
            raise NotStarted from error
        except Exception as error:
            if deadline.expired():
                raise DidNotFinish(
                    sent=sent, seconds=DEADLOCK, places=_where(trial, thread), doing="waiting"
                ) from error
            outcome.error = error
    _refuse_unfinished_call(outcome)
    return outcome


def _where(trial: Trial, thread: int) -> list[str]:
    """The line of the answer on which the thread that called it is."""
    frame = OwnCode(trial.answer).innermost(frames_of_thread(thread))
    return [shown_line(frame)] if frame is not None else []


@contextlib.contextmanager
def _errors_of_threads(lost: list[str]) -> Iterator[None]:
    usual = threading.excepthook
    threading.excepthook = lambda died: lost.append(died.exc_type.__name__)
    try:
        yield
    finally:
        threading.excepthook = usual


def _refuse_unfinished_call(outcome: PlainCall) -> None:
    if isinstance(outcome.value, concurrent.futures.Future):
        outcome.refuse(
            expected=repr(CHEAPEST),
            got="a Future",
            because="`submit` gives back a Future at once, which gets the title later",
            next="return its `.result()`, which waits for the title",
        )
    if not inspect.isawaitable(outcome.value):
        return
    kind = type(outcome.value).__name__
    if inspect.iscoroutine(outcome.value):
        outcome.value.close()
    outcome.refuse(
        expected=f"the title itself, such as {CHEAPEST!r}",
        got=f"a {kind}",
        because=f"the function gives back a {kind}, which somebody would have to await",
        next="keep the plain `def`, and wait for the thread inside of it",
    )
