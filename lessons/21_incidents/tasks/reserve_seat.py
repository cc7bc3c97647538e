import asyncio
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

from tutorial_project.checks import Outcome, Reply, Task, Trial
from tutorial_project.checks.kinds.streams import OpenStream
from tutorial_project.checks.proofs.event_loop import tasks_of
from tutorial_project.checks.proofs.postgresql import (
    OtherProcess,
    everyone_looks_before_anyone_writes,
    other_process,
    refused_writes,
    started,
)
from tutorial_project.classroom import on_duty, postgresql
from tutorial_project.services import running_services
from tutorial_project.services.barrier import Hold
from tutorial_project.trips.models import Booking, Trip
from tutorial_project.words import counted

from ..shared import (
    TABLES,
    TROUBLE,
    a_round,
    a_trip,
    all_is_over,
    expect_both_or_neither,
    expect_stored,
    shown,
    site_of,
    stored,
    travellers,
)

reserve_seat = Task(
    "reserve_seat",
    routes=["trips/<int:pk>/reservation/"],
    database=postgresql,
    beside="reserves_a_seat",
    hints=(),
    praise="Right: while somebody else thinks, nothing is locked, and nothing is written that would have to be taken back. Where the seat "
    "has to be safe meanwhile, it is taken first, and given back in a `finally`: a visitor who leaves is no error.",
)

ROUNDS = 150
"""Questions of the check's own, before what has not come will never come."""
LOCKED_ROUNDS, ROUNDS_TO_GIVE_BACK = 6, 20
"""The same, in which somebody stands at a lock, and in which a seat is given back."""


def page(trip: int) -> str:
    return f"/trips/{trip}/reservation/"


@reserve_seat.seen_by_operations
async def seen(answer: Any) -> Any:
    coach, other, people = await a_trip(8), await a_trip(8), await travellers(8)
    staying, leaving = people[:4], people[4:]
    services = running_services()
    async with on_duty(site_of(reserve_seat, answer)) as duty, other_process() as process:

        async def at_noon(trip: int, traveller: int, **how: Any) -> None:
            await duty.send(page(trip), method="POST", json={"traveller": traveller}, **how)

        with services.slowed("/echo", by=0.6):
            async with started(
                *(at_noon(coach, one) for one in staying),
                *(at_noon(coach, one, leaves_after=0.5) for one in leaving),
                at_noon(other, staying[0]),
            ) as visits:
                locked, at_the_hotel = await most_at_once(process, visits, coach)
            await all_is_over(process, answered)
    for name, trip in (("coach", coach), ("other trip", other)):
        last = max(visit.last for visit in duty.visits if visit.path == page(trip))
        duty.note(name, f"the last one was answered, or gone, after {last:.1f} s")
    gone = await Booking.objects.filter(trip=coach, traveller__in=leaving).acount()
    left, bookings, _ = await stored(coach)
    duty.note("hotel", f"{counted(at_the_hotel, 'question')} about the coach at the same moment, at most")
    duty.note("database", f"{counted(locked, 'connection')} at most that stood at a lock")
    duty.note(
        "list", f"{counted(bookings, 'name')}, {gone} of them of the 4 who had left; {left} of 8 seats left"
    )
    return duty


async def most_at_once(
    process: OtherProcess, visits: list[asyncio.Future[Any]], trip: int
) -> tuple[int, int]:
    """The most that were seen to wait at the same moment until these visits were over: at a lock, and for the hotel."""
    most = 0, 0
    while not all(visit.done() for visit in visits):
        asked = sum(
            question.path == "/echo"
            and question.query.get("trip") == str(trip)
            and not (question.status or question.client_left)
            for question in running_services().requests
        )
        most = max(most[0], await process.waiting()), max(most[1], asked)
        await asyncio.sleep(0.02)
    return most


async def reserves(trial: Trial, trip: int, traveller: object) -> Reply:
    return await trial.post(page(trip), json={"traveller": traveller})


def told() -> list[dict[str, str]]:
    """What the hotel was asked."""
    return [dict(request.query) for request in running_services().requests if request.path == "/echo"]


def answered() -> bool:
    """Whether no question waits at the hotel."""
    asked = [request for request in running_services().requests if request.path == "/echo"]
    return all(request.status or request.client_left for request in asked)


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(ROUNDS):
        if condition():
            return
        await a_round()


@reserve_seat.requirement(
    'answers `POST /trips/7/reservation/` with `{"traveller": 104}` with 201 and `{"reserved": true}`, when the hotel has confirmed it: '
    "one question to the service `echo`, with `trip=7` and `traveller=104`; then one seat is gone, and the booking of it is there"
)
async def reserves_a_seat(trial: Trial) -> None:
    trip, people = await a_trip(7), await travellers(2)
    for number, traveller in enumerate(people, start=1):
        question = {"trip": str(trip), "traveller": str(traveller)}
        before = told().count(question)  # Trap: another requirement may have had the same keys, on fresh data
        reply = await reserves(trial, trip, traveller)
        reply.expect(201, json={"reserved": True})
        await expect_stored(reply.sent, trip, (7 - number, number, number))
        asked = counted(told().count(question) - before, "question")
        Outcome(reply.sent, f"{asked} to the hotel with {question}").expect(
            f"1 question to the hotel with {question}"
        )
    booked = [key async for key in Booking.objects.filter(trip=trip).values_list("traveller", flat=True)]
    Outcome(f"2 × POST {page(trip)}", f"bookings of {sorted(booked)}").expect(f"bookings of {sorted(people)}")


@reserve_seat.requirement(
    'answers 409 and `{"reserved": false}` when there is no seat left, or the traveller has one, 404 when there is no such trip or no such '
    "traveller, 400 to what is no number, 405 to anything but POST; it asks the hotel nothing then, and stores nothing"
)
async def refuses_what_is_not_to_have(trial: Trial) -> None:
    full, trip, (first, second) = await a_trip(0), await a_trip(3), await travellers(2)
    nobody = random.randrange(10**6, 10**7)
    (await reserves(trial, trip, first)).expect(201)
    running_services().forget()
    for where, traveller, status, remark in (
        (full, second, 409, "where no seat is left"),
        (trip, first, 409, "for the second time"),
        (nobody, second, 404, ""),
        (trip, nobody, 404, ""),
        (trip, str(second), 400, ""),
    ):
        reply = await reserves(trial, where, traveller)
        reply.sent += f"  {remark}".rstrip()
        reply.expect(status, **({"json": {"reserved": False}} if status == 409 else {}))
        await expect_stored(reply.sent, trip, (2, 1, 1))
    await trial.answers_only_to_post(page(trip), json={"traveller": second})
    await expect_stored("the same by other methods, answered with 405", trip, (2, 1, 1))
    await expect_stored("requests that are refused", full, (0, 0, 0))
    Outcome("requests that are refused", f"{counted(len(told()), 'question')} to the hotel").expect(
        "0 questions to the hotel"
    )


@reserve_seat.requirement(
    'answers 502 and `{"reserved": false}` when the hotel answers this one question with an error, or breaks off, and stores nothing; '
    "later the traveller can have the seat"
)
async def stores_nothing_without_the_hotel(trial: Trial) -> None:
    trip, [traveller] = await a_trip(1), await travellers(1)
    for trouble, remark in TROUBLE.items():
        running_services().forget()
        with running_services().replaced("/echo", by=trouble):
            reply = await reserves(trial, trip, traveller)
        reply.sent += f"  while the hotel {remark}"
        reply.expect(502, json={"reserved": False})
        asked = counted(len(told()), "question")
        Outcome(reply.sent, f"{asked} to the hotel").expect("1 question to the hotel")
        await expect_stored(reply.sent, trip, (1, 0, 0))
    reply = await reserves(trial, trip, traveller)
    reply.sent += "  when the hotel is well again"
    reply.expect(201, json={"reserved": True})


@reserve_seat.requirement(
    "holds up nobody: while the hotel lets one traveller wait, the next one who wants the same trip comes to the hotel as well"
)
async def holds_up_nobody(trial: Trial) -> None:
    trip, (first, second) = await a_trip(5), await travellers(2)
    async with other_process() as process:
        with running_services().held("/echo", timeout=4.0) as hold:
            async with started(reserves(trial, trip, first)) as [waiting]:
                await until(lambda: bool(hold.waiting) or waiting.done())
                async with started(reserves(trial, trip, second)) as [asking]:
                    locked = await comes_to_a_lock(process, hold, asking)
                    free = hold.waiting > 1 or asking.done()
                    hold.release()
                    replies = await asyncio.gather(waiting, asking)
    replies[1].sent += "  while the hotel has not answered to the one before"
    replies[1].expect_that(
        free,
        "a question to the hotel",
        got="nothing, until the hotel had answered to the one before",
        **why(locked),
    )
    for reply in replies:
        reply.expect(201, json={"reserved": True})
    await expect_stored(replies[1].sent, trip, (3, 2, 2))


async def comes_to_a_lock(process: OtherProcess, hold: Hold, asking: asyncio.Future[Any]) -> bool:
    """Whether the second request stands at a lock of the database, and gets neither to the hotel nor to an answer."""
    stood = 0
    for _ in range(ROUNDS):
        stood = stood + 1 if await process.waiting() else 0
        if asking.done() or hold.waiting > 1 or stood == LOCKED_ROUNDS:
            break
        hold.renew()
        await a_round()
    return bool(stood)


def why(locked: bool) -> dict[str, str]:
    if locked:
        return {
            "because": "it stands at a lock of the database, which the one before holds as long as the hotel thinks"
        }
    return {
        "because": "it stands at no lock of the database: something in this process lets in one at a time"
    }


@reserve_seat.requirement(
    "stores nothing of a traveller who leaves while the hotel thinks: the seat is free again, and who comes back can have it"
)
async def keeps_nothing_of_who_left(trial: Trial) -> None:
    trip, [traveller] = await a_trip(1), await travellers(1)
    before, untouched = asyncio.all_tasks(), (1, 0, 0)
    async with other_process() as process:
        with running_services().held("/echo", timeout=4.0) as hold:
            async with OpenStream(trial, page(trip), json={"traveller": traveller}) as leaving:
                await until(lambda: bool(hold.waiting) or leaving.ended)
            early = await becomes(trip, untouched)
            hold.release()
        await all_is_over(process, lambda: answered() and not tasks_of(trial.answer, before))
    sent = f"POST {page(trip)}  by a traveller who leaves while the hotel thinks"
    await expect_stored(sent, trip, untouched, **who_wrote_it(early == untouched))
    reply = await reserves(trial, trip, traveller)
    reply.sent += "  by the traveller who had left, and is back"
    reply.expect(201, json={"reserved": True})
    await expect_stored(reply.sent, trip, (0, 1, 1))


async def becomes(trip: int, expected: tuple[int, int, int]) -> tuple[int, int, int]:
    """What is stored of a trip, as soon as it is what is expected, or is not to be."""
    for _ in range(ROUNDS_TO_GIVE_BACK):
        if (found := await stored(trip)) == expected:
            break
        await a_round()
    return found


def who_wrote_it(later: bool) -> dict[str, str]:
    if later:
        return {
            "because": "what was begun went on without the traveller, and wrote when the hotel had answered"
        }
    return {
        "because": "it was written before the hotel was asked, and nobody took it back when the traveller left"
    }


@reserve_seat.requirement(
    "gives each seat once: of six travellers who ask at the same moment where two seats are left, two get theirs, and of one who asks "
    "twice at the same moment, one"
)
async def gives_each_seat_once(trial: Trial) -> None:
    for people, seats, given in ((await travellers(6), 2, 2), (2 * await travellers(1), 5, 1)):
        trip = await a_trip(seats)
        async with other_process() as process:
            calls = [reserves(trial, trip, traveller) for traveller in people]
            replies = await everyone_looks_before_anyone_writes(process, TABLES, calls)
        for reply in replies:
            reply.expect_that(True, "an answer")
        statuses = Counter(str(reply.status) for reply in replies)
        answers = ", ".join(f"{number} × {status}" for status, number in sorted(statuses.items()))
        sent = f"{len(people)} × POST {page(trip)} at once, by {counted(len(set(people)), 'traveller')}"
        Outcome(sent, f"{answers}; {shown(*await stored(trip))}").expect(
            f"{given} × 201, {len(people) - given} × 409; {shown(seats - given, given, given)}"
        )
    await keeps_two_trips_apart(trial)


async def keeps_two_trips_apart(trial: Trial) -> None:
    """Refuse what the reservations of two trips share."""
    trips, people = [await a_trip(4), await a_trip(5)], await travellers(2)
    async with other_process() as process:
        calls = [reserves(trial, trip, traveller) for trip, traveller in zip(trips, people, strict=True)]
        replies = await everyone_looks_before_anyone_writes(process, ["trips_booking"], calls)
    for reply, trip, left in zip(replies, trips, (3, 4), strict=True):
        reply.sent += "  while the booking of another trip waits to be written"
        reply.expect(201, json={"reserved": True})
        await expect_stored(reply.sent, trip, (left, 1, 1))


@reserve_seat.requirement(
    "stands against another process: a seat that it has given away meanwhile is gone, and a price that it has raised stays raised"
)
async def stands_against_another_process(trial: Trial) -> None:
    for left, status, after in ((1, 409, (0, 0, 0)), (3, 201, (1, 1, 1))):
        trip, [traveller], price = await a_trip(left), await travellers(1), random.randrange(1000, 9999)
        async with other_process() as process:
            await process.hold("trips_trip", f"id = {trip}")
            async with started(reserves(trial, trip, traveller)) as [reserving]:
                await process.all_stand_still([reserving])
                await process.execute(
                    "UPDATE trips_trip SET seats_left = seats_left - 1, price = %s WHERE id = %s", price, trip
                )
                await process.execute("COMMIT")
                reply = await reserving
        reply.sent += f"  while another process gives away 1 of {left} seats"
        await expect_stored(
            reply.sent, trip, after, because="it goes by what it had read before the other process wrote"
        )
        reply.expect(status, json={"reserved": status == 201})
        found = (await Trip.objects.aget(pk=trip)).price
        Outcome(reply.sent, f"the price is {found}").expect_that(found == price, f"the price is {price}")


@reserve_seat.requirement(
    "does all or nothing: no booking without its seat, and no seat gone without its booking, whenever the traveller leaves"
)
async def does_all_or_nothing(trial: Trial) -> None:
    trip, [traveller] = await a_trip(5), await travellers(1)
    async with other_process() as process:
        for table in TABLES:
            async with refused_writes(process, table):
                reply = await reserves(trial, trip, traveller)
            reply.sent += f"  while the database refuses to write {table}"
            await expect_stored(reply.sent, trip, (5, 0, 0), because="one half was written, and stayed")
        await expect_both_or_neither(
            process, lambda trip: OpenStream(trial, page(trip), json={"traveller": traveller}), seats=1
        )
