from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tutorial_project.checks import Outcome, Task, Trial
from tutorial_project.checks.proofs.clock import held_clock

from ..shared import comes_true, made_up_seconds, settled

benchmark = Task(
    "benchmark",
    hints=(
        "What does one visitor do, from its first request to its last? Write that as a coroutine function, and start "
        "`visitors` of them.",
        "Visitors that take their next request from one shared counter or iterator keep exactly `visitors` under way. The "
        "clock belongs around the one `await page()`, and the `except` too.",
        "`left = iter(range(requests))`; `async def visitor(): for _ in left: began = clock();` `try: status = await page()` "
        "`except Exception: status = None`, then `took = clock() - began` and look at the status; "
        "`await asyncio.gather(*(visitor() for _ in range(visitors)))`. The warm-up is a loop before that.",
    ),
    praise="Right: a closed load with a fixed number of visitors, warm before it counts, each time by itself, and failures "
    "apart. A semaphore around each request would have been as good, with the clock started inside of it.",
)


@dataclass
class Request:
    """One request that an answer made: when it began, and how it will end."""

    began: float
    end: asyncio.Future = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Site:
    """A page, and a clock that goes only when the check lets it."""

    def __init__(self, **numbers: int) -> None:
        self.now = random.randint(1, 10**6) / 8
        self.numbers = numbers
        self.requests: list[Request] = []
        self.times: list[float] = []
        self.failed = 0

    def clock(self) -> float:
        return self.now

    async def page(self) -> int:
        request = Request(self.now)
        self.requests.append(request)
        return await request.end

    @property
    def under_way(self) -> list[Request]:
        return [request for request in self.requests if not request.end.done()]

    def let_time_pass(self) -> None:
        self.now += made_up_seconds()

    def answer(self, request: Request, ends: int | Exception = 200) -> None:
        """End a request of the measurement."""
        if ends == 200:
            self.times.append(self.now - request.began)
        else:
            self.failed += 1
        end(request, ends)

    def start(self, trial: Trial) -> asyncio.Future[Outcome]:
        return asyncio.ensure_future(trial.call(self.page, **self.numbers, clock=self.clock))

    @property
    def sent(self) -> str:
        numbers = ", ".join(f"{name}={number}" for name, number in self.numbers.items())
        return f"benchmark(page, {numbers}, clock=clock)"


def end(request: Request, ends: int | Exception) -> None:
    if isinstance(ends, Exception):
        request.end.set_exception(ends)
    else:
        request.end.set_result(ends)


class PageError(Exception):
    """An error that no answer knows by its name."""


NO_GOOD_ANSWERS = (500, 201, 202, 204, 206, 302, 304, 404, 503)
"""Statuses other than 200."""


def trouble() -> int | Exception:
    """How a request ends that has no good answer."""
    return random.choice([*NO_GOOD_ANSWERS, ConnectionError("no answer"), PageError("too late")])


async def pass_the_warm_up(site: Site, calling: asyncio.Future[Outcome], *ends: int | Exception) -> None:
    """Answer the requests of the warm-up, one after another, and refuse one too many meanwhile."""
    for number, one in enumerate(ends, 1):
        if not await comes_true(lambda: bool(site.under_way), calling):
            refuse_the_end(site, await finished(calling, site), f"request {number} of the warm-up")
        await settled()
        words = {
            "because": "requests of the warm-up were under way together with those that are measured",
            "next": "ask `warm_up` times first, and await these, before the clock is read at all",
        }
        Outcome(site.sent, f"{len(site.requests)} requests, before the warm-up was over").expect_that(
            len(site.requests) <= len(ends),
            f"{len(ends)} requests for the warm-up, and nothing measured until they have ended",
            **(words if set(ends[: number - 1]) <= {200} else {}),
        )
        site.let_time_pass()
        end(site.under_way[0], one)


def refuse_the_end(site: Site, outcome: Outcome, expected: str) -> None:
    outcome.sent = site.sent
    outcome.refuse(expected=expected)


async def finished(calling: asyncio.Future[Outcome], site: Site) -> Outcome:
    if not await comes_true(calling.done, calling):
        calling.cancel()
        return Outcome(site.sent, "it waited, and asked no more")
    outcome = calling.result()
    outcome.sent = site.sent
    return outcome


async def expect_under_way(site: Site, calling: asyncio.Future[Outcome], number: int, when: str) -> None:
    """Refuse unless so many requests are under way, neither fewer nor more."""
    await comes_true(lambda: len(site.under_way) >= number, calling)
    await expect_at_once(site, calling, number, when)


async def expect_at_once(site: Site, calling: asyncio.Future[Outcome], number: int, when: str) -> None:
    """The same, after what an answer does by itself, without a pause."""
    for _ in range(5):
        await settled()
        if len(site.under_way) >= number or calling.done():
            break
    await settled()
    if calling.done() and calling.result().error is not None:
        refuse_the_end(site, calling.result(), f"{number} requests under way {when}")
    found = len(site.under_way)
    words = {}
    if found > number:
        words = {"because": "more visitors asked at once than there are", "next": "start `visitors` visitors"}
    Outcome(site.sent, f"{found} under way").expect_that(
        found == number, f"{number} requests under way {when}", **words
    )


async def end_it(calling: asyncio.Future[Outcome]) -> None:
    calling.cancel()
    await asyncio.wait([calling])


async def measured(
    trial: Trial,
    site: Site,
    *troubles: int | Exception,
    warm: tuple = (),
    at_once: int = 0,
    first: bool = False,
) -> Outcome:
    """Let a benchmark run to its end, its requests answered in any order, those of `troubles` among them, or `first`.

    The clock goes on before each answer, but for the first `at_once` of them.
    """
    calling = site.start(trial)
    try:
        await pass_the_warm_up(site, calling, *(warm or [200] * site.numbers["warm_up"]))
        ends = [*troubles, *[200] * (site.numbers["requests"] - len(troubles))]
        if not first:
            random.shuffle(ends)
        for number, one in enumerate(ends):
            if not await comes_true(lambda: bool(site.under_way), calling):
                break
            await settled()
            if number >= at_once:
                site.let_time_pass()
            site.answer(random.choice(site.under_way), one)
        outcome = await finished(calling, site)
    finally:
        await end_it(calling)
    return outcome


def expect_found(outcome: Outcome, site: Site, **words: str) -> None:
    """Refuse unless an answer gives the times of this site, in any order, and the number of its failures."""
    expected = f'{{"times": {sorted(rounded(site.times))}, "failed": {site.failed}}}, the times in any order'
    value = outcome.value
    right = isinstance(value, dict) and set(value) == {"times", "failed"} and value["failed"] == site.failed
    try:
        right = right and sorted(rounded(value["times"])) == sorted(rounded(site.times))
    except TypeError:
        right = False
    outcome.expect_that(right, expected, **words)


def rounded(times: list[float]) -> list[float]:
    return [round(time, 4) for time in times]


@benchmark.requirement(
    '`await benchmark(page, visitors=…, requests=…, warm_up=…, clock=…)` gives `{"times": [...], "failed": 0}`: for each of '
    "`requests` requests the seconds between its own start and its own answer, by `clock()`, in any order"
)
async def times_each_request(trial: Trial) -> None:
    site = Site(visitors=3, requests=random.randint(7, 9), warm_up=0)
    outcome = await measured(trial, site)
    expect_found(outcome, site, **words_about_times(outcome, site))
    site = Site(visitors=5, requests=2, warm_up=0)
    expect_found(await measured(trial, site), site)
    site = Site(visitors=2, requests=4, warm_up=0)
    outcome = await measured(trial, site, at_once=1)
    outcome.sent += "  where an answer is there before the clock has moved"
    expect_found(outcome, site)


def words_about_times(outcome: Outcome, site: Site) -> dict[str, str]:
    times = outcome.value.get("times") if isinstance(outcome.value, dict) else None
    if isinstance(times, list) and len(times) > 1 and len(set(rounded_or_none(times))) == 1:
        return {
            "because": "all times are the same: an average stands for each of them, and hides the slow ones",
            "next": "read the clock before and after each `await page()`",
        }
    return {}


def rounded_or_none(times: list) -> list:
    return [round(time, 4) if isinstance(time, float | int) else time for time in times]


@benchmark.requirement(
    "keeps `visitors` requests under way, never more, however long an answer takes: who has one asks again at once, and waits "
    "for nobody, until `requests` have been made"
)
async def keeps_the_visitors_busy(trial: Trial) -> None:
    visitors = random.randint(3, 5)
    site = Site(visitors=visitors, requests=visitors + 3, warm_up=0)
    async with under_load(trial, site) as calling:
        for _ in range(3):
            site.let_time_pass()
            site.answer(site.under_way[-1])
            await expect_at_once(site, calling, visitors, "when one of them has its answer")
        site.answer(site.under_way[0])
        await expect_at_once(site, calling, visitors - 1, "when no request is left to be made")
    await waits_for_slow_answers(trial)


async def waits_for_slow_answers(trial: Trial) -> None:
    site = Site(visitors=2, requests=2, warm_up=0)
    calling = site.start(trial)
    try:
        await expect_under_way(site, calling, 2, "for 2 visitors")
        with held_clock() as clock:
            clock.now += 3600
            await settled()
        Outcome(f"{site.sent}  and no answer for an hour", f"{len(site.under_way)} under way").expect(
            "2 under way", because="a limit was set to a request that has its answer later"
        )
    finally:
        await end_it(calling)


@asynccontextmanager
async def under_load(trial: Trial, site: Site) -> AsyncIterator[asyncio.Future[Outcome]]:
    """A benchmark whose visitors have all asked. The event loop's clock stands still: who pauses asks no more."""
    calling, visitors = site.start(trial), site.numbers["visitors"]
    try:
        await expect_under_way(site, calling, visitors, f"for {visitors} visitors")
        with held_clock():
            yield calling
    finally:
        await end_it(calling)


@benchmark.requirement(
    "asks the page `warm_up` times before that, also when such a request fails, waits until all of these have ended, and "
    "counts none of them"
)
async def warms_up_first(trial: Trial) -> None:
    for warm in ((200, 200, 200, 200), (503, ConnectionError("not up yet"), 200)):
        site = Site(visitors=2, requests=5, warm_up=len(warm))
        outcome = await measured(trial, site, warm=warm)
        asked = len(site.requests)
        expected = f"{len(warm)} + 5 requests"
        outcome.expect_that(asked == len(warm) + 5, expected, got=f"{asked} requests")
        expect_found(outcome, site)


@benchmark.requirement(
    'counts under `"failed"` each request with another status than 200 and each one that raised an error, has no time of '
    "them, and goes on at once"
)
async def counts_failures_apart(trial: Trial) -> None:
    statuses = [[status] for status in NO_GOOD_ANSWERS]
    for troubles in (*statuses, [ConnectionError("no answer")], [404, PageError("too late"), trouble()]):
        site = Site(visitors=2, requests=6, warm_up=1)
        outcome = await measured(trial, site, *troubles)
        expect_found(outcome, site, **words_about_failures(outcome, site))
    for one in (ConnectionError("no answer"), 404):  # the next request of this visitor is a good one
        site = Site(visitors=2, requests=4, warm_up=0)
        expect_found(await measured(trial, site, one, first=True), site)
    site = Site(visitors=2, requests=3, warm_up=0)
    outcome = await measured(trial, site, *(PageError("no answer") for _ in range(3)))
    outcome.expect_that(
        len(site.requests) == 3,
        "3 requests",
        got=f"{len(site.requests)} requests, each of which raised PageError",
        because="a visitor whose request failed asked no more",
    )
    expect_found(outcome, site)
    await keeps_busy_when_one_fails(trial)


async def keeps_busy_when_one_fails(trial: Trial) -> None:
    visitors = random.randint(3, 5)
    site = Site(visitors=visitors, requests=visitors + 3, warm_up=0)
    async with under_load(trial, site) as calling:
        for one, what in ((404, "a 404"), (PageError("no answer"), "PageError"), (200, "its answer")):
            site.answer(random.choice(site.under_way), one)
            await expect_at_once(site, calling, visitors, f"when one of them has had {what}")


def words_about_failures(outcome: Outcome, site: Site) -> dict[str, str]:
    times = outcome.value.get("times") if isinstance(outcome.value, dict) else None
    if isinstance(times, list) and len(times) == site.numbers["requests"]:
        return {
            "because": "there is a time for each request, also for those that failed: errors are fast, and make a site "
            "look so",
            "next": "look at the status, and keep the time of a 200 only",
        }
    return {}
