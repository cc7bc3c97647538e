import random
from datetime import date, timedelta
from typing import Any
from urllib.parse import quote

from tutorial_project.checks import Outcome, Task, Trial
from tutorial_project.checks.kinds.made_up import made_up, made_up_weather
from tutorial_project.checks.kinds.questions import all_saying, held_questions
from tutorial_project.classroom import on_duty
from tutorial_project.services import running_services
from tutorial_project.trips.models import Destination, Trip

from ..shared import TROUBLE, expect_on_the_loop, site_of

city_page = Task(
    "city_page",
    routes=["city/<str:city>/"],
    hints=(
        "A page that waits for nothing is slow as well. What do all pages of one process share?",
        "The table names a line on which the event loop stood. Who waits there, the visitor's task or the loop itself?",
        "The loop may wait for nobody: `async def sky_over(city)` with `await ask(…)`, or the function as it is in a "
        "thread: `await asyncio.to_thread(sky_over, city)`.",
    ),
    praise="Right: the visitor waits for the weather, and the loop does not. `asyncio.to_thread` around the old function is "
    "the smallest repair, as long as few wait at a time: each of them holds a thread.",
)


@city_page.seen_by_operations
async def seen(answer: Any) -> Any:
    with running_services().slowed("/weather", by=0.2):
        async with on_duty(site_of(city_page, answer)) as duty:
            await duty.send("/city/Lisbon/", *["/opening-hours/"] * 6, *["/city/Kyoto/"] * 4)
    return duty


TRIPS = 12


async def a_city(*titles: str, end: str = "") -> str:
    """A city of which nobody has heard, with these trips on sale, in this order, and one that is not.

    Its name may end with a character that has a meaning of its own in a URL. Another city's name begins with it.
    """
    name = made_up("city") + end
    await trips_to(name, *titles)
    await trips_to(f"{name} Bay", made_up("trip"))
    return name


async def trips_to(name: str, *titles: str) -> None:
    slug = made_up("slug")
    destination = await Destination.objects.acreate(name=name, slug=slug, country="Portugal")
    rows = [(title, True) for title in titles] + [(made_up("trip"), False)]
    trips = [
        Trip(
            destination=destination,
            title=title,
            active=active,
            departs=date(2031, 1, 1) + timedelta(days=day),
            nights=3,
            price=900,
            seats=18,
            seats_left=9 * (day % 3),
        )
        for day, (title, active) in enumerate(rows)
    ]
    await Trip.objects.abulk_create(random.sample(trips, len(trips)))


@city_page.requirement(
    'answers `GET /city/Lisbon/` with `{"city": "Lisbon", "sky": …, "trips": […]}`: the sky that the weather service sees '
    "now, and the trips on sale there, the next one first"
)
async def tells_sky_and_trips(trial: Trial) -> None:
    titles = [made_up("trip") for _ in range(TRIPS)]
    for city, trips in ((await a_city(*titles), titles), (await a_city(end="?"), [])):
        for _ in range(2):
            weather = made_up_weather(city)
            with all_saying({f"weather/{city}": weather}):
                reply = await trial.get(f"/city/{quote(city)}/")
            reply.expect(200, json={"city": city, "sky": weather["sky"], "trips": trips})


@city_page.requirement(
    "says `null` for the sky when the weather service answers with an error, or breaks off, and shows the trips"
)
async def bears_a_failing_service(trial: Trial) -> None:
    titles = [made_up("trip")]
    city = await a_city(*titles)
    for trouble, remark in TROUBLE.items():
        weather = made_up_weather(city)
        with all_saying({f"weather/{city}": weather}):
            reply = await trial.get(f"/city/{city}/")
        reply.expect(200, json={"city": city, "sky": weather["sky"], "trips": titles})
        with running_services().replaced("/weather", by=trouble):
            reply = await trial.get(f"/city/{city}/")
        reply.sent += f"  while the weather service {remark}"
        reply.expect(200, json={"city": city, "sky": None, "trips": titles})


@city_page.requirement("is awaited on the event loop, as before")
async def stays_on_the_loop(trial: Trial) -> None:
    await expect_on_the_loop(trial, "/city/Lisbon/")


VISITORS = 4
SLOW = 2.0
"""Seconds that a slow weather service takes."""


@city_page.requirement(
    f"keeps nobody waiting who wants something else: while the weather service is slow, {VISITORS} visitors wait for it at "
    "the same moment, and the event loop turns"
)
async def keeps_nobody_waiting(trial: Trial) -> None:
    titles = [made_up("trip") for _ in range(VISITORS)]
    cities = [await a_city(title) for title in titles]
    said = {f"weather/{city}": made_up_weather(city) for city in cities}
    paths = [f"/city/{city}/" for city in cities]
    with all_saying(said):
        async with held_questions(trial, *paths, at=["/weather"]) as held:
            turned = await held.until_waiting(VISITORS)
            got = f"{max(held.waiting, 1)} of {VISITORS} asked, and the others got no turn until it had its answer"
            Outcome(f"{VISITORS} × GET /city/…/ while the weather service is slow", got).expect_that(
                held.waiting == VISITORS,
                f"all {VISITORS} wait for the service at the same moment",
                **why(turned),
            )
            await held.visit.clock.advance(SLOW)
            await held.visit.clock.pause(0.5)  # a limit in a thread follows the real clock
            replies = await held.replies(f"while the weather service takes {SLOW:g} seconds")
    for reply, weather, title in zip(replies, said.values(), titles, strict=True):
        reply.expect(200, json={"city": weather["city"], "sky": weather["sky"], "trips": [title]})
    await trial.never_holds_the_loop("/city/Lisbon/")


def why(turned: int) -> dict[str, str]:
    if turned:
        return {"because": "the loop was free, and something lets in only so many visitors at a time"}
    return {
        "because": "the event loop itself waited for the weather service, and with it everybody",
        "next": "`await` an async client, or give the call to a thread: `await asyncio.to_thread(…)`",
    }
