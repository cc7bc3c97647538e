import random
import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any
from unittest.mock import patch

from asgiref.sync import sync_to_async

from tutorial_project.checks import Outcome, Reply, Task, Trial
from tutorial_project.checks.kinds.made_up import made_up
from tutorial_project.trips.models import Destination, Trip
from tutorial_project.words import counted

from ..shared import expect_no_connection_left, get, refuse_a_query_on_the_loop

CHEAPEST = [
    "Street food by motorbike (Vietnam): 98.00 €",
    "Fado, sardines and custard tarts (Portugal): 455.00 €",
    "Riads and souks (Morocco): 480.00 €",
]


cheap_trips = Task(
    "cheap_trips",
    routes=["cheap-trips/<int:euros>/"],
    hints=(
        "Where does each of the two helpers send its query: where it is called, or where somebody reads the result?",
        "Write a plain function that goes through the QuerySet and describes each trip. What it returns is a list "
        "of texts, and that is what crosses.",
        "`def descriptions(): return [described(trip) for trip in trips_below(euros)]`, and then "
        "`await sync_to_async(descriptions)()`",
    ),
    praise="Right: one crossing, and what comes back is finished. "
    '`select_related("destination")` saves a query for each trip, and `async for` over that QuerySet crosses once, too.',
)


@cheap_trips.requirement(
    "answers `GET /cheap-trips/500/` with 200 and "
    '`{"trips": ["Street food by motorbike (Vietnam): 98.00 €", …]}`: what `described` makes of each trip '
    "in `trips_below`, in that order"
)
async def describes_the_trips(trial: Trial) -> None:
    for euros, count in ((500, 3), (1, 0)):
        reply = await get(trial, f"/cheap-trips/{euros}/")
        refuse_a_query_on_the_loop(
            reply,
            "200, and a list of texts",
            "something lazy was read on the event loop: the QuerySet itself, or the destination of a trip",
            "put all the code that reads trips into one sync function, which returns a list of texts, and cross with that",
        )
        reply.expect(200, json={"trips": CHEAPEST[:count]})


@cheap_trips.requirement("follows the database: a price that changed a moment ago counts")
async def follows_the_database(trial: Trial) -> None:
    earlier: list[str] = []
    for _ in range(2):
        expected = await sync_to_async(with_new_prices)(7000)
        reply = await get(trial, "/cheap-trips/7000/")
        reply.expect(200, json={"trips": expected}, **words_about_rows(reply, expected, earlier))
        earlier = expected
    for name in ("title", "country"):
        await get(trial, "/cheap-trips/500/")
        expected = await sync_to_async(with_one_change)(name)
        reply = await get(trial, "/cheap-trips/500/")
        reply.expect(200, json={"trips": expected})


def with_one_change(name: str) -> list[str]:
    """Give the cheapest trip another title, or its country another name, and say what is listed below 500 euros."""
    trip = Trip.objects.select_related("destination").order_by("price")[0]
    row = trip if name == "title" else trip.destination
    setattr(row, name, made_up(name))
    row.save(update_fields=[name])
    return listed_below(500)


def listed_below(euros: int) -> list[str]:
    """What the database holds at this moment."""
    rows = Trip.objects.filter(price__lt=euros).select_related("destination").order_by("price")
    return [f"{row.title} ({row.destination.country}): {row.price} €" for row in rows]


def with_new_prices(limit: int) -> list[str]:
    """Give six trips prices that nobody could know, one of them the limit, and say what is to be listed below it.

    Two of them look the same, with a title that looks like a line itself, and their country has another name.
    A seventh is a new one, and an eighth is gone.
    """
    prices = [limit * 100, limit * 100 - 1, *random.sample(range(100_000, 600_000), 4)]
    gone, *trips = random.sample(list(Trip.objects.all()), len(prices) + 1)
    gone.delete()
    for trip, cents in zip(trips, prices, strict=True):
        trip.price = Decimal(cents) / 100
        trip.save(update_fields=["price"])
    *_, again, one, other = trips
    again.pk, again.title, again.price = None, made_up("trip"), again.price + Decimal("0.01")
    again.save(force_insert=True)
    one.title = f"{made_up('Tea')}: <7> cups & more (China): 3.00 €"
    one.save(update_fields=["title"])
    other.title, other.destination, other.price = one.title, one.destination, one.price
    other.save(update_fields=["title", "destination", "price"])
    Destination.objects.filter(pk=one.destination_id).update(country=made_up("land"))
    return listed_below(limit)


def words_about_rows(reply: Reply, expected: list[str], earlier: list[str]) -> dict[str, str]:
    if reply.status != 200 or not isinstance(reply.json, dict):
        return {}
    found = reply.json.get("trips")
    if found == earlier:
        return {"because": "these are the trips as they were before"}
    if isinstance(found, list) and sorted(map(str, found)) == sorted(expected):
        return {"because": "these are the right trips in another order"}
    return {}


@cheap_trips.requirement("is an async view, which Django awaits on the event loop")
async def is_an_async_view(trial: Trial) -> None:
    await trial.runs_on_the_loop("/cheap-trips/500/")


@cheap_trips.requirement("crosses to a thread as often for sixty trips as for a few")
async def crosses_once(trial: Trial) -> None:
    for_few, few = await crossings(trial, "/cheap-trips/500/")
    for_all, reply = await crossings(trial, "/cheap-trips/9000/")
    more, trips = for_all - for_few, len(reply.json["trips"])
    for_each_trip = more >= trips - len(few.json["trips"])
    Outcome(
        reply.sent,
        f"{counted(more, 'crossing')} more for {counted(trips, 'trip')} than for {len(few.json['trips'])}",
    ).expect_that(
        more <= 0,
        "as many crossings for all trips as for a few",
        because="there is a crossing for each trip" if for_each_trip else None,
        next="go through the trips in one sync function, and cross with that",
    )


@cheap_trips.requirement(
    "answers no 200 where a query fails, and leaves no database connection open after any request"
)
async def closes_what_it_opened(trial: Trial) -> None:
    await expect_no_connection_left(trial, "/cheap-trips/500/")
    for number, meanwhile in enumerate(("while each query fails", "while all queries but the first fail")):
        reply = await expect_no_connection_left(
            trial, "/cheap-trips/500/", None, queries_that_work=number, meanwhile=meanwhile
        )
        complete = reply.status == 200 and reply.json == {"trips": CHEAPEST}
        Outcome(reply.sent, reply.got).expect_that(
            reply.status != 200 or complete, "no 200: not all trips could be read"
        )


async def crossings(trial: Trial, path: str) -> tuple[int, Reply]:
    """How often a request hands work to a pool of threads, Django's own part included, and its reply."""
    thread, handed_over = threading.get_ident(), 0
    real = ThreadPoolExecutor.submit

    def submit(pool: ThreadPoolExecutor, /, *call: Any, **options: Any) -> Any:
        nonlocal handed_over
        handed_over += threading.get_ident() == thread
        return real(pool, *call, **options)

    with patch.object(ThreadPoolExecutor, "submit", submit):
        reply = await get(trial, path)
    reply.expect(200)
    return handed_over, reply
