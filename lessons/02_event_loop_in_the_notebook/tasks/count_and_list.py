import inspect
import random
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from django.db.models import QuerySet

from tutorial_project.checks import Outcome, Task, Trial
from tutorial_project.checks.kinds.made_up import mixed
from tutorial_project.checks.outcome import quoted
from tutorial_project.trips.models import Destination, Trip
from tutorial_project.words import counted

from ..shared import exchange_names, made_trip, new_destination, new_trip, words_of_an_early_call

count_and_list = Task(
    "count_and_list",
    hints=(
        "Which expressions ask the database, and which only build the query?",
        "Build the query with plain methods such as `filter` and `order_by`. Then walk it with `async for`.",
        "`titles = [trip.title async for trip in Trip.objects.filter(…).order_by(…)]`, "
        "then `return len(titles), titles`",
    ),
    praise="Right: the query is built plainly, and what asks the database is awaited. "
    "A sync function that does it all, called through `sync_to_async`, would do as well.",
)


TITLES = [
    "Trams and tiles of Alfama",
    "Lisbon with children",
    "A week of surf in Ericeira",
    "Fado, sardines and custard tarts",
    "The palaces of Sintra on foot",
]


@count_and_list.requirement(
    'returns `(5, ["Trams and tiles of Alfama", …])` for `"Lisbon"`: the number of trips and the list of '
    "their titles, in the order of departure; for every city what the database holds at that moment"
)
async def returns_number_and_titles(trial: Trial) -> None:
    await _expect_trips(trial, "Lisbon", TITLES)
    city, trips = await new_destination(), list[Trip]()
    others = [await new_destination(name) for name in (f"New {city.name}", city.name.upper())]
    titles = [(await new_trip(other)).title for other in others]
    for gone_by, to_come in _departures():
        trips.append(trip := await new_trip(city, departs=gone_by))
        for _ in range(2):  # two on the same day
            trips.append(await new_trip(city, departs=to_come, title=trip.title))
        in_order = sorted(trips, key=lambda trip: trip.departs)
        await _expect_trips(trial, city.name, [trip.title for trip in in_order])
    await exchange_names(city, others[0])
    await _expect_trips(trial, others[0].name, titles[:1])
    await _expect_all_of_many(trial, others[0])


def _departures() -> Iterator[tuple[date, date]]:
    """Three pairs of days, one gone by and one to come; the later the year, the earlier in it the day."""
    year, days = date.today().year, [(12, 28), (10, 26), (8, 24), (6, 22), (4, 20), (2, 18)]
    years = (year - 3, year - 2, year - 1, year + 1, year + 2, year + 3)
    dates = [date(year, *day) for year, day in zip(years, days, strict=True)]
    yield from zip(mixed(dates[:3]), mixed(dates[3:]), strict=True)


MANY = 120
"""More trips than an answer that stops at a round number would list."""


async def _expect_all_of_many(trial: Trial, city: Destination) -> None:
    await Trip.objects.filter(destination=city).adelete()
    days = random.sample(range(1, 3_000), MANY)
    trips = [made_trip(city, date.today() + timedelta(days=day)) for day in days]
    await Trip.objects.abulk_create(trips)
    titles = [trip.title for trip in sorted(trips, key=lambda trip: trip.departs)]
    await _expect_trips(trial, city.name, titles)


IN_ANOTHER_ORDER = "these are the right titles, in another order than that of departure"


@count_and_list.requirement("leaves out trips that are not on sale (`active=False`)")
async def leaves_out_what_is_not_on_sale(trial: Trial) -> None:
    on_sale = list(TITLES)
    for off_sale in (TITLES[0], *random.sample(TITLES[1:], len(TITLES) - 1)):  # the first, later all of them
        await Trip.objects.filter(title=off_sale).aupdate(active=False)
        on_sale.remove(off_sale)
        await _expect_trips(trial, "Lisbon", on_sale, off_sale)


@count_and_list.requirement(
    'returns `(0, [])` for a city without trips, whether the agency knows it or, such as `"Atlantis"`, not'
)
async def returns_zero_for_a_city_without_trips(trial: Trial) -> None:
    for name in ("Atlantis", (await new_destination()).name):
        await _expect_trips(trial, name, [])
        city = await Destination.objects.filter(name=name).afirst() or await new_destination(name)
        trip = await new_trip(city)
        await _expect_trips(trial, name, [trip.title])


async def _expect_trips(trial: Trial, city: str, titles: list[str], off_sale: str = "") -> None:
    words: dict[str, str] = {}
    outcome = await trial.call(city)
    outcome.cause = words_of_an_early_call(outcome.error)
    parts = outcome.value if isinstance(outcome.value, tuple | list) else [outcome.value]
    expected = quoted((len(titles), titles))
    for part in parts:
        _refuse_unfinished(outcome, part, expected)
    if _are_texts(parts[-1]) and parts[-1] != titles and sorted(parts[-1]) == sorted(titles):
        words = {"because": IN_ANOTHER_ORDER}
    if _are_texts(parts[-1]) and off_sale in parts[-1]:
        words = {"because": f"{off_sale!r} was taken off sale before the call"}
    if isinstance(parts[-1], list) and any(isinstance(row, Trip) for row in parts[-1]):
        words = {"because": "these are trips, not their titles", "next": "take `trip.title` of each"}
    if len(titles) == MANY and _are_texts(parts[-1]) and len(parts[-1]) != MANY:
        expected = f"{MANY} and a list of {MANY} titles"
        words = {"got": f"{quoted(parts[0])} and a list of {counted(len(parts[-1]), 'title')}"}
    outcome.expect_that(tuple(parts) == (len(titles), titles), expected, **words)


def _are_texts(part: Any) -> bool:
    return isinstance(part, list) and all(isinstance(text, str) for text in part)


def _refuse_unfinished(outcome: Outcome, part: Any, expected: str) -> None:
    if inspect.iscoroutine(part):
        part.close()
        outcome.refuse(
            expected=expected,
            because="a part of the answer is a coroutine: something was called and not awaited",
            next="put `await` before the call",
        )
    if inspect.isasyncgen(part):
        outcome.refuse(
            expected=expected,
            because="`(… async for …)` makes an async generator, which has not run yet",
            next="use square brackets: `[… async for …]` makes a list",
        )
    if isinstance(part, QuerySet) and part._result_cache is None:
        outcome.refuse(
            expected=expected,
            got="a QuerySet in place of a list of titles",
            because="a QuerySet has not asked the database yet; whoever looks into it asks, in the event loop",
            next="fetch the titles before you return them: `[trip.title async for trip in …]`",
        )
