import asyncio
import time

from django.http import Http404, HttpRequest, JsonResponse
from django.urls import path

from tutorial_project.checks import Outcome, Reply, Task, Trial
from tutorial_project.checks.kinds.middleware import asgi_site, wsgi_request
from tutorial_project.classroom.watching.crossings import Crossings, crossings

WAIT = 0.06


LEAST = 55
"""Milliseconds that a wait of `WAIT` seconds has taken in any case, whatever the clocks round away."""


async def slow(request: HttpRequest) -> JsonResponse:
    await asyncio.sleep(WAIT)
    return JsonResponse({"trips": 60})


async def fast(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"trips": 60})


async def missing(request: HttpRequest) -> JsonResponse:
    raise Http404


def slow_sync(request: HttpRequest) -> JsonResponse:
    time.sleep(WAIT)
    return JsonResponse({"trips": 60})


PAGES = [path("slow/", slow), path("fast/", fast), path("missing/", missing)]


SYNC_PAGES = [path("slow/", slow_sync)]


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
    expect_the_time(await trial.get("/slow/"))


@request_timing.requirement("measures each request by itself")
async def starts_anew(trial: Trial) -> None:
    slow = expect_the_time(await trial.get("/slow/"))
    # The least of several: one of them may have been held up.
    fast = min([expect_the_time(await trial.get("/fast/"), 0) for _ in range(5)])
    Outcome("GET /slow/, then GET /fast/").expect_that(
        fast < slow,
        f"fewer milliseconds for the second than the {slow} of the first",
        got=f"X-Time-Ms: {slow}, then {fast}",
        because="the outer function runs once, when the site starts; the clock is to start at each request",
        next="`started = perf_counter()` belongs into the inner function",
    )


@request_timing.requirement("adds it to answers of errors too, such as a 404")
async def times_errors(trial: Trial) -> None:
    reply = await trial.get("/missing/")
    reply.expect_that(reply.status == 404, "404")
    expect_the_time(reply, 0)


@request_timing.requirement(
    "adds no crossing under ASGI: around an async view, it runs on the event loop as well"
)
async def stays_on_the_loop(trial: Trial) -> None:
    with crossings() as seen:
        expect_the_time(await trial.get("/fast/"), 0)
    expect_no_crossing("GET /fast/", seen, 2)


@request_timing.requirement("does the same under WSGI around a sync view, and adds no crossing there either")
async def serves_wsgi(trial: Trial) -> None:
    with crossings() as seen:
        reply = await wsgi_request(trial, SYNC_PAGES, "/slow/")
    expect_the_time(reply)
    expect_no_crossing(reply.sent, seen, 0)


def expect_the_time(reply: Reply, least: int = LEAST) -> int:
    """Refuse unless the header says at least so many milliseconds; return what it says."""
    expected = f"X-Time-Ms: a whole number{f', here {round(WAIT * 1000)} or more' if least else ''}"
    reply.expect_that(reply.error is None, f"an answer with {expected}")
    text = reply.response.headers.get("X-Time-Ms")
    reply.expect_that(text is not None, expected, got=f"{reply.status} without the header X-Time-Ms")
    reply.expect_that(text.isdecimal(), expected, got=f"X-Time-Ms: {text}", because="it is no whole number")
    small = {"because": "the clock was stopped before the view had answered, or it counts seconds"}
    reply.expect_that(least <= int(text) < 100_000, expected, got=f"X-Time-Ms: {text}", **small)
    return int(text)


def expect_no_crossing(sent: str, seen: Crossings, usual: int) -> None:
    """Refuse when there was more than the usual number of ways into a thread, or any way back."""
    words: dict[str, str] = {}
    if seen.onto_the_loop:
        words = {
            "because": "Django adapts a middleware that is for one world only, and builds it in a thread",
            "next": "promise both with `@sync_and_async_middleware`, and return the function that fits "
            "`get_response`",
        }
    Outcome(sent).expect_that(
        not seen.onto_the_loop and len(seen.into_threads) <= usual,
        f"{usual} crossings into a thread, as without the middleware, and none back to the event loop",
        got=f"{len(seen.into_threads)} into a thread, {len(seen.onto_the_loop)} back to the event loop",
        **words,
    )
