import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any
from unittest import mock

from django.core.exceptions import ObjectDoesNotExist
from django.db import OperationalError
from django.db.backends.utils import CursorWrapper
from django.http import JsonResponse
from django.urls import path
from django.views import View

from tutorial_project.checks import Task, Trial
from tutorial_project.checks.kinds.made_up import made_up
from tutorial_project.checks.trial import TrialHandler
from tutorial_project.classroom import queries
from tutorial_project.trips.models import Trip
from tutorial_project.words import counted

from ..shared import (
    NOT_HANDED_ON,
    expect_405,
    explain_the_relation,
    explain_what_was_left_out,
    lost_on_the_way,
    made_up_trip,
)

came_in: list[int] = []
"""The trips whose broken page was called."""


class Stamped:
    """Another mixin, to the right of the learner's."""

    async def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        response = await super().dispatch(request, *args, **kwargs)
        response.headers["X-Stamp"] = "stamped"
        return response


PATIENCE = 2.0
"""Seconds that a handler waits for the other visitor."""


def meeting() -> Callable[[], Awaitable[bool]]:
    """What two handlers await to be inside at the same moment; gives whether they were."""
    both = asyncio.Barrier(2)

    async def meet() -> bool:
        try:
            async with asyncio.timeout(PATIENCE):
                await both.wait()
        except (TimeoutError, asyncio.BrokenBarrierError):
            await both.abort()  # whoever comes later need not wait
            return False
        return True

    return meet


ERRORS = (ArithmeticError, Trip.DoesNotExist, LookupError, AttributeError, TypeError, ValueError)
"""What the handler of a broken page may raise."""


def pages(mixin: Any) -> TrialHandler:
    """The pages that use the mixin: with its destination, more in the URL, a second mixin, a wait for another visitor."""
    meet = meeting()

    class TripPage(mixin, View):
        async def get(self, request: Any, pk: int) -> JsonResponse:
            return JsonResponse({"id": self.trip.pk, "title": self.trip.title})

    class PlacePage(mixin, View):
        async def get(self, request: Any, pk: int) -> JsonResponse:
            place = self.trip.destination
            return JsonResponse({"to": place.name, "country": place.country, "about": place.description})

        async def post(self, request: Any, pk: int) -> JsonResponse:
            trip = self.trip
            return JsonResponse({"booked": trip.title, "nights": trip.nights})

        put = patch = delete = post

    class DayPage(mixin, View):
        async def get(self, request: Any, day: int, pk: int) -> JsonResponse:
            return JsonResponse({"id": self.trip.pk, "pk": pk, "day": day})

    class HotelPage(mixin, View):
        async def get(self, request: Any, pk: int, hotel: str) -> JsonResponse:
            return JsonResponse({"id": self.trip.pk, "pk": pk, "hotel": hotel})

    class BrokenPage(mixin, View):
        async def get(self, request: Any, pk: int) -> JsonResponse:
            came_in.append(pk)
            raise ERRORS[int(request.GET["error"])](f"the sum of trip {self.trip.pk}")

    class StampedPage(mixin, Stamped, View):
        async def get(self, request: Any, pk: int) -> JsonResponse:
            return JsonResponse({"id": self.trip.pk})

    class MeetingPage(mixin, View):
        async def get(self, request: Any, pk: int) -> JsonResponse:
            met = await meet()
            return JsonResponse({"id": self.trip.pk} if met else {"alone": True})

    return TrialHandler(
        [
            path("trips/<int:pk>/meeting/", MeetingPage.as_view()),
            path("trips/<int:pk>/", TripPage.as_view()),
            path("trips/<int:pk>/place/", PlacePage.as_view()),
            path("trips/<int:pk>/days/<int:day>/", DayPage.as_view()),
            path("trips/<int:pk>/hotels/<slug:hotel>/", HotelPage.as_view()),
            path("trips/<int:pk>/stamped/", StampedPage.as_view()),
            path("trips/<int:pk>/broken/", BrokenPage.as_view()),
        ]
    )


TripMixin = Task(
    "TripMixin",
    application=pages,
    hints=(
        "Which method runs before every handler, may await, and can answer in its place?",
        "Load the trip in `dispatch`, with everything that the handlers read from it, store it on `self`, and hand on "
        "all that you were given.",
        '`self.trip = await aget_object_or_404(Trip.objects.filter(active=True).select_related("destination"), '
        'pk=kwargs["pk"])`, then `return await super().dispatch(request, *args, **kwargs)`',
    ),
    praise="Right: one query before the handler, and `super()` hands on to whatever stands to the right. A sync "
    "`get_object_or_404` behind `sync_to_async` would do too.",
)


@TripMixin.requirement("gives every handler the trip that `pk` names in the URL, as `self.trip`")
async def loads_the_trip(trial: Trial) -> None:
    trip = await made_up_trip()
    for title in (trip.title, made_up("renamed")):
        pk, trip.title = trip.pk, title
        trip.seats_left = 0 if title.startswith("renamed") else trip.seats_left  # on sale, and sold out
        await trip.asave(update_fields=["title", "seats_left"])
        reply = await trial.get(f"/trips/{pk}/")
        expected = f'200 {{"id": {pk}, "title": "{trip.title}"}}'
        words = {}
        if inspect.iscoroutinefunction(getattr(trial.answer, "setup", None)):
            words = {
                "because": "Django calls `setup` without awaiting it",
                "next": "do what has to wait in an `async def dispatch`",
            }
        elif isinstance(reply.error, AttributeError) and hasattr(trial.answer, "get"):
            words = {
                "because": "the page has a `get` of its own, which stands in the place of the mixin's",
                "next": "load the trip in `dispatch`, which runs before every handler",
            }
        elif "required positional argument: 'pk'" in str(reply.error):
            words = NOT_HANDED_ON
        holds = reply.error is None and reply.status == 200 and reply.json == {"id": pk, "title": trip.title}
        reply.expect_that(holds, expected, **words)
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        reply = await trial.request(method, f"/trips/{trip.pk}/place/")
        reply.sent += f"   with a handler for {method}"
        explain_what_was_left_out(reply, f'200 {{"booked": "{trip.title}", "nights": {trip.nights}}}')
        reply.expect(200, json={"booked": trip.title, "nights": trip.nights})


@TripMixin.requirement(
    "has fetched the trip's destination too, so that a handler can read `self.trip.destination.name`"
)
async def fetches_the_destination(trial: Trial) -> None:
    trip = await made_up_trip()
    place = trip.destination
    reply = await trial.get(f"/trips/{trip.pk}/place/")
    expected = f'200 {{"to": "{place.name}", "country": "{place.country}", "about": ""}}'
    explain_the_relation(reply, expected, "destination", '`select_related("destination")`')
    explain_what_was_left_out(reply, expected)
    reply.expect(200, json={"to": place.name, "country": place.country, "about": ""})


@TripMixin.requirement("sends one query for both")
async def sends_one_query(trial: Trial) -> None:
    with queries() as sent:
        reply = await trial.get("/trips/7/place/")
    reply.expect(200)
    reply.expect_that(
        len(sent) == 1,
        "one query",
        got=counted(len(sent), "query", "queries"),
        next='`select_related("destination")` brings both in one query',
    )


@TripMixin.requirement(
    "answers 404 when there is no such trip or it is not `active`, such as 7000 and 12, before any handler runs; an error "
    "of a handler or of the database comes out"
)
async def answers_404(trial: Trial) -> None:
    for pk in (7000, 12, (await made_up_trip(active=False)).pk):
        reply = await trial.get(f"/trips/{pk}/")
        missed = isinstance(reply.error, ObjectDoesNotExist)
        reply.expect(
            404,
            because="`aget` raises when there is no such row, and the traveller gets a 500"
            if missed
            else None,
            next="`await aget_object_or_404(…)`" if missed else None,
        )
    # A page that has a handler for POST.
    (await trial.post("/trips/7000/place/")).expect(404)
    await lets_errors_out(trial)
    inactive = (await made_up_trip(active=False)).pk
    came_in.clear()
    reply = await trial.get(f"/trips/{inactive}/broken/?error=0")
    reply.expect_that(
        not came_in,
        f"404, and no handler that runs for trip {inactive}, which is not active",
        got="its handler has run",
    )


async def lets_errors_out(trial: Trial) -> None:
    """Refuse when an error of a handler, or of the database, is taken for a trip that is not there."""
    for number, error in enumerate(ERRORS):
        reply = await trial.get(f"/trips/7/broken/?error={number}")
        reply.sent += f"   whose handler raises {error.__qualname__}"
        if not isinstance(reply.error, error):
            reply.refuse(expected=f"the {error.__qualname__} of the handler")
    with mock.patch.object(CursorWrapper, "execute", side_effect=OperationalError("the disk is full")):
        reply = await trial.get("/trips/7/")
    reply.sent += "   while the database fails"
    if not isinstance(reply.error, OperationalError):
        reply.refuse(expected="the OperationalError of the database")


@TripMixin.requirement(
    "hands on everything in the URL, as in `/trips/7/days/3/`, whose handler takes `pk` and `day`"
)
async def hands_on_the_url(trial: Trial) -> None:
    reply = await trial.get("/trips/7/days/3/")
    words = NOT_HANDED_ON if lost_on_the_way(reply) else {}
    reply.expect(200, json={"id": 7, "pk": 7, "day": 3}, **words)
    hotel = made_up("hotel")
    reply = await trial.get(f"/trips/7/hotels/{hotel}/")
    reply.expect(
        200, json={"id": 7, "pk": 7, "hotel": hotel}, **(NOT_HANDED_ON if lost_on_the_way(reply) else {})
    )


@TripMixin.requirement("answers 405 to a method that the view has no handler for, such as `POST`")
async def refuses_missing_handlers(trial: Trial) -> None:
    await expect_405(await trial.post("/trips/7/"), {"GET"})


@TripMixin.requirement("leaves a mixin to its right its turn, as in `class Page(TripMixin, Stamped, View)`")
async def works_with_others(trial: Trial) -> None:
    reply = await trial.get("/trips/7/stamped/")
    reply.expect(200, json={"id": 7})
    reply.expect_that(
        reply.response.headers.get("X-Stamp") == "stamped",
        "the header X-Stamp, which `Stamped.dispatch` sets",
        got="a response without it",
        because="`Stamped.dispatch` was never called",
        next="`return await super().dispatch(request, *args, **kwargs)`",
    )


@TripMixin.requirement("gives each of two visitors who are inside at the same moment a trip of their own")
async def keeps_visitors_apart(trial: Trial) -> None:
    pks = [(await made_up_trip()).pk, (await made_up_trip()).pk]
    replies = await asyncio.gather(*(trial.get(f"/trips/{pk}/meeting/") for pk in pks))
    for reply, pk, other in zip(replies, pks, pks[::-1], strict=True):
        alone = reply.status == 200 and reply.json == {"alone": True}
        reply.expect_that(
            not alone,
            "both handlers at work at the same moment",
            got=f"one that was still alone after {PATIENCE:g} seconds" if alone else None,
        )
        mixed_up = reply.status == 200 and reply.json == {"id": other}
        reply.expect(
            200,
            json={"id": pk},
            because="it is the other visitor's trip: both share what should belong to one request"
            if mixed_up
            else None,
            next="`self.trip = …`: Django makes an instance for each request" if mixed_up else None,
        )


@TripMixin.requirement("leaves the event loop free for others while it works")
async def leaves_the_loop_free(trial: Trial) -> None:
    await trial.leaves_the_loop_free("/trips/7/")
