import asyncio
from collections import Counter

from django.contrib.auth.models import User
from django.db import IntegrityError

from tutorial_project.checks import Outcome, Task, Trial
from tutorial_project.checks.proofs.connections import Statement, statements, while_another_task_writes
from tutorial_project.checks.proofs.postgresql import (
    everyone_looks_before_anyone_writes,
    other_process,
    refused_writes,
)
from tutorial_project.classroom import postgresql
from tutorial_project.trips.models import Booking, Trip

from ..shared import ONE_UNIT, counted, expect_all_kept, why_a_half_is_left, writes

TRIP = 7  # has one seat left


MARGARET, DENNIS = 104, 105  # neither of them goes on that trip yet


BUY = f"/trips/{TRIP}/buy/"


SEAT_TABLES = ("trips_trip", "trips_booking")


buy_seat = Task(
    "buy_seat",
    routes=["trips/<int:pk>/buy/"],
    database=postgresql,
    limit=20,
    hints=(
        "Between looking at `seats_left` and writing it: what keeps the other forty-nine away?",
        "A row lock does, for as long as its transaction lives. `select_for_update()` takes it, and the look, "
        "the booking and the new `seats_left` all belong into that one transaction, in one sync function.",
        "`with transaction.atomic():` `trip = Trip.objects.select_for_update().get(pk=pk)`, return False when "
        "`trip.seats_left` is 0, else create the booking, save the trip, return True. "
        "In the view: `sold = await sync_to_async(sell)(pk, traveller)`.",
    ),
    praise=(
        "Right: look, booking and seat are one transaction, in one sync function, behind one lock. One UPDATE "
        "with `filter(seats_left__gt=0)` in place of lock and look is as good, and so is the same in a plain "
        "`def` view."
    ),
)


async def seats_and_bookings():
    """What is stored of the trip: its seats left, and how many bookings it has."""
    trip = await Trip.objects.aget(pk=TRIP)
    return trip.seats_left, await trip.bookings.acount()


@buy_seat.requirement(
    'sells a seat: `POST /trips/7/buy/` with `{"traveller": 104}` answers 201 and `{"sold": true}`, '
    "stores a booking for that traveller, and takes one off `seats_left`"
)
async def sells_a_seat(trial: Trial) -> None:
    _, booked = await seats_and_bookings()
    with statements() as sent:
        sent.clear()
        reply = await trial.post(BUY, json={"traveller": MARGARET})
    reply.expect(201, json={"sold": True})
    seats, bookings = await seats_and_bookings()
    reply.expect_that(
        bool(writes(sent)),
        "a booking of trip 7 for traveller 104",
        got="nothing was sent to the database that writes",
        because="the answer says that a seat was sold, and the code that sells it has not run",
        next="call the function, and put `await` before the call",
    )
    reply.expect_that(
        await Booking.objects.filter(trip=TRIP, traveller=MARGARET).acount() == 1,
        "a booking of trip 7 for traveller 104",
        got=f"{bookings - booked} new bookings of trip 7, none of them for traveller 104",
    )
    reply.expect_that(seats == 0, "seats_left is 0 afterwards", got=f"seats_left is {seats} afterwards")


@buy_seat.requirement('answers 409 and `{"sold": false}` when no seat is left, and stores nothing')
async def refuses_when_sold_out(trial: Trial) -> None:
    with statements() as sent:
        await Trip.objects.filter(pk=TRIP).aupdate(seats_left=0)
        before = await seats_and_bookings()
        sent.clear()
        reply = await trial.post(BUY, json={"traveller": MARGARET})
        found = await seats_and_bookings()
    if found == before:
        below = isinstance(reply.error, IntegrityError) and "seats_left" in str(reply.error)
        because = "`seats_left` would go below 0, and the database refuses that" if below else None
        reply.expect(409, json={"sold": False}, because=because)
    expect_stored(reply.sent, before, found, **why_a_half_is_left(sent))


def expect_stored(sent: str, expected, found, **words) -> None:
    describe = "seats_left {}, {} bookings".format
    Outcome(sent).expect_that(found == expected, describe(*expected), got=describe(*found), **words)


@buy_seat.requirement(
    "sells the last seat once when fifty travellers ask at the same moment: one 201, forty-nine 409, "
    "one booking more, no seat left"
)
async def sells_once_to_fifty(trial: Trial) -> None:
    seats, bookings = await seats_and_bookings()
    buyers = [User(pk=1000 + number, username=f"buyer{number}", password="!") for number in range(50)]
    await User.objects.abulk_create(buyers)
    async with other_process() as check:
        with statements() as sent:
            replies = await everyone_looks_before_anyone_writes(
                check, SEAT_TABLES, [trial.post(BUY, json={"traveller": buyer.pk}) for buyer in buyers]
            )
    summary = Counter(reply.status or type(reply.error).__name__ for reply in replies)
    found = await seats_and_bookings()
    Outcome(
        f"50 × POST {BUY} at once, by travellers 1000 to 1049",
        f"{counted(summary)}; seats_left {found[0]}, bookings +{found[1] - bookings}",
    ).expect_that(
        summary == {201: 1, 409: 49} and found == (seats - 1, bookings + 1),
        "201 ×1, 409 ×49; seats_left 0, bookings +1",
        **(why_more_than_once(sent) if summary[201] > 1 else {}),
    )


def why_more_than_once(sent: list[Statement]) -> dict[str, str]:
    locks = [statement.transaction for statement in sent if "FOR UPDATE" in statement.sql]
    if not locks:
        return {
            "because": "read, then write: all of them had looked before the first one wrote, and nothing kept "
            "them apart in between",
            "next": f"lock the row when you look, with `select_for_update()`; {ONE_UNIT}",
        }
    if any(lock is write.transaction for lock in locks for write in writes(sent)):
        return {"next": "look at `seats_left` after the row is locked, and not before"}
    return {
        "because": "the row was locked and let go again: the lock was taken outside of the transaction that "
        "writes, and ended before the seat was written",
        "next": ONE_UNIT,
    }


@buy_seat.requirement(
    "sells it once when the other buyer comes through another process, which takes the seat meanwhile: 409"
)
async def stands_against_another_process(trial: Trial) -> None:
    seats, bookings = await seats_and_bookings()
    async with other_process() as check:
        await check.hold("trips_trip", f"id = {TRIP}")
        buying = asyncio.ensure_future(trial.post(BUY, json={"traveller": MARGARET}))
        await check.all_stand_still([buying])
        await check.execute("UPDATE trips_trip SET seats_left = 0 WHERE id = %s", TRIP)
        await check.execute(
            "INSERT INTO trips_booking (trip_id, traveller_id, seats, created_at) VALUES (%s, %s, 1, now())",
            *(TRIP, DENNIS),
        )
        await check.execute("COMMIT")
        reply = await buying
    reply.sent += "  while another process sells the seat"
    expect_stored(
        reply.sent,
        (seats - 1, bookings + 1),
        await seats_and_bookings(),
        because="what kept fifty buyers apart lives inside this process, and does not stop one in another",
        next=f"let the database keep them apart: `select_for_update()`; {ONE_UNIT}",
    )
    reply.expect(409, json={"sold": False})


@buy_seat.requirement(
    "does all or nothing: when the database refuses the booking, no seat is gone, and when it refuses "
    "the new `seats_left`, there is no booking"
)
async def does_all_or_nothing(trial: Trial) -> None:
    with statements() as sent:
        before = await seats_and_bookings()
        async with other_process() as check:
            for table in SEAT_TABLES:
                sent.clear()
                async with refused_writes(check, table):
                    reply = await trial.post(BUY, json={"traveller": MARGARET})
                reply.sent += f"  while the database refuses to write {table}"
                because = why_a_half_is_left(sent)
                expect_stored(reply.sent, before, await seats_and_bookings(), **because)
                if reply.status == 201:
                    reply.refuse(expected="no 201: nothing was sold")


@buy_seat.requirement(
    "leaves alone what another task writes on the same thread meanwhile, also when the purchase is undone"
)
async def leaves_other_tasks_alone(trial: Trial) -> None:
    async with other_process() as check, refused_writes(check, *SEAT_TABLES, at_commit=True):
        reply, meanwhile = await while_another_task_writes(trial.post(BUY, json={"traveller": MARGARET}))
    await expect_all_kept(reply.sent, meanwhile)
