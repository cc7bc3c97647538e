import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import ObjectDoesNotExist
from django.db import IntegrityError
from django.db.backends.signals import connection_created
from django.db.models import F, Sum

from tutorial_project.classroom.checks import Reply, Task, Trial, counted_queries
from tutorial_project.trips.models import Booking, Destination, Trip


def listed(reply: Reply, key: str) -> list[dict[str, Any]]:
    """The rows that the answer lists under `key`; refuses when there is no such list."""
    reply.expect(200)
    rows = reply.json.get(key) if isinstance(reply.json, dict) else None
    usable = isinstance(rows, list) and all(isinstance(row, dict) for row in rows)
    reply.expect_that(usable, f'200 {{"{key}": [{{…}}, …]}}')
    return rows


def expect_rows(reply: Reply, rows: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    """Refuse at the first row that differs in one of the keys of the expected row."""
    for row, wanted in zip(rows, expected, strict=True):
        told = {key: row.get(key) for key in wanted}
        reply.expect_that(told == wanted, as_json(wanted), got=as_json(told))


def as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def expect_few_queries(reply: Reply, sent: list[str], most: int, rows: int, next: str) -> None:
    """Refuse when more than `most` queries were sent for an answer of `rows` rows."""
    reply.expect(200)
    one_by_one = f"a query is sent for each of the {rows} rows" if len(sent) >= rows > most else None
    reply.expect_that(
        len(sent) <= most,
        f"{most} queries at most",
        got=f"{len(sent)} queries",
        because=one_by_one,
        next=next,
    )


def expect_404(reply: Reply) -> None:
    """Refuse unless the status is 404, and say so when a row was missed and nobody caught the error."""
    missed = isinstance(reply.error, ObjectDoesNotExist)
    reply.expect(
        404,
        because="`aget` raises when there is no such row, and the traveller gets a 500" if missed else None,
        next="await aget_object_or_404(…)" if missed else None,
    )


trip_list = Task(
    "trip_list",
    routes=["trips/"],
    hints=(
        "Which of your calls only prepare the question, and where is it sent?",
        "`select_related` fetches a destination with its trip, `prefetch_related` the themes of all trips "
        "with a second query. Then neither attribute asks again.",
        "`[{…} async for trip in trips.select_related(…).prefetch_related(…)]`, and before that, where a "
        "slug is asked for, `await aget_object_or_404(Destination, slug=…)`",
    ),
    praise="Right: all relations were there before a row was touched. `values()` and a second query for the themes "
    "would do too, and so would a sync function behind one `sync_to_async`.",
)


@trip_list.requirement(
    "answers `GET /trips/` with all trips that are `active` and no others, the cheapest first: "
    '`{"trips": [{"id": 4, "title": "Fado, sardines and custard tarts", "price": "455.00", …}, …]}`'
)
async def lists_what_is_on_sale(trial: Trial) -> None:
    reply = await trial.get("/trips/")
    rows = listed(reply, "trips")
    ids = [row.get("id") for row in rows]
    expected = [trip async for trip in Trip.objects.filter(active=True).order_by("price")]
    off_sale = {pk async for pk in Trip.objects.filter(active=False).values_list("pk", flat=True)}
    strangers = [pk for pk in ids if pk in off_sale]
    reply.expect_that(
        not strangers,
        "no trip that is off sale",
        got=f"trip {strangers[0]} among them" if strangers else None,
        because="it is not `active`",
    )
    reply.expect_that(
        ids == [trip.pk for trip in expected],
        f"{len(expected)} trips, with these ids: {', '.join(str(trip.pk) for trip in expected[:6])}, …",
        got=f"{len(ids)} trips: {', '.join(map(str, ids[:6]))}, …",
    )
    shown = [{"id": trip.pk, "title": trip.title, "price": str(trip.price)} for trip in expected]
    expect_rows(reply, rows, shown)


@trip_list.requirement(
    'says of each trip its `"destination"` (the name) and its `"themes"` (the names, in alphabetical order)'
)
async def names_destination_and_themes(trial: Trial) -> None:
    reply = await trial.get("/trips/")
    rows = listed(reply, "trips")
    trips = Trip.objects.filter(active=True).order_by("price")
    expected = [
        {
            "id": trip.pk,
            "destination": trip.destination.name,
            "themes": sorted(theme.name for theme in trip.themes.all()),
        }
        async for trip in trips.select_related("destination").prefetch_related("themes")
    ]
    expect_rows(reply, rows, expected)


@trip_list.requirement("keeps the trips to one destination, by its slug, for `GET /trips/?destination=kyoto`")
async def keeps_one_destination(trial: Trial) -> None:
    reply = await trial.get("/trips/?destination=kyoto")
    ids = [row.get("id") for row in listed(reply, "trips")]
    to_kyoto = Trip.objects.filter(active=True, destination__slug="kyoto").order_by("price")
    expected = [pk async for pk in to_kyoto.values_list("pk", flat=True)]
    reply.expect_that(
        ids == expected, f"the trips {expected}", got=f"{len(ids)} trips: {', '.join(map(str, ids[:6]))}"
    )


@trip_list.requirement("answers 404 for `GET /trips/?destination=atlantis`, a slug that no destination has")
async def knows_no_atlantis(trial: Trial) -> None:
    expect_404(await trial.get("/trips/?destination=atlantis"))


@trip_list.requirement("sends two queries at most for the whole list, and three at most with `?destination=`")
async def sends_two_queries(trial: Trial) -> None:
    for path, most in (("/trips/", 2), ("/trips/?destination=kyoto", 3)):
        with counted_queries() as sent:
            reply = await trial.get(path)
        rows = len(listed(reply, "trips"))
        expect_few_queries(
            reply, sent, most, rows, "select_related for the destination, prefetch_related for themes"
        )


book = Task(
    "book",
    routes=["trips/<int:pk>/book/"],
    hints=(
        "Which one call finds a row, or makes it, and tells you which of the two happened?",
        "`aget_or_create` gives back two things. Take a seat only if the booking is new, and let the database do "
        "the arithmetic.",
        "`booking, created = await Booking.objects.aget_or_create(trip=…, traveller=…)`, and for a new one "
        '`await Trip.objects.filter(pk=pk).aupdate(seats_left=F("seats_left") - 1)`, then `arefresh_from_db`',
    ),
    praise="Right: the unique constraint decides who was first, and the database takes the seat. A sync function "
    "with `transaction.atomic()` behind `sync_to_async` would do too; lesson 09 is about the very last seat.",
)


async def seats_left(pk: int) -> int:
    return (await Trip.objects.aget(pk=pk)).seats_left


async def bookings(pk: int, username: str) -> list[Booking]:
    return [row async for row in Booking.objects.filter(trip_id=pk, traveller__username=username)]


@contextmanager
def meanwhile(
    statement: str, table: str, act: Callable[[], None], *, after: bool = False
) -> Iterator[list[str]]:
    """Let another request act, once, at the answer's first such statement outside of a transaction.

    Inside of a transaction nobody else could. The list that is given holds the statement, if there was one.
    """
    happened: list[str] = []

    def wrapper(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        due = not happened and not context["connection"].in_atomic_block
        if not (due and sql.startswith(statement) and f'"{table}"' in sql):
            return execute(sql, params, many, context)
        happened.append(sql)
        if not after:
            act()
        result = execute(sql, params, many, context)
        if after:
            act()
        return result

    def watch(connection: Any, **_: Any) -> None:
        connection.execute_wrappers.append(wrapper)

    connection_created.connect(watch, weak=False)
    try:
        yield happened
    finally:
        connection_created.disconnect(watch)


@book.requirement(
    'books one seat of trip 8 for `POST /trips/8/book/` with `{"traveller": "ada"}`, and answers 201 '
    '`{"booking": <the id>, "seats_left": 13}`, the seats that are left now'
)
async def books_a_seat(trial: Trial) -> None:
    before = await seats_left(8)
    reply = await trial.post("/trips/8/book/", json={"traveller": "ada"})
    reply.expect(201)
    made = await bookings(8, "ada")
    reply.expect_that(
        [b.seats for b in made] == [1], "one booking of one seat for ada", got=f"{made} in the database"
    )
    left = await seats_left(8)
    reply.expect_that(
        left == before - 1,
        f"{before - 1} seats left in the database",
        got=f"{left} seats left in the database",
    )
    reply.expect(201, json={"booking": made[0].pk, "seats_left": before - 1})


@book.requirement(
    "answers 200 with the same booking when the traveller has booked the trip already, and takes no second seat"
)
async def books_once(trial: Trial) -> None:
    before = await seats_left(8)
    first = await trial.post("/trips/8/book/", json={"traveller": "ada"})
    first.expect(201)
    reply = await trial.post("/trips/8/book/", json={"traveller": "ada"})
    twice = isinstance(reply.error, IntegrityError) and "trip_id" in str(reply.error)
    reply.expect(
        200,
        json={"booking": first.json["booking"], "seats_left": before - 1},
        because="a traveller has one booking of a trip: the database refuses a second row" if twice else None,
        next="look for the booking before making one: `aget_or_create`" if twice else None,
    )
    left = await seats_left(8)
    reply.expect_that(
        left == before - 1,
        f"{before - 1} seats left",
        got=f"{left} seats left",
        because="a seat is taken for a booking that was there",
    )


@book.requirement(
    "answers a double click with 200 and the one booking: the other click books between your first look and your insert"
)
async def survives_a_double_click(trial: Trial) -> None:
    ada, before = await User.objects.aget(username="ada"), await seats_left(8)

    def other_click() -> None:
        if Booking.objects.get_or_create(trip_id=8, traveller=ada)[1]:
            Trip.objects.filter(pk=8).update(seats_left=F("seats_left") - 1)

    with meanwhile("SELECT", "trips_booking", other_click, after=True) as happened:
        reply = await trial.post("/trips/8/book/", json={"traveller": "ada"})
    twice = isinstance(reply.error, IntegrityError) and "trip_id" in str(reply.error)
    reply.expect(
        200 if happened else 201,
        because="the booking was not there when you looked, and was there when you made it"
        if twice
        else None,
        next="`aget_or_create` looks again when the database refuses" if twice else None,
    )
    left, made = await seats_left(8), await bookings(8, "ada")
    reply.expect_that(
        (left, len(made)) == (before - 1, 1),
        f"1 booking, {before - 1} seats left",
        got=f"{len(made)} bookings, {left} seats left",
    )


@book.requirement("loses nobody's seat: what another request sells just before your update stays sold")
async def loses_nobodys_seat(trial: Trial) -> None:
    before = await seats_left(8)

    def sell_another() -> None:
        Trip.objects.filter(pk=8).update(seats_left=F("seats_left") - 1)

    with meanwhile("UPDATE", "trips_trip", sell_another) as happened:
        reply = await trial.post("/trips/8/book/", json={"traveller": "ada"})
    reply.expect(201)
    expected, left = before - 1 - len(happened), await seats_left(8)
    overwritten = left == before - 1 and len(happened) == 1
    reply.expect_that(
        left == expected,
        f"{expected} seats left after two were sold",
        got=f"{left} seats left",
        because="a number that was read earlier was written back, over the other sale"
        if overwritten
        else None,
        next='`aupdate(seats_left=F("seats_left") - 1)`: the database subtracts' if overwritten else None,
    )


@book.requirement('answers 409 `{"error": "sold out"}` for a trip without a seat left, and books nothing')
async def refuses_a_sold_out_trip(trial: Trial) -> None:
    reply = await trial.post("/trips/4/book/", json={"traveller": "ada"})
    below = isinstance(reply.error, IntegrityError) and "seats_left" in str(reply.error)
    reply.expect(
        409,
        json={"error": "sold out"},
        because="`seats_left` would go below 0, and the database refuses that" if below else None,
    )
    made = await bookings(4, "ada")
    reply.expect_that(
        not made,
        "no booking for ada in the database",
        got=f"{made} in the database",
        because="the booking was made before the seats were looked at" if made else None,
    )


@book.requirement("answers 404 for a trip that does not exist, as in `POST /trips/7000/book/`")
async def knows_no_trip_7000(trial: Trial) -> None:
    expect_404(await trial.post("/trips/7000/book/", json={"traveller": "ada"}))


report = Task(
    "report",
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
    reply = await trial.get("/report/")
    listed(reply, "destinations")
    on_sale = Trip.objects.filter(active=True)
    expected = {"on_sale": await on_sale.acount(), **await on_sale.aaggregate(seats_left=Sum("seats_left"))}
    told = {key: reply.json.get(key) for key in expected}
    reply.expect_that(told == expected, as_json(expected), got=as_json(told))


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
    reply.expect_that(told == names, beginning(names), got=beginning(told))
    for row, wanted in zip(rows, expected, strict=True):
        joined = wanted.pop("joined")
        found = {key: row.get(key) for key in wanted}
        because = why(found, wanted, joined)
        reply.expect_that(found == wanted, as_json(wanted), got=as_json(found), because=because)


def beginning(names: list[Any]) -> str:
    return f"{len(names)} names: {', '.join(map(str, names[:4]))}, …"


def why(found: dict[str, Any], wanted: dict[str, Any], joined: int) -> str | None:
    """The cause of a wrong number, where it is certain."""
    if found["seats_left"] is None and wanted["seats_left"] == 0:
        return "the sum of no rows is NULL, in Python None"
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
    await Destination.objects.acreate(name="Atlantis", slug="atlantis", country="Under the sea")
    await Trip.objects.filter(destination__slug="athens").aupdate(active=False)
    expect_numbers(await trial.get("/report/"), await numbers())


@report.requirement(
    'says under `"travellers"` who has booked a trip there, on sale or not: usernames in alphabetical order, each once'
)
async def names_the_travellers(trial: Trial) -> None:
    await Booking.objects.filter(trip__destination__slug="kyoto", traveller__username="ada").adelete()
    await Trip.objects.filter(destination__slug="athens").aupdate(active=False)
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
    places = [Destination(name=f"Island {n}", slug=f"island-{n}", country="Maldives") for n in range(20)]
    await Destination.objects.abulk_create(places)
    with counted_queries() as sent:
        reply = await trial.get("/report/")
    rows = len(listed(reply, "destinations"))
    expect_few_queries(
        reply,
        sent,
        4,
        rows,
        "annotate the numbers, prefetch the bookings, and select the traveller of each with it",
    )
