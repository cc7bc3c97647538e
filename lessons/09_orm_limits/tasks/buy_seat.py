import random
import uuid
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import User
from django.db import IntegrityError
from django.db.models import F

from tutorial_project.checks import Outcome, Reply, Task, Trial
from tutorial_project.checks.kinds.made_up import one_of
from tutorial_project.checks.proofs.connections import Statement, statements, while_another_task_writes
from tutorial_project.checks.proofs.postgresql import (
    everyone_looks_before_anyone_writes,
    other_process,
    refused_writes,
    started,
)
from tutorial_project.classroom import postgresql
from tutorial_project.trips.models import Booking, Trip
from tutorial_project.words import counted

from ..shared import (
    ONE_UNIT,
    expect_all_kept,
    forgotten_awaits,
    locks,
    refuse_atomic_around_async,
    tallied,
    why_a_half_is_left,
    writes,
)

SEAT_TABLES = ("trips_trip", "trips_booking")
SOLD, NOT_SOLD = {"sold": True}, {"sold": False}


buy_seat = Task(
    "buy_seat",
    beside="holds_up_nobody",
    routes=["trips/<int:pk>/buy/"],
    database=postgresql,
    hints=(
        "Between looking at `seats_left` and writing it: what keeps the other thirty-nine away?",
        "A row lock does, for as long as its transaction lives. `select_for_update()` takes it, and the look, "
        "the booking and the new `seats_left` all belong into that one transaction, in one sync function.",
        "`with transaction.atomic():` `trip = get_object_or_404(Trip.objects.select_for_update(), pk=pk)`, return "
        "False when `trip.seats_left` is 0 or the traveller has a booking of it, else create the booking, save the "
        "trip, return True. In the view: `sold = await sync_to_async(sell)()`.",
    ),
    praise=(
        "Right: look, booking and seat are one transaction, in one sync function, behind the lock of one row. One "
        "UPDATE with `filter(seats_left__gt=0)` in place of lock and look is as good, and so is the same in a plain "
        "`def` view."
    ),
)


@dataclass(frozen=True)
class Stored:
    """What the database holds: the seats left of each trip, and who has how many seats on which."""

    seats: dict[int, int]
    bookings: Counter[tuple[int, int, int]]

    def with_sold(self, trip: int, *buyers: int) -> "Stored":
        """What it holds when each of these travellers has bought one seat of the trip."""
        bought = Counter((trip, buyer, 1) for buyer in buyers)
        return Stored(self.seats | {trip: self.seats[trip] - len(buyers)}, self.bookings + bought)

    def beside(self, other: "Stored") -> str:
        """In words, where it differs from another."""
        seats = [
            f"{n} seats left on trip {trip}" for trip, n in self.seats.items() if other.seats.get(trip) != n
        ]
        more, fewer = self.bookings - other.bookings, other.bookings - self.bookings
        rows = [f"a booking {of(row)}" for row in more] + [f"no booking {of(row)}" for row in fewer]
        return ", ".join([*seats, *rows[:3], *(["…"] if rows[3:] else [])])


def of(booking: tuple[int, int, int]) -> str:
    trip, traveller, seats = booking
    return f"of {seats} for traveller {traveller} on trip {trip}"


async def stored() -> Stored:
    seats = {pk: left async for pk, left in Trip.objects.values_list("pk", "seats_left")}
    bookings = [row async for row in Booking.objects.values_list("trip_id", "traveller_id", "seats")]
    return Stored(seats, Counter(bookings))


async def expect_stored(sent: str, expected: Stored, **words: Any) -> None:
    found = await stored()
    Outcome(sent).expect_that(found == expected, expected.beside(found), got=found.beside(expected), **words)


async def a_trip(seats_left: int, but: int = 0) -> int:
    """Any trip on sale that others have booked already, but not that one, with so many seats left."""
    trips = Trip.objects.filter(active=True, bookings__isnull=False).exclude(pk=but).distinct()
    pk: int = one_of([pk async for pk in trips.values_list("pk", flat=True)])
    await Trip.objects.filter(pk=pk).aupdate(seats_left=seats_left, seats=F("seats") + seats_left)
    return pk


async def travellers(number: int) -> list[int]:
    """New travellers, each of whom has booked some trip, one that nobody can buy any more."""
    last = await User.objects.order_by("pk").alast()
    first = last.pk + random.randrange(1, 900)
    rows = [User(pk=first + n, username=uuid.uuid4().hex, password="!") for n in range(number)]
    await User.objects.abulk_create(rows)
    elsewhere = await Trip.objects.filter(active=False).afirst()
    await Booking.objects.abulk_create([Booking(trip=elsewhere, traveller=row) for row in rows])
    return [row.pk for row in rows]


def address(trip: int) -> str:
    return f"/trips/{trip}/buy/"


async def buys(trial: Trial, trip: int, traveller: int) -> Reply:
    return await trial.post(address(trip), json={"traveller": traveller})


@buy_seat.requirement(
    'sells a seat: `POST /trips/7/buy/` with `{"traveller": 104}` answers 201 and `{"sold": true}`, '
    "stores a booking of one seat for that traveller, and takes one off `seats_left`"
)
async def sells_a_seat(trial: Trial) -> None:
    seats = random.randrange(2, 5)
    trip = await a_trip(seats + 1)
    await sells_its_seats(trial, trip, seats)
    await sells_its_seats(trial, await a_trip(1, but=trip), 1)  # whatever trip an answer always sells


async def sells_its_seats(trial: Trial, trip: int, seats: int) -> None:
    for buyer in await travellers(seats):
        before = await stored()
        with statements() as sent, forgotten_awaits() as heard:
            reply = await buys(trial, trip, buyer)
        refuse_atomic_around_async(trial.answer, reply.sent)
        reply.expect(201, json=SOLD)
        await expect_stored(reply.sent, before.with_sold(trip, buyer), **why_nothing_is_stored(sent, heard))


def why_nothing_is_stored(sent: list[Statement], heard: list[str]) -> dict[str, str]:
    if writes(sent) or not heard:
        return {}
    return {
        "because": f"the code that sells it has not run: Python says {heard[0]!r}",
        "next": "put `await` before the call",
    }


@buy_seat.requirement('answers 409 and `{"sold": false}` when no seat is left, and stores nothing')
async def refuses_when_sold_out(trial: Trial) -> None:
    [buyer] = await travellers(1)
    trip = random.choice([pk async for pk in Trip.objects.filter(seats_left=0).values_list("pk", flat=True)])
    await refused_sale(trial, trip, buyer)
    await Trip.objects.filter(pk=trip).aupdate(seats_left=F("seats_left") + 1, seats=F("seats") + 1)
    reply = await buys(trial, trip, buyer)
    reply.sent += "  when somebody has given a seat back"
    reply.expect(201, json=SOLD, because=why_still_sold_out(reply))


def why_still_sold_out(reply: Reply) -> str | None:
    return "it was sold out before, and has a seat now" if reply.status == 409 else None


async def refused_sale(trial: Trial, trip: int, traveller: int, remark: str = "") -> None:
    before = await stored()
    with statements() as sent:
        reply = await buys(trial, trip, traveller)
    reply.sent += remark
    if before == await stored():
        reply.expect(409, json=NOT_SOLD, because=why_refused_by_the_database(reply.error))
    await expect_stored(reply.sent, before, **why_a_half_is_left(sent))


def why_refused_by_the_database(error: BaseException | None) -> str | None:
    if not isinstance(error, IntegrityError):
        return None
    if "seats_left" in str(error):
        return "`seats_left` would go below 0, and the database refuses that"
    return (
        "the database refuses a second booking of the same trip, and nobody looked for the first one"
        if "once_per" in str(error)
        else None
    )


@buy_seat.requirement(
    "sells each seat once when forty travellers ask at the same moment for the two that are left: two 201, "
    "thirty-eight 409, two bookings more, no seat left"
)
async def sells_once_to_forty(trial: Trial) -> None:
    trip, buyers = await a_trip(seats_left=2), await travellers(40)
    before = await stored()
    async with other_process() as check:
        with statements() as sent:
            calls = [buys(trial, trip, buyer) for buyer in buyers]
            replies = await everyone_looks_before_anyone_writes(check, SEAT_TABLES, calls)
    summary = Counter(reply.status or type(reply.error).__name__ for reply in replies)
    winners = [buyer for buyer, reply in zip(buyers, replies, strict=True) if reply.status == 201]
    found = await stored()
    more = (found.bookings - before.bookings).total()
    Outcome(
        f"40 × POST {address(trip)} at once, by travellers {buyers[0]} to {buyers[-1]}",
        f"{tallied(summary)}; seats_left {found.seats[trip]}, bookings +{more}",
    ).expect_that(
        summary == {201: 2, 409: 38} and found == before.with_sold(trip, *winners),
        "201 ×2, 409 ×38; seats_left 0, bookings +2",
        **(why_more_than_once(sent) if summary[201] > 2 else {}),
    )


def why_more_than_once(sent: list[Statement]) -> dict[str, str]:
    written = writes(sent)
    if not locks(sent) and any(not seat.sql.startswith("INSERT") for seat in written):
        return {
            "because": "read, then write: all of them had looked before the first one wrote, and nothing kept "
            "them apart in between",
            "next": f"lock the row when you look, with `select_for_update()`; {ONE_UNIT}",
        }
    if any(lock.transaction is write.transaction for lock in locks(sent) for write in written):
        return {"next": "look at `seats_left` after the row is locked, and not before"}
    if locks(sent) and written:
        return {
            "because": "the row was locked and let go again: the lock was taken outside of the transaction that "
            "writes, and ended before the seat was written",
            "next": ONE_UNIT,
        }
    return {}


@buy_seat.requirement(
    "stands against another process, which meanwhile takes a seat and raises the price: 409 when that was the "
    "last seat, else 201, and nothing of the other's is written over"
)
async def stands_against_another_process(trial: Trial) -> None:
    for seats in (1, 2):
        trip, (buyer, rival) = await a_trip(seats_left=seats), await travellers(2)
        before = (await stored()).with_sold(trip, rival)
        price = Decimal(random.randrange(100, 999))
        with statements() as sent:
            reply = await buys_after(trial, trip, buyer, rival, price)
        sold = seats > 1
        reply.sent += f"  while another process sells {'one' if sold else 'the last'} of {seats} seats"
        await expect_stored(
            reply.sent, before.with_sold(trip, buyer) if sold else before, **why_written_over(sent)
        )
        reply.expect(201 if sold else 409, json=SOLD if sold else NOT_SOLD)
        await expect_price(reply.sent, trip, price)


async def buys_after(trial: Trial, trip: int, buyer: int, rival: int, price: Decimal) -> Reply:
    """Let another process sell a seat while the purchase waits for the row."""
    async with other_process() as check:
        await check.hold("trips_trip", f"id = {trip}")
        async with started(buys(trial, trip, buyer)) as [buying]:
            await check.all_stand_still([buying])
            await check.execute(
                "UPDATE trips_trip SET seats_left = seats_left - 1, price = %s WHERE id = %s", price, trip
            )
            await check.execute(
                "INSERT INTO trips_booking (trip_id, traveller_id, seats, created_at) VALUES (%s, %s, 1, now())",
                *(trip, rival),
            )
            await check.execute("COMMIT")
            return await buying


def why_written_over(sent: list[Statement]) -> dict[str, str]:
    looked = any(statement.sql.startswith("SELECT") and '"seats_left"' in statement.sql for statement in sent)
    if locks(sent) or not looked or not writes(sent):
        return {}
    return {
        "because": "it looked at `seats_left` without a lock on the row, and the other process sold a seat before it "
        "wrote: a lock inside this process does not stop another one",
        "next": f"let the database keep them apart: `select_for_update()`; {ONE_UNIT}",
    }


async def expect_price(sent: str, trip: int, price: Decimal) -> None:
    found = (await Trip.objects.aget(pk=trip)).price
    Outcome(sent, f"the price is {found}").expect_that(
        found == price,
        f"the price is {price}, as the other process has written it",
        because="the row was read before the other process wrote it, and saved whole",
        next='read the row with its lock, and save what you change: `save(update_fields=["seats_left"])`',
    )


@buy_seat.requirement(
    "does all or nothing: when the database refuses the booking, no seat is gone, and when it refuses "
    "the new `seats_left`, there is no booking; nobody ever sees one without the other"
)
async def does_all_or_nothing(trial: Trial) -> None:
    trip, [buyer, *buyers] = await a_trip(seats_left=4), await travellers(3)
    before = await stored()
    async with other_process() as check:
        for table in SEAT_TABLES:
            with statements() as sent:
                async with refused_writes(check, table):
                    reply = await buys(trial, trip, buyer)
            reply.sent += f"  while the database refuses to write {table}"
            await expect_stored(reply.sent, before, **why_a_half_is_left(sent))
            if reply.status == 201:
                reply.refuse(expected="no 201: nothing was sold")
    for table, another in zip(SEAT_TABLES, buyers, strict=True):
        await expect_no_half_is_seen(trial, trip, another, table)


async def expect_no_half_is_seen(trial: Trial, trip: int, buyer: int, table: str) -> None:
    """Refuse when others see a half of the purchase, while its write to this table waits."""
    seen = f"SELECT seats_left + (SELECT count(*) FROM trips_booking WHERE trip_id = {trip}) FROM trips_trip"
    async with other_process() as check:
        before = await check.value(f"{seen} WHERE id = {trip}")
        await check.close_the_gate([table])
        async with started(buys(trial, trip, buyer)) as [buying]:
            await check.all_stand_still([buying])
            meanwhile = await check.value(f"{seen} WHERE id = {trip}")
            await check.open_the_gate()
            reply = await buying
    half = "a seat gone and no booking" if meanwhile < before else "a booking, and its seat still to be sold"
    Outcome(f"{reply.sent}  while another process looks, before {table} is written", half).expect_that(
        meanwhile == before,
        "neither, or both",
        because="seat and booking are written in separate transactions: what has to be given back later is seen by all",
        next=ONE_UNIT,
    )
    reply.expect(201, json=SOLD)


@buy_seat.requirement(
    "leaves alone what another task writes on the same thread meanwhile, also when the purchase is undone"
)
async def leaves_other_tasks_alone(trial: Trial) -> None:
    trip, [buyer] = await a_trip(seats_left=2), await travellers(1)
    async with other_process() as check, refused_writes(check, *SEAT_TABLES, at_commit=True):
        reply, meanwhile = await while_another_task_writes(buys(trial, trip, buyer))
    await expect_all_kept(reply.sent, meanwhile)


@buy_seat.requirement(
    "holds up nobody else: while it waits for a row, that of its trip or of its traveller, the event loop is free, and "
    "another trip to the same place is sold"
)
async def holds_up_nobody(trial: Trial) -> None:
    waits_for, [first] = await a_trip(5), await travellers(1)
    other = await another_trip(waits_for)
    await trial.never_holds_the_loop(address(other), method="POST", json={"traveller": first})
    for table in ("trips_trip", "auth_user"):
        await expect_sold_while_another_waits(trial, waits_for, other, table)
    await expect_a_seat_of_each(trial, waits_for, other)


async def expect_sold_while_another_waits(trial: Trial, waits_for: int, other: int, table: str) -> None:
    """Refuse unless another trip is sold while a purchase waits for its row in this table."""
    first, second = await travellers(2)
    held, what = (waits_for, "its row") if table == "trips_trip" else (first, "its traveller's row")
    async with other_process() as check:
        await check.hold(table, f"id = {held}")
        async with started(buys(trial, waits_for, first)) as [waiting]:
            await check.all_stand_still([waiting])
            async with started(buys(trial, other, second)) as [buying]:
                await check.all_stand_still([waiting, buying], patiently=True)
                sold_meanwhile = buying.done()
                await check.execute("COMMIT")
                reply, _ = await buying, await waiting
    reply.sent += f"  while a purchase of trip {waits_for} waits for {what}"
    reply.expect_that(
        sold_meanwhile,
        "201 at once",
        got=f"an answer only when trip {waits_for} was sold",
        because="the two purchases share something that lets one of them in at a time",
        next="lock the row of the trip that is sold, and nothing else",
    )
    reply.expect(201, json=SOLD)


async def expect_a_seat_of_each(trial: Trial, one: int, other: int) -> None:
    """Refuse unless two purchases of two trips write their own, when both have looked before one of them writes."""
    first, second = await travellers(2)
    before = await stored()
    async with other_process() as check:
        calls = [buys(trial, one, first), buys(trial, other, second)]
        replies = await everyone_looks_before_anyone_writes(check, SEAT_TABLES, calls)
    expected = before.with_sold(one, first).with_sold(other, second)
    words = {
        "because": "one purchase has written what belongs to the other: they share something that each of them needs "
        "for itself",
        "next": "keep the trip inside of the function that sells the seat",
    }
    sent = f"POST {address(one)} and {address(other)} at once"
    await expect_stored(sent, expected, **words)
    for reply in replies:
        reply.sent += "  while another trip is sold"
        reply.expect(201, json=SOLD)


@buy_seat.requirement("leaves no connection open behind it")
async def leaves_no_connection(trial: Trial) -> None:
    trip, [buyer, late] = await a_trip(seats_left=1), await travellers(2)
    for pk, traveller in ((trip, buyer), (trip, late), (random.randrange(10_000, 99_999), late)):
        await expect_no_connection_left(trial, pk, traveller)


async def expect_no_connection_left(trial: Trial, trip: int, buyer: int) -> None:
    async with other_process() as check:
        before = await check.connections()
        reply = await buys(trial, trip, buyer)
        left = await check.connections(until=before) - before
    reply.expect_that(True, "an answer")
    Outcome(reply.sent, f"{counted(left, 'connection')} more than before").expect_that(
        left <= 0,
        "as many connections as before",
        because="a thread beside the request's own keeps the connection that it opened: Django closes that of the "
        "request's thread",
        next="`sync_to_async(function)`, which takes the request's thread, or close it in the function: `try: …`, "
        "`finally: connections.close_all()`",
    )


async def another_trip(beside: int) -> int:
    """A new trip with seats left, to the same place as that trip."""
    trip = await Trip.objects.aget(pk=beside)
    trip.pk, trip.seats, trip.seats_left, trip.title = (
        random.randrange(1000, 9000),
        9,
        9,
        "A trip of the check",
    )
    await trip.asave(force_insert=True)
    return trip.pk


@buy_seat.requirement(
    'answers 409 and `{"sold": false}` to a traveller who has a booking of the trip already, 404 for a trip that does '
    "not exist, 400 when the body names no traveller (no JSON, no object, no key of a user), 405 to a GET, and stores "
    "nothing"
)
async def answers_odd_requests(trial: Trial) -> None:
    trip, [buyer] = await a_trip(seats_left=2), await travellers(1)
    await buys(trial, trip, buyer)
    await refused_sale(trial, trip, buyer, "  for the second time")
    await Booking.objects.filter(trip=trip, traveller=buyer).aupdate(seats=2)
    await refused_sale(trial, trip, buyer, "  with a booking of two seats")
    before = await stored()
    for pk in (random.randrange(10_000, 99_999), 10**39):
        (await buys(trial, pk, buyer)).expect(404)
    for body in NO_TRAVELLERS:
        (await trial.post(address(trip), content=body)).expect(400)
    (await trial.get(address(trip))).expect(405)
    await expect_stored("these odd requests", before)


NO_TRAVELLERS = (
    "",
    "nobody",
    "[104]",
    '"ada"',
    "null",
    "{}",
    '{"traveller": "ada"}',
    '{"traveller": [104]}',
    '{"traveller": null}',
    '{"traveller": 1}',
    '{"traveller": 1' + "0" * 39 + "}",
)
