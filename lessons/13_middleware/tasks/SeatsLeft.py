import asyncio

from django.http import HttpRequest, HttpResponse
from django.urls import path

from tutorial_project.checks import Reply, Task, Trial
from tutorial_project.checks.kinds.middleware import asgi_site, expect_a_response, wsgi_request
from tutorial_project.classroom.watching.crossings import crossings
from tutorial_project.trips.models import Trip

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
