import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from typing import Any
from unittest.mock import patch
from uuid import uuid4

from asgiref.sync import sync_to_async
from django.db.backends.base.base import BaseDatabaseWrapper
from django.http import Http404
from django.utils.formats import date_format
from django.utils.translation import trans_real

from tutorial_project.checks import Outcome, Reply, Task, Trial
from tutorial_project.checks.kinds.lanes import lanes
from tutorial_project.checks.kinds.made_up import made_up_flights, made_up_rate, made_up_weather
from tutorial_project.checks.kinds.questions import (
    all_saying,
    expect_free_while_waiting,
    held_questions,
    questions,
)
from tutorial_project.services import running_services
from tutorial_project.trips.models import Trip

from ..shared import connections_watched, expect_no_connection_left, get, refuse_a_query_on_the_loop

offer = Task(
    "offer",
    routes=["offers/<str:city>/"],
    settings={"MIDDLEWARE": ["django.middleware.locale.LocaleMiddleware"]},
    hints=(
        "Which of the three helpers need something that belongs to the request's thread, and which need nothing?",
        "Two of them may go to threads of the pool, so that all three wait on threads of their own. The one with a "
        "query stays on the request's thread.",
        "`await asyncio.gather(sync_to_async(cheapest_fare, thread_sensitive=False)(city), …, "
        "sync_to_async(next_trip)(city))`",
    ),
    praise="Right: three waits at the same time, the traveller's language on every thread, and no connection left open. "
    "`asyncio.to_thread` would do for the two helpers that know nothing of Django, and a `TaskGroup` in place of "
    "`gather`, if it lets the `Http404` out.",
)


@offer.requirement(
    'answers `GET /offers/Lisbon/` with 200 and `{"fare": 129, "forecast": "24 °C, sunny", '
    '"trip": "12 March: Trams and tiles of Alfama, £442"}`, as the three helpers say, and 404 where there is no trip'
)
async def makes_the_offer(trial: Trial) -> None:
    lisbon = [129, "24 °C, sunny", "12 March: Trams and tiles of Alfama, £442"]
    kyoto = [890, "19 °C, cloudy", "1 April: Temples in cherry blossom, £1862"]
    for city, (euros, sky, trip) in (("Lisbon", lisbon), ("Kyoto", kyoto)):
        reply = await get(trial, f"/offers/{city}/")
        refuse_a_query_on_the_loop(
            reply,
            "200, and the three answers",
            "`next_trip` was called on the event loop",
            "hand over the function, and then call: `sync_to_async(next_trip)(city)`",
        )
        reply.expect(200, json={"fare": euros, "forecast": sky, "trip": trip})
    await sync_to_async(Trip.objects.filter(destination__name="Marrakesh").delete)()
    reply = await get(trial, "/offers/Marrakesh/")
    reply.expect(404, **words_about_a_group(reply))


async def takes_no_failure_for_a_missing_trip(trial: Trial) -> None:
    """Let one service after another fail while there is a trip."""
    for service in ("flights/Lisbon", "weather/Lisbon", "rates/GBP"):
        with running_services().replaced(f"/{service}", by="/failing?status=503"):
            reply = await get(trial, "/offers/Lisbon/")
        Outcome(f"{reply.sent}  while {service} fails", reply.got).expect_that(
            reply.status not in (200, 404),
            "no 200 and no 404: there is a trip, and a service does not answer",
            because="the view takes a failure for a city without a trip" if reply.status == 404 else None,
        )


def words_about_a_group(reply: Reply) -> dict[str, str]:
    if isinstance(reply.error, BaseExceptionGroup) and reply.error.subgroup(Http404):
        return {
            "because": "the `Http404` of `next_trip` left the view inside an `ExceptionGroup`, and Django does not look there",
            "next": "catch it with `except*`, and raise `Http404` after the group",
        }
    return {}


@offer.requirement(
    "says what the services and the database say at that moment, and answers neither 200 nor 404 where a service fails"
)
async def follows_the_services(trial: Trial) -> None:
    for city in ("Reykjavik", "Lisbon", "Lisbon"):
        said, expected = await sync_to_async(made_up)(city)
        with all_saying(said):
            reply = await get(trial, f"/offers/{city}/")
        reply.expect(200, json=expected)
    for service in said:
        await knows_whose_answer_is_late(trial, service)
    await takes_no_failure_for_a_missing_trip(trial)


async def knows_whose_answer_is_late(trial: Trial, service: str) -> None:
    """Let one service be the last to answer; a view that blocks is refused elsewhere."""
    said, expected = await sync_to_async(made_up)("Lisbon")
    with all_saying(said), connections_watched():
        async with held_questions(trial, "/offers/Lisbon/", at=[f"/{service}"], may_block=False) as held:
            await held.until_waiting(1)
            await held.until_quiet()
            [reply] = await held.replies(f"while {service} is the last to answer")
    if reply.error is None:
        reply.expect(200, json=expected)


def made_up(city: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Give the next trip to a city another title, price and day, and say what the services say and what is answered then."""
    weather, flights, rate = made_up_weather(city), made_up_flights(city), made_up_rate("GBP")
    trip = Trip.objects.filter(destination__name=city)[0]
    trip.title, trip.price = f"Journey {uuid4().hex[:6]}", Decimal(random.randint(10_000, 90_000))
    trip.departs -= timedelta(days=random.randint(1, 360))  # it stays the next one
    trip.save(update_fields=["title", "price", "departs"])
    said = {f"weather/{city}": weather, f"flights/{city}": flights, "rates/GBP": rate}
    return said, {
        "fare": min(flight["price"] for flight in flights["flights"]),
        "forecast": f"{weather['celsius']} °C, {weather['sky']}",
        "trip": f"{date_format(trip.departs, 'j F')}: {trip.title}, £{float(trip.price) * rate['rate']:.0f}",
    }


@offer.requirement(
    "writes the date in the traveller's language: with `Accept-Language: fr` the trip is on `12 mars`"
)
async def speaks_the_language(trial: Trial) -> None:
    wishes = (
        ("fr", "12 mars"),
        ("de", "12 März"),
        ("en;q=0.2, de;q=0.4, fr;q=0.8", "12 mars"),
    )
    for language, day in wishes:
        with languages_watched() as nothing_active:
            reply = await get(trial, "/offers/Lisbon/", headers={"Accept-Language": language})
        reply.expect(200)
        trip = reply.json["trip"]
        lost = trip.startswith("12 March") and nothing_active.pop()
        reply.expect_that(
            trip.startswith(f"{day}:"),
            f'"trip": "{day}: …"',
            because="the language did not come along to the thread on which the date is written"
            if lost
            else None,
            next="`sync_to_async` carries the language to the thread; `asyncio.to_thread` and a pool of your own do not"
            if lost
            else None,
        )


@contextmanager
def languages_watched() -> Iterator[list[bool]]:
    """Note whether no language was active where `next_trip` sent its query; the last note counts."""
    seen = [False]
    real = BaseDatabaseWrapper.cursor

    def cursor(connection: BaseDatabaseWrapper) -> Any:
        seen.append(not hasattr(trans_real._active, "value"))
        return real(connection)

    with patch.object(BaseDatabaseWrapper, "cursor", cursor):
        yield seen


@offer.requirement("leaves the event loop free for others while it waits, for whichever service")
async def does_not_hold_the_loop(trial: Trial) -> None:
    said, _ = await sync_to_async(made_up)("Lisbon")
    with connections_watched():
        await expect_free_while_waiting(trial, "/offers/Lisbon/", said)


@offer.requirement("has all three questions waiting at the services at the same time")
async def asks_all_three_together(trial: Trial) -> None:
    said, expected = await sync_to_async(made_up)("Lisbon")
    with all_saying(said), connections_watched():
        async with held_questions(trial, "/offers/Lisbon/", at=["/flights/", "/weather/", "/rates/"]) as held:
            await held.until_waiting(3)
            reply = (await held.replies())[0]
    waited = len(held.waited)
    words = {
        "because": "a question is sent only when another one is answered: the calls wait for each other, or share "
        "one thread, as thread-sensitive calls do",
        "next": "`asyncio.gather`, and `thread_sensitive=False` for the helpers that use nothing of Django",
    }
    if reply.error is not None and not waited:
        reply.expect(200)
    Outcome(reply.sent, f"at most {waited} of 3 questions were waiting at the same time").expect_that(
        waited == 3,
        "3 questions waiting at the services at the same time",
        **(words if 0 < waited < 3 else {}),
        **lanes(questions()),
    )
    reply.expect(200, json=expected)


@offer.requirement("leaves no database connection open after the request, whatever fails in `next_trip`")
async def leaves_no_connection(trial: Trial) -> None:
    await expect_no_connection_left(trial, "/offers/Lisbon/")
    await sync_to_async(Trip.objects.filter(destination__name="Marrakesh").delete)()
    await expect_no_connection_left(trial, "/offers/Marrakesh/", status=404)
    with running_services().replaced("/rates/GBP", by="/failing?status=503"):
        await expect_no_connection_left(trial, "/offers/Lisbon/", None, meanwhile="while rates/GBP fails")
    await expect_no_connection_left(
        trial, "/offers/Lisbon/", None, queries_that_work=0, meanwhile="while each query fails"
    )
