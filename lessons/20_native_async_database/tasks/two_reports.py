import asyncio
import random
import threading
import uuid
from collections.abc import Callable
from functools import partial
from time import monotonic

from tutorial_project.checks import Outcome, Task, Trial
from tutorial_project.checks.outcome import described
from tutorial_project.checks.proofs.event_loop import first_moment
from tutorial_project.checks.proofs.postgresql import other_process
from tutorial_project.classroom import crossings
from tutorial_project.trips.models import Theme

from ..shared import native_postgresql, on_its_own, undone_transaction

two_reports = Task(
    "two_reports",
    database=native_postgresql,
    hints=(
        "How many queries can one connection run at a time, and to whom does it belong?",
        "`async_new_connection` gives a coroutine a connection, and closes it afterwards. And `gather` does not wait for "
        "the others when one fails, unless you tell it to.",
        "`results = await asyncio.gather(async_new_connection(first()), async_new_connection(second()), "
        "return_exceptions=True)`, and raise what is an error among them.",
    ),
    praise="Right: two tasks, two connections, no thread, and nothing goes on behind your back. A TaskGroup would have "
    "been as good: it cancels the other report when one fails, and waits for it.",
)

NAMES = ("seats_sold", "trips_on_sale")
PATIENCE = 1.5
"""Seconds that one report waits for the other, or for the check."""


class Reports:
    """Two reports over async connections, and what they saw; what they return is made up.

    Args:
        meet: each waits until the other is in the database as well.
        failing: the names of those that raise.
        held: the name of the one that does not end before `release` is set.

    Attributes:
        had_ended: whether both had ended at the moment when the answer gave its result or raised its error.
    """

    def __init__(self, *, meet: bool = False, failing: tuple[str, ...] = (), held: str = "") -> None:
        self.expected: list[str | None] = [f"{name} {uuid.uuid4().hex[:6]}" for name in NAMES]
        self.backends: dict[str, int] = {}
        self.loops: set[asyncio.AbstractEventLoop] = set()
        self.threads: set[int] = set()
        self.ended: set[str] = set()
        self.errors: list[BaseException] = []
        self.released, self.met, self.had_ended = False, True, False
        self._meet, self._failing, self._held = meet, failing, held

    async def seats_sold(self) -> str | None:
        return await self._report("seats_sold")

    async def trips_on_sale(self) -> str | None:
        return await self._report("trips_on_sale")

    @property
    def have_ended(self) -> bool:
        return len(self.ended) == len(NAMES)

    async def _report(self, name: str) -> str | None:
        self.loops.add(asyncio.get_running_loop())
        self.threads.add(threading.get_ident())
        try:
            await self._ask(name)
            if self._meet:
                self.met &= await soon(lambda: len(self.backends) == len(NAMES))
            if name == self._held:
                await soon(lambda: self.released)
            if name in self._failing:
                self.errors.append(RuntimeError(f"the report {name} failed"))
                raise self.errors[-1]
            return self.expected[NAMES.index(name)]
        finally:
            self.ended.add(name)

    async def _ask(self, name: str) -> None:
        self.backends[name] = await backend()


async def backend() -> int:
    """Who answers at PostgreSQL on the connection of this task."""
    from django_async_backend.db import async_connections

    async with await async_connections["default"].cursor() as cursor:
        await cursor.execute("SELECT pg_backend_pid()")
        return (await cursor.fetchone())[0]


async def soon(condition: Callable[[], bool]) -> bool:
    """Wait a while for a condition, on whichever event loop, as a report waits for PostgreSQL."""
    # Trap: an answer may run a report on a loop of another thread, where no Event of this loop could be awaited.
    until = monotonic() + PATIENCE
    while not condition() and monotonic() < until:
        await asyncio.sleep(0.005)
    return condition()


async def run_both(trial: Trial, reports: Reports, remark: str = "") -> Outcome:
    """Call the answer as a view would that has asked the database already."""
    await Theme.async_objects.aexists()
    outcome = await trial.call(reports.seats_sold, reports.trips_on_sale)
    reports.had_ended = reports.have_ended
    outcome.sent = f"two_reports({', '.join(NAMES)}){remark}"
    return outcome


def has_come_to(reports: Reports, name: str, until: float) -> bool:
    """Whether a report has ended, or nobody waits for it any longer."""
    return name in reports.ended or monotonic() > until


@two_reports.requirement("returns both results in a list, that of `first` first, whichever ends first")
async def returns_both(trial: Trial) -> None:
    for last, other in (NAMES, NAMES[::-1]):
        reports = Reports(held=last)
        calling = asyncio.ensure_future(on_its_own(run_both(trial, reports, f"  where {last} ends last")))
        until = monotonic() + PATIENCE
        await first_moment(partial(has_come_to, reports, other, until), calling)
        reports.released = True
        outcome = await calling
        outcome.expect_that(
            outcome.value in (reports.expected, tuple(reports.expected)), repr(reports.expected)
        )
    reports = Reports()
    reports.expected[random.randrange(2)] = None
    outcome = await on_its_own(run_both(trial, reports, "  where one of them returns None"))
    outcome.expect_that(outcome.value in (reports.expected, tuple(reports.expected)), repr(reports.expected))


@two_reports.requirement(
    "runs them at the same time, each on a connection of its own: each is in the database while the other is"
)
async def runs_them_together(trial: Trial) -> None:
    reports = Reports(meet=True)
    outcome = await on_its_own(run_both(trial, reports))
    outcome.expect_that(
        reports.met,
        "each report to be in the database while the other is",
        got=f"one report waited {PATIENCE:g} s for the other, which had not begun",
        because="they were awaited one after the other",
        next="`gather` them, each in an `async_new_connection(…)`",
    )


@two_reports.requirement("starts no thread: both run on the event loop that awaits the answer")
async def starts_no_thread(trial: Trial) -> None:
    reports = Reports()
    with crossings() as seen:
        outcome = await on_its_own(run_both(trial, reports))
    here = reports.threads == {threading.get_ident()} and reports.loops == {asyncio.get_running_loop()}
    outcome.expect_that(
        here and not seen.threads,
        "both reports on the event loop that awaits the answer, and nothing in a thread",
        got="they ran in other threads, on other event loops"
        if not here
        else "threads were asked to run them",
        because="the reports are coroutine functions, and need no thread",
        next="call them and await what they return: `async_new_connection(first())`",
    )


@two_reports.requirement("leaves no connection of theirs open")
async def leaves_no_connection(trial: Trial) -> None:
    reports = Reports()
    outcome = await on_its_own(run_both(trial, reports))
    outcome.expect_that(True, "a list")
    await expect_closed(outcome.sent, reports)


async def expect_closed(sent: str, reports: Reports) -> None:
    open_backends = "SELECT count(*) FROM pg_stat_activity WHERE pid = ANY(%s)"
    async with other_process() as check:
        for _ in range(25):  # PostgreSQL takes a moment to give up a closed connection
            if not (left := await check.value(open_backends, list(reports.backends.values()))):
                return
            await asyncio.sleep(0.02)
    Outcome(sent, f"{left} of {len(reports.backends)} still there").expect_that(
        False,
        "no connection of the two reports in pg_stat_activity",
        because="no request ends here that would give them back",
        next="`async_new_connection(…)` closes what it opened",
    )


@two_reports.requirement(
    "leaves the connection of whoever calls it alone: a transaction that is open there goes on"
)
async def leaves_the_caller_alone(trial: Trial) -> None:
    from django_async_backend.db import async_connections

    name = uuid.uuid4().hex
    async with undone_transaction():
        await Theme.async_objects.acreate(name=name)
        mine = async_connections["default"]
        reports, here = Reports(), await backend()
        outcome = await run_both(trial, reports, "  inside of a transaction of the caller's")
        outcome.expect_that(
            here not in reports.backends.values(),
            "each report on a connection of its own",
            got="a report on the connection of whoever called",
            because="what runs there is a part of the caller's transaction, and waits for its turn",
            next="`async_new_connection(…)` around both",
        )
        goes_on = async_connections["default"] is mine and not mine.closed_in_transaction
        there = goes_on and await Theme.async_objects.filter(name=name).aexists()
    Outcome(outcome.sent, "another connection, or none").expect_that(
        there,
        "the caller has its connection, and sees the row that it wrote in its transaction",
        because="the answer closed or replaced the connection of the task that called it",
        next="leave that connection alone: `async_new_connection(…)` puts it back",
    )


@two_reports.requirement(
    "lets the error of a report out, alone or in an `ExceptionGroup`, but only when both have ended, and leaves no "
    "connection open then, either"
)
async def lets_the_error_out(trial: Trial) -> None:
    for failing, other in (NAMES, NAMES[::-1]):
        reports = Reports(meet=True, failing=(failing,), held=other)
        remark = f"  where {failing} fails, and {other} goes on"
        calling = asyncio.ensure_future(on_its_own(run_both(trial, reports, remark)))
        await first_moment(lambda failing=failing, reports=reports: failing in reports.ended, calling)
        await asyncio.wait([calling], timeout=0.3)
        gave_up = calling.done() and not reports.have_ended
        reports.released = True
        outcome = await calling
        await soon(lambda reports=reports: reports.have_ended)
        expect_the_error(outcome, reports)
        Outcome(
            outcome.sent, f"{described(outcome.error)}, while the other report is still running"
        ).expect_that(
            reports.had_ended and not gave_up,
            "the error, when both have ended",
            because="nobody waits for the other report any more",
            next="wait for both, and raise then: `asyncio.gather(…, return_exceptions=True)`, or a TaskGroup",
        )
        await expect_closed(outcome.sent, reports)


def expect_the_error(outcome: Outcome, reports: Reports) -> None:
    first_error = getattr(outcome.error, "exceptions", [outcome.error])[0]
    if not any(first_error is error for error in reports.errors):
        outcome.refuse(
            expected=f"the error of the report itself, {described(reports.errors[0])}",
            because="the error of a report was swallowed" if outcome.error is None else None,
            next="let it out: whoever asked for two reports did not get them",
        )
