import asyncio
import threading
import uuid
from collections.abc import Sequence
from time import monotonic, perf_counter
from typing import Any

from django.db import connection

from tutorial_project.checks import Outcome, Task, Trial, blocking_calls_refused
from tutorial_project.checks.outcome import described
from tutorial_project.checks.proofs.event_loop import first_moment
from tutorial_project.checks.proofs.postgresql import other_process
from tutorial_project.classroom import postgresql
from tutorial_project.trips.models import Booking, Trip

two_reports = Task(
    "two_reports",
    database=postgresql,
    hints=(
        "Which argument of `sync_to_async` gives a call a thread that it does not share with its neighbour?",
        "Each thread opens a connection of its own, and only that thread can close it: after the report, whatever "
        "happens. And `gather` does not wait for the others when one fails, unless you tell it to.",
        "`@sync_to_async(thread_sensitive=False)` `def alone(report):` `try: return report()` "
        "`finally: connections.close_all()`. Then "
        "`results = await asyncio.gather(alone(first), alone(second), return_exceptions=True)`, and raise what is an "
        "error among them.",
    ),
    praise=(
        "Right: two threads, two connections, each closed by the thread that opened it, and nothing goes on behind "
        "your back. An executor of your own would have been as good."
    ),
)


PATIENCE = 3
"""Seconds that one report waits for the other, or for the check."""
NAMES = ("seats_sold", "trips_on_sale")


class Reports:
    """Two sync reports that use the ORM, and note what they did; what they return is made up.

    Args:
        meet: each waits, in the database, until the other is there as well.
        failing: the names of those that raise.
        held: the name of the one that does not end before `release` is set.
    """

    def __init__(self, *, meet: bool = False, failing: Sequence[str] = (), held: str = "") -> None:
        self.expected: list[Any] = [f"{name} {uuid.uuid4().hex[:6]}" for name in NAMES]
        self.backends: list[int] = []
        self.errors = [f"{name} failed for reason {uuid.uuid4().hex[:6]}" for name in failing]
        self.met = self.was_released = True
        self.release = threading.Event()
        self.has_asked, self.has_ended = (
            dict(zip(NAMES, events, strict=True)) for events in two_and_two_events()
        )
        self._both = threading.Barrier(2 if meet else 1)
        self._failing, self._held = failing, held

    def seats_sold(self) -> Any:
        return self._report("seats_sold", sum(Booking.objects.values_list("seats", flat=True)))

    def trips_on_sale(self) -> Any:
        return self._report("trips_on_sale", Trip.objects.filter(active=True).count())

    @property
    def have_ended(self) -> bool:
        return all(event.is_set() for event in self.has_ended.values())

    async def last_words(self) -> None:
        """Wait a moment for a report that goes on behind the answer's back: it must not meet the next check."""
        deadline = monotonic() + 1
        while not self.have_ended and monotonic() < deadline:
            await asyncio.sleep(0.01)

    def _report(self, name: str, _found: int) -> Any:
        try:
            self._note_the_connection()
            self.has_asked[name].set()
            self._wait_where_it_has_to(name)
            if name in self._failing:
                raise RuntimeError(self.errors[self._failing.index(name)])
            return self.expected[NAMES.index(name)]
        finally:
            self.has_ended[name].set()

    def _note_the_connection(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            self.backends += cursor.fetchone()

    def _wait_where_it_has_to(self, name: str) -> None:
        try:
            self._both.wait(PATIENCE)
        except threading.BrokenBarrierError:
            self.met = False
        if name == self._held:
            self.was_released = self.release.wait(PATIENCE)


def two_and_two_events() -> list[list[threading.Event]]:
    return [[threading.Event() for _ in NAMES] for _ in range(2)]


async def run_both(trial: Trial, reports: Reports, remark: str = "") -> Outcome:
    outcome = await trial.call(reports.seats_sold, reports.trips_on_sale)
    outcome.sent = f"two_reports({', '.join(NAMES)}){remark}"
    return outcome


@two_reports.requirement("returns both results in a list, that of `first` first, whichever ends first")
async def returns_both(trial: Trial) -> None:
    for last, other in (NAMES, NAMES[::-1]):
        reports = Reports(held=last)
        calling = asyncio.ensure_future(run_both(trial, reports, f"  where {last} ends last"))
        await first_moment(reports.has_ended[other].is_set, calling)
        reports.release.set()
        outcome = await calling
        outcome.expect_that(
            outcome.value in (reports.expected, tuple(reports.expected)), repr(reports.expected)
        )
    reports = Reports()
    reports.expected = [None, 0]
    outcome = await run_both(trial, reports, "  where one gives None, and the other 0")
    outcome.expect_that(outcome.value in ([None, 0], (None, 0)), "[None, 0]")
    reports = Reports()
    outcome = await trial.call(reports.seats_sold, reports.seats_sold)
    outcome.sent = f"two_reports({NAMES[0]}, {NAMES[0]})"
    outcome.expect_that(outcome.value in (twice := [reports.expected[0]] * 2, tuple(twice)), repr(twice))
    await expect_the_order_of_each(trial)


async def expect_the_order_of_each(trial: Trial) -> None:
    """Refuse unless each of several at once gets its own two results, in its order."""
    # Trap: in the order of a set of tasks the first one comes first half of the time.
    several, turned = [Reports() for _ in range(12)], [Reports() for _ in range(4)]
    outcomes = await asyncio.gather(
        *(run_both(trial, each) for each in several),
        *(trial.call(each.trips_on_sale, each.seats_sold) for each in turned),
    )
    for outcome in outcomes[len(several) :]:
        outcome.sent = f"two_reports({', '.join(reversed(NAMES))})"
    expected = [each.expected for each in several] + [each.expected[::-1] for each in turned]
    for wanted, outcome in zip(expected, outcomes, strict=True):
        outcome.expect_that(outcome.value in (wanted, tuple(wanted)), repr(wanted))


@two_reports.requirement("runs them at the same time: each is in the database while the other is")
async def runs_them_together(trial: Trial) -> None:
    reports = Reports(meet=True)
    outcome = await run_both(trial, reports)
    outcome.expect_that(
        reports.met,
        "each report to be in the database while the other is",
        got=f"one report waited {PATIENCE:g} s for the other, which had not begun",
        because="they were awaited one after the other, or they shared one thread, as all thread-sensitive calls of a "
        "request do",
        next="give each report a thread of its own, `sync_to_async(report, thread_sensitive=False)`, and gather them",
    )


@two_reports.requirement("leaves the event loop free meanwhile")
async def leaves_the_loop_free(trial: Trial) -> None:
    reports = Reports(held=NAMES[0])
    calling = asyncio.ensure_future(run_both(trial, reports))
    await first_moment(reports.has_asked[NAMES[0]].is_set, calling)
    reports.release.set()
    expect_free_loop((await calling).sent, reports)
    with blocking_calls_refused(trial.answer, but_joins=True):  # of the threads of a pool at its end
        outcome = await run_both(trial, Reports())
    outcome.expect_that(True, "a list")


def expect_free_loop(sent: str, reports: Reports) -> None:
    Outcome(sent, f"none got it within {PATIENCE:g} seconds").expect_that(
        reports.was_released,
        "other tasks to get their turn while a report is in the database",
        because="the event loop itself waits for the threads: in `result()`, at the end of "
        "`with ThreadPoolExecutor()` or of `async with ThreadSensitiveContext()`",
        next="await the threads: `asyncio.gather(…)` over `sync_to_async(report, thread_sensitive=False)`",
    )


@two_reports.requirement("leaves no connection of theirs open")
async def leaves_no_connection(trial: Trial) -> None:
    reports = Reports()
    outcome = await run_both(trial, reports)
    outcome.expect_that(True, "a list")
    await expect_closed(outcome.sent, reports)


async def expect_closed(sent: str, reports: Reports) -> None:
    open_backends = "SELECT count(*) FROM pg_stat_activity WHERE pid = ANY(%s)"
    async with other_process() as check:
        for _ in range(25):  # PostgreSQL takes a moment to give up a closed connection
            if not (left := await check.value(open_backends, reports.backends)):
                return
            await asyncio.sleep(0.02)
    Outcome(sent, f"{left} of {len(set(reports.backends))} still there").expect_that(
        False,
        "no connection of the two reports in pg_stat_activity",
        because="a connection belongs to the thread that opened it, and nobody closes it at the end of a request "
        "but in the request's own thread",
        next="close it in the function that runs in the thread: `try: return report()`, "
        "`finally: connections.close_all()`",
    )


@two_reports.requirement(
    "lets the error of a report out, alone or in an `ExceptionGroup`, but only when both have ended, and leaves the "
    "loop free and no connection open then, either"
)
async def cleans_up_after_an_error(trial: Trial) -> None:
    began = perf_counter()
    await one_that_fails(trial, Reports(failing=NAMES), "  where both fail")
    # How long this answer takes to give an error back, on this machine and at this moment, and some more.
    patience = 0.1 + 5 * (perf_counter() - began)
    for failing, other in (NAMES, NAMES[::-1]):
        reports = Reports(meet=True, failing=[failing], held=other)
        await one_that_fails(trial, reports, f"  where {failing} fails, and {other} goes on", patience)


async def one_that_fails(trial: Trial, reports: Reports, remark: str, patience: float = 0) -> None:
    calling = asyncio.ensure_future(run_both(trial, reports, remark))
    try:
        await asyncio.wait([calling], timeout=patience or None)
        gave_up = calling.done() and reports.met and not reports.have_ended
        reports.release.set()
        outcome = await calling
    finally:
        await reports.last_words()
    expect_the_error(outcome, reports)
    still_runs = f"{described(outcome.error)}, while the other report is still running"
    Outcome(outcome.sent, still_runs).expect_that(
        not gave_up,
        "the error, when both have ended",
        because="a thread cannot be stopped, and nobody waits for this one any more",
        next="wait for both, and raise then: `asyncio.gather(…, return_exceptions=True)`",
    )
    expect_free_loop(outcome.sent, reports)
    await expect_closed(outcome.sent, reports)


def expect_the_error(outcome: Outcome, reports: Reports) -> None:
    first_error = getattr(outcome.error, "exceptions", [outcome.error])[0]
    if not isinstance(first_error, RuntimeError) or str(first_error) not in reports.errors:
        outcome.refuse(
            expected=f"RuntimeError: {reports.errors[0]}",
            because="the error of a report was swallowed" if outcome.error is None else None,
            next="let it out: whoever asked for two reports did not get them",
        )
