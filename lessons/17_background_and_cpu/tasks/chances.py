import asyncio
import inspect
import random
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

from tutorial_project.checks import Outcome, Task, Trial
from tutorial_project.checks.outcome import quoted
from tutorial_project.checks.proofs.event_loop import first_moment
from tutorial_project.trips.forecasts import chance_to_sell_out
from tutorial_project.trips.models import Trip

PATIENCE = 1.0
"""Seconds that the pool waits for the answer to give the event loop back."""
PLAIN = (int, float, str, bytes, type(None))

chances = Task(
    "chances",
    hints=(
        "Which line computes, and in whose process does it run? Who waits for it meanwhile?",
        "`loop.run_in_executor(pool, function, …)` hands a call to the pool, and gives back something to await. Hand "
        "over all of them first, each with numbers alone; wait then.",
        "`trips = [trip async for trip in Trip.objects.filter(active=True)]`, then "
        "`work = [loop.run_in_executor(pool, chance_to_sell_out, trip.seats_left, days) for trip in trips]`, then "
        "`results = await asyncio.gather(*work)`, and make the dictionary with `zip`.",
    ),
    praise="Right: the rows stay here, numbers travel, and the loop is free while others compute. And when nobody "
    "waits for the answer any more, `gather` takes back what no process has begun.",
)


@dataclass
class Job:
    """One call that was handed to the pool; its result is made up."""

    function: Callable[..., Any]
    positional: tuple[Any, ...]
    named: dict[str, Any]
    future: Future[Any] = field(default_factory=Future)
    result: float = field(default_factory=random.random)

    def __post_init__(self) -> None:
        while isinstance(
            self.function, partial
        ):  # it travels as the name of its function, with the arguments
            self.positional = self.function.args + self.positional
            self.named = self.function.keywords | self.named
            self.function = self.function.func

    @property
    def arguments(self) -> list[Any]:
        return [*self.positional, *self.named.values()]

    def forecast(self) -> dict[str, Any]:
        """What the forecast is about, by the names of the parameters; empty when it cannot be called so."""
        try:
            return inspect.signature(chance_to_sell_out).bind(*self.positional, **self.named).arguments
        except TypeError:
            return {}


class PoolOnTrial(Executor):
    """Takes calls as a process pool does, and computes none; the results come when `let_go` is called.

    Attributes:
        jobs: all calls, in the order in which they came.
        at_once: how many had come when the first results were given.
        was_shut_down: whether somebody has shut it down.

    Args:
        failing: the number of the job that raises.
    """

    def __init__(self, failing: int | None = None) -> None:
        self.jobs: list[Job] = []
        self.at_once = 0
        self.failing, self.was_asked_in_time = failing, True
        self.was_shut_down = False
        self._gave_up: threading.Timer | None = None

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        if self._gave_up is None:
            # An answer that blocks the loop would wait for ever.
            self._gave_up = threading.Timer(PATIENCE, self._give_up)
            self._gave_up.start()
        job = Job(fn, args, kwargs)
        self.jobs.append(job)
        return job.future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self.was_shut_down = True
        for job in self.jobs if cancel_futures else ():
            job.future.cancel()

    def let_go(self) -> None:
        """Let every job have its result, in an order that nobody could know, as processes do."""
        if self._gave_up is not None:
            self._gave_up.cancel()
        self.at_once = self.at_once or len(self.jobs)
        jobs = list(enumerate(self.jobs))
        # Trap: two trips may be alike, and an order by chance moves perhaps these two alone; so all of them move.
        first = random.randrange(1, len(jobs)) if len(jobs) > 1 else 0
        for number, job in jobs[first:] + jobs[:first]:
            if not job.future.done() and job.future.set_running_or_notify_cancel():
                if number == self.failing:
                    job.future.set_exception(MemoryError("no memory for this forecast"))
                else:
                    job.future.set_result(job.result)

    def _give_up(self) -> None:
        self.was_asked_in_time = False
        for _ in range(40):  # what comes one after the other comes now
            self.let_go()
            threading.Event().wait(0.02)


async def trips_on_sale(number: int = 5) -> list[Trip]:
    """Some trips on sale, with seats left that nobody knows."""
    trips = [trip async for trip in Trip.objects.order_by("?")]
    for place, trip in enumerate(trips):
        trip.active, trip.seats_left = place < number, random.randint(1, trip.seats)
    sold_out, departed, one, other = random.sample(trips[:number], 4)
    sold_out.seats_left = 0  # and on sale: `active` says so, as it does of one that has departed
    departed.departs -= timedelta(days=random.randint(400, 900))
    one.seats_left = other.seats_left = 1
    await Trip.objects.abulk_update(trips, ["active", "seats_left", "departs"])
    return trips[:number]


async def other_trips_on_sale(before: list[Trip]) -> list[Trip]:
    """Some trips on sale, none of which was before."""
    trips = [trip async for trip in Trip.objects.exclude(pk__in=[trip.pk for trip in before])][:5]
    await Trip.objects.aupdate(active=False)
    await Trip.objects.filter(pk__in=[trip.pk for trip in trips]).aupdate(active=True)
    return trips


async def asked(trial: Trial, pool: PoolOnTrial, days: int, trips: int) -> Outcome:
    """Call the answer, and let the pool go once it has all the jobs."""
    calling = asyncio.ensure_future(trial.call(pool, days))
    try:
        await first_moment(lambda: len(pool.jobs) >= trips, calling)
    finally:
        pool.let_go()
    outcome = await calling
    outcome.sent = f"chances(pool, {days})"
    return outcome


@chances.requirement(
    "returns `{pk: chance}` for every trip on sale, each computed by the pool: "
    "`chance_to_sell_out(trip.seats_left, days)`"
)
async def computes_in_the_pool(trial: Trial) -> None:
    trips, days, pool = await trips_on_sale(), random.randint(20, 90), PoolOnTrial()
    outcome = await asked(trial, pool, days, len(trips))
    if outcome.error is None and not pool.jobs:
        outcome.refuse(
            expected="calls that are handed to the pool",
            got=f"{outcome.got}, and the pool got nothing to do",
            because="it was computed in this process, on the loop or on a thread",
            next="`loop.run_in_executor(pool, chance_to_sell_out, …)`",
        )
    refuse_what_is_not_plain(outcome, pool)
    refuse_other_functions(outcome, pool)
    refuse_other_rounds(outcome, pool)
    results: dict[Any, list[float]] = {trip.seats_left: [] for trip in trips}
    for job in pool.jobs:
        if job.forecast().get("days") == days:
            results.setdefault(job.forecast()["seats_left"], []).append(job.result)
    right = isinstance(outcome.value, dict) and all(
        outcome.value.get(trip.pk) in results[trip.seats_left] for trip in trips
    )
    right = right and set(outcome.value) == {trip.pk for trip in trips}
    asked_for = ", ".join(f"{trip.pk}: the chance of {trip.seats_left} seats" for trip in trips)
    outcome.expect_that(right, f"{{{asked_for}}}, as the pool gave them")
    expect_open_pool(outcome.sent, pool)
    await keeps_calls_apart(trial)
    await Trip.objects.aupdate(active=False)
    outcome = await trial.call(PoolOnTrial(), days)
    outcome.sent = f"chances(pool, {days})  when no trip is on sale"
    outcome.expect({})


async def keeps_calls_apart(trial: Trial) -> None:
    """Refuse when a call tells of the trips of another one, which was made while it waited."""
    pools, on_sale, calling = (PoolOnTrial(), PoolOnTrial()), [await trips_on_sale()], []
    try:
        for pool in pools:
            calling.append(asyncio.ensure_future(trial.call(pool, 30)))
            await first_moment(lambda pool=pool: len(pool.jobs) >= len(on_sale[-1]), calling[-1])
            on_sale.append(await other_trips_on_sale(on_sale[0]))
    finally:
        for pool in pools:
            pool.let_go()
    other_keys = {trip.pk for trip in on_sale[1]}
    for trips, call in zip(on_sale, calling, strict=False):
        outcome = await call
        outcome.sent = "chances(pool, 30)  while other trips are put on sale, and another call asks for them"
        keys = {trip.pk for trip in trips}
        of_later = trips is on_sale[0] and isinstance(outcome.value, dict) and other_keys & set(outcome.value)
        outcome.expect_that(
            isinstance(outcome.value, dict) and set(outcome.value) == keys,
            f"the chances of the trips {sorted(keys)}, which were on sale when it was called",
            because="it names trips that were put on sale after it was called" if of_later else None,
        )


def refuse_other_rounds(outcome: Outcome, pool: PoolOnTrial) -> None:
    for job in pool.jobs:
        if more := job.forecast().keys() - {"seats_left", "days"}:
            Outcome(outcome.sent, f"`{sorted(more)[0]}` was handed over as well").expect_that(
                False, "`seats_left` and `days` alone", because="the rest is left to the function"
            )


def expect_open_pool(sent: str, pool: PoolOnTrial) -> None:
    Outcome(sent, "the pool was shut down").expect_that(
        not pool.was_shut_down,
        "a pool that works on",
        because="somebody else has made it, and others compute in it, too",
        next="leave `with pool` and `shutdown` to whoever made it",
    )


def refuse_what_is_not_plain(outcome: Outcome, pool: PoolOnTrial) -> None:
    strange = [argument for job in pool.jobs for argument in job.arguments if not isinstance(argument, PLAIN)]
    if strange:
        Outcome(outcome.sent, f"{quoted(strange[0])}, a {type(strange[0]).__name__}").expect_that(
            False,
            "numbers as arguments of what is handed over",
            because="another process gets a copy of its arguments, in an interpreter where Django is not set up: a row "
            "breaks the pool",
            next="hand over `trip.seats_left`",
        )


def refuse_other_functions(outcome: Outcome, pool: PoolOnTrial) -> None:
    other = [job.function for job in pool.jobs if job.function is not chance_to_sell_out]
    if other:
        name = getattr(other[0], "__qualname__", quoted(other[0]))
        Outcome(outcome.sent, f"a call of {name}").expect_that(
            False,
            "calls of `chance_to_sell_out`",
            because="what travels is the name of a function, and the other process looks it up in its module: it finds "
            "neither a lambda nor what a notebook has defined",
            next="`loop.run_in_executor(pool, chance_to_sell_out, …)`",
        )


@chances.requirement("hands all of them over before it waits for the first")
async def hands_all_over(trial: Trial) -> None:
    trips, pool = await trips_on_sale(40), PoolOnTrial()
    outcome = await asked(trial, pool, 30, len(trips))
    in_turn = pool.at_once == 1
    words = {
        "got": "the pool got the next call only when it had given the result of the one before",
        "because": "one call after the other uses one process, and all the others of the pool stand by",
        "next": "collect what `run_in_executor` gives back, and `await asyncio.gather(*…)`",
    }
    outcome.expect_that(
        pool.at_once == len(trips),
        f"{len(trips)} calls in the pool at the same time",
        **(words if in_turn else {"got": f"{pool.at_once} of them at the same time"}),
    )


@chances.requirement("leaves the event loop free while the pool computes")
async def leaves_the_loop_free(trial: Trial) -> None:
    trips, pool = await trips_on_sale(), PoolOnTrial()
    outcome = await asked(trial, pool, 30, len(trips))
    expect_free_loop(outcome, pool)


def expect_free_loop(outcome: Outcome, pool: PoolOnTrial) -> None:
    outcome.expect_that(
        pool.was_asked_in_time,
        "other tasks to get their turn while the pool computes",
        got=f"none got it within {PATIENCE:g} seconds",
        because="the event loop itself waits for the pool: in `result()`, in `pool.map`, or at the end of `with`",
        next="await the pool: `await loop.run_in_executor(pool, …)`, or `asyncio.wrap_future`",
    )


@chances.requirement("lets the error of a forecast out")
async def lets_the_error_out(trial: Trial) -> None:
    trips = await trips_on_sale()
    for failing in range(len(trips)):
        outcome = await asked(trial, PoolOnTrial(failing), 30, len(trips))
        outcome.sent += "  where one forecast fails"
        error = outcome.error
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        if not isinstance(error, MemoryError):
            outcome.refuse(expected="MemoryError: no memory for this forecast")


@chances.requirement("takes back what no process has begun, when nobody waits for the answer any more")
async def takes_back(trial: Trial) -> None:
    trips, pool = await trips_on_sale(), PoolOnTrial()
    calling = asyncio.ensure_future(trial.call(pool, 30))
    try:
        await first_moment(lambda: len(pool.jobs) >= len(trips), calling)
        for _ in range(5):
            await asyncio.sleep(0)  # tasks that wait for the futures begin
        calling.cancel()
        await asyncio.wait([calling], timeout=PATIENCE / 2)
        cancelled = sum(job.future.cancelled() for job in pool.jobs)
    finally:
        pool.let_go()
    sent = "chances(pool, 30)  which is cancelled"
    expect_open_pool(sent, pool)
    Outcome(sent, f"{cancelled} of {len(trips)} calls taken back").expect(
        f"{len(trips)} of {len(trips)} calls taken back",
        next="await the futures of `run_in_executor` themselves: `gather` cancels them with its own task",
    )
    if calling.done() and not calling.cancelled() and calling.result().error is None:
        Outcome(sent, f"it returned {calling.result().got}").expect_that(
            False,
            "CancelledError, out of `chances`",
            because="the cancellation was swallowed: whoever cancelled takes the answer for a good one",
            next="`raise` it again, or clean up in `finally`",
        )
