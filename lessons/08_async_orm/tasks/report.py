from typing import Any

from django.db.models import Sum

from tutorial_project.checks import Reply, Task, Trial
from tutorial_project.classroom import queries
from tutorial_project.trips.models import Booking, Destination, Trip

from ..shared import (
    DEPARTED,
    FREE,
    as_json,
    expect_few_queries,
    expect_rows,
    listed,
    made_up_destination,
    made_up_traveller,
    made_up_trip,
)

report = Task(
    "report",
    beside="has_the_numbers_of_each",
    routes=["report/"],
    hints=(
        "How many queries does it take if you ask for each destination's numbers in the loop?",
        "The two totals are one `aaggregate`. The numbers of every destination are annotations of one query, "
        "and bookings with their travellers can be prefetched through two relations.",
        '`Destination.objects.annotate(on_sale=Count("trips", filter=Q(trips__active=True)), …)'
        '.prefetch_related(Prefetch("trips__bookings", queryset=Booking.objects.select_related("traveller")))`, '
        "and `Sum(…, default=0)`",
    ),
    praise="Right: the number of queries is a decision of yours, and stays the same however the agency grows. "
    "Counting in Python over prefetched rows, or grouping with `values()`, would do too.",
)


@report.requirement(
    'says under `"on_sale"` how many trips are `active`, and under `"seats_left"` how many seats these have left'
)
async def has_the_totals(trial: Trial) -> None:
    await expect_totals(await trial.get("/report/"))
    place = await made_up_destination()
    await made_up_trip(place, departs=DEPARTED)
    await made_up_trip(place, active=False)
    await expect_totals(await trial.get("/report/"))
    await Trip.objects.aupdate(active=False)
    reply = await trial.get("/report/")
    reply.sent += "  with no trip on sale"
    await expect_totals(reply)


async def expect_totals(reply: Reply) -> None:
    listed(reply, "destinations")
    on_sale = Trip.objects.filter(active=True)
    seats_left = await on_sale.aaggregate(seats_left=Sum("seats_left", default=0))
    expected = {"on_sale": await on_sale.acount(), **seats_left}
    told = {key: reply.json.get(key) for key in expected}
    empty = told["seats_left"] is None and not expected["seats_left"]
    reply.expect_that(
        told == expected, as_json(expected), got=as_json(told), because=SUM_OF_NOTHING if empty else None
    )


SUM_OF_NOTHING = "the sum of no rows is NULL, in Python None"


async def numbers() -> list[dict[str, Any]]:
    """What the report says about each destination's trips on sale, and the rows of a join with bookings."""
    rows = []
    async for place in Destination.objects.order_by("name").prefetch_related("trips__bookings"):
        trips = [trip for trip in place.trips.all() if trip.active]
        left = sum(trip.seats_left for trip in trips)
        joined = sum(max(1, len(trip.bookings.all())) for trip in trips)
        rows.append({"name": place.name, "on_sale": len(trips), "seats_left": left, "joined": joined})
    return rows


def expect_numbers(reply: Reply, expected: list[dict[str, Any]]) -> None:
    """Refuse unless every destination is there, in order, with its two numbers."""
    rows = listed(reply, "destinations")
    names = [row["name"] for row in expected]
    told = [row.get("name") for row in rows]
    first = next((n for n, pair in enumerate(zip(told, names, strict=False)) if len(set(pair)) > 1), 0)
    reply.expect_that(told == names, beginning(names, first), got=beginning(told, first))
    for row, wanted in zip(rows, expected, strict=True):
        joined = wanted.pop("joined")
        found = {key: row.get(key) for key in wanted}
        because = why(found, wanted, joined)
        reply.expect_that(found == wanted, as_json(wanted), got=as_json(found), because=because)


def beginning(names: list[Any], first: int) -> str:
    """Some names, from the first on that is not in its place."""
    start = f", from number {first + 1} on" if first else ""
    return f"{len(names)} names{start}: {', '.join(map(str, names[first : first + 4]))}, …"


def why(found: dict[str, Any], wanted: dict[str, Any], joined: int) -> str | None:
    """The cause of a wrong number, where it is certain."""
    if found["seats_left"] is None and wanted["seats_left"] == 0:
        return SUM_OF_NOTHING
    if found["on_sale"] == joined > wanted["on_sale"]:
        return "a trip is counted once for every booking joined to it"
    return None


@report.requirement(
    'lists all destinations by name under `"destinations"`, each with `"name"`, `"on_sale"` and `"seats_left"`: '
    "the same two numbers for its trips"
)
async def has_the_numbers_of_each(trial: Trial) -> None:
    expect_numbers(await trial.get("/report/"), await numbers())


@report.requirement("says 0 and 0 for a destination that has no trip on sale")
async def counts_nothing_as_zero(trial: Trial) -> None:
    place = await made_up_destination()
    for _ in range(2):
        trip = await made_up_trip(place)
        for _ in range(2):
            await Booking.objects.acreate(trip=trip, traveller=await made_up_traveller(), seats=2)
    await made_up_trip(place, active=False)
    await Destination.objects.acreate(name="Atlantis", slug="atlantis", country="Under the sea")
    await Trip.objects.filter(destination__slug="athens").aupdate(active=False)
    expect_numbers(await trial.get("/report/"), await numbers())


@report.requirement(
    'says under `"travellers"` who has booked a trip there, on sale or not: usernames in alphabetical order, each once'
)
async def names_the_travellers(trial: Trial) -> None:
    await Booking.objects.filter(trip__destination__slug="kyoto", traveller__username="ada").adelete()
    await Trip.objects.filter(destination__slug="athens").aupdate(active=False)
    trip, late = await made_up_trip(), await made_up_traveller()
    early = await made_up_traveller(is_active=False)
    for traveller in sorted((late, early), key=lambda user: user.username, reverse=True):
        await Booking.objects.acreate(trip=trip, traveller=traveller)
    reply = await trial.get("/report/")
    rows = listed(reply, "destinations")
    booked = Booking.objects.values_list("trip__destination__name", "traveller__username")
    pairs = {pair async for pair in booked}
    names = [row.get("name") for row in rows]
    expected = [
        {"name": name, "travellers": sorted(who for place, who in pairs if place == name)} for name in names
    ]
    expect_rows(reply, rows, expected)


@report.requirement("sends four queries at most, however many destinations there are")
async def sends_four_queries(trial: Trial) -> None:
    places = [Destination(name=f"Island {n}", slug=f"island-{n}", country="Maldives") for n in range(220)]
    await Destination.objects.abulk_create(places)
    with queries() as sent:
        reply = await trial.get("/report/")
    rows = len(listed(reply, "destinations"))
    expect_few_queries(
        reply,
        sent,
        4,
        rows,
        "annotate the numbers, prefetch the bookings, and select the traveller of each with it",
    )


@report.requirement(FREE)
async def leaves_the_loop_free(trial: Trial) -> None:
    await trial.never_holds_the_loop("/report/")
