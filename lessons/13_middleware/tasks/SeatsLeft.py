import asyncio
import itertools
import random
from uuid import uuid4

from django.http import HttpRequest, HttpResponse
from django.urls import path

from tutorial_project.checks import Reply, Task, Trial
from tutorial_project.checks.kinds.made_up import one_of
from tutorial_project.checks.kinds.middleware import (
    WSGISite,
    asgi_site,
    behind_an_async_server,
    expect_a_response,
    expect_for_sync,
)
from tutorial_project.classroom.watching.crossings import crossings
from tutorial_project.trips.models import Trip

from ..shared import Meeting, MeetingOfThreads, together, told, watched_get

visited: list[str] = []
"""What the view has answered that no reply was looked at for yet."""


statuses = itertools.cycle((404, 200))


meeting, meeting_of_threads = Meeting(), MeetingOfThreads()


async def trip_page(request: HttpRequest) -> HttpResponse:
    visited.append(text := uuid4().hex)
    await asyncio.sleep(0)
    await meeting.wait()
    return HttpResponse(text, status=next(statuses), headers={"X-View": "async"})


def sync_trip_page(request: HttpRequest) -> HttpResponse:
    visited.append(text := uuid4().hex)
    meeting_of_threads.wait()
    return HttpResponse(text, status=next(statuses), headers={"X-View": "sync"})


ODD = ("abc", "", "²", "%00", "-1", "1" * 40, "7;8", "7.0")
"""What may stand behind `?trip=` that names no trip."""


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
    for pk in (8, await some_trip(), 8):
        await leave(pk, 0)
        visited.clear()
        expect_refused(expect_a_response(told(await watched_get(trial, f"/page/?trip={pk}"))))


@SeatsLeft.requirement(
    "passes every other request on, and adds the trip's seats as `X-Seats-Left` to the view's answer"
)
async def adds_the_seats(trial: Trial) -> None:
    pk = await some_trip()
    for one, left in ((pk, 1), (pk, random.randint(2, 9)), (await some_trip(), 100)):
        await leave(one, left)
        visited.clear()
        for send in (watched_get(trial, f"/page/?trip={one}"), trial.post(f"/page/?trip={one}")):
            expect_passed_once(await send, "async", str(left))
    await Trip.objects.filter(pk=one).aupdate(active=False)
    await leave(8, 0)
    for send in (watched_get(trial, url := f"/page/?trip={one}"), trial.post(url, data={"trip": "8"})):
        visited.clear()
        expect_passed_once(await send, "async", str(left))


@SeatsLeft.requirement(
    "gives each of several requests the seats of its own trip, and lets none wait for another"
)
async def keeps_requests_apart(trial: Trial) -> None:
    seats = await three_trips()
    replies = await together(trial, meeting, [f"/page/?trip={pk}" for pk in seats], [{}] * 3)
    expect_own_seats(replies, "async", seats)


async def three_trips() -> dict[int, int]:
    """The ids of three trips, and how many seats each of them has left; no two have as many."""
    trips = random.sample([trip.pk async for trip in Trip.objects.all()], 3)
    seats = dict(zip(trips, range(random.randint(1, 50), 60), strict=False))
    for pk, left in seats.items():
        await leave(pk, left)
    visited.clear()
    return seats


def expect_own_seats(replies: list[Reply], kind: str, seats: dict[int, int]) -> None:
    """Refuse unless each reply has the seats of its own trip."""
    for reply, (pk, left) in zip(replies, seats.items(), strict=True):
        mixed = others(reply, seats, pk)
        expect_passed(
            reply,
            kind,
            str(left),
            because="the trip of one request was kept where all requests share it" if mixed else None,
            next="keep it in a variable, or on `request`; never on `self`" if mixed else None,
        )


@SeatsLeft.requirement(
    "adds nothing where no trip is named, or one that does not exist, or `?trip=` is no number"
)
async def leaves_others_alone(trial: Trial) -> None:
    for query in ("", "?trip=7000", *(f"?trip={odd}" for odd in ODD)):
        visited.clear()
        expect_passed_once(await watched_get(trial, f"/page/{query}"), "async", None)


@SeatsLeft.requirement(
    "does all this where `get_response` is sync, too: under WSGI, and before a sync middleware"
)
async def serves_wsgi_too(trial: Trial) -> None:
    site = WSGISite(trial, SYNC_TRIP_PAGES)
    pk, left = await some_trip(), random.randint(1, 50)
    for sold_out in (8, pk):
        await leave(sold_out, 0)
        visited.clear()
        expect_refused(await site.request(f"/page/?trip={sold_out}"))
    for query, seats in (
        (f"?trip={pk}", str(left)),
        (f"?trip={pk}", str(left + 1)),
        ("", None),
        ("?trip=7000", None),
        *((f"?trip={odd}", None) for odd in ODD),
    ):
        visited.clear()
        await leave(pk, int(seats or 1))
        for method in ("GET", "POST") if seats else ("GET",):
            expect_passed_once(await site.request(f"/page/{query}", method), "sync", seats)
    await keeps_threads_apart(site)
    await serves_before_a_sync_middleware(trial, pk)


async def serves_before_a_sync_middleware(trial: Trial, pk: int) -> None:
    site = behind_an_async_server(trial, TRIP_PAGES)
    for left in (0, random.randint(1, 50)):
        await leave(pk, left)
        visited.clear()
        reply = expect_for_sync(told(await site.get(f"/page/?trip={pk}")))
        if left:
            expect_passed_once(reply, "async", str(left))
        else:
            expect_refused(reply)


async def keeps_threads_apart(site: WSGISite) -> None:
    """A WSGI server has several threads, and one middleware for all of them."""
    seats = await three_trips()
    meeting_of_threads.expect(len(seats))
    replies = await asyncio.gather(*(site.request(f"/page/?trip={pk}") for pk in seats))
    met = not meeting_of_threads.failed
    meeting_of_threads.expect(1)
    for reply in replies:
        reply.sent += "  in three threads at once"
        got = "requests that waited for each other outside of it"
        reply.expect_that(met, "all 3 requests inside the view at the same time", got=got)
    expect_own_seats(replies, "sync", seats)


@SeatsLeft.requirement("keeps its promise: under ASGI it blocks no thread while an async view runs")
async def blocks_no_thread(trial: Trial) -> None:
    with crossings() as seen:
        reply = told(await trial.get("/page/?trip=7"))
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


async def some_trip() -> int:
    """The id of a trip that nobody can know."""
    return one_of([trip.pk async for trip in Trip.objects.exclude(pk=8)])


async def leave(pk: int, seats: int) -> None:
    await Trip.objects.filter(pk=pk).aupdate(seats=100, seats_left=seats)


def others(reply: Reply, seats: dict[int, int], pk: int) -> bool:
    """Whether the reply names the seats of another trip of these."""
    found = reply.value.headers.get("X-Seats-Left") if reply.value is not None else None
    return found in {str(left) for other, left in seats.items() if other != pk}


def expect_refused(reply: Reply) -> None:
    """Refuse unless the middleware answered, and not the view."""
    reply.expect(409, json={"error": "sold out"}, **about(reply))
    reply.expect_that(not visited, "the view not called", got="the view was called before the refusal")


def expect_passed_once(reply: Reply, kind: str, seats: str | None) -> None:
    """Refuse unless the view answered, with this header or without it, and was not called besides."""
    expect_passed(reply, kind, seats)
    calls = 1 + len(visited)
    reply.expect_that(calls == 1, "the view called once", got=f"the view called {calls} times")


def expect_passed(reply: Reply, kind: str, seats: str | None, **words: str | None) -> None:
    """Refuse unless the view answered, with this header or without it."""
    reply.expect_that(reply.error is None, "the view's answer", **about(reply))
    own = reply.response.headers.get("X-View") == kind and reply.text in visited
    reply.expect_that(
        own, f"the view's own answer, with X-View: {kind}", got=f"{reply.status} {reply.text[:80]}"
    )
    visited.remove(reply.text)
    found = reply.response.headers.get("X-Seats-Left")
    expected = "no header X-Seats-Left" if seats is None else f"X-Seats-Left: {seats}"
    got = "no such header" if found is None else f"X-Seats-Left: {found or 'without a value'}"
    reply.expect_that(found == seats, expected, got=got, **words)


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
    if isinstance(reply.error, ValueError) and "expected a number but got" in str(reply.error):
        return {
            "because": "what a visitor writes behind `?trip=` need not be a number",
            "next": "`int(…)` in a `try`, and no trip for a `ValueError`",
        }
    return {}
