import asyncio
import math
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from time import perf_counter
from uuid import uuid4

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import path

from tutorial_project.checks import Outcome, Reply, Task, Trial, blocking_calls_refused
from tutorial_project.checks.kinds.middleware import (
    WSGISite,
    asgi_site,
    behind_an_async_server,
    expect_for_sync,
)
from tutorial_project.checks.proofs.event_loop import first_moment
from tutorial_project.checks.proofs.own_clock import OwnClock, own_clock
from tutorial_project.classroom.watching.crossings import Crossings, crossings
from tutorial_project.words import counted

from ..shared import PATIENCE, MeetingOfThreads, told

views_own: dict[str, float] = {}
"""What each view has answered that was not asked about yet: its text, and the seconds that the view took."""


def said(started: float) -> str:
    """A text that nobody can know, for the view that began at this time."""
    text = uuid4().hex
    views_own[text] = perf_counter() - started
    return text


slow_is_inside, slow_may_end = asyncio.Event(), asyncio.Event()


async def slow(request: HttpRequest) -> HttpResponse:
    """Make the first visitor wait, until it may end, and nobody who comes meanwhile."""
    started = perf_counter()
    if not slow_is_inside.is_set():
        slow_is_inside.set()
        await slow_may_end.wait()
    return HttpResponse(said(started))


late_is_inside, late_may_end = asyncio.Event(), asyncio.Event()


async def late(request: HttpRequest) -> HttpResponse:
    """Make a visitor wait until it may end, who came when `slow` had begun."""
    started = perf_counter()
    late_is_inside.set()
    await late_may_end.wait()
    return HttpResponse(said(started))


async def fast(request: HttpRequest) -> HttpResponse:
    return HttpResponse(said(perf_counter()))


async def missing(request: HttpRequest) -> HttpResponse:
    raise Http404


async def forbidden(request: HttpRequest) -> HttpResponse:
    raise PermissionDenied


async def broken(request: HttpRequest) -> HttpResponse:
    return HttpResponse(said(perf_counter()), status=500)


async def data(request: HttpRequest) -> HttpResponse:
    return HttpResponse(said(perf_counter()), content_type="text/csv")


async def stream(request: HttpRequest) -> StreamingHttpResponse:
    async def body() -> AsyncIterator[str]:
        yield text

    text = said(perf_counter())
    return StreamingHttpResponse(body())


def stream_sync(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse([said(perf_counter())])


class Jump:
    """A view that takes as long as it is told to, by the clock that the middleware reads, and no time in truth.

    Attributes:
        measured: whether the middleware has read that clock before the view and after it.
    """

    def __init__(self, clock: OwnClock, milliseconds: int) -> None:
        self._clock, self.milliseconds, self._reads = clock, milliseconds, 0

    def view(self) -> HttpResponse:
        self._reads = self._clock.reads
        self._clock.forward(self.milliseconds / 1000)
        return HttpResponse("")

    @property
    def measured(self) -> bool:
        return 0 < self._reads < self._clock.reads


jump: list[Jump] = []


async def jumps(request: HttpRequest) -> HttpResponse:
    return jump[-1].view()


def jumps_sync(request: HttpRequest) -> HttpResponse:
    return jump[-1].view()


def slow_sync(request: HttpRequest) -> HttpResponse:
    started = perf_counter()
    time.sleep(random.uniform(0.03, 0.06))
    return HttpResponse(said(started))


meeting = MeetingOfThreads()


def meets_sync(request: HttpRequest) -> HttpResponse:
    started = perf_counter()
    meeting.wait()
    return HttpResponse(said(started))


def missing_sync(request: HttpRequest) -> HttpResponse:
    raise Http404


def broken_sync(request: HttpRequest) -> HttpResponse:
    return HttpResponse(said(perf_counter()), status=500)


PAGES = [
    path("slow/", slow),
    path("late/", late),
    path("fast/", fast),
    path("missing/", missing),
    path("forbidden/", forbidden),
    path("broken/", broken),
    path("data/", data),
    path("stream/", stream),
    path("jumps/", jumps),
]


SYNC_PAGES = [
    path("slow/", slow_sync),
    path("meets/", meets_sync),
    path("missing/", missing_sync),
    path("broken/", broken_sync),
    path("stream/", stream_sync),
    path("jumps/", jumps_sync),
]


request_timing = Task(
    "request_timing",
    application=lambda answer: asgi_site(answer, PAGES),
    hints=(
        "When does the answer of an async `get_response` exist, and when does that of a sync one?",
        "Write the inner function twice, `async def` with `await get_response(request)` and plain `def`, and return the "
        "one that fits: `iscoroutinefunction(get_response)` tells.",
        '`started = perf_counter()`, `response = await get_response(request)`, then `response.headers["X-Time-Ms"] = '
        "str(round((perf_counter() - started) * 1000))`",
    ),
    praise="Right: the clock runs in both worlds, and costs no crossing in either. A class that marks its instances with "
    "`markcoroutinefunction` would do as well. For a stream, it times the first byte.",
)


@request_timing.requirement(
    "adds the header `X-Time-Ms` to the answer: the milliseconds that it took to make, as a whole number"
)
async def times_an_async_view(trial: Trial) -> None:
    slow_may_end.clear()
    slow_is_inside.clear()
    pending = asyncio.ensure_future(timed_get(trial, "/slow/"))
    await first_moment(slow_is_inside.is_set, pending)
    await asyncio.sleep(random.uniform(0.04, 0.08))
    slow_may_end.set()
    reply, most = await pending
    expect_the_time(reply, most)
    await tells_every_millisecond(trial, trial.get)


async def tells_every_millisecond(trial: Trial, send: Callable[[str], Awaitable[Reply]]) -> None:
    """Refuse another number than the clock says, where the answer reads one that a proof can put forward."""
    for least in (11, 1_001, 61_001):
        with own_clock(trial.answer) as clock:
            jump.append(jumped := Jump(clock, random.randrange(least, least + 900) // 10 * 10 + 3))
            try:
                reply = told(await send("/jumps/"))
            finally:
                jump.remove(jumped)
        reply.sent += f"  that takes {jumped.milliseconds} milliseconds"
        if not jumped.measured:
            return
        reply.expect_that(reply.error is None, "an answer with the header X-Time-Ms")
        expect_the_number(reply, jumped.milliseconds)


def expect_the_number(reply: Reply, milliseconds: int) -> None:
    """Refuse unless the header tells this, however it was rounded."""
    text = reply.response.headers.get("X-Time-Ms", "")
    near = text.isdecimal() and abs(int(text) - milliseconds) <= 1
    lost = text.isdecimal() and milliseconds > 1000 and abs(int(text) - milliseconds % 1000) <= 1
    reply.expect_that(
        near,
        f"X-Time-Ms: {milliseconds}",
        got=f"X-Time-Ms: {text}" if text else "no header X-Time-Ms",
        because="the whole seconds are missing in it" if lost else None,
    )


@request_timing.requirement("measures each request by itself, also when several are under way")
async def starts_anew(trial: Trial) -> None:
    slow_may_end.clear()
    slow_is_inside.clear()
    slow_one = asyncio.ensure_future(timed_get(trial, "/slow/"))
    await first_moment(slow_is_inside.is_set, slow_one)
    await asyncio.sleep(0.05)
    meanwhile = [asyncio.ensure_future(timed_get(trial, page)) for page in ("/slow/", "/fast/")]
    _, waiting = await asyncio.wait(meanwhile, timeout=PATIENCE)
    slow_may_end.set()
    (slow_reply, most), *fast_ones = await asyncio.gather(slow_one, *meanwhile)
    sent = "GET /slow/, and GET /slow/ and /fast/ while it is under way"
    Outcome(sent).expect_that(
        not waiting, "an answer to the others, whatever the first waits for", got="none until then"
    )
    for fast_reply, most_fast in fast_ones:
        fast_reply.sent = sent
        expect_the_time(
            fast_reply,
            most_fast,
            too_much={
                "because": "the clock was started before this request came",
                "next": "`started = perf_counter()` belongs into the inner function, which runs for each request",
            },
        )
    slow_reply.sent = sent
    expect_the_time(slow_reply, most, too_little=SHARED_START)
    await starts_anew_for_the_second_to_end(trial)
    for method, page in (("POST", "/fast/"), ("PUT", "/fast/"), ("DELETE", "/data/"), ("GET", "/data/")):
        started = perf_counter()
        reply = told(await trial.request(method, page))
        expect_the_time(reply, perf_counter() - started)


SHARED_START = {
    "because": "alone, such a request was measured rightly: two that are under way share where the start is kept",
    "next": "keep the start in a variable of the inner function, or on `request`",
}


async def starts_anew_for_the_second_to_end(trial: Trial) -> None:
    """Refuse a time that is the other one's, of two requests of which the first to come is the first to go."""
    for event in (slow_is_inside, slow_may_end, late_is_inside, late_may_end):
        event.clear()
    first = asyncio.ensure_future(timed_get(trial, "/slow/"))
    await first_moment(slow_is_inside.is_set, first)
    await asyncio.sleep(0.05)
    second = asyncio.ensure_future(timed_get(trial, "/late/"))
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            await first_moment(late_is_inside.is_set, second)
    slow_may_end.set()
    reply, most = await first
    late_may_end.set()
    later, most_later = await second
    reply.sent += ", and GET /late/, which comes later and ends later"
    expect_the_time(reply, most, too_little=SHARED_START)
    later.sent += ", which came when GET /slow/ had begun, and ended later"
    expect_the_time(later, most_later, too_much=SHARED_START)


@request_timing.requirement("adds it to answers of errors too, such as a 404, and to a stream, as it begins")
async def times_errors(trial: Trial) -> None:
    for name, status in (("missing", 404), ("forbidden", 403), ("broken", 500), ("stream", 200)):
        reply, most = await timed_get(trial, f"/{name}/")
        reply.expect_that(reply.status == status, str(status))
        expect_the_time(reply, most)


@request_timing.requirement(
    "adds no crossing under ASGI, and blocks nothing: around an async view, it runs on the event loop as well"
)
async def stays_on_the_loop(trial: Trial) -> None:
    with crossings() as seen, blocking_calls_refused(trial.answer):
        reply, most = await timed_get(trial, "/fast/")
    expect_the_time(reply, most)
    expect_no_crossing(trial, "GET /fast/", seen, 2)


@request_timing.requirement(
    "does the same where `get_response` is sync, under WSGI and before a sync middleware, and adds no crossing under "
    "WSGI either"
)
async def serves_wsgi(trial: Trial) -> None:
    site = WSGISite(trial, SYNC_PAGES)
    for method, name, status in (
        ("GET", "slow", 200),
        ("POST", "slow", 200),
        ("GET", "missing", 404),
        ("GET", "broken", 500),
        ("GET", "stream", 200),
    ):
        with crossings() as seen:
            reply, most = await timed_request(site, f"/{name}/", method)
        reply.expect_that(reply.status == status, str(status))
        expect_the_time(reply, most)
        expect_no_crossing(trial, reply.sent, seen, 0)
    await tells_every_millisecond(trial, site.request)
    await measures_each_thread(site)
    reply, most = await timed_get(behind_an_async_server(trial, PAGES), "/fast/")
    expect_the_time(expect_for_sync(reply), most)


async def measures_each_thread(site: WSGISite) -> None:
    """A WSGI server has several threads, and one middleware for all of them."""
    meeting.expect(2)
    first = asyncio.ensure_future(timed_request(site, "/meets/"))
    await first_moment(lambda: bool(meeting.waiting), first)
    await asyncio.sleep(0.05)
    replies = await asyncio.gather(first, timed_request(site, "/meets/"))
    met = not meeting.failed
    meeting.expect(1)
    for reply, most in replies:
        reply.sent += "  while another thread handles another request"
        reply.expect_that(met, "both requests inside the view at the same time", got="one after the other")
        expect_the_time(
            reply,
            most,
            too_little=SHARED_START,
        )


async def timed_request(site: WSGISite, path: str, method: str = "GET") -> tuple[Reply, float]:
    """The reply under WSGI, and the seconds until it was there."""
    started = perf_counter()
    reply = await site.request(path, method)
    return reply, perf_counter() - started


async def timed_get(trial: Trial, path: str) -> tuple[Reply, float]:
    """The reply, and the seconds until it was there."""
    started = perf_counter()
    reply = told(await trial.get(path))
    return reply, perf_counter() - started


def expect_the_time(
    reply: Reply,
    most: float,
    *,
    too_little: dict[str, str] | None = None,
    too_much: dict[str, str] | None = None,
) -> None:
    """Refuse unless the header says how long the answer took.

    Args:
        reply: from the answer.
        most: seconds from the request to the reply.
        too_little: words about a time that is too short.
        too_much: words about a time that is too long.
    """
    # Trap: clocks differ in how they round, and the view's own clock is read inside of the middleware's.
    seconds = views_own.pop(reply.value.text, None) if reply.value is not None else None
    least = math.floor((seconds or 0) * 900)
    high = math.ceil(most * 1000) + 16
    expected = f"X-Time-Ms: a whole number, here {least} to {high}"
    reply.expect_that(reply.error is None, f"an answer with {expected}")
    if reply.status in (200, 500):
        reply.expect_that(seconds is not None, "the answer of the view itself")
    text = reply.response.headers.get("X-Time-Ms")
    reply.expect_that(text is not None, expected, got=f"{reply.status} without the header X-Time-Ms")
    whole = text.isascii() and text.isdigit()
    reply.expect_that(whole, expected, got=f"X-Time-Ms: {text}", because="it is no whole number")
    small = too_little or {
        "next": "`(perf_counter() - started) * 1000`, when the view has answered; seconds are too few, and the clock of the "
        "processor stands still while a view waits"
    }
    reply.expect_that(int(text) >= least, expected, got=f"X-Time-Ms: {text}", **small)
    reply.expect_that(int(text) <= high, expected, got=f"X-Time-Ms: {text}", **(too_much or {}))


def expect_no_crossing(trial: Trial, sent: str, seen: Crossings, usual: int) -> None:
    """Refuse when there was more than the usual number of ways into a thread, or any way back."""
    words: dict[str, str] = {}
    promises_both = getattr(trial.answer, "async_capable", False) and getattr(
        trial.answer, "sync_capable", True
    )
    if seen.onto_the_loop and not promises_both:
        words = {
            "because": "Django adapts a middleware that is for one world only, and builds it in a thread",
            "next": "promise both with `@sync_and_async_middleware`, and return the function that fits "
            "`get_response`",
        }
    elif seen.onto_the_loop:
        words = {
            "because": "the middleware promises both worlds, so Django adapts nothing: the bridge is its own",
            "next": "`await get_response(request)` in the async form, and a plain call in the sync one",
        }
    Outcome(sent).expect_that(
        not seen.onto_the_loop and len(seen.into_threads) <= usual,
        f"{counted(usual, 'crossing')} into a thread, as without the middleware, and none back to the event loop",
        got=f"{len(seen.into_threads)} into a thread, {len(seen.onto_the_loop)} back to the event loop",
        **words,
    )
