import inspect
import traceback
from typing import Any

from django.core.exceptions import ObjectDoesNotExist, SynchronousOnlyOperation
from django.db import IntegrityError
from django.http import JsonResponse
from django.urls import path
from django.utils.datastructures import MultiValueDictKeyError
from django.views import View

from tutorial_project.classroom.checks import Refusal, Reply, Task, Trial, counted_queries
from tutorial_project.classroom.checks.trial import TrialHandler
from tutorial_project.trips.models import Review, Trip

TripReviews = Task(
    "TripReviews",
    routes=["trips/<int:pk>/reviews/"],
    hints=(
        "Which of your lines ask the database, and which attribute of a review does so without looking like it?",
        "`select_related` fetches the author with each review, `acreate` makes a review; `View` refuses the other "
        "methods by itself.",
        '`reviews = Review.objects.filter(trip_id=pk).select_related("author")`, then '
        "`[as_row(review) async for review in reviews]`; in `post`, `sent = json.loads(request.body)` and "
        "`await Review.objects.acreate(trip_id=pk, author=…, rating=…, text=…)`",
    ),
    praise="Right: two async handlers, and `View` does the rest. A sync method that writes, behind "
    "`await sync_to_async(self.save)(…)` in an `async def post`, would do too.",
)

TRIP_8 = "/trips/8/reviews/"


async def rows_of(pk: int) -> list[dict[str, Any]]:
    """The reviews of a trip, as the answer lists them."""
    reviews = Review.objects.filter(trip_id=pk).values("author__username", "rating", "text")
    return [
        {"author": row["author__username"], "rating": row["rating"], "text": row["text"]}
        async for row in reviews.order_by("pk")
    ]


@TripReviews.requirement(
    'answers `GET /trips/8/reviews/` with the reviews of trip 8 by their ids: `{"reviews": '
    '[{"author": "linus", "rating": 3, "text": "A nice place, …"}, …]}`'
)
async def lists_the_reviews(trial: Trial) -> None:
    for pk in (8, 3):
        reply, rows = await trial.get(f"/trips/{pk}/reviews/"), await rows_of(pk)
        explain_the_relation(reply, f"200 with the {len(rows)} reviews of trip {pk}", "author")
        reply.expect(200)
        told = reply.json.get("reviews") if isinstance(reply.json, dict) else None
        more = isinstance(told, list) and len(told) > len(rows)
        reply.expect_that(
            not more,
            f"the {len(rows)} reviews of trip {pk}",
            got=f"{len(told)} reviews" if more else None,
            because="reviews of other trips are among them",
            next="`Review.objects.filter(trip_id=pk)`",
        )
        reply.expect(200, json={"reviews": rows})


@TripReviews.requirement(
    'saves a review for `POST` with `{"author": "ada", "rating": 4, "text": "Bring a hat."}`, and answers 201 '
    "with its row, which is the same dictionary"
)
async def adds_a_review(trial: Trial) -> None:
    before, new = await rows_of(8), {"author": "ada", "rating": 4, "text": "Bring a hat."}
    reply, words = await trial.post(TRIP_8, json=new), {}
    if isinstance(reply.error, MultiValueDictKeyError):
        words = {
            "because": "`request.POST` holds the fields of a form, and this body is JSON",
            "next": "`json.loads(request.body)`",
        }
    reply.expect(201, json=new, **words)
    saved = (await rows_of(8))[len(before) :]
    reply.expect_that(
        saved == [new], f"{new} in the database", got=f"{saved or 'no review'} added in the database"
    )


@TripReviews.requirement("answers 400 to a rating of 0 or 6, and saves nothing")
async def refuses_other_ratings(trial: Trial) -> None:
    before = await rows_of(8)
    for rating in (0, 6):
        reply = await trial.post(TRIP_8, json={"author": "ada", "rating": rating, "text": ""})
        refused = isinstance(reply.error, IntegrityError)
        reply.expect(
            400,
            because="the database refuses such a rating, and to an error that it does not know Django answers 500"
            if refused
            else None,
            next="look at the rating before you save it" if refused else None,
        )
        added = len(await rows_of(8)) - len(before)
        reply.expect_that(not added, "no review saved", got=f"{added} review saved with a rating of {rating}")


@TripReviews.requirement(
    "answers 405 to every other method, such as `DELETE`, with `GET` and `POST` in `Allow`"
)
async def refuses_other_methods(trial: Trial) -> None:
    await expect_405(await trial.request("DELETE", TRIP_8), {"GET", "POST"})


@TripReviews.requirement("is async: Django awaits `GET` and `POST` on the event loop")
async def is_async(trial: Trial) -> None:
    for method, request in (("GET", {}), ("POST", {"json": {"author": "ada", "rating": 4, "text": ""}})):
        await trial.runs_on_the_loop(
            TRIP_8, method=method, next="`async def` before every handler", **request
        )


MembersDesk = Task(
    "MembersDesk",
    routes=["desk/<int:pk>/"],
    hints=(
        "Which method of the class runs before every handler, and what has to be true of it before it can await?",
        "In an `async def dispatch`, ask `await request.auser()` who it is; answer, or await what `super()` gives.",
        "`traveller = await request.auser()`; `if not traveller.is_authenticated: return "
        "redirect_to_login(request.get_full_path())`; `return await super().dispatch(request, *args, **kwargs)`",
    ),
    praise="Right: nobody reaches a handler unasked. `@method_decorator(login_required)` above an `async def dispatch`, "
    "or `login_required(MembersDesk.as_view())` in `urls.py`, would do too.",
)

TO_THE_LOGIN = "302  Location: /accounts/login/?next=/desk/8/"


async def seats_left() -> int:
    return (await Trip.objects.aget(pk=8)).seats_left


def expect_the_login(reply: Reply, **words: str) -> None:
    """Refuse unless the visitor is sent to the login page, and from there back."""
    explain_the_guard(reply, TO_THE_LOGIN)
    reply.expect_that(reply.status == 302, TO_THE_LOGIN, **words)
    location = reply.response.headers["Location"]
    wanted = location in ("/accounts/login/?next=/desk/8/", "/accounts/login/?next=%2Fdesk%2F8%2F")
    reply.expect_that(wanted, TO_THE_LOGIN, got=f"302  Location: {location}")


@MembersDesk.requirement(
    "answers `GET /desk/8/` of somebody who is not logged in with 302 to `/accounts/login/?next=/desk/8/`"
)
async def sends_visitors_to_the_login(trial: Trial) -> None:
    reply, words = await trial.get("/desk/8/"), {}
    if reply.status == 200:
        words = {
            "because": "the visitor reached the handler",
            "next": "`auser()` gives a user in any case; `is_authenticated` says whether somebody is logged in, and "
            "the redirect has to be returned",
        }
    expect_the_login(reply, **words)


@MembersDesk.requirement(
    "lets ada through, who is logged in: `GET` tells her the seats that are left, `POST` takes one and answers 201"
)
async def lets_ada_through(trial: Trial) -> None:
    await trial.log_in("ada")
    left = await seats_left()
    reply = await trial.get("/desk/8/")
    explain_the_guard(reply, f'200 {{"seats_left": {left}}}')
    reply.expect(200, json={"seats_left": left})
    reply = await trial.post("/desk/8/")
    explain_the_guard(reply, "201")
    reply.expect(201)
    reply.expect_that(await seats_left() == left - 1, f"{left - 1} seats left in the database")


@MembersDesk.requirement("answers `POST` of somebody who is not logged in the same way, and takes no seat")
async def protects_every_handler(trial: Trial) -> None:
    left = await seats_left()
    reply = await trial.post("/desk/8/")
    words = {}
    if reply.status == 201:
        words = {
            "because": "the visitor reached the handler of `POST`",
            "next": "protect `dispatch`, which runs before every handler, or each handler",
        }
    expect_the_login(reply, **words)
    reply.expect_that(await seats_left() == left, f"{left} seats left in the database")


@MembersDesk.requirement("answers 405 to a `DELETE` of ada, with `GET` and `POST` in `Allow`")
async def still_refuses_other_methods(trial: Trial) -> None:
    await trial.log_in("ada")
    await expect_405(await trial.request("DELETE", "/desk/8/"), {"GET", "POST"})


async def expect_405(reply: Reply, allowed: set[str]) -> None:
    """Refuse unless the method was refused, and the allowed ones are named."""
    expected = f"405 with {' and '.join(sorted(allowed))} in the header Allow"
    explain_the_guard(reply, expected)
    reply.expect_that(reply.status == 405, expected)
    allow = reply.response.headers.get("Allow", "")
    named = {method.strip() for method in allow.split(",")}
    reply.expect_that(allowed <= named, expected, got=f"405  Allow: {allow}")


def explain_the_guard(reply: Reply, expected: str) -> None:
    """Refuse the errors of a guard that is sync, with their cause; pass over everything else."""
    because = step = None
    if isinstance(reply.error, TypeError) and "Response" in str(reply.error) and ends_in_django(reply.error):
        because = (
            "the handlers are async, so Django awaits what comes back; something sync around them, such as "
            "`dispatch`, answered with a response"
        )
        step = "decorate an `async def dispatch`, or answer in one"
    elif isinstance(reply.error, SynchronousOnlyOperation) and passes_through(reply, "auth/middleware"):
        because = "`request.user` asks the database for the session and the user, in the event loop"
        step = "`await request.auser()`"
    elif isinstance(reply.error, AttributeError) and passes_through(reply, "auth/decorators"):
        because = "a decorator for functions took `self` for the request"
        step = "`@method_decorator(login_required)`"
    elif lost_on_the_way(reply):
        because, step = NOT_HANDED_ON["because"], NOT_HANDED_ON["next"]
    refuse_because(reply, expected, because, step)


NOT_HANDED_ON = {
    "because": "what the URL holds did not go through `dispatch`",
    "next": "take `*args, **kwargs` and give both to `super().dispatch`",
}


def lost_on_the_way(reply: Reply) -> bool:
    """Whether a handler was called without what the URL holds, or `dispatch` does not take it."""
    return isinstance(reply.error, TypeError) and "argument" in str(reply.error)


def explain_the_relation(reply: Reply, expected: str, name: str) -> None:
    """Refuse an error that comes from reading a relation which was not fetched; pass over everything else."""
    lazy = isinstance(reply.error, SynchronousOnlyOperation) and passes_through(reply, "related_descriptors")
    because = f"the {name} was not fetched with its row: reading it asks the database, in the event loop"
    refuse_because(reply, expected, because if lazy else None, f'`select_related("{name}")`')


def refuse_because(reply: Reply, expected: str, because: str | None, step: str | None) -> None:
    if because:
        raise Refusal(
            sent=reply.sent, expected=expected, got=reply.got, because=because, next=step
        ) from reply.error


def files_of(error: BaseException) -> list[str]:
    """The files of the traceback, from the outermost on."""
    return [frame.filename.replace("\\", "/") for frame in traceback.extract_tb(error.__traceback__)]


def ends_in_django(error: BaseException) -> bool:
    """Whether Django's handler itself raised, and no `await` of the answer."""
    return files_of(error)[-1].endswith("django/core/handlers/base.py")


def passes_through(reply: Reply, part: str) -> bool:
    return any(part in file for file in files_of(reply.error))


class Stamped:
    """Another mixin, to the right of the learner's."""

    async def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        response = await super().dispatch(request, *args, **kwargs)
        response.headers["X-Stamp"] = "stamped"
        return response


def pages(mixin: Any) -> TrialHandler:
    """The pages that use the mixin: one with its destination, one with more in its URL, one with a second mixin."""

    class TripPage(mixin, View):
        async def get(self, request: Any, pk: int) -> JsonResponse:
            return JsonResponse({"id": self.trip.pk, "title": self.trip.title})

    class PlacePage(mixin, View):
        async def get(self, request: Any, pk: int) -> JsonResponse:
            return JsonResponse({"to": self.trip.destination.name})

    class DayPage(mixin, View):
        async def get(self, request: Any, pk: int, day: int) -> JsonResponse:
            return JsonResponse({"id": self.trip.pk, "pk": pk, "day": day})

    class StampedPage(mixin, Stamped, View):
        async def get(self, request: Any, pk: int) -> JsonResponse:
            return JsonResponse({"id": self.trip.pk})

    return TrialHandler(
        [
            path("trips/<int:pk>/", TripPage.as_view()),
            path("trips/<int:pk>/place/", PlacePage.as_view()),
            path("trips/<int:pk>/days/<int:day>/", DayPage.as_view()),
            path("trips/<int:pk>/stamped/", StampedPage.as_view()),
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
    for pk in (7, 8):
        trip = await Trip.objects.aget(pk=pk)
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


@TripMixin.requirement(
    "has fetched the trip's destination too, so that a handler can read `self.trip.destination.name`"
)
async def fetches_the_destination(trial: Trial) -> None:
    reply = await trial.get("/trips/7/place/")
    explain_the_relation(reply, '200 {"to": "Kyoto"}', "destination")
    reply.expect(200, json={"to": "Kyoto"})


@TripMixin.requirement("sends one query for both")
async def sends_one_query(trial: Trial) -> None:
    with counted_queries() as sent:
        reply = await trial.get("/trips/7/place/")
    reply.expect(200)
    reply.expect_that(
        len(sent) == 1,
        "one query",
        got=f"{len(sent)} queries",
        next='`select_related("destination")` brings both in one query',
    )


@TripMixin.requirement("answers 404 when there is no such trip or it is not `active`, such as 7000 and 12")
async def answers_404(trial: Trial) -> None:
    for pk in (7000, 12):
        reply = await trial.get(f"/trips/{pk}/")
        missed = isinstance(reply.error, ObjectDoesNotExist)
        reply.expect(
            404,
            because="`aget` raises when there is no such row, and the traveller gets a 500"
            if missed
            else None,
            next="`await aget_object_or_404(…)`" if missed else None,
        )


@TripMixin.requirement(
    "hands on everything in the URL, as in `/trips/7/days/3/`, whose handler takes `pk` and `day`"
)
async def hands_on_the_url(trial: Trial) -> None:
    reply = await trial.get("/trips/7/days/3/")
    words = NOT_HANDED_ON if lost_on_the_way(reply) else {}
    reply.expect(200, json={"id": 7, "pk": 7, "day": 3}, **words)


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
