import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from decimal import Decimal

from django.contrib.auth.models import User
from django.db import IntegrityError, connection

from tutorial_project.classroom import postgresql
from tutorial_project.classroom.checks import Outcome, Task, Trial
from tutorial_project.classroom.checks.evidence import described
from tutorial_project.classroom.checks.on_postgresql import (
    Meanwhile,
    Statement,
    everyone_looks_before_anyone_writes,
    on_a_thread_of_its_own,
    other_process,
    refused_writes,
    statements,
    while_another_task_writes,
)
from tutorial_project.classroom.checks.proofs import first_moment
from tutorial_project.trips.models import Account, Booking, Theme, Trip

ONE_UNIT = (
    "put everything from the first look to the last write into one sync function with "
    "`transaction.atomic()`, and call it once: `await sync_to_async(function)(…)`"
)

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


def counted(summary: Counter) -> str:
    return ", ".join(f"{what} ×{times}" for what, times in sorted(summary.items(), key=str))


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


def writes(sent: list[Statement]) -> list[Statement]:
    return [statement for statement in sent if statement.sql.startswith(("UPDATE", "INSERT"))]


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


def why_a_half_is_left(sent: list[Statement]) -> dict[str, str]:
    if len({statement.connection for statement in writes(sent)}) > 1:
        return {
            "because": "what was written went over different connections, so it belonged to separate transactions: "
            "`gather` over threads takes its calls out of the transaction around it",
            "next": f"no `gather` in a transaction; {ONE_UNIT}",
        }
    if len({id(statement.transaction) for statement in writes(sent)}) > 1:
        return {
            "because": "what was written belonged to separate transactions, and one was kept",
            "next": ONE_UNIT,
        }
    return {}


@buy_seat.requirement(
    "leaves alone what another task writes on the same thread meanwhile, also when the purchase is undone"
)
async def leaves_other_tasks_alone(trial: Trial) -> None:
    async with other_process() as check, refused_writes(check, *SEAT_TABLES, at_commit=True):
        reply, meanwhile = await while_another_task_writes(trial.post(BUY, json={"traveller": MARGARET}))
    await expect_all_kept(reply.sent, meanwhile)


async def expect_all_kept(sent: str, meanwhile: Meanwhile) -> None:
    written = len(meanwhile.written)
    lost = written - await Theme.objects.filter(name__in=meanwhile.written).acount()
    got = f"{lost} of {written} themes are gone, though writing them had succeeded"
    if meanwhile.error is not None:
        got = f"the other task failed with {described(meanwhile.error)}"
    Outcome(f"{sent}  undone by the database, while another task writes themes", got).expect_that(
        not lost and meanwhile.error is None,
        "every theme that the other task has written is there",
        because="the transaction was left open on the thread between two awaits, and what other tasks wrote "
        "on that thread in between became part of it, and was undone with it",
        next=f"await nothing inside of a transaction; {ONE_UNIT}",
    )


transfer = Task(
    "transfer",
    database=postgresql,
    limit=20,
    hints=(
        "Which rows must nobody else change between your look at the balance and your last write?",
        "Lock both accounts, in the same order whoever pays whom, and do everything else in that transaction.",
        "`with transaction.atomic():` "
        '`accounts = Account.objects.select_for_update().filter(owner__username__in=…).order_by("pk")`, '
        "compare, change both balances, save both, return the sender's. "
        "Then `return await sync_to_async(function)(sender, receiver, amount)`.",
    ),
    praise=(
        "Right: both rows locked in one order, both written in one transaction. Two UPDATEs in the order of the "
        "keys, with `F()` and a condition on the balance, would have done without a look at all."
    ),
)
NOT_ENOUGH = "ValueError: not enough money"
HUNDRED, TEN = Decimal("100.00"), Decimal("10.00")


async def balances() -> dict[str, Decimal]:
    return {a.owner.username: a.balance async for a in Account.objects.select_related("owner")}


def moved(before: dict[str, Decimal], amount: Decimal, sender: str, receiver: str) -> dict[str, Decimal]:
    return before | {sender: before[sender] - amount, receiver: before[receiver] + amount}


def expect_balances(sent: str, expected: dict[str, Decimal], found: dict[str, Decimal], **words) -> None:
    wrong = [name for name in expected if found[name] != expected[name]]
    describe = lambda balances: ", ".join(f"{name} has {balances[name]}" for name in wrong)  # noqa: E731
    Outcome(sent).expect_that(not wrong, describe(expected), got=describe(found), **words)


@transfer.requirement(
    'moves money: `await transfer("ada", "grace", Decimal("100.00"))` returns the new balance of ada'
)
async def moves_money(trial: Trial) -> None:
    before = await balances()
    outcome = await trial.call("ada", "grace", HUNDRED)
    outcome.expect(before["ada"] - HUNDRED)
    expect_balances(outcome.sent, moved(before, HUNDRED, "ada", "grace"), await balances())


@transfer.requirement(
    'raises `ValueError("not enough money")` when the balance does not cover it, and moves nothing'
)
async def refuses_too_much(trial: Trial) -> None:
    before = await balances()
    outcome = await trial.call("dennis", "grace", HUNDRED)
    if described(outcome.error or Exception()) != NOT_ENOUGH:
        outcome.refuse(expected=NOT_ENOUGH)
    expect_balances(outcome.sent, before, await balances())


@transfer.requirement(
    "raises `Account.DoesNotExist` when the receiver, such as frances, has no account, and moves nothing"
)
async def refuses_a_stranger(trial: Trial) -> None:
    before = await balances()
    outcome = await trial.call("ada", "frances", HUNDRED)
    outcome.expect_error(Account.DoesNotExist, expected="Account.DoesNotExist")
    expect_balances(outcome.sent, before, await balances(), because=TAKEN_ONLY, next=ONE_UNIT)


TAKEN_ONLY = "the money was taken before the rest was certain, and taking it was a transaction of its own"


@transfer.requirement(
    "moves nothing, and lets the error out, when the database refuses to write one of the accounts, whichever it is"
)
async def moves_all_or_nothing(trial: Trial) -> None:
    with statements() as sent:
        before = await balances()
        async with other_process() as check:
            for refused in ("ada", "grace"):
                sent.clear()
                async with refused_writes(check, "trips_account", when=f"NEW.owner_id = {OWNERS[refused]}"):
                    outcome = await trial.call("ada", "grace", HUNDRED)
                outcome.sent += f"  while the database refuses to write the account of {refused}"
                because = why_a_half_is_left(sent)
                expect_balances(outcome.sent, before, await balances(), **because)
                if outcome.error is None:
                    outcome.refuse(expected="an error: nothing was moved")


OWNERS = {"ada": 101, "grace": 102}


@transfer.requirement(
    "keeps count when many run at once: of twenty transfers of 10.00 from ada to grace all arrive; of ten of "
    "30.00 from dennis, who has 35.00, one does, and nine raise the ValueError"
)
async def keeps_count(trial: Trial) -> None:
    before = await balances()
    await many_at_once(trial, 20, ("ada", "grace", TEN), {"moved": 20})
    after = moved(before, 20 * TEN, "ada", "grace")
    sent = '20 × transfer("ada", "grace", Decimal("10.00")) at once'
    expect_balances(sent, after, await balances(), because=LOST_UPDATE, next=LOCK_FIRST)
    thirty = Decimal("30.00")
    await many_at_once(trial, 10, ("dennis", "grace", thirty), {"moved": 1, NOT_ENOUGH: 9})
    sent = '10 × transfer("dennis", "grace", Decimal("30.00")) at once'
    expect_balances(sent, moved(after, thirty, "dennis", "grace"), await balances())


LOST_UPDATE = "all of them had read the balances before the first one wrote, and each wrote what it had worked out from the old ones"
LOCK_FIRST = (
    "lock the accounts when you read them, with `select_for_update()`, in the transaction that writes them"
)


async def many_at_once(trial: Trial, times: int, arguments: tuple, expected: dict[str, int]) -> None:
    async with other_process() as check:
        calls = [on_a_thread_of_its_own(trial.call(*arguments)) for _ in range(times)]
        outcomes = await everyone_looks_before_anyone_writes(check, ["trips_account"], calls)
    summary = Counter("moved" if outcome.error is None else first_line(outcome.error) for outcome in outcomes)
    Outcome(f"{times} × {outcomes[0].sent} at once", counted(summary)).expect_that(
        summary == expected,
        counted(Counter(expected)),
        because=LOST_UPDATE if summary["moved"] > expected["moved"] else None,
        next=LOCK_FIRST,
    )


def first_line(error: BaseException) -> str:
    return described(error).partition("\n")[0]


@transfer.requirement("goes through in both directions at once: ada to grace, and grace to ada")
async def goes_both_ways(trial: Trial) -> None:
    before = await balances()
    async with other_process() as holds_ada, other_process() as holds_grace:
        await holds_ada.hold("trips_account", f"owner_id = {OWNERS['ada']}")
        await holds_grace.hold("trips_account", f"owner_id = {OWNERS['grace']}")
        calls = [("ada", "grace", HUNDRED), ("grace", "ada", TEN)]
        tasks = [asyncio.ensure_future(on_a_thread_of_its_own(trial.call(*call))) for call in calls]
        # Each transfer stands before its first account, then one of them before its second.
        for holder in (holds_ada, holds_grace):
            await holder.all_stand_still(tasks, patience=3)
            await holder.execute("COMMIT")
        outcomes = await asyncio.gather(*tasks)
    for outcome in outcomes:
        outcome.sent += "  while the same two do it the other way round"
        outcome.expect_that(True, "both transfers go through")
    expect_balances(
        outcomes[0], before | {"ada": before["ada"] - 90, "grace": before["grace"] + 90}, await balances()
    )


@transfer.requirement(
    "leaves alone what another task writes on the same thread meanwhile, also when the transfer is undone"
)
async def leaves_others_alone(trial: Trial) -> None:
    async with other_process() as check, refused_writes(check, "trips_account", at_commit=True):
        outcome, meanwhile = await while_another_task_writes(trial.call("ada", "grace", HUNDRED))
    await expect_all_kept(outcome.sent, meanwhile)


two_reports = Task(
    "two_reports",
    database=postgresql,
    limit=20,
    hints=(
        "Which argument of `sync_to_async`, or which function of asyncio, gives a call a thread that nobody shares?",
        "Each thread opens a connection of its own, and only that thread can close it: after the report, whatever happens.",
        "`def alone(report):` `try: return report()` `finally: connections.close_all()`. "
        "Then `await asyncio.gather(asyncio.to_thread(alone, first), asyncio.to_thread(alone, second))`.",
    ),
    praise=(
        "Right: two threads, two connections, each closed by the thread that opened it. `sync_to_async` with "
        "`thread_sensitive=False`, or an executor of your own, would have been as good."
    ),
)
BACKEND = "SELECT pg_backend_pid()"
PATIENCE = 1.5
"""Seconds that one report waits for the other."""


class Reports:
    """Two sync reports that use the ORM, and note the connections that they used."""

    def __init__(self, *, meet: bool = False, second_fails: bool = False) -> None:
        self.backends: list[int] = []
        self.waited_in_vain = False
        self._both = threading.Barrier(2 if meet else 1)
        self._second_fails = second_fails

    def seats_sold(self) -> int:
        self._meet_in_the_database()
        return sum(Booking.objects.values_list("seats", flat=True))

    def trips_on_sale(self) -> int:
        self._meet_in_the_database()
        if self._second_fails:
            raise RuntimeError("the second report failed")
        return Trip.objects.filter(active=True).count()

    def _meet_in_the_database(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            self.backends += cursor.fetchone()
        try:
            self._both.wait(PATIENCE)
        except threading.BrokenBarrierError:
            self.waited_in_vain = True

    async def expected(self) -> list[int]:
        seats = [seats async for seats in Booking.objects.values_list("seats", flat=True)]
        return [sum(seats), await Trip.objects.filter(active=True).acount()]


async def run_both(trial: Trial, first: Callable[[], int], second: Callable[[], int]) -> Outcome:
    outcome = await trial.call(first, second)
    outcome.sent = f"two_reports({first.__name__}, {second.__name__})"
    return outcome


@two_reports.requirement("returns a list of the two results: `[first(), second()]`")
async def returns_both(trial: Trial) -> None:
    reports = Reports()
    expected = await reports.expected()
    outcome = await run_both(trial, reports.seats_sold, reports.trips_on_sale)
    outcome.expect_that(outcome.value in (expected, tuple(expected)), repr(expected))


@two_reports.requirement("runs them at the same time: each is in the database while the other is")
async def runs_them_together(trial: Trial) -> None:
    reports = Reports(meet=True)
    outcome = await run_both(trial, reports.seats_sold, reports.trips_on_sale)
    outcome.expect_that(
        not reports.waited_in_vain,
        "each report to be in the database while the other is",
        got=f"one report waited {PATIENCE:g} s for the other, which had not begun",
        because="they were awaited one after the other, or they shared one thread, as all thread-sensitive calls of a "
        "request do",
        next="give each report a thread of its own: `asyncio.to_thread`, or "
        "`sync_to_async(report, thread_sensitive=False)`",
    )


@two_reports.requirement("leaves the event loop free meanwhile")
async def leaves_the_loop_free(trial: Trial) -> None:
    reports = Reports()
    is_there, loop_has_moved, seen = threading.Event(), threading.Event(), []

    def seats_sold() -> int:
        result = reports.seats_sold()
        is_there.set()
        seen.append(loop_has_moved.wait(PATIENCE))
        return result

    calling = asyncio.ensure_future(run_both(trial, seats_sold, reports.trips_on_sale))
    await first_moment(is_there.is_set, calling)
    loop_has_moved.set()
    outcome = await calling
    outcome.expect_that(
        seen == [True],
        "other tasks to get their turn while the reports are in the database",
        got=f"none got it within {PATIENCE:g} seconds",
        because="the event loop itself waits for the threads, for example in `result()` or at the end of `with ThreadPoolExecutor()`",
        next="await the threads: `asyncio.gather(asyncio.to_thread(…), asyncio.to_thread(…))`",
    )


@two_reports.requirement("leaves no connection of theirs open")
async def leaves_no_connection(trial: Trial) -> None:
    reports = Reports()
    outcome = await run_both(trial, reports.seats_sold, reports.trips_on_sale)
    outcome.expect_that(True, "a list")
    await expect_closed(outcome.sent, reports)


async def expect_closed(sent: str, reports: Reports) -> None:
    open_backends = "SELECT count(*) FROM pg_stat_activity WHERE pid = ANY(%s)"
    async with other_process() as check:
        for _ in range(25):  # PostgreSQL takes a moment to give up a closed connection
            if not (left := await check.value(open_backends, reports.backends)):
                return
            await asyncio.sleep(0.02)
    Outcome(sent, f"{left} of {len(set(reports.backends))} still there").expect_that(
        False,
        "no connection of the two reports in pg_stat_activity",
        because="a connection belongs to the thread that opened it, and nobody closes it at the end of a request "
        "but in the request's own thread",
        next="close it in the function that runs in the thread: `try: return report()`, "
        "`finally: connections.close_all()`",
    )


@two_reports.requirement(
    "lets the error of a report out, alone or in an `ExceptionGroup`, and leaves no connection open then either"
)
async def cleans_up_after_an_error(trial: Trial) -> None:
    reports = Reports(second_fails=True)
    outcome = await run_both(trial, reports.seats_sold, reports.trips_on_sale)
    outcome.sent += "  where the second report fails"
    first_error = getattr(outcome.error, "exceptions", [outcome.error])[0]
    if not isinstance(first_error, RuntimeError):
        outcome.refuse(
            expected="RuntimeError: the second report failed",
            because="the error of the second report was swallowed" if outcome.error is None else None,
            next="let it out: whoever asked for two reports did not get them",
        )
    await expect_closed(outcome.sent, reports)
