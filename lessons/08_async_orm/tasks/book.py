from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib.auth.models import User
from django.db import IntegrityError
from django.db.backends.signals import connection_created
from django.db.models import F

from tutorial_project.checks import Task, Trial
from tutorial_project.trips.models import Booking, Trip

from ..shared import expect_404

book = Task(
    "book",
    beside="refuses_a_sold_out_trip",
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
