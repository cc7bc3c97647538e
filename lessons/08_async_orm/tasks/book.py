import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib.auth.models import User
from django.db import IntegrityError
from django.db.models import F

from tutorial_project.checks import Reply, Task, Trial
from tutorial_project.classroom.data.connections import every_statement_through
from tutorial_project.trips.models import Booking, Trip
from tutorial_project.words import counted

from ..shared import FREE, expect_404, made_up_traveller, made_up_trip

book = Task(
    "book",
    routes=["trips/<int:pk>/book/"],
    hints=(
        "Who decides that there is a seat left: you, who looked a moment ago, or the database, while it takes the seat?",
        "Look for the traveller's booking. When there is none, take the seat first, in one `aupdate` that finds no row "
        "when none is left; it answers how many rows it changed. Then `aget_or_create` tells whether another click was "
        "faster: give the seat back.",
        "`booking = await trip.bookings.filter(traveller=…).afirst()`; without one "
        '`await Trip.objects.filter(pk=pk, seats_left__gt=0).aupdate(seats_left=F("seats_left") - 1)`; when that is 0, '
        "409 unless another click has booked; `booking, created = await trip.bookings.aget_or_create(traveller=…)`; at last read the trip anew",
    ),
    praise="Right: the unique constraint decides who was first, and the database takes the seat while it looks whether "
    "there is one. A sync function with `transaction.atomic()` behind `sync_to_async` is better still: nobody ever "
    "sees a step that is about to be undone. Lesson 09 writes it.",
)

BELOW_ZERO = {
    "because": "`seats_left` would go below 0, and the database refuses that",
    "next": "`filter(pk=pk, seats_left__gt=0).aupdate(…)` takes a seat only where there is one, and answers 0 otherwise",
}


async def seats_left(trip: Trip) -> int:
    return (await Trip.objects.aget(pk=trip.pk)).seats_left


async def bookings(trip: Trip, traveller: User) -> list[Booking]:
    return [row async for row in Booking.objects.filter(trip=trip, traveller=traveller)]


async def click(trial: Trial, trip: Trip, traveller: User) -> Reply:
    return await trial.post(f"/trips/{trip.pk}/book/", json={"traveller": traveller.username})


async def expect_seats(reply: Reply, trip: Trip, expected: int, **words: str | None) -> None:
    """Refuse unless so many seats are left in the database."""
    left = await seats_left(trip)
    got = f"{counted(left, 'seat')} left in the database"
    reply.expect_that(left == expected, f"{counted(expected, 'seat')} left in the database", got=got, **words)


async def expect_not_booked(reply: Reply, trip: Trip, traveller: User, **words: str | None) -> None:
    made = await bookings(trip, traveller)
    expected = f"no booking for {traveller.username} in the database"
    reply.expect_that(not made, expected, got=f"{made} in the database", **words)


def refused_by(reply: Reply, constraint: str) -> bool:
    """Whether the database refused, and the answer did not catch that."""
    return isinstance(reply.error, IntegrityError) and constraint in str(reply.error)


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

    with every_statement_through(wrapper):
        yield happened


@book.requirement(
    'books one seat for `POST /trips/8/book/` with `{"traveller": "ada"}`, and answers 201 '
    '`{"booking": <the id>, "seats_left": 13}`, the seats that are left now; so for every trip and traveller, also '
    "for several at the same moment"
)
async def books_a_seat(trial: Trial) -> None:
    trip, traveller = await made_up_trip(), await made_up_traveller()
    await Booking.objects.acreate(trip=await made_up_trip(), traveller=traveller)
    reply = await click(trial, trip, traveller)
    reply.expect(201, because="that is the booking of another trip" if reply.status == 200 else None)
    await expect_booked(reply, trip, traveller)
    another = await made_up_traveller()
    reply = await click(trial, trip, another)
    reply.sent += f"  after {traveller.username} has booked it"
    reply.expect(201, because="that is the booking of another traveller" if reply.status == 200 else None)
    trip.seats_left -= 1  # the first seat
    await expect_booked(reply, trip, another)
    await expect_several_at_once(trial)


async def expect_several_at_once(trial: Trial) -> None:
    pairs = [(await made_up_trip(), await made_up_traveller()) for _ in range(3)]
    replies = await asyncio.gather(*(click(trial, trip, traveller) for trip, traveller in pairs))
    for reply, (trip, traveller) in zip(replies, pairs, strict=True):
        reply.sent += f"  by {traveller.username}, while two others book other trips"
        await expect_booked(reply, trip, traveller, **OF_ANOTHER)


OF_ANOTHER = {
    "because": "alone it is right: two requests share something that each of them needs for itself",
    "next": "keep what belongs to one request inside of the view",
}


async def expect_booked(reply: Reply, trip: Trip, traveller: User, **words: str) -> None:
    """Refuse unless the answer tells of the one booking that is new, and one seat less is left than `trip` says."""
    reply.expect(201, **words)
    made = await bookings(trip, traveller)
    reply.expect_that(
        [b.seats for b in made] == [1],
        f"one booking of one seat for {traveller.username}",
        got=f"{made} in the database",
        **words,
    )
    await expect_seats(reply, trip, trip.seats_left - 1, **words)
    reply.expect(201, json={"booking": made[0].pk, "seats_left": trip.seats_left - 1}, **words)


@book.requirement(
    'answers 200 with the same `"booking"` when the traveller has booked the trip already, sold out by now or not, '
    "and takes no second seat"
)
async def books_once(trial: Trial) -> None:
    for trip in (await made_up_trip(), await made_up_trip(seats_left=1)):
        traveller, left = await made_up_traveller(), trip.seats_left - 1
        await Booking.objects.acreate(trip=await made_up_trip(), traveller=traveller)
        first = await click(trial, trip, traveller)
        first.expect(201)
        booking = first.json["booking"]
        await Booking.objects.acreate(trip=await made_up_trip(), traveller=traveller)
        reply = await click(trial, trip, traveller)
        expect_the_booking(reply, booking, left, **words_about_the_second(reply, left))
        await expect_seats(reply, trip, left, because="a seat is taken for a booking that was there")
    await expect_as_it_was(trial)


def expect_the_booking(reply: Reply, booking: int, left: int, **words: str) -> None:
    """Refuse unless the answer is 200 with this booking; the seats that are left may stand beside it."""
    reply.expect(200, **words)
    told = isinstance(reply.json, dict) and "seats_left" in reply.json
    reply.expect(200, json={"booking": booking} | ({"seats_left": left} if told else {}), **words)


async def expect_as_it_was(trial: Trial) -> None:
    """Refuse an answer that writes into a booking which is there: it may be one of several seats."""
    trip, traveller = await made_up_trip(), await made_up_traveller()
    there = await Booking.objects.acreate(trip=trip, traveller=traveller, seats=2)
    reply = await click(trial, trip, traveller)
    reply.sent += "  with a booking of two seats"
    expect_the_booking(reply, there.pk, trip.seats_left)
    seats = [booking.seats for booking in await bookings(trip, traveller)]
    reply.expect_that(seats == [2], "the booking as it was, of two seats", got=f"bookings of {seats} seats")


def words_about_the_second(reply: Reply, left: int) -> dict[str, str]:
    if refused_by(reply, "trip_id"):
        return {
            "because": "a traveller has one booking of a trip: the database refuses a second row",
            "next": "look for the booking before making one: `aget_or_create`",
        }
    if reply.status == 409 and not left:
        return {
            "because": "the trip is sold out, but this traveller has a seat of it",
            "next": "look for the traveller's booking before you say that nothing is left",
        }
    return {}


@book.requirement(
    "answers a double click with 200 and the one booking, also of the last seat: the other click books between "
    "your first look and your insert"
)
async def survives_a_double_click(trial: Trial) -> None:
    for trip in (await made_up_trip(), await made_up_trip(seats_left=1)):
        await expect_one_booking_of_two_clicks(trial, trip)
    await expect_several_double_clicks(trial)


async def expect_one_booking_of_two_clicks(trial: Trial, trip: Trip) -> None:
    traveller, expected = await made_up_traveller(), trip.seats_left - 1

    def other_click() -> None:
        booking, new = Booking.objects.get_or_create(trip=trip, traveller=traveller)
        with_seats = Trip.objects.filter(pk=trip.pk, seats_left__gt=0)
        if new and not with_seats.update(seats_left=F("seats_left") - 1):
            booking.delete()

    with meanwhile("SELECT", "trips_booking", other_click, after=True) as happened:
        reply = await click(trial, trip, traveller)
    if happened and not expected:
        reply.sent += "  after another click has booked the last seat"
    reply.expect(200 if happened else 201, **words_about_the_other_click(reply, expected) if happened else {})
    left, made = await seats_left(trip), await bookings(trip, traveller)
    reply.expect_that(
        (left, len(made)) == (expected, 1),
        f"bookings: 1, seats left: {expected}",
        got=f"bookings: {len(made)}, seats left: {left}",
    )
    told = reply.json.get("booking") if isinstance(reply.json, dict) else None
    reply.expect_that(told == made[0].pk, f'{reply.status} with "booking": {made[0].pk}')


def words_about_the_other_click(reply: Reply, left: int) -> dict[str, str]:
    if refused_by(reply, "trip_id"):
        return {
            "because": "the booking was not there when you looked, and was there when you made it",
            "next": "`aget_or_create` looks again when the database refuses",
        }
    if reply.status == 409 and not left:
        return {
            "because": "no seat was left because this traveller's other click has it",
            "next": "look for the booking once more before you say that nothing is left",
        }
    return {}


async def expect_several_double_clicks(trial: Trial) -> None:
    pairs = [(await made_up_trip(), await made_up_traveller()) for _ in range(3)]
    replies = await asyncio.gather(*(click(trial, trip, traveller) for trip, traveller in pairs * 2))
    for first, second, (trip, traveller) in zip(replies, replies[3:], pairs, strict=False):
        second.sent += f"  twice, by {traveller.username}, while two others do it for other trips"
        statuses = sorted([first.status or 500, second.status or 500])
        second.expect_that(
            statuses == [200, 201], "201 and 200", got=f"{first.got} and {second.got}", **OF_ANOTHER
        )
        await expect_seats(second, trip, trip.seats_left - 1, **OF_ANOTHER)


@book.requirement(
    "loses nobody's seat: what another request sells just before your update stays sold, and you tell of it"
)
async def loses_nobodys_seat(trial: Trial) -> None:
    await expect_the_other_sale(trial, "UPDATE")
    await expect_the_other_sale(trial, "SELECT", after=True)


async def expect_the_other_sale(trial: Trial, statement: str, *, after: bool = False) -> None:
    """Refuse unless the sale of another request stays, and the answer tells of it."""
    trip, traveller = await made_up_trip(), await made_up_traveller()
    seen: list[int] = []

    def sell_another() -> None:
        this_trip = Trip.objects.filter(pk=trip.pk)
        seen.append(this_trip.get().seats_left)
        this_trip.update(seats_left=F("seats_left") - 1)

    with meanwhile(statement, "trips_trip", sell_another, after=after) as happened:
        reply = await click(trial, trip, traveller)
    reply.expect(201)
    expected, left = trip.seats_left - 1 - len(happened), await seats_left(trip)
    overwritten = left == trip.seats_left - 1 and len(happened) == 1
    reply.expect_that(
        left == expected,
        f"{counted(expected, 'seat')} left after two were sold",
        got=f"{counted(left, 'seat')} left",
        because="a number that was read earlier was written back, over the other sale"
        if overwritten
        else None,
        next='`aupdate(seats_left=F("seats_left") - 1)`: the database subtracts' if overwritten else None,
    )
    if seen and seen[0] != trip.seats_left:
        return  # its own seat was sold before the other one: it may have looked in between
    told = reply.json.get("seats_left") if isinstance(reply.json, dict) else None
    reply.expect_that(
        told == expected,
        f'201 with "seats_left": {expected}, after two were sold',
        because="the number was worked out from what was read before the update"
        if told == expected + len(happened)
        else None,
    )


@book.requirement('answers 409 `{"error": "sold out"}` for a trip without a seat left, and books nothing')
async def refuses_a_sold_out_trip(trial: Trial) -> None:
    trip, traveller = await made_up_trip(seats_left=0), await made_up_traveller()
    reply = await click(trial, trip, traveller)
    words = BELOW_ZERO if refused_by(reply, "seats_left") else {}
    reply.expect(409, json={"error": "sold out"}, **words)
    await expect_not_booked(reply, trip, traveller, because="the booking was made, and is still there")
    await expect_seats(reply, trip, 0)


@book.requirement(
    "sells the last seat once: when another request takes it just before your update, answers 409 and books nothing"
)
async def sells_the_last_seat_once(trial: Trial) -> None:
    trip, traveller = await made_up_trip(seats_left=1), await made_up_traveller()
    another_trip = await Booking.objects.acreate(trip=await made_up_trip(), traveller=traveller)
    another_traveller = await Booking.objects.acreate(trip=trip, traveller=await made_up_traveller())

    def sell_the_last() -> None:
        Trip.objects.filter(pk=trip.pk).update(seats_left=0)

    with meanwhile("UPDATE", "trips_trip", sell_the_last) as happened:
        reply = await click(trial, trip, traveller)
    reply.expect(409 if happened else 201, **BELOW_ZERO if refused_by(reply, "seats_left") else {})
    if happened:
        await expect_not_booked(reply, trip, traveller, because="the booking was made, and is still there")
    await expect_seats(reply, trip, 0)
    for kept, whose in ((another_trip, "of another trip"), (another_traveller, "of another traveller")):
        reply.expect_that(
            await Booking.objects.filter(pk=kept.pk).aexists(),
            f"the booking {whose} to be there as before",
            got=f"{reply.got}, and the booking {whose} is gone",
        )


@book.requirement("answers 404 for a trip that does not exist, as in `POST /trips/7000/book/`")
async def knows_no_trip_7000(trial: Trial) -> None:
    expect_404(await trial.post("/trips/7000/book/", json={"traveller": "ada"}))


@book.requirement("answers 405 to `GET`, whatever its body, and books nothing: who only looks must not write")
async def writes_nothing_on_get(trial: Trial) -> None:
    trip, traveller = await made_up_trip(), await made_up_traveller()
    reply = await trial.get(f"/trips/{trip.pk}/book/", json={"traveller": traveller.username})
    written = reply.status in (200, 201) and await bookings(trip, traveller)
    reply.expect(
        405,
        because="a browser or a search engine that follows a link would book" if written else None,
        next="`@require_POST`, or look at `request.method` first" if written else None,
    )
    await expect_not_booked(reply, trip, traveller)
    reply = await trial.get(f"/trips/{trip.pk}/book/")
    reply.expect(405)
    allow = reply.response.headers.get("Allow", "POST")
    reply.expect_that(
        "POST" in allow.split(", "), "405, and a header Allow that names POST", got=f"405  Allow: {allow}"
    )


@book.requirement(FREE)
async def leaves_the_loop_free(trial: Trial) -> None:
    trip, traveller = await made_up_trip(), await made_up_traveller()
    body = {"traveller": traveller.username}
    await trial.never_holds_the_loop(f"/trips/{trip.pk}/book/", method="POST", json=body)
