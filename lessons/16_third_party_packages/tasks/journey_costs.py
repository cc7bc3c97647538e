from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import date
from typing import Any
from unittest.mock import patch

from tutorial_project.checks import Outcome, Reply, Task, Trial
from tutorial_project.checks.kinds.made_up import mixed
from tutorial_project.checks.kinds.overtaken import overtaken
from tutorial_project.checks.kinds.questions import held_questions
from tutorial_project.classroom.data.connections import every_statement_through
from tutorial_project.services import ServiceError, running_services
from tutorial_project.services.airline import NotFlownTo
from tutorial_project.services.insurer import PER_NIGHT
from tutorial_project.trips.models import Destination, Trip

journey_costs = Task(
    "journey_costs",
    beside="leaves_the_loop_free",
    routes=["trips/<int:pk>/costs/"],
    hints=(
        "Two packages wait without saying so. Which function of `asyncio` lets a thread wait for them, and which one starts both?",
        "`asyncio.gather` of two `asyncio.to_thread` calls. `NotFlownTo` comes out where you await: catch it in a small "
        "coroutine around that one call, and `ServiceError` around both.",
        "`async def fare_to(city): try: return await asyncio.to_thread(cheapest_fare, city)`, `except NotFlownTo: return None`; "
        "then, in a `try` with `except ServiceError:`, `fare, insurance = await asyncio.gather(fare_to(…), "
        "asyncio.to_thread(premium, trip.nights))`",
    ),
    praise="Right: both packages wait on threads, side by side, and nobody else waits for them. A `TaskGroup`, or "
    "`sync_to_async(…, thread_sensitive=False)`, would do the same.",
)

FLOWN_TO, NOT_FLOWN_TO = ("Lisbon", "Kyoto", "Reykjavik", "Marrakesh"), ("Queenstown", "Quebec City")


async def made_up_trip(cities: tuple[str, ...]) -> Trip:
    """A new trip to one of these cities, of a length and with a title that nobody can know."""
    name = random.choice(cities)
    city = await Destination.objects.filter(name=name).afirst() or await Destination.objects.acreate(
        name=name, slug=f"made-up-{random.randint(1, 10**9)}", country="Somewhere"
    )
    title = f"Tour {random.randint(100, 999)} of {name}"
    nights, departs = random.randint(2, 20), date(2027, 5, 1)
    return await Trip.objects.acreate(
        destination=city, title=title, departs=departs, nights=nights, price=100, seats=9, seats_left=9
    )


@contextmanager
def made_up_prices(trip: Trip, fares: Sequence[int] | None = None) -> Iterator[dict[str, Any]]:
    """Let both packages hear prices that nobody can know, but for fares that are given.

    Yields:
        what the view then has to tell.
    """
    if fares is None:
        fares = mixed(sorted(random.sample(range(60, 2000), 3)))
    rate = random.randint(50, 200) / 100
    services, city = running_services(), trip.destination.name
    with (
        services.saying(f"/flights/{city}", {"flights": [{"price": fare} for fare in fares]}),
        services.saying("/rates/GBP", {"rate": rate}),
    ):
        yield {
            "trip": trip.title,
            "flight": min(fares, default=None),
            "insurance": round(trip.nights * PER_NIGHT / rate, 2),
        }


@journey_costs.requirement(
    'answers `GET /trips/7/costs/` with the trip\'s title and the prices that both packages give at that moment, `{"trip": '
    '"…", "flight": 890, "insurance": …}`: `cheapest_fare` for the name of its destination, `premium` for its nights'
)
async def tells_the_costs(trial: Trial) -> None:
    trips = [await made_up_trip(FLOWN_TO), await Trip.objects.select_related("destination").aget(pk=7)]
    for trip in (*trips, *trips):
        with made_up_prices(trip) as costs:
            reply = await trial.get(f"/trips/{trip.pk}/costs/")
        reply.expect(200, json=costs)
    with made_up_prices(trip, [700, 0, 800]) as costs:
        (await trial.get(f"/trips/{trip.pk}/costs/")).expect(200, json=costs)
    await tells_two_at_once(trial)


async def tells_two_at_once(trial: Trial) -> None:
    """Refuse when two travellers at the same moment do not each hear of their own trip, one of them off sale."""
    here, there = await made_up_trip(FLOWN_TO[:2]), await made_up_trip(FLOWN_TO[2:])
    await Trip.objects.filter(pk=there.pk).aupdate(active=False)
    with made_up_prices(here) as one, made_up_prices(there) as other:
        both = overtaken(
            lambda: trial.get(f"/trips/{here.pk}/costs/"), lambda: trial.get(f"/trips/{there.pk}/costs/")
        )
        async for replies in both:
            for reply, costs in zip(replies, (one, other), strict=True):
                expect_own_trip(reply, costs)


def expect_own_trip(reply: Reply, costs: dict[str, Any]) -> None:
    """Refuse unless the title and the flight are those of its own trip; the rate of the insurer is one for all."""
    reply.sent += "   while another traveller asks"
    reply.expect(200)
    told = {key: reply.json.get(key) for key in ("trip", "flight")}
    right = {key: costs[key] for key in ("trip", "flight")}
    reply.expect_that(told == right, f"200 with {json.dumps(right)[1:-1]}")


@journey_costs.requirement(
    "has `null` for `flight` where nobody flies, as for trip 21, and the insurance all the same"
)
async def flies_nowhere(trial: Trial) -> None:
    trips = [
        await Trip.objects.select_related("destination").aget(pk=21),
        await made_up_trip(NOT_FLOWN_TO),
    ]
    for trip in trips:
        with made_up_prices(trip) as costs:
            reply = await trial.get(f"/trips/{trip.pk}/costs/")
        reply.expect(200, json=costs | {"flight": None}, **words_about_nowhere(reply))
    trip = await made_up_trip(FLOWN_TO)
    with made_up_prices(trip, []) as costs:
        reply = await trial.get(f"/trips/{trip.pk}/costs/")
    reply.sent += "  on a day without a flight"
    reply.expect(200, json=costs, **words_about_nowhere(reply))


def words_about_nowhere(reply: Reply) -> dict[str, str]:
    if isinstance(reply.error, NotFlownTo):
        return {
            "because": "`NotFlownTo` comes out where the call is awaited, and out of the view as well",
            "next": "`try` and `except NotFlownTo:` around that one `await`",
        }
    if "NotFlownTo is not JSON serializable" in str(reply.error):
        return {
            "because": "the error itself stands in the place of the fare",
            "next": "look at it: `None` for a `NotFlownTo`, and `raise` every other error",
        }
    if reply.status == 200 and isinstance(reply.json, dict) and reply.json.get("insurance", 0) is None:
        return {"because": "the insurance is lost with the flight, and the insurer was ready to give it"}
    return {}


@journey_costs.requirement("answers 404 when there is no such trip, also when there was one a moment ago")
async def knows_its_trips(trial: Trial) -> None:
    trip = await made_up_trip(FLOWN_TO)
    with made_up_prices(trip):
        (await trial.get(f"/trips/{trip.pk}/costs/")).expect(200)
    gone = trip.pk
    await trip.adelete()
    for pk in (gone, random.randint(7000, 9000), 10**30):
        reply = await trial.get(f"/trips/{pk}/costs/")
        reply.expect(404, **words_about_missing(reply))
    await loses_a_trip_meanwhile(trial)


async def loses_a_trip_meanwhile(trial: Trial) -> None:
    """Refuse an error where the trip is there for one query of the view, and gone for the next."""
    trip = await made_up_trip(FLOWN_TO)
    with made_up_prices(trip), gone_after_a_query(trip.pk):
        reply = await trial.get(f"/trips/{trip.pk}/costs/")
    reply.sent += "  whose trip is deleted when the view has asked for it once"
    if reply.error is not None or reply.status not in (200, 404):
        reply.refuse(expected="404, or the costs")


@contextmanager
def gone_after_a_query(pk: int) -> Iterator[None]:
    """Delete a trip when the first statement that asks for trips is over, and another one begins."""
    asked: list[str] = []

    def wrapper(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if len(asked) == 1:
            asked.append("DELETE")
            with context["connection"].cursor() as cursor:
                cursor.execute("DELETE FROM trips_trip WHERE id = %s", [pk])
        if not asked and "trips_trip" in sql:
            asked.append(sql)
        return execute(sql, params, many, context)

    with every_statement_through(wrapper):
        yield


def words_about_missing(reply: Reply) -> dict[str, str]:
    if not isinstance(reply.error, Trip.DoesNotExist):
        return {}
    return {
        "because": "`aget` raises when there is no such row, and the traveller gets a 500",
        "next": "`await aget_object_or_404(…)`",
    }


@journey_costs.requirement(
    "answers 502 when one of the packages raises `ServiceError`, and for no other error: that is a mistake to be seen"
)
async def passes_trouble_on(trial: Trial) -> None:
    troubles = ["/failing?status=503", "/failing?status=404", "/broken-json", "/half", "/says?json=[17]"]
    cases = ((7, "/flights/"), (7, "/rates/"), (21, "/rates/"))
    for (pk, service), trouble in zip(itertools.cycle(cases), mixed(troubles), strict=False):
        with running_services().replaced(service, by=trouble):
            reply = await trial.get(f"/trips/{pk}/costs/")
        reply.sent += f"  while {'the airlines' if service == '/flights/' else 'the insurer'} cannot be asked"
        reply.expect(502, **words_about_trouble(reply))
    await knows_every_kind_of_trouble(trial)
    await shows_mistakes(trial)


@contextmanager
def hearing(**told: Any) -> Iterator[None]:
    """Let the packages hear this, or this error, in place of what a service says.

    Args:
        told: by package, `airline` and `insurer`; the other one hears what it can use.
    """
    usable = {"airline": {"flights": [{"price": 300}]}, "insurer": {"rate": 0.8}}
    with ExitStack() as replaced:
        for package, heard in (usable | told).items():
            effect = {"side_effect": heard} if isinstance(heard, Exception) else {"return_value": heard}
            module = f"tutorial_project.services.{package}"
            replaced.enter_context(patch(f"{module}.ask_blocking", **effect))
        yield


class ServiceIsFull(ServiceError):
    """A kind of `ServiceError`, as a new version of a package may raise it."""


async def knows_every_kind_of_trouble(trial: Trial) -> None:
    """Refuse another answer than 502 where both packages fail, or one raises a kind of `ServiceError`."""
    full = ServiceIsFull("too many questions", 429)
    for told, about in (
        ({"airline": full}, "`cheapest_fare` raises a kind of `ServiceError`"),
        ({"airline": ServiceError("no flights"), "insurer": full}, "both packages raise `ServiceError`"),
    ):
        with hearing(**told):
            reply = await trial.get("/trips/7/costs/")
        reply.sent += f"  while {about}"
        reply.expect(502, **words_about_trouble(reply))


MISTAKES = (
    KeyError("price"),
    IndexError("flights"),
    ConnectionResetError("socket"),
    ValueError("city"),
    OverflowError("rate"),
    RuntimeError("thread"),
)
"""What no service is to blame for, or the package would say so."""


async def shows_mistakes(trial: Trial) -> None:
    """Refuse a 502, or costs, where a package raises another error than `ServiceError`."""
    for package, function in (("airline", "cheapest_fare"), ("insurer", "premium")):
        for mistake in MISTAKES:
            with hearing(**{package: mistake}):
                reply = await trial.get("/trips/7/costs/")
            reply.sent += f"  while `{function}` raises {type(mistake).__name__}"
            if reply.error is None and reply.status != 500:
                reply.refuse(expected="its error, or a 500")


def words_about_trouble(reply: Reply) -> dict[str, str]:
    error = reply.error
    if isinstance(error, ExceptionGroup):
        return {
            "because": "a `TaskGroup` raises a group of errors, and `except ServiceError` does not catch it",
            "next": "`except* ServiceError:` around the group, and the answer 502 below it",
        }
    if type(error) is ServiceError:
        return {
            "because": "`ServiceError` comes out where the call is awaited, and out of the view as well",
            "next": "`except ServiceError:` and `return JsonResponse({…}, status=502)`",
        }
    return {}


@journey_costs.requirement("is an async view, and leaves the event loop free for others while it asks")
async def leaves_the_loop_free(trial: Trial) -> None:
    running_services()  # started here, and not by the answer: to start them blocks
    await trial.runs_on_the_loop("/trips/7/costs/")
    (await trial.leaves_the_loop_free("/trips/7/costs/")).expect(200)


@journey_costs.requirement("asks the airlines and the insurer at the same time")
async def asks_both_at_once(trial: Trial) -> None:
    async with held_questions(trial, "/trips/7/costs/", at=["/flights/", "/rates/"]) as held:
        await held.until_waiting(2)
        (reply,) = await held.replies()
    waited = len(held.waited)
    found = Outcome(reply.sent, f"at most {waited} of 2 questions was waiting at the same time")
    words = {}
    if waited == 1:
        words = {
            "because": "the second question was not sent while the first one waited",
            "next": "start both, then wait: `await asyncio.gather(asyncio.to_thread(…), asyncio.to_thread(…))`; "
            "plain `sync_to_async` has one thread for the whole request",
        }
    found.expect_that(waited == 2, "two questions waiting at the same time", **words)
    reply.expect(200)
