from __future__ import annotations

import datetime
import random
import uuid
from typing import Any

from tutorial_project.checks import Outcome, Reply, Task, Trial
from tutorial_project.checks.kinds.visits import visits
from tutorial_project.services import Services, running_services
from tutorial_project.trips.models import Destination, Trip

VISITORS, ALLOWED = 10, 4
SHORTLY = 0.15
"""Real seconds in which an answer sends what nothing holds back."""

trip_page = Task(
    "trip_page",
    routes=["trips/<int:pk>/"],
    beside="shows_what_is_known",
    hints=(
        "How many requests are at the services at the same time, at most, and which number in the code is the same?",
        "The gate belongs to the weather service, and to nothing else: whoever waits for a flight, or for the database, has "
        "no need of a place in it. And the two questions do not need each other.",
        "`async def weather(): async with gate(): return await told('weather', city)`, and in the view "
        "`sky, flights = await asyncio.gather(weather(), told('flights', city))`",
    ),
    praise="Right: it was the gate. It stood around everything, so that four visitors held all others up while they waited for "
    "something that it does not protect. A place in the wrong queue costs as much as all before you wait.",
)


async def made_up_trip(ending: str = "", *, active: bool = True) -> Trip:
    """A trip to a place that nobody knows, whose name may end oddly."""
    word = uuid.uuid4().hex[:8]
    name = f"Port {word}{ending}"
    place = await Destination.objects.acreate(name=name, slug=f"port-{word}", country="Nowhere")
    leaves = datetime.date(2030, 1, random.randint(1, 28))
    seats = {"seats": 5, "seats_left": 5, "active": active}
    return await Trip.objects.acreate(
        destination=place, title=f"To {name}", departs=leaves, nights=3, price=100, **seats
    )


def made_up_answer(trip: Trip) -> dict[str, Any]:
    lines = [{"told": uuid.uuid4().hex[:8]} for _ in range(3)]
    return {"city": trip.destination.name, "lines": lines}


def counting_anew() -> Services:
    services = running_services()
    services.forget()
    return services


def asked(services: Services, service: str) -> int:
    return sum(request.path.startswith(f"/{service}/") for request in services.requests)


@trip_page.requirement(
    "answers `GET /trips/7/` with 200 and a JSON object: `title` of the trip, and as `weather` and `flights` what the two "
    "services say at that moment about its destination"
)
async def shows_what_is_known(trial: Trial) -> None:
    services = running_services()
    one, other = await made_up_trip(), await made_up_trip(" #2?", active=False)
    for number, trip in enumerate((one, other, one, one)):
        trip.title += f", part {number}"
        await trip.asave(update_fields=["title"])
        empty = number == 3
        weather, flights = ({}, {}) if empty else (made_up_answer(trip), made_up_answer(trip))
        with (
            services.saying(f"/weather/{trip.destination.name}", weather),
            services.saying(f"/flights/{trip.destination.name}", flights),
        ):
            reply = await trial.get(f"/trips/{trip.pk}/")
        reply.expect(200, json={"title": trip.title, "weather": weather, "flights": flights})
    await shows_two_at_once(trial, services, one, other)


async def shows_two_at_once(trial: Trial, services: Services, *trips: Trip) -> None:
    """Refuse when two visitors at the same moment do not each see their own trip."""
    with services.held("/weather/") as weather:
        async with visits(trial, *(f"/trips/{trip.pk}/" for trip in trips)) as both:
            await both.until(lambda: weather.waiting >= len(trips))
            weather.release()
            replies = await both.replies(patience=2.5)
    for reply, trip in zip(replies, trips, strict=False):
        reply.sent += "  while another visitor asks for another trip"
        reply.expect_that(reply.status == 200, "200")
        title = reply.json.get("title") if isinstance(reply.json, dict) else None
        reply.expect_that(title == trip.title, f'"title": "{trip.title}"', got=f'"title": "{title}"')


@trip_page.requirement("shows `null` for a service that fails, and answers 404 when there is no such trip")
async def says_what_is_not_known(trial: Trial) -> None:
    services, trip = running_services(), await made_up_trip()
    name, known = trip.destination.name, made_up_answer(trip)
    for fails, works in (("weather", "flights"), ("flights", "weather")):
        with (
            services.replaced(f"/{fails}/{name}", by="/failing?status=503"),
            services.saying(f"/{works}/{name}", known),
        ):
            reply = await trial.get(f"/trips/{trip.pk}/")
        reply.sent += f"  while the {fails} service fails"
        reply.expect(200, json={"title": trip.title, fails: None, works: known})
    (await trial.get(f"/trips/{trip.pk + 1000}/")).expect(404)


@trip_page.requirement(
    f"has {ALLOWED} questions at the weather service at the same time when {VISITORS} visitors come, and never more"
)
async def keeps_the_gate(trial: Trial) -> None:
    trip = await made_up_trip()
    expect_the_allowed(together(trip), await at_the_weather_service(trial, trip))
    await keeps_the_gate_of_who_leaves(trial, trip)
    await keeps_the_gate_of_who_hears_an_error(trial)


async def keeps_the_gate_of_who_leaves(trial: Trial, trip: Trip) -> None:
    services = counting_anew()
    with services.held("/weather/") as weather:
        async with visits(trial, *[f"/trips/{trip.pk}/"] * VISITORS) as leaving:
            await leaving.until(lambda: weather.waiting >= ALLOWED)
    waiting = await at_the_weather_service(trial, trip, patience=1.5)
    sent = f"{together(trip)}  after as many visitors have left before their answer"
    lost = "whoever left while the weather service was asked has kept a place at the gate for good"
    expect_the_allowed(sent, waiting, **({"because": lost} if waiting < ALLOWED else {}))


async def keeps_the_gate_of_who_hears_an_error(trial: Trial) -> None:
    """The first four questions fail, and those that come then are counted."""
    trips = [await made_up_trip() for _ in range(VISITORS)]
    services = counting_anew()
    sent = f"{VISITORS} requests together, each for another trip"
    with (
        services.replaced("/weather/", by="/failing?status=503"),
        services.held("/weather/") as first,
        services.held("/weather/") as later,
    ):
        async with visits(trial, *(f"/trips/{trip.pk}/" for trip in trips)) as ten:
            await ten.until(lambda: first.waiting >= ALLOWED)
            await ten.clock.pause(SHORTLY)
            expect_the_allowed(sent, first.waiting)
            first.release()
            await ten.until(lambda: later.waiting >= ALLOWED)
            await ten.clock.pause(SHORTLY)
            expect_the_allowed(f"{sent}, and {ALLOWED} questions fail", later.waiting)
            later.release()
            replies = await ten.replies()
    expect_all_answered(replies)


async def at_the_weather_service(trial: Trial, trip: Trip, patience: float = 2.5) -> int:
    """How many questions are at the weather service, when all visitors come together."""
    services = counting_anew()
    with services.held("/weather/") as weather:
        async with visits(trial, *[f"/trips/{trip.pk}/"] * VISITORS) as ten:
            await ten.until(lambda: weather.waiting >= ALLOWED, patience)
            await ten.clock.pause(SHORTLY)
            waiting = weather.waiting
            weather.release()
            replies = await ten.replies(patience=2.5 if waiting >= ALLOWED else 0.2)
    expect_all_answered(replies)
    return waiting


def expect_the_allowed(sent: str, waiting: int, **words: str) -> None:
    if waiting > ALLOWED:
        words = {
            "because": "the agency may ask four at once: the others wait at the gate",
            "next": "keep `async with gate():` around the question to it",
        }
    Outcome(sent, f"{waiting} questions at the weather service").expect_that(
        waiting == ALLOWED, f"{ALLOWED} of them at the weather service", **words
    )


@trip_page.requirement(
    f"holds nobody up at the flights service: while the weather service is silent, the questions of all {VISITORS} visitors "
    "come to the flights service"
)
async def asks_for_all_flights(trial: Trial) -> None:
    await expect_all_asked(trial, silent="weather", about="flights")


@trip_page.requirement(
    f"and lets go of the gate with the answer of the weather service: while the flights service is silent, the questions of "
    f"all {VISITORS} come to the weather service"
)
async def lets_go_of_the_gate(trial: Trial) -> None:
    await expect_all_asked(trial, silent="flights", about="weather")
    with running_services().replaced("/weather/", by="/failing?status=503"):
        await expect_all_asked(
            trial, silent="flights", about="weather", but=", and the weather service fails"
        )


async def expect_all_asked(trial: Trial, *, silent: str, about: str, but: str = "") -> None:
    services, trip = counting_anew(), await made_up_trip()
    with services.held(f"/{silent}/") as hold:
        async with visits(trial, *[f"/trips/{trip.pk}/"] * VISITORS) as ten:
            await ten.until(lambda: asked(services, about) >= VISITORS)
            found = asked(services, about)
            hold.release()
            replies = await ten.replies()
    expect_all_answered(replies)
    came_later = asked(services, about) == VISITORS
    words = words_about(found, silent, about) if came_later else {}
    sent = f"{together(trip)}  while the {silent} service is silent{but}"
    Outcome(sent, f"{found} questions").expect_that(
        found == VISITORS, f"{VISITORS} questions at the {about} service", **words
    )


def words_about(found: int, silent: str, about: str) -> dict[str, str]:
    if found == ALLOWED:
        return {
            "because": f"four visitors wait for the {silent} service, and hold the gate meanwhile",
            "next": "put `async with gate():` around the question to the weather service, and nothing else",
        }
    if found == 0:
        return {
            "because": f"the {about} service is asked only when the {silent} service has answered",
            "next": "`asyncio.gather` over both",
        }
    return {}


def expect_all_answered(replies: list[Reply]) -> None:
    for reply in replies:
        reply.expect_that(reply.status == 200, "200")


def together(trip: Trip) -> str:
    return f"{VISITORS} requests together, GET /trips/{trip.pk}/"
