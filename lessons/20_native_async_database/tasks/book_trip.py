import random
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import F

from tutorial_project.checks import Outcome, Reply, Task, Trial
from tutorial_project.checks.kinds.made_up import one_of
from tutorial_project.checks.proofs.postgresql import (
    everyone_looks_before_anyone_writes,
    other_process,
    refused_writes,
    started,
)
from tutorial_project.classroom.data.connections import every_statement_through
from tutorial_project.classroom.watching.recording import record
from tutorial_project.trips.models import Booking, Note, Theme, Trip

from ..shared import native_postgresql, on_its_own

book_trip = Task(
    "book_trip",
    beside="refuses_what_it_cannot_read",
    routes=["trips/<int:pk>/book/"],
    database=native_postgresql,
    hints=(
        "Which connection does `Note.objects` write to, and which one holds the transaction?",
        "Inside of `async_atomic`: lock the trip, look, book, save, all with `async_objects` and `async_save`. What only "
        "Django's managers can do, the note and the themes, comes after the block, when the booking is certain.",
        "`async with async_atomic():` `trip = await Trip.async_objects.select_for_update().filter(pk=pk).afirst()`, return "
        "404 or 409, `acreate` the booking, `await trip.async_save(update_fields=[…])`. Below the block "
        '`await Note.objects.acreate(subject=trip, text=f"booked for {traveller.username}")`, and '
        "`[theme.name async for theme in trip.themes.all()]`.",
    ),
    praise="Right: what belongs together is one transaction of one ORM, and the other ORM has its turn before and after "
    "it. `Note.async_objects` in the transaction works only where the process knows the content type of trips already: "
    "the first note looks it up with a sync query.",
)


@dataclass(frozen=True)
class Stored:
    """What the database holds of a trip: the seats left, who has booked, and its notes."""

    seats_left: int
    travellers: tuple[int, ...]
    notes: tuple[str, ...]

    def with_booked(self, *buyers: User) -> "Stored":
        return Stored(
            self.seats_left - len(buyers),
            tuple(sorted([*self.travellers, *(buyer.pk for buyer in buyers)])),
            tuple(sorted([*self.notes, *(f"booked for {buyer.username}" for buyer in buyers)])),
        )

    def __str__(self) -> str:
        return f"{self.seats_left} seats left, {len(self.travellers)} bookings, notes: {list(self.notes)}"


async def stored(trip: Trip) -> Stored:
    travellers = [pk async for pk in Booking.objects.filter(trip=trip).values_list("traveller_id", flat=True)]
    notes = [text async for text in trip.notes.values_list("text", flat=True)]
    left = (await Trip.objects.aget(pk=trip.pk)).seats_left
    return Stored(left, tuple(sorted(travellers)), tuple(sorted(notes)))


async def expect_stored(sent: str, trip: Trip, expected: Stored, **words: Any) -> None:
    found = await stored(trip)
    Outcome(sent).expect_that(found == expected, str(expected), got=str(found), **words)


async def a_trip(seats_left: int, but: Trip | None = None, themes: int = 2) -> Trip:
    """A trip with so many seats left, a title and themes that nobody could know, and a note of the staff; not `but`."""
    trip = one_of([trip async for trip in Trip.objects.filter(active=True) if trip != but])
    await Trip.objects.filter(pk=trip.pk).aupdate(
        title=f"To {uuid.uuid4().hex[:8]}", seats_left=seats_left, seats=F("seats") + seats_left
    )
    names = sorted(
        (uuid.uuid4().hex[:8] for _ in range(themes)), reverse=True
    )  # so that the keys tell another order
    await trip.themes.aset([await Theme.objects.acreate(name=name) for name in names])
    await Note.objects.acreate(subject=trip, text=f"window seats {uuid.uuid4().hex[:4]}")
    return await Trip.objects.aget(pk=trip.pk)


async def travellers(number: int) -> list[User]:
    first = (await User.objects.order_by("pk").alast()).pk + random.randrange(1, 900)
    names = {"first_name": "Ada", "last_name": "Lovelace", "password": "!"}
    rows = [User(pk=first + n, username=uuid.uuid4().hex[:8], **names) for n in range(number)]
    return await User.objects.abulk_create(rows)


async def book(trial: Trial, trip: Trip, traveller: User) -> Reply:
    return await trial.post(f"/trips/{trip.pk}/book/", json={"traveller": traveller.pk})


@book_trip.requirement(
    '`POST /trips/7/book/` with `{"traveller": 104}` books one seat, and answers 201 with the title of the trip and the '
    'names of its themes in their order, `{"trip": "Tea masters of Uji", "themes": ["culture", "food"]}`'
)
async def books_a_seat(trial: Trial) -> None:
    for seats_left, number in ((1, 2), (3, 0), (2, 7)):
        trip, [buyer] = await a_trip(seats_left, themes=number), await travellers(1)
        themes = [theme.name async for theme in trip.themes.all()]
        reply = await book(trial, trip, buyer)
        reply.expect(201, json={"trip": trip.title, "themes": themes})
        found = await stored(trip)
        booked = found.seats_left == seats_left - 1 and buyer.pk in found.travellers
        Outcome(reply.sent).expect_that(booked, "one seat fewer, and a booking", got=str(found))
    another = await a_trip(2, but=trip)
    reply = await book(trial, another, buyer)
    reply.sent += "  by a traveller who has booked another trip"
    reply.expect_that(reply.status == 201, "201")


@book_trip.requirement(
    "writes a note of the trip, `booked for USERNAME`, once the booking is certain, and before it answers"
)
async def writes_a_note(trial: Trial) -> None:
    trip, [buyer] = await a_trip(2), await travellers(1)
    before = await stored(trip)
    reply = await book(trial, trip, buyer)
    reply.expect_that(reply.status == 201, "201")
    await expect_stored(reply.sent, trip, before.with_booked(buyer))
    await answers_after_the_note(trial)


async def answers_after_the_note(trial: Trial) -> None:
    """Hold the note, and look whether the view has returned meanwhile."""
    trip, [buyer] = await a_trip(2), await travellers(1)
    before = await stored(trip)
    async with other_process() as check:
        await check.close_the_gate(["trips_note"])
        with record() as recording:
            async with started(on_its_own(book(trial, trip, buyer))) as [booking]:
                await check.all_stand_still([booking], patiently=True)
                returned = any(span.kind == "view" for span in recording.spans)
                await check.open_the_gate()
                reply = await booking
    reply.sent += "  while the database takes its time for the note"
    reply.expect_that(reply.status == 201, "201")
    Outcome(reply.sent, "the view had returned, and the note was not written").expect_that(
        not returned, "the note, and then the answer", next="`await` what writes the note"
    )
    await expect_stored(reply.sent, trip, before.with_booked(buyer))


@book_trip.requirement(
    'answers 409 with `{"sold": false}` when no seat is left, or when the traveller has a booking of this trip, and '
    "writes nothing then"
)
async def refuses_when_sold_out(trial: Trial) -> None:
    full, [buyer] = await a_trip(0), await travellers(1)
    before = await stored(full)
    reply = await book(trial, full, buyer)
    reply.expect(409, json={"sold": False})
    await expect_stored(reply.sent, full, before)
    free = await a_trip(3)
    (await book(trial, free, buyer)).expect(201)
    before = await stored(free)
    reply = await book(trial, free, buyer)
    reply.sent += "  for the second time"
    reply.expect(409, json={"sold": False})
    await expect_stored(reply.sent, free, before)


@book_trip.requirement(
    "answers 404 for a trip that is not there, 400 for a body that names no traveller, 405 to anything but POST"
)
async def refuses_what_it_cannot_read(trial: Trial) -> None:
    last = (await Trip.objects.order_by("pk").alast()).pk
    known = {"traveller": (await User.objects.afirst()).pk}
    (await trial.post(f"/trips/{last + random.randrange(1, 99)}/book/", json=known)).expect(404)
    for body in ({"traveller": 10**6}, {"traveller": "ada"}, {}, [1]):
        (await trial.post(f"/trips/{last}/book/", json=body)).expect(400)
    await trial.answers_only_to_post(f"/trips/{last}/book/", json=known)


@book_trip.requirement(
    "keeps the two ORMs apart: the seat and the booking are written in an async transaction; when the database refuses it "
    "at its commit, the error comes out, and nothing is left: no booking, no note, no seat less"
)
async def keeps_them_apart(trial: Trial) -> None:
    trip, [buyer] = await a_trip(2), await travellers(1)
    before = await stored(trip)
    for table, when in (
        ("trips_booking", f"NEW.traveller_id = {buyer.pk}"),
        ("trips_trip", f"NEW.id = {trip.pk}"),
    ):
        async with other_process() as check, refused_writes(check, table, when=when, at_commit=True):
            reply = await book(trial, trip, buyer)
        reply.sent += f"  while the database refuses what is written to {table} at the commit"
        found = await stored(trip)
        if found.notes != before.notes and found.travellers == before.travellers:
            Outcome(reply.sent, str(found)).refuse(
                expected=str(before),
                because="the note went over the other connection, so it stays when the booking is undone",
                next="write it below the `async with async_atomic()` block, when that has ended without an error",
            )
        Outcome(reply.sent).expect_that(
            found == before,
            str(before),
            got=str(found),
            because="a part was kept, so what belongs together was not one transaction",
            next="everything that belongs together with `async_objects` and `async_save`, in one `async with async_atomic()`",
        )
        Outcome(reply.sent, f"{reply.status}").expect_that(
            reply.error is not None, "the error of the database"
        )
    await writes_over_the_async_connection(trial, trip, buyer)


async def writes_over_the_async_connection(trial: Trial, trip: Trip, buyer: User) -> None:
    with written_by_django('INSERT INTO "trips_booking"', 'UPDATE "trips_trip"') as written:
        reply = await book(trial, trip, buyer)
    reply.expect_that(reply.status == 201, "201")
    Outcome(reply.sent).expect_that(
        not written,
        "the seat and the booking over the async connection",
        got=f"{written[0]} …, over Django's own connection, in a thread" if written else None,
        next="write both with `async_objects` and `async_save`, in one `async with async_atomic()`",
    )


@contextmanager
def written_by_django(*beginnings: str) -> Iterator[list[str]]:
    """Which statements begin like this, and come over a connection of Django's own, during the `with` block."""
    written: list[str] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        if isinstance(context["connection"], BaseDatabaseWrapper):
            written.extend(beginning for beginning in beginnings if str(sql).startswith(beginning))
        return execute(sql, params, many, context)

    with every_statement_through(note):
        yield written


@book_trip.requirement(
    "sells each seat once: of twenty travellers at once two get the last two seats, the others a 409"
)
async def sells_each_seat_once(trial: Trial) -> None:
    trip, buyers = await a_trip(2), await travellers(20)
    before = await stored(trip)
    async with other_process() as check:
        calls = [book(trial, trip, buyer) for buyer in buyers]
        replies = await everyone_looks_before_anyone_writes(check, ["trips_trip", "trips_booking"], calls)
    sent = f"{len(replies)} × {replies[0].sent} at once"
    answers = Counter(str(reply.status or type(reply.error).__name__) for reply in replies)
    told = ", ".join(f"{answer} ×{times}" for answer, times in sorted(answers.items()))
    Outcome(sent, told).expect_that(
        answers == {"201": 2, "409": 18},
        "201 ×2, 409 ×18",
        **(READ_TOO_EARLY if answers["201"] > 2 or answers["IntegrityError"] else {}),
    )
    sold = [buyer for buyer, reply in zip(buyers, replies, strict=True) if reply.status == 201]
    await expect_stored(sent, trip, before.with_booked(*sold))
    await stands_against_another_process(trial)
    await keeps_two_trips_apart(trial)


async def keeps_two_trips_apart(trial: Trial) -> None:
    """Refuse what the bookings of two trips share."""
    first = await a_trip(2)
    trips, buyers = [first, await a_trip(2, but=first)], await travellers(2)
    before = [await stored(trip) for trip in trips]
    calls = [book(trial, trip, buyer) for trip, buyer in zip(trips, buyers, strict=True)]
    async with other_process() as check:
        replies = await everyone_looks_before_anyone_writes(check, ["trips_booking"], calls)
    for trip, buyer, reply, was in zip(trips, buyers, replies, before, strict=True):
        reply.sent += "  while a booking of another trip waits to be written"
        themes = [theme.name async for theme in trip.themes.all()]
        reply.expect(201, json={"trip": trip.title, "themes": themes})
        await expect_stored(reply.sent, trip, was.with_booked(buyer))


async def stands_against_another_process(trial: Trial) -> None:
    trip, [buyer] = await a_trip(1), await travellers(1)
    before = await stored(trip)
    async with other_process() as process:
        await process.hold("trips_trip", f"id = {trip.pk}")
        async with started(book(trial, trip, buyer)) as [buying]:
            await process.all_stand_still([buying])
            await process.execute("UPDATE trips_trip SET seats_left = 0 WHERE id = %s", trip.pk)
            await process.execute("COMMIT")
            reply = await buying
    reply.sent += "  while another process sells the last seat"
    words = {"because": "a lock inside this process does not see what another process does"}
    reply.expect_that(reply.status == 409, "409", **(words if reply.status == 201 else {}))
    await expect_stored(reply.sent, trip, Stored(0, before.travellers, before.notes))


READ_TOO_EARLY = {
    "because": "more than two of them had seen a free seat before the first one wrote",
    "next": "read the trip with `select_for_update()`, inside of the transaction, with `async_objects`",
}
