import asyncio
import threading
from collections.abc import Callable

from django.db import connection

from tutorial_project.checks import Outcome, Task, Trial
from tutorial_project.checks.proofs.event_loop import first_moment
from tutorial_project.checks.proofs.postgresql import other_process
from tutorial_project.classroom import postgresql
from tutorial_project.trips.models import Booking, Trip

two_reports = Task(
    "two_reports",
    database=postgresql,
    limit=20,
    hints=(
        "Which argument of `sync_to_async`, or which function of asyncio, gives a call a thread that nobody shares?",
        "Each thread opens a connection of its own, and only that thread can close it: after the report, whatever happens.",
        "`def alone(report):` `try: return report()` `finally: connections.close_all()`. "
        "Then `await asyncio.gather(asyncio.to_thread(alone, first), asyncio.to_thread(alone, second))`.",
    ),
    praise=(
        "Right: two threads, two connections, each closed by the thread that opened it. `sync_to_async` with "
        "`thread_sensitive=False`, or an executor of your own, would have been as good."
    ),
)


PATIENCE = 1.5
"""Seconds that one report waits for the other."""


class Reports:
    """Two sync reports that use the ORM, and note the connections that they used."""

    def __init__(self, *, meet: bool = False, second_fails: bool = False) -> None:
        self.backends: list[int] = []
        self.waited_in_vain = False
        self._both = threading.Barrier(2 if meet else 1)
        self._second_fails = second_fails

    def seats_sold(self) -> int:
        self._meet_in_the_database()
        return sum(Booking.objects.values_list("seats", flat=True))

    def trips_on_sale(self) -> int:
        self._meet_in_the_database()
        if self._second_fails:
            raise RuntimeError("the second report failed")
        return Trip.objects.filter(active=True).count()

    def _meet_in_the_database(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            self.backends += cursor.fetchone()
        try:
            self._both.wait(PATIENCE)
        except threading.BrokenBarrierError:
            self.waited_in_vain = True

    async def expected(self) -> list[int]:
        seats = [seats async for seats in Booking.objects.values_list("seats", flat=True)]
        return [sum(seats), await Trip.objects.filter(active=True).acount()]


async def run_both(trial: Trial, first: Callable[[], int], second: Callable[[], int]) -> Outcome:
    outcome = await trial.call(first, second)
    outcome.sent = f"two_reports({first.__name__}, {second.__name__})"
    return outcome


@two_reports.requirement("returns a list of the two results: `[first(), second()]`")
async def returns_both(trial: Trial) -> None:
    reports = Reports()
    expected = await reports.expected()
    outcome = await run_both(trial, reports.seats_sold, reports.trips_on_sale)
    outcome.expect_that(outcome.value in (expected, tuple(expected)), repr(expected))


@two_reports.requirement("runs them at the same time: each is in the database while the other is")
async def runs_them_together(trial: Trial) -> None:
    reports = Reports(meet=True)
    outcome = await run_both(trial, reports.seats_sold, reports.trips_on_sale)
    outcome.expect_that(
        not reports.waited_in_vain,
        "each report to be in the database while the other is",
        got=f"one report waited {PATIENCE:g} s for the other, which had not begun",
        because="they were awaited one after the other, or they shared one thread, as all thread-sensitive calls of a "
        "request do",
        next="give each report a thread of its own: `asyncio.to_thread`, or "
        "`sync_to_async(report, thread_sensitive=False)`",
    )


@two_reports.requirement("leaves the event loop free meanwhile")
async def leaves_the_loop_free(trial: Trial) -> None:
    reports = Reports()
    is_there, loop_has_moved, seen = threading.Event(), threading.Event(), []

    def seats_sold() -> int:
        result = reports.seats_sold()
        is_there.set()
        seen.append(loop_has_moved.wait(PATIENCE))
        return result

    calling = asyncio.ensure_future(run_both(trial, seats_sold, reports.trips_on_sale))
    await first_moment(is_there.is_set, calling)
    loop_has_moved.set()
    outcome = await calling
    outcome.expect_that(
        seen == [True],
        "other tasks to get their turn while the reports are in the database",
        got=f"none got it within {PATIENCE:g} seconds",
        because="the event loop itself waits for the threads, for example in `result()` or at the end of `with ThreadPoolExecutor()`",
        next="await the threads: `asyncio.gather(asyncio.to_thread(…), asyncio.to_thread(…))`",
    )


@two_reports.requirement("leaves no connection of theirs open")
async def leaves_no_connection(trial: Trial) -> None:
    reports = Reports()
    outcome = await run_both(trial, reports.seats_sold, reports.trips_on_sale)
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
    "lets the error of a report out, alone or in an `ExceptionGroup`, and leaves no connection open then either"
)
async def cleans_up_after_an_error(trial: Trial) -> None:
    reports = Reports(second_fails=True)
    outcome = await run_both(trial, reports.seats_sold, reports.trips_on_sale)
    outcome.sent += "  where the second report fails"
    first_error = getattr(outcome.error, "exceptions", [outcome.error])[0]
    if not isinstance(first_error, RuntimeError):
        outcome.refuse(
            expected="RuntimeError: the second report failed",
            because="the error of the second report was swallowed" if outcome.error is None else None,
            next="let it out: whoever asked for two reports did not get them",
        )
    await expect_closed(outcome.sent, reports)
