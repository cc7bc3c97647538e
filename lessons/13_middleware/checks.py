import asyncio
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path

from tutorial_project.classroom.checks import Outcome, Reply, Task, Trial
from tutorial_project.classroom.checks.middleware import asgi_site, expect_a_response, wsgi_request
from tutorial_project.classroom.crossings import Crossings, crossings
from tutorial_project.trips.models import Trip
from tutorial_project.trips.request_log import RequestIdFilter

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


log = logging.getLogger("agency.on_trial")
meeting: list[asyncio.Barrier] = []


async def look_up(service: str) -> None:
    log.info("asks for %s", service)
    await asyncio.sleep(0)
    log.info("has %s", service)


async def offers(request: HttpRequest) -> HttpResponse:
    log.info("looks for offers")
    await asyncio.gather(look_up("weather"), look_up("flights"))
    return HttpResponse("offers")


async def meets(request: HttpRequest) -> HttpResponse:
    await meeting[0].wait()
    log.info(request.headers["X-Request-ID"])
    return HttpResponse("met")


async def departures(request: HttpRequest) -> StreamingHttpResponse:
    async def body():
        for gate in ("A1", "B2"):
            log.info("streams gate %s", gate)
            yield gate

    return StreamingHttpResponse(body())


LOGGED_PAGES = [path("offers/", offers), path("meets/", meets), path("departures/", departures)]

RequestId = Task(
    "RequestId",
    application=lambda answer: asgi_site(
        answer, LOGGED_PAGES, ["django.middleware.security.SecurityMiddleware"]
    ),
    hints=(
        "Which of your lines has to come before `get_response` is called, so that view and stream find the id?",
        'The id is `request.headers.get("X-Request-ID")`, or a new one; `current_id.set(…)` comes before the `await`, '
        "the header of the answer after it.",
        '`current_id.set(request.headers.get("X-Request-ID") or uuid4().hex)`, `response = await '
        'self.get_response(request)`, `response.headers["X-Request-ID"] = current_id.get()`',
    ),
    praise="Right: the id is set before the view starts, so every task of the request copies it, and it stays for the "
    "stream. Putting it back at the end would be fine too, if the stream is wrapped so that it sets it again.",
)


@RequestId.requirement(
    "gives the id that comes in the header `X-Request-ID` back in the answer's header of that name"
)
async def gives_the_id_back(trial: Trial) -> None:
    for name in ("ada-1", "grace-2"):
        reply = await named(trial, "/offers/", name)
        reply.expect(200, text="offers")
        expect_the_id(reply, name)


@RequestId.requirement("makes a new id for each request that brings none")
async def makes_new_ids(trial: Trial) -> None:
    ids = []
    for _ in range(2):
        reply = await trial.get("/offers/")
        words = {}
        if isinstance(reply.error, KeyError):
            step = '`request.headers.get("X-Request-ID")`'
            words = {"because": "`request.headers[…]` raises when there is no such header", "next": step}
        reply.expect_that(reply.error is None, "200 with a header X-Request-ID", **words)
        made = reply.response.headers.get("X-Request-ID")
        reply.expect_that(
            made not in (None, "", "-", "None"), "a new X-Request-ID", got=f"X-Request-ID: {made}"
        )
        ids.append(made)
    Outcome("GET /offers/, twice").expect_that(
        ids[0] != ids[1],
        "two different ids",
        got=f"{ids[0]} both times",
        because="the id is made once, or kept from the request before",
        next="make it in `__call__`, which runs for each request",
    )


@RequestId.requirement("has the id on every log line of the view, also on those of calls that it gathers")
async def names_log_lines(trial: Trial) -> None:
    with logged() as records:
        reply = await named(trial, "/offers/", "ada-1")
    expect_ids(reply, records, ["ada-1"] * 5, **NOT_SET)
    with logged() as records:
        reply = await trial.get("/offers/")
    expect_ids(reply, records, [reply.response.headers["X-Request-ID"]] * 5, **NOT_SET)


NOT_SET = {
    "because": "`current_id` was not set in the task that handles the request, before the view started",
    "next": "`current_id.set(…)` in `__call__`, before `await self.get_response(request)`",
}


@RequestId.requirement("keeps requests apart that are under way at the same time")
async def keeps_requests_apart(trial: Trial) -> None:
    meeting[:] = [asyncio.Barrier(2)]
    names = ("ada-1", "grace-2")
    with logged() as records:
        replies = await asyncio.gather(*(named(trial, "/meets/", name) for name in names))
    for reply, name in zip(replies, names, strict=True):
        own = [record for record in records if record.getMessage() == name]
        reply.expect(200, text="met")
        expect_ids(reply, own, [name])
        expect_the_id(
            reply,
            name,
            because="the id was kept where all requests share it, and another one has written over it",
            next="keep it in `current_id`, or in a variable of `__call__`",
        )


@RequestId.requirement(
    "has it on the log lines of a stream as well, which is made when the middleware has returned"
)
async def names_streams(trial: Trial) -> None:
    with logged() as records:
        reply = await named(trial, "/departures/", "ada-1")
    reply.expect(200, text="A1B2")
    expect_ids(
        reply,
        records,
        ["ada-1"] * 2,
        because="the id was put back when the middleware returned, and the stream is made after that",
        next="leave the id set: it ends with the task of the request",
    )


def expect_the_id(reply: Reply, name: str, **words: str) -> None:
    """Refuse unless the answer's header names this id."""
    found = reply.response.headers.get("X-Request-ID")
    got = "an answer without the header X-Request-ID" if found is None else f"X-Request-ID: {found}"
    reply.expect_that(found == name, f"X-Request-ID: {name}", got=got, **(words if found else {}))


async def named(trial: Trial, url: str, name: str) -> Reply:
    return expect_a_response(await trial.get(url, headers={"X-Request-ID": name}))


@contextmanager
def logged() -> Iterator[list[logging.LogRecord]]:
    """Collect the records of the views above, with the id that the filter gives them."""
    records: list[logging.LogRecord] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)

    handler = Collector()
    handler.addFilter(RequestIdFilter())
    log.setLevel("INFO")
    log.propagate = False
    log.addHandler(handler)
    try:
        yield records
    finally:
        log.removeHandler(handler)


def expect_ids(reply: Reply, records: list[logging.LogRecord], ids: list[str], **words: str) -> None:
    """Refuse unless the records carry these ids."""
    found = [str(record.request_id) for record in records]  # a UUID is a fine id, too
    if not words and "-" in found:
        words = NOT_SET
    reply.expect_that(
        found == ids,
        f"{len(ids)} log lines with the id {ids[0]}",
        got=f"log lines with the ids {', '.join(found)}" if found else "no log line",
        **words,
    )


visited: list[str] = []


async def trip_page(request: HttpRequest) -> HttpResponse:
    visited.append("view")
    await asyncio.sleep(0)
    return HttpResponse("the trip", headers={"X-View": "async"})


def sync_trip_page(request: HttpRequest) -> HttpResponse:
    visited.append("view")
    return HttpResponse("the trip", headers={"X-View": "sync"})


TRIP_PAGES = [path("page/", trip_page)]
SYNC_TRIP_PAGES = [path("page/", sync_trip_page)]

SeatsLeft = Task(
    "SeatsLeft",
    application=lambda answer: asgi_site(
        answer, TRIP_PAGES, ["django.middleware.security.SecurityMiddleware"]
    ),
    hints=(
        "`MiddlewareMixin` promises both worlds: what has to be different in the async one, and what is the same?",
        "Branch on `self.async_mode` in `__call__` and return `self.__acall__(request)`; there, await the query and "
        "`get_response`. Or let the mixin do it: `process_request` and `process_response` run in a thread.",
        "In `async def __acall__`: `trip = await Trip.objects.filter(…).afirst()`, and "
        "`response = await self.get_response(request)`; the response of your own is returned without `await`",
    ),
    praise="Right: the promise of both worlds is kept. The hooks `process_request` and `process_response` would be "
    "shorter, with two crossings for each request, and need no a-method.",
)


@SeatsLeft.requirement(
    'answers 409 and `{"error": "sold out"}` by itself when `?trip=8` names a trip with no seat left, and does not call '
    "the view"
)
async def refuses_sold_out_trips(trial: Trial) -> None:
    await sell_out(8)
    visited.clear()
    expect_refused(expect_a_response(await trial.get("/page/?trip=8")))


@SeatsLeft.requirement(
    "passes every other request on, and adds the trip's seats as `X-Seats-Left` to the view's answer"
)
async def adds_the_seats(trial: Trial) -> None:
    for pk, left in ((7, 3), (9, 11)):
        await Trip.objects.filter(pk=pk).aupdate(seats_left=left)
        expect_passed(await trial.get(f"/page/?trip={pk}"), "async", str(left))


@SeatsLeft.requirement("adds nothing where no trip is named, or one that does not exist")
async def leaves_others_alone(trial: Trial) -> None:
    for query in ("", "?trip=7000"):
        expect_passed(await trial.get(f"/page/{query}"), "async", None)


@SeatsLeft.requirement("does all this under WSGI too, around a sync view")
async def serves_wsgi_too(trial: Trial) -> None:
    await sell_out(8)
    await Trip.objects.filter(pk=7).aupdate(seats_left=3)
    visited.clear()
    expect_refused(await wsgi_request(trial, SYNC_TRIP_PAGES, "/page/?trip=8"))
    expect_passed(await wsgi_request(trial, SYNC_TRIP_PAGES, "/page/?trip=7"), "sync", "3")
    expect_passed(await wsgi_request(trial, SYNC_TRIP_PAGES, "/page/"), "sync", None)


@SeatsLeft.requirement("keeps its promise: under ASGI it blocks no thread while an async view runs")
async def blocks_no_thread(trial: Trial) -> None:
    with crossings() as seen:
        reply = await trial.get("/page/?trip=7")
    back = len(seen.onto_the_loop)
    words = {
        "because": "the middleware is sync only, so Django runs it in a thread from its start to its end",
        "next": "let both flags stand, and write the async form",
    }
    if getattr(trial.answer, "async_capable", False):
        words = {
            "because": "the async form goes into a thread, and from there back to the view: the thread waits for it",
            "next": "only the query may go into a thread; then `await self.get_response(request)`",
        }
    reply.expect_that(
        back == 0,
        "no way from a thread back to the event loop",
        got=f"{back}: the view was called from a thread, which waits for it",
        **words,
    )


async def sell_out(pk: int) -> None:
    await Trip.objects.filter(pk=pk).aupdate(seats_left=0)


def expect_refused(reply: Reply) -> None:
    """Refuse unless the middleware answered, and not the view."""
    reply.expect(409, json={"error": "sold out"}, **about(reply))
    reply.expect_that(not visited, "the view not called", got="the view was called before the refusal")


def expect_passed(reply: Reply, kind: str, seats: str | None) -> None:
    """Refuse unless the view answered, with this header or without it."""
    words = about(reply)
    reply.expect(200, text="the trip", headers={"X-View": kind}, **words)
    found = reply.response.headers.get("X-Seats-Left")
    expected = "no header X-Seats-Left" if seats is None else f"X-Seats-Left: {seats}"
    reply.expect_that(found == seats, expected, got=f"X-Seats-Left: {found}" if found else "no such header")


def about(reply: Reply) -> dict[str, str]:
    """The words about an error of which the cause is certain; or none."""
    if isinstance(reply.error, Trip.DoesNotExist):
        return {
            "because": "`get` and `aget` raise when there is no such row",
            "next": "`await ….afirst()`, which gives `None`",
        }
    if isinstance(reply.error, AttributeError) and "'NoneType' object has no attribute 'seats_left'" in str(
        reply.error
    ):
        return {
            "because": "`first` and `afirst` give `None` when no trip is named, or none is there",
            "next": "`if trip:` before you read from it, in both places",
        }
    return {}
