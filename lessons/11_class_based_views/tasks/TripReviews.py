import asyncio
from random import choice, randint, shuffle
from typing import Any

from django.contrib.auth.models import User
from django.db import IntegrityError
from django.utils.datastructures import MultiValueDictKeyError

from tutorial_project.checks import Task, Trial
from tutorial_project.checks.kinds.made_up import made_up
from tutorial_project.classroom import queries
from tutorial_project.trips.models import Review, Trip

from ..shared import expect_405, explain_the_relation, made_up_traveller, made_up_trip

TripReviews = Task(
    "TripReviews",
    beside="adds_a_review",
    routes=["trips/<int:pk>/reviews/"],
    hints=(
        "Which of your lines ask the database, and which attribute of a review does so without looking like it?",
        "`select_related` fetches the author with each review, `acreate` makes a review; `View` refuses the other "
        "methods by itself.",
        '`reviews = Review.objects.filter(trip_id=pk).select_related("author")`, then '
        "`[as_row(review) async for review in reviews]`; in `post`, `sent = fields_of(request, author=str, rating=int, "
        "text=str)` and `await Review.objects.acreate(trip_id=pk, author=…, rating=…, text=…)`",
    ),
    praise="Right: two async handlers, and `View` does the rest. A sync method that writes, behind "
    "`await sync_to_async(self.save)(…)` in an `async def post`, would do too.",
)


TRIP_8 = "/trips/8/reviews/"


async def rows_of(pk: int | None = None) -> list[dict[str, Any]]:
    """The reviews of a trip, or all of them, as the answer lists them."""
    reviews = Review.objects.all() if pk is None else Review.objects.filter(trip_id=pk)
    return [
        {"author": row["author__username"], "rating": row["rating"], "text": row["text"]}
        async for row in reviews.values("author__username", "rating", "text").order_by("pk")
    ]


@TripReviews.requirement(
    'answers `GET /trips/8/reviews/` with the reviews of trip 8 by their ids: `{"reviews": '
    '[{"author": "linus", "rating": 3, "text": "A nice place, …"}, …]}`, in three queries at most'
)
async def lists_the_reviews(trial: Trial) -> None:
    trip = await made_up_trip()
    await expect_the_reviews(trial, 8)
    await expect_the_reviews(trial, trip.pk)
    await write_many_reviews(trip)
    await expect_the_reviews(trial, trip.pk)
    await expect_few_queries(trial, trip.pk)


async def expect_few_queries(trial: Trial, pk: int) -> None:
    with queries() as sent:
        reply = await trial.get(f"/trips/{pk}/reviews/")
    reply.sent += f"   with {await Review.objects.filter(trip=pk).acount()} reviews"
    reply.expect_that(
        len(sent) <= 3,
        "three queries at most",
        got=f"{len(sent)} queries",
        next='`select_related("author")` brings the authors with their reviews',
    )


async def write_many_reviews(trip: Trip) -> None:
    """More than a page of them: two authors, one of them gone, in no order; one without a text, one with a long one."""
    authors = 60 * [await made_up_traveller(), await made_up_traveller()]
    await User.objects.filter(pk=authors[0].pk).aupdate(is_active=False)
    shuffle(authors)
    texts = ["", 5 * a_long_text(), *(made_up("text") for _ in authors[2:])]
    await Review.objects.abulk_create(
        Review(trip=trip, author=author, rating=randint(1, 5), text=text)
        for author, text in zip(authors, texts, strict=True)
    )


def a_long_text() -> str:
    return " ".join(made_up("text") for _ in range(20))


async def expect_the_reviews(trial: Trial, pk: int) -> None:
    reply, rows = await trial.get(f"/trips/{pk}/reviews/"), await rows_of(pk)
    step = '`select_related("author")`'
    explain_the_relation(reply, f"200 with the {len(rows)} reviews of trip {pk}", "author", step)
    reply.expect(200)
    told = reply.json.get("reviews") if isinstance(reply.json, dict) else None
    others = [row for row in await rows_of() if row not in rows]
    strangers = [row for row in told if row in others] if isinstance(told, list) else []
    reply.expect_that(
        not strangers,
        f"the {len(rows)} reviews of trip {pk}",
        got=f"among {len(told)} reviews {strangers[0]}" if strangers else None,
        because="reviews of other trips are among them",
        next="`Review.objects.filter(trip_id=pk)`",
    )
    if isinstance(told, list):
        reply.expect_that(
            len(told) == len(rows), f"the {len(rows)} reviews of trip {pk}", got=f"{len(told)} of them"
        )
    reply.expect(200, json={"reviews": rows})


@TripReviews.requirement(
    'saves a review for `POST` with `{"author": "ada", "rating": 4, "text": "Bring a hat."}`, and answers 201 '
    "with its row, which is the same dictionary; so for several trips at the same moment"
)
async def adds_a_review(trial: Trial) -> None:
    for rating in (choice([2, 3, 4]), 1, 5):
        trip, author = await made_up_trip(), await one_of_three_of_a_name()
        await expect_a_review(trial, trip, author, rating)
    await expect_a_review(trial, trip, author, 4)
    pairs = [(await made_up_trip(), await made_up_traveller()) for _ in range(3)]
    together = (expect_a_review(trial, *pair, choice([1, 5]), **OF_ANOTHER) for pair in pairs)
    for refused in await asyncio.gather(*together, return_exceptions=True):
        if isinstance(refused, BaseException):
            raise refused


async def one_of_three_of_a_name() -> User:
    """A user beside two others, whose names are the same in other letters."""
    name = made_up("traveller")
    users = [await User.objects.acreate(username=each) for each in (name.title(), name, name.upper())]
    return users[1]


OF_ANOTHER = {
    "because": "alone it is right: two requests share something that each of them needs for itself",
    "next": "keep what belongs to one request inside of the method",
}


async def expect_a_review(trial: Trial, trip: Trip, author: User, rating: int, **words: str) -> None:
    before = await rows_of(trip.pk)
    new = {"author": author.username, "rating": rating, "text": f"  {a_long_text()}\n"}
    reply = await trial.post(f"/trips/{trip.pk}/reviews/", json=new)
    explain_the_relation(reply, f"201 with {new}", "author", None)
    if isinstance(reply.error, MultiValueDictKeyError):
        words = {
            "because": "`request.POST` holds the fields of a form, and this body is JSON",
            "next": "`json.loads(request.body)`",
        }
    reply.expect(201, json=new, **words)
    saved = await rows_of(trip.pk)
    reply.expect_that(
        saved[: len(before)] == before,
        f"{before} still in the database",
        got=f"{saved} in the database",
    )
    reply.expect_that(
        saved == [*before, new],
        f"{new} in the database",
        got=f"{saved[len(before) :] or 'no review'} added in the database",
        **words,
    )


@TripReviews.requirement("answers 400 to a rating below 1 or above 5, such as 0 or 6, and saves nothing")
async def refuses_other_ratings(trial: Trial) -> None:
    trip, author = await made_up_trip(), await made_up_traveller()
    for rating in (0, 6, -1, 60):
        body = {"author": author.username, "rating": rating, "text": made_up("text")}
        reply = await trial.post(f"/trips/{trip.pk}/reviews/", json=body)
        refused = isinstance(reply.error, IntegrityError)
        reply.expect(
            400,
            because="the database refuses such a rating, and to an error that it does not know Django answers 500"
            if refused
            else None,
            next="look at the rating before you save it" if refused else None,
        )
        added = await rows_of(trip.pk)
        reply.expect_that(not added, "no review saved", got=f"a review saved with a rating of {rating}")


@TripReviews.requirement(
    "answers 405 to every other method, such as `DELETE`, with `GET` and `POST` in `Allow`"
)
async def refuses_other_methods(trial: Trial) -> None:
    for method in ("DELETE", "PUT", "PATCH"):
        await expect_405(await trial.request(method, TRIP_8), {"GET", "POST"})


@TripReviews.requirement(
    "is async: Django awaits `GET` and `POST` on the event loop, and neither of them holds the loop"
)
async def is_async(trial: Trial) -> None:
    for method, request in (
        ("GET", {}),
        ("POST", {"json": {"author": "ada", "rating": 4, "text": "Bring a hat."}}),
    ):
        await trial.runs_on_the_loop(
            TRIP_8, method=method, next="`async def` before every handler", **request
        )
        await trial.never_holds_the_loop(TRIP_8, method=method, **request)
