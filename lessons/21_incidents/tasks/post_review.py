import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.db import connection

from tutorial_project.checks import Outcome, Reply, Task, Trial
from tutorial_project.checks.kinds.made_up import made_up
from tutorial_project.checks.proofs.postgresql import started
from tutorial_project.classroom import on_duty
from tutorial_project.services import ask, running_services
from tutorial_project.trips.models import Account, Destination, Review, Trip
from tutorial_project.words import counted

from ..shared import expect_on_the_loop, site_of

post_review = Task(
    "post_review",
    routes=["trips/<int:pk>/reviews/"],
    hints=(
        "Which reviews are there, and which are not? What else did not work while those were written?",
        "The error of the office is caught outside of `atomic()`. What does a transaction do with an error that leaves its block? "
        "And who else waits while the office is asked inside of it?",
        "End the block before you ask: `store()` returns the review, and then "
        "`with suppress(ServiceError): await ask('echo', review=review.pk, trip=trip.pk)`.",
    ),
    praise="Right: what has to be stored is stored before anybody else is asked, and an error of the office is the office's. A "
    "notice that must never be lost belongs into a queue, as in lesson 17.",
)

AT_ONCE = 5
ROUNDS = 30
"""Questions of the check's own, before what has not come will never come."""


@post_review.seen_by_operations
async def seen(answer: Any) -> Any:
    async with on_duty(site_of(post_review, answer)) as duty:
        for hour, failing in (("10:00", "/nowhere"), ("21:00", "/echo")):
            with running_services().replaced(failing, by="/failing"):
                trip, writers = await a_trip(), [await a_traveller() for _ in range(5)]
                for writer in writers:
                    await duty.send(f"/trips/{trip}/reviews/", method="POST", json=a_review(writer))
                stored = await Review.objects.filter(trip=trip).acount()
            duty.note(
                hour, f"office {'off' if failing == '/echo' else 'on'}, 5 reviews sent, {stored} stored"
            )
    return duty


async def a_trip() -> int:
    destination = await Destination.objects.afirst()
    title = made_up("trip")
    trip = await Trip.objects.acreate(
        destination=destination, title=title, departs="2031-05-01", nights=3, price=900, seats=9, seats_left=9
    )
    return trip.pk


async def a_traveller() -> int:
    """The key of a new traveller who has an account."""
    user = await User.objects.acreate(username=made_up("traveller"), password="!")
    await Account.objects.acreate(owner=user, balance=random.randrange(0, 90))
    return user.pk


def a_review(traveller: int) -> dict[str, Any]:
    return {"traveller": traveller, "rating": random.randint(1, 5), "text": f"{made_up('review')} & more"}


async def stored(trip: int, traveller: int) -> tuple[list[tuple[int, int, str]], Decimal]:
    """The reviews of a trip, and what is in the account of a traveller."""
    rows = Review.objects.filter(trip=trip).values_list("author_id", "rating", "text")
    return [row async for row in rows], (await Account.objects.aget(owner=traveller)).balance


def shown(reviews: list[tuple[int, int, str]], balance: Decimal, before: Decimal) -> str:
    rows = ", ".join(f"rating {rating}, {text!r}, by {author}" for author, rating, text in reviews)
    return f"{rows or 'no review'}; {balance - before:+.0f} euros in the account"


def kept(review: dict[str, Any]) -> tuple[int, int, str]:
    return review["traveller"], review["rating"], review["text"]


def told() -> list[dict[str, str]]:
    """What the office was told."""
    return [dict(r.query) for r in running_services().requests if r.path == "/echo"]


async def until(condition: Any) -> bool:
    """Wait until this holds, or it never will."""
    for _ in range(ROUNDS):
        if condition():
            return True
        await ask("rates/CHF")
    return bool(condition())


async def expect_kept(trial: Trial, while_: str = "", **words: str) -> None:
    """Send a review, and refuse unless it is stored with the five euros, and 201 is answered."""
    trip, traveller = await a_trip(), await a_traveller()
    review, (_, before) = a_review(traveller), await stored(trip, traveller)
    reply = await trial.post(f"/trips/{trip}/reviews/", json=review)
    reply.sent += f"  {while_}".rstrip()
    reply.expect(201, json={"rating": review["rating"]})
    reviews, balance = await stored(trip, traveller)
    found = shown(reviews, balance, before)
    nothing = not reviews and balance == before
    Outcome(reply.sent, f"201, and in the database: {found}").expect_that(
        found == shown([kept(review)], before + 5, before),
        f"201, and in the database: {shown([kept(review)], before + 5, before)}",
        **(words if nothing else {}),
    )


@post_review.requirement(
    'answers `POST /trips/7/reviews/` with `{"traveller": 104, "rating": 4, "text": "…"}` with 201 and `{"rating": 4}`, stores the '
    "review, and puts five euros into the traveller's account"
)
async def stores_the_review(trial: Trial) -> None:
    bystander = await a_traveller()
    before = (await Account.objects.aget(owner=bystander)).balance
    for _ in range(2):
        await expect_kept(trial)
    after = (await Account.objects.aget(owner=bystander)).balance
    Outcome("reviews of other travellers", f"{after - before:+.0f} euros in this account").expect(
        "+0 euros in this account"
    )
    trips, traveller = [await a_trip() for _ in range(AT_ONCE)], await a_traveller()
    _, before = await stored(trips[0], traveller)
    for places in (AT_ONCE * trips[:1], trips):
        await expect_all_kept(trial, places, traveller)
    _, balance = await stored(trips[0], traveller)
    sent = f"2 × {AT_ONCE} reviews of one traveller at the same moment"
    Outcome(sent, f"{balance - before:+.0f} euros in the account").expect(
        f"{2 * 5 * AT_ONCE:+d} euros in the account",
        because="a balance was written that had been worked out from an older one",
        next='let the database add: `update(balance=F("balance") + 5)`',
    )


async def expect_all_kept(trial: Trial, trips: list[int], traveller: int) -> None:
    """Send a review of each of these trips at the same moment, and refuse unless every one is stored where it belongs."""
    reviews = [a_review(traveller) | {"rating": rating} for rating in range(1, AT_ONCE + 1)]
    sending = [
        trial.post(f"/trips/{trip}/reviews/", json=review)
        for trip, review in zip(trips, reviews, strict=True)
    ]
    for reply, review in zip(await asyncio.gather(*sending), reviews, strict=True):
        reply.expect(201, json={"rating": review["rating"]})
    rows = Review.objects.filter(trip__in=trips, text__in=[review["text"] for review in reviews])
    found = sorted([row async for row in rows.values_list("rating", "trip", "text")])
    expected = [(r["rating"], trip, r["text"]) for r, trip in zip(reviews, trips, strict=True)]
    Outcome(
        f"{AT_ONCE} reviews of one traveller at the same moment, of {counted(len(set(trips)), 'trip')}",
        f"the ratings {[rating for rating, *_ in found]} are stored",
    ).expect_that(
        found == expected, f"the ratings {[rating for rating, *_ in expected]} are stored, each of its trip"
    )


@post_review.requirement(
    "answers 400 to a rating that is none, 404 when there is no such trip or no such account, 405 to anything but POST, and stores "
    "nothing"
)
async def refuses_what_is_no_review(trial: Trial) -> None:
    trip, traveller, nobody = await a_trip(), await a_traveller(), random.randrange(10**6, 10**7)
    newcomer = await User.objects.acreate(username=made_up("traveller"), password="!")
    _, before = await stored(trip, traveller)
    review = a_review(newcomer.pk)
    for path, sent, status in (
        *((trip, a_review(traveller) | {"rating": rating}, 400) for rating in (0, 6, -1)),
        (nobody, a_review(traveller), 404),
        (trip, a_review(nobody), 404),
        (trip, review, 404),
    ):
        reply = await trial.post(f"/trips/{path}/reviews/", json=sent)
        reply.expect(status)
        Outcome(reply.sent, shown(*(await stored(trip, traveller)), before)).expect(shown([], before, before))
    await trial.answers_only_to_post(f"/trips/{trip}/reviews/", json=a_review(traveller))
    sent = "the same by other methods, answered with 405"
    Outcome(sent, shown(*(await stored(trip, traveller)), before)).expect(shown([], before, before))
    await Account.objects.acreate(owner=newcomer)
    reply = await trial.post(f"/trips/{trip}/reviews/", json=review)
    reply.sent += "  once more, now that the traveller has an account"
    reply.expect(201)


@post_review.requirement("is awaited on the event loop, as before")
async def stays_on_the_loop(trial: Trial) -> None:
    await expect_on_the_loop(trial, "/trips/7/reviews/", method="POST", json=a_review(7))


@post_review.requirement(
    "tells the office of each review, with a question to the service `echo`: `review=12` and `trip=7`, the keys of both"
)
async def tells_the_office(trial: Trial) -> None:
    running_services().forget()
    expected = []
    for _ in range(2):
        trip, traveller = await a_trip(), await a_traveller()
        reply: Reply = await trial.post(f"/trips/{trip}/reviews/", json=a_review(traveller))
        reply.expect(201)
        review = await Review.objects.filter(trip=trip).afirst()
        expected.append({"review": str(review and review.pk), "trip": str(trip)})
    trip, traveller = await a_trip(), await a_traveller()
    async with another_review_after_one_of(trip):
        (await trial.post(f"/trips/{trip}/reviews/", json=a_review(traveller))).expect(201)
    review = await Review.objects.filter(trip=trip).afirst()
    expected.append({"review": str(review and review.pk), "trip": str(trip)})
    await until(lambda: len(told()) >= len(expected))
    Outcome("3 × POST /trips/…/reviews/", f"the office was told {told() or 'nothing'}").expect_that(
        sorted(told(), key=str) == sorted(expected, key=str), f"the office was told {expected}"
    )


@post_review.requirement(
    "keeps a review for which it has answered 201, also while the office answers with an error; that is answered with 201 as well"
)
async def keeps_the_review(trial: Trial) -> None:
    for status in (503, 500):
        with running_services().replaced("/echo", by=f"/failing?status={status}"):
            await expect_kept(
                trial,
                f"while the office answers {status}",
                because="the office's error has left the transaction's block, which takes back all that was written in it",
            )


@post_review.requirement(
    "stores the review and the five euros together: where the database refuses one of them, the other is not there either, and the "
    "office is told nothing"
)
async def stores_both_or_none(trial: Trial) -> None:
    for refused in ("UPDATE ON trips_account", "INSERT ON trips_review"):
        trip, traveller = await a_trip(), await a_traveller()
        _, before = await stored(trip, traveller)
        running_services().forget()
        async with refusing(refused):
            reply = await trial.post(f"/trips/{trip}/reviews/", json=a_review(traveller))
        sent = f"{reply.sent}  while the database refuses every {refused}"
        Outcome(sent, shown(*(await stored(trip, traveller)), before)).expect(
            shown([], before, before),
            because="one half was written, and stayed",
            next="write both in one `atomic()`",
        )
        Outcome(sent, f"{reply.status}, and nothing is stored").expect_that(
            reply.status != 201,
            "an error: nothing is stored",
            because="an `except` takes more than the office's errors",
        )
        Outcome(sent, f"the office was told {told() or 'nothing'}").expect("the office was told nothing")


@asynccontextmanager
async def another_review_after_one_of(trip: int) -> AsyncIterator[None]:
    """Let somebody else write a review of another trip right after one of this trip."""
    other = await a_trip()
    values = f"({other}, {await a_traveller()}, 3, 'by somebody else')"
    await execute(
        f"CREATE TRIGGER another AFTER INSERT ON trips_review WHEN NEW.trip_id = {trip} BEGIN "
        f"INSERT INTO trips_review (trip_id, author_id, rating, text) VALUES {values}; END"
    )
    try:
        yield
    finally:
        await execute("DROP TRIGGER another")


@asynccontextmanager
async def refusing(what: str) -> AsyncIterator[None]:
    """Let the database refuse this kind of write."""
    await execute(f"CREATE TRIGGER refuse BEFORE {what} BEGIN SELECT RAISE(ABORT, 'refused'); END")
    try:
        yield
    finally:
        await execute("DROP TRIGGER refuse")


@sync_to_async
def execute(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)


@post_review.requirement(
    "holds up nobody else: while the office lets one review wait for its answer, another traveller's is stored and answered"
)
async def holds_up_nobody(trial: Trial) -> None:
    trip, (first, second) = await a_trip(), [await a_traveller() for _ in range(2)]
    services, address = running_services(), f"/trips/{trip}/reviews/"
    services.forget()
    # It gives up soon where the answer holds the loop, and nobody renews it; another proof refuses that.
    with services.held("/echo", timeout=2.0) as hold:
        async with started(trial.post(address, json=a_review(first))) as [waiting]:
            await until(lambda: hold.waiting or waiting.done())
            review = a_review(second)
            async with started(trial.post(address, json=review)) as [asking]:
                # Answered, or stored and with its own question at the office.
                free = await until(lambda: hold.renew() or asking.done() or hold.waiting > 1)
                hold.release()
                replies = await asyncio.gather(waiting, asking)
    replies[1].sent += "  while the office has not answered to the review before"
    replies[1].expect_that(
        free,
        "201, or at least a question to the office",
        got="nothing, until the office had answered to the other",
        because="the other review holds something that this one needs, as long as the office thinks: a lock, or the database in an "
        "open transaction",
        next="let go of it before anybody is asked",
    )
    for reply in replies:
        reply.expect(201)
