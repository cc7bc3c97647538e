import random
from collections import Counter
from typing import Any

from tutorial_project.checks import Outcome, Reply, Task, Trial
from tutorial_project.checks.kinds.streams import OpenStream
from tutorial_project.checks.proofs.postgresql import (
    everyone_looks_before_anyone_writes,
    other_process,
    refused_writes,
    started,
)
from tutorial_project.classroom import on_duty, postgresql
from tutorial_project.trips.models import Trip

from ..shared import (
    TABLES,
    a_trip,
    expect_both_or_neither,
    expect_stored,
    shown,
    site_of,
    stored,
    travellers,
)

sell_seats = Task(
    "sell_seats",
    routes=["trips/<int:pk>/seats/"],
    database=postgresql,
    hints=(
        "Seats sold and seats gone: which two figures do not agree, and who had looked at `seats_left` before the first one wrote?",
        "Between the look and the write lie awaits, and a second process. The database has to keep buyers apart: a row lock, or one "
        "UPDATE that looks and writes at once. Booking and seats belong into one transaction, in one sync function.",
        "`@sync_to_async` above `def sell():`, in it `with transaction.atomic():`, "
        "`trip = get_object_or_404(Trip.objects.select_for_update(), pk=pk)`, the look, the booking, and "
        "`trip.save(update_fields=['seats_left'])`.",
    ),
    praise="Right: look and write are one transaction, and the database keeps the buyers apart, in this process and in the next. "
    "`filter(pk=pk, seats_left__gte=seats).update(seats_left=F('seats_left') - seats)` is the same without a lock of your own.",
)


async def buys(trial: Trial, trip: int, traveller: int, seats: int) -> Reply:
    return await trial.post(f"/trips/{trip}/seats/", json={"traveller": traveller, "seats": seats})


@sell_seats.seen_by_operations
async def seen(answer: Any) -> Any:
    trip, buyers = await a_trip(8), await travellers(9)
    async with on_duty(site_of(sell_seats, answer)) as duty, other_process() as process:
        await process.close_the_gate(TABLES)  # all are there before the first of them writes: Sunday, 13:15
        async with started(
            *(
                duty.send(f"/trips/{trip}/seats/", method="POST", json={"traveller": b, "seats": 1})
                for b in buyers
            )
        ) as sent:
            await process.all_stand_still(sent)
            await process.open_the_gate()
            for one in sent:
                await one
    left, bookings, _ = await stored(trip)
    duty.note("before", "8 seats left, and no booking")
    duty.note("after", f"{left} seats left, and {bookings} bookings")
    return duty


@sell_seats.requirement(
    'sells seats: `POST /trips/7/seats/` with `{"traveller": 104, "seats": 2}` answers 201 and `{"sold": 2}`, stores the booking, '
    "and takes two off `seats_left`"
)
async def sells_seats(trial: Trial) -> None:
    trip, (first, second, third) = await a_trip(7), await travellers(3)
    (reply := await buys(trial, trip, first, 2)).expect(201, json={"sold": 2})
    await expect_stored(reply.sent, trip, (5, 1, 2))
    (reply := await buys(trial, trip, second, 3)).expect(201, json={"sold": 3})
    await expect_stored(reply.sent, trip, (2, 2, 5))
    reply = await buys(trial, trip, third, 2)
    reply.sent += "  where exactly two are left"
    reply.expect(201, json={"sold": 2})
    await expect_stored(reply.sent, trip, (0, 3, 7))


@sell_seats.requirement(
    'answers 409 and `{"sold": 0}` when fewer seats are left, or when the traveller has booked the trip, 404 when there is no such '
    "trip, 405 to anything but POST, and stores nothing"
)
async def refuses_what_it_cannot_sell(trial: Trial) -> None:
    trip, (first, second) = await a_trip(3), await travellers(2)
    (await buys(trial, trip, first, 2)).expect(201)
    for traveller, seats, remark in (
        (second, 2, "where one seat is left"),
        (first, 1, "for the second time"),
    ):
        reply = await buys(trial, trip, traveller, seats)
        reply.sent += f"  {remark}"
        reply.expect(409, json={"sold": 0})
        await expect_stored(reply.sent, trip, (1, 1, 2))
    (await buys(trial, random.randrange(10**6, 10**7), second, 1)).expect(404)
    await trial.answers_only_to_post(f"/trips/{trip}/seats/", json={"traveller": second, "seats": 1})
    await expect_stored("the same by other methods, answered with 405", trip, (1, 1, 2))


@sell_seats.requirement(
    "sells each seat once: of twelve travellers who ask at the same moment for two seats each, where five are left, two get theirs"
)
async def sells_each_seat_once(trial: Trial) -> None:
    trip, buyers = await a_trip(5), await travellers(12)
    async with other_process() as process:
        calls = [buys(trial, trip, buyer, 2) for buyer in buyers]
        replies = await everyone_looks_before_anyone_writes(process, TABLES, calls)
    for reply in replies:
        reply.expect_that(True, "an answer")
    statuses = Counter(str(reply.status) for reply in replies)
    answers = ", ".join(f"{number} × {status}" for status, number in sorted(statuses.items()))
    found = await stored(trip)
    words = {}
    if found[2] > 4:
        words = {
            "because": "all of them had looked at `seats_left` before the first one wrote, and nothing kept them apart"
        }
    elif found[2] < 4:
        words = {"because": "somebody was turned away while enough seats were left"}
    Outcome(
        f"12 × POST /trips/{trip}/seats/ at once, for 2 seats each", f"{answers}; {shown(*found)}"
    ).expect(f"2 × 201, 10 × 409; {shown(1, 2, 4)}", **words)
    await keeps_two_trips_apart(trial)


async def keeps_two_trips_apart(trial: Trial) -> None:
    """Refuse what the orders of two trips share."""
    trips, buyers = [await a_trip(4), await a_trip(5)], await travellers(2)
    orders = list(zip(trips, buyers, (2, 3), strict=True))
    async with other_process() as process:
        calls = [buys(trial, *order) for order in orders]
        replies = await everyone_looks_before_anyone_writes(process, ["trips_booking"], calls)
    for reply, (trip, _, seats) in zip(replies, orders, strict=True):
        reply.sent += "  while the booking of another trip waits to be written"
        reply.expect(201, json={"sold": seats})
        await expect_stored(reply.sent, trip, (2, 1, seats))


@sell_seats.requirement(
    "stands against another process: what that has sold meanwhile is sold, and a price that it has raised stays raised"
)
async def stands_against_another_process(trial: Trial) -> None:
    for left, status, after in ((3, 409, (1, 1, 2)), (5, 201, (1, 2, 4))):
        trip, (buyer, rival) = await a_trip(left), await travellers(2)
        price = random.randrange(1000, 9999)
        async with other_process() as process:
            await process.hold("trips_trip", f"id = {trip}")
            async with started(buys(trial, trip, buyer, 2)) as [buying]:
                await process.all_stand_still([buying])
                await process.execute(
                    "UPDATE trips_trip SET seats_left = seats_left - 2, price = %s WHERE id = %s", price, trip
                )
                await process.execute(
                    "INSERT INTO trips_booking (trip_id, traveller_id, seats, created_at) VALUES (%s, %s, 2, now())",
                    trip,
                    rival,
                )
                await process.execute("COMMIT")
                reply = await buying
        reply.sent += f"  while another process sells 2 of {left} seats, and raises the price to {price}"
        because = "a lock inside this process, or a look before the row is locked, does not see what another process does"
        await expect_stored(reply.sent, trip, after, because=because)
        reply.expect(status)
        found = (await Trip.objects.aget(pk=trip)).price
        Outcome(reply.sent, f"the price is {found}").expect_that(
            found == price,
            f"the price is {price}",
            because="the row was read before the other process wrote it, and saved whole",
            next="save what you change: `save(update_fields=['seats_left'])`",
        )


@sell_seats.requirement(
    "does all or nothing: no booking without its seats, and no seats gone without a booking, whenever the traveller leaves"
)
async def does_all_or_nothing(trial: Trial) -> None:
    trip, [buyer] = await a_trip(5), await travellers(1)
    async with other_process() as process:
        for table in TABLES:
            async with refused_writes(process, table):
                reply = await buys(trial, trip, buyer, 2)
            reply.sent += f"  while the database refuses to write {table}"
            await expect_stored(reply.sent, trip, (5, 0, 0), because="one half was written, and stayed")
        await expect_both_or_neither(
            process,
            lambda trip: OpenStream(trial, f"/trips/{trip}/seats/", json={"traveller": buyer, "seats": 2}),
            seats=2,
        )


@sell_seats.requirement("holds up nobody else: while one purchase waits for its trip, another trip is sold")
async def holds_up_nobody(trial: Trial) -> None:
    waits_for, other, (first, second) = await a_trip(5), await a_trip(5), await travellers(2)
    async with other_process() as process:
        await process.hold("trips_trip", f"id = {waits_for}")
        async with started(buys(trial, waits_for, first, 2)) as [waiting]:
            await process.all_stand_still([waiting])
            async with started(buys(trial, other, second, 2)) as [buying]:
                await process.all_stand_still([waiting, buying], patiently=True)
                sold = buying.done()
                await process.execute("COMMIT")
                reply, _ = await buying, await waiting
    reply.sent += f"  while a purchase of trip {waits_for} waits for its row"
    reply.expect_that(
        sold,
        "201 at once",
        got=f"an answer only when trip {waits_for} was free again",
        because="something that all purchases share lets in one of them at a time",
        next="lock the row of the trip that is sold, and nothing else",
    )
    reply.expect(201)
