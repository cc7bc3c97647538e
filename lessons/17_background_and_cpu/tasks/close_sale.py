import asyncio
import random
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from unittest import mock

from django.contrib.auth.models import User
from django.db import OperationalError
from django.db.models.signals import pre_save
from django.test import override_settings
from django.utils import timezone

from tutorial_project.checks import Outcome, Reply, Task, Trial
from tutorial_project.checks.kinds.made_up import made_up
from tutorial_project.checks.proofs.event_loop import first_moment, tasks_of
from tutorial_project.classroom.data.sample import in_thread
from tutorial_project.services import running_services
from tutorial_project.trips.models import Booking, Trip

from ..shared import QUEUE_SETTINGS, database_with_a_queue, no_update_of, other_process

close_sale = Task(
    "close_sale",
    beside="answers_with_the_ids",
    routes=["trips/<int:pk>/close-sale/"],
    settings=QUEUE_SETTINGS,
    database=database_with_a_queue,
    hints=(
        "What is left of a letter that nobody has sent yet, when the process is gone? Where would it have to be?",
        "`enqueue` writes a row into the database. Close the sale and enqueue all letters in one transaction, in one "
        "sync function.",
        "`with transaction.atomic():` get the trip with `get_object_or_404(Trip.objects.select_for_update(), pk=pk)`, "
        "return None when it is not active; else set `active` and save it, and return "
        "`[send_confirmation.enqueue(key).id for key in keys]`, where `keys` are the keys of `trip.bookings` by `pk`.",
    ),
    praise="Right: the sale and its letters are one transaction, and a worker sends what is written down, whatever "
    "happens to your process. `update()` with a filter on `active` would have found out who closes first as well.",
)


async def a_trip(active: bool = True, bookings: int = 0) -> tuple[Trip, list[int]]:
    """A new trip with so many bookings, or some, and their keys."""
    trip = await a_trip_that_nobody_booked(active)
    await User.objects.abulk_create(User(username=made_up("traveller")) for _ in range(bookings))
    found = [user async for user in User.objects.order_by("?")[: bookings or random.randint(3, 4)]]
    travellers = sorted(found, key=lambda user: user.pk, reverse=True)
    first = (await Booking.objects.order_by("pk").alast()).pk + random.randrange(1, 10**6)
    # Not in the order of their keys: neither does the database give them back so, nor the model's own ordering,
    # which is another one than that of the keys backwards.
    booked = [timezone.now() - timedelta(minutes=(n + 1) % len(found)) for n in range(len(found))]
    rows = [
        Booking(pk=first + n, trip=trip, traveller=user, created_at=booked[n], seats=n + 1)
        for n, user in enumerate(travellers)
    ]
    await Booking.objects.abulk_create(rows[::-1])
    return trip, [row.pk for row in rows]


async def a_trip_that_nobody_booked(active: bool = True) -> Trip:
    trip = await Trip.objects.filter(guide=None).afirst()
    trip.pk, trip.active, trip._state.adding = None, active, True
    trip.seats_left = random.randint(1, trip.seats)
    await trip.asave()
    return trip


def address(trip: Trip) -> str:
    return f"/trips/{trip.pk}/close-sale/"


async def waiting_letters() -> dict[str, list[Any]]:
    """What stands in the queue: the arguments of each task, by its id."""
    from django_tasks_db.models import DBTaskResult

    rows = [row async for row in DBTaskResult.objects.ready()]
    return {str(row.id): row.args_kwargs["args"] + list(row.args_kwargs["kwargs"].values()) for row in rows}


def work_off() -> None:
    """Do what a worker process does with all that stands in the queue."""
    from django_tasks_db.management.commands.db_worker import Worker

    options = {"batch": True, "startup_delay": False, "max_tasks": None, "worker_id": "check"}
    Worker(queue_names=["*"], interval=0, backend_name="default", **options).run()


def written_down() -> int:
    """How many tasks stand in the queue's table, whatever became of them."""
    from django_tasks_db.models import DBTaskResult

    return DBTaskResult.objects.count()


def left_on_the_loop(trial: Trial, before: set[asyncio.Task[Any]]) -> list[asyncio.Task[Any]]:
    """The tasks that send letters, in the process of the view."""
    new = {task for task in asyncio.all_tasks() - before if _sends_letters(task)}
    return [*{*tasks_of(trial.answer, before), *new}]


def _sends_letters(task: asyncio.Task[Any]) -> bool:
    code = getattr(task.get_coro(), "cr_code", None)
    return code is not None and code.co_name in ("acall", "send_confirmation")


@close_sale.requirement(
    "closes the sale on `POST`, and a worker process sends the letter of each booking, though the process of the view "
    "is killed right after the answer"
)
async def is_sent_by_a_worker(trial: Trial) -> None:
    trip, keys = await a_trip()
    services = running_services()
    services.forget()
    with override_settings(POST_OFFICE=f"{services.url}/echo"), no_certificates():
        reply = await the_answer_before_any_letter(trial, address(trip))
        services.forget()
        await asyncio.to_thread(in_thread, work_off)
    sent = sorted(request.query.get("letter", "") for request in services.requests)
    expected = sorted(f"confirmation-{key}" for key in keys)
    nothing = not sent and not await asyncio.to_thread(in_thread, written_down)
    because = "nothing was written down: what was to be sent died with the process of the view"
    Outcome(f"{reply.sent}, then `kill -9`, then a worker", ", ".join(sent) or "no letter").expect_that(
        sent == expected,
        ", ".join(expected),
        because=because if nothing else None,
        next="`send_confirmation.enqueue(booking.pk)` in sync code, `await ….aenqueue(…)` in async code"
        if nothing
        else None,
    )
    await trip.arefresh_from_db()
    Outcome(reply.sent, f"active={trip.active}").expect("active=False")
    await closes_this_sale_alone(trial)


async def closes_this_sale_alone(trial: Trial) -> None:
    await Trip.objects.aupdate(active=True)
    trip, _ = await a_trip()
    expected = await all_trips() | {trip.pk: {"active": False, "seats_left": trip.seats_left - 1}}
    with other_process(trip, "seats_left = seats_left - 1") as sells:
        reply = await trial.post(address(trip))
    if not sells.had_its_turn:
        expected[trip.pk]["seats_left"] += 1
    reply.expect(202, json=reply.json if reply.status == 202 else {"letters": ["…"]})
    found = await all_trips()
    changed = {pk: row for pk, row in found.items() if row != expected[pk]}
    sold = found[trip.pk]["seats_left"] == trip.seats_left and sells.had_its_turn
    Outcome(
        f"{reply.sent}  while another process sells a seat", f"{changed or 'what was expected'}"
    ).expect_that(
        not changed,
        f"{ {pk: expected[pk] for pk in changed or (trip.pk,)} }",
        because="the whole row was written back as it had been read: the seat that was sold meanwhile is free again"
        if sold
        else "more was changed than `active` of this trip",
        next='`select_for_update()` before the look, or `save(update_fields=["active"])`' if sold else None,
    )


async def all_trips() -> dict[int, dict[str, Any]]:
    rows = [row async for row in Trip.objects.values("pk", "active", "seats_left")]
    return {row.pop("pk"): row for row in rows}


def no_certificates() -> Any:
    """Spare each client of a letter the reading of all certificates; the post office of a check speaks HTTP."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return mock.patch.object(ssl, "create_default_context", return_value=context)


async def the_answer_before_any_letter(trial: Trial, page: str) -> Reply:
    services = running_services()
    before = asyncio.all_tasks()
    with services.held("/echo") as hold:
        asking = asyncio.ensure_future(trial.post(page))
        await first_moment(lambda: bool(services.requests), asking)
        if not asking.done():
            hold.release()
        reply = await asking
        left = left_on_the_loop(trial, {*before, asking})
        for task in left:  # it is killed
            task.cancel()
    if left:
        await asyncio.wait(left, timeout=1)
    reply.expect_that(reply.error is None, "202")
    Outcome(reply.sent, "a letter is on its way, and no worker runs").expect_that(
        not services.requests and not left,
        "no letter yet",
        because="the process of the view sends it, and when that is killed, the rest is lost",
        next="hand it to the queue: `enqueue` or `await aenqueue`, and leave the sending to a worker",
    )
    return reply


@close_sale.requirement(
    'answers 202 with `{"letters": [...]}`: the ids of the tasks, in the order of the bookings\' keys'
)
async def answers_with_the_ids(trial: Trial) -> None:
    await answers_in_order(trial, *await a_trip())
    trip, keys = await a_trip(bookings=60)
    reply = await trial.post(address(trip))
    told = reply.json.get("letters") if reply.status == 202 and isinstance(reply.json, dict) else reply.text
    written = f"{len(told)} letters" if isinstance(told, list) else told
    Outcome(f"{reply.sent}  which {len(keys)} travellers have booked", written).expect(f"{len(keys)} letters")


async def answers_in_order(trial: Trial, trip: Trip, keys: list[int]) -> None:
    reply = await trial.post(address(trip))
    waiting = await waiting_letters()
    ids = [next((task for task, args in waiting.items() if args == [key]), None) for key in keys]
    found = reply.json.get("letters") if reply.status == 202 and isinstance(reply.json, dict) else None
    by_time = [ids[keys.index(pk)] async for pk in trip.bookings.values_list("pk", flat=True)]
    order = "the ids are in another order: `Booking` itself orders by the time of the booking"
    reply.expect(202, json={"letters": ids}, because=order if found == by_time != ids else None)
    nobody = await a_trip_that_nobody_booked()
    reply = await trial.post(address(nobody))
    reply.sent += "  which nobody has booked"
    reply.expect(202, json={"letters": []})
    await nobody.arefresh_from_db()
    Outcome(reply.sent, f"active={nobody.active}").expect("active=False")


@contextmanager
def a_full_disk(after: int) -> Iterator[None]:
    """Let the database refuse to write a task down, once so many are."""
    from django_tasks_db.models import DBTaskResult

    written: list[Any] = []

    def refuse(instance: Any, **_: Any) -> None:
        if len(written) >= after:
            raise OperationalError("database or disk is full")
        written.append(instance)

    pre_save.connect(refuse, sender=DBTaskResult)
    try:
        yield
    finally:
        pre_save.disconnect(refuse, sender=DBTaskResult)


@close_sale.requirement(
    "closes the sale and writes down every letter, or does neither, when the database refuses one"
)
async def all_or_nothing(trial: Trial) -> None:
    trip, _ = await a_trip()
    with a_full_disk(after=1):
        reply = await trial.post(address(trip))
    await expect_nothing(reply, trip, "the second letter")
    trip, _ = await a_trip()
    with no_update_of(Trip):
        reply = await trial.post(address(trip))
    await expect_nothing(reply, trip, "to close the sale")


async def expect_nothing(reply: Reply, trip: Trip, refused: str) -> None:
    sent = f"{reply.sent}  where the database refuses {refused}"
    Outcome(sent, f"{reply.status}").expect_that(
        reply.error is not None or reply.status >= 500,
        "an error, or a status of 500 and above",
        because="the error was swallowed: whoever closes the sale believes that the letters are on their way",
    )
    await trip.arefresh_from_db()
    kept = len(await waiting_letters())
    Outcome(sent, f"active={trip.active}, {kept} letters written down").expect(
        "active=True, 0 letters written down",
        because="the sale and its letters are not one transaction: what was written before the error stayed",
        next="one `transaction.atomic()` around the sale and every `enqueue`, in one sync function",
    )


@close_sale.requirement("answers 409 and writes no letter when the sale is closed already")
async def closes_once(trial: Trial) -> None:
    trip, _ = await a_trip(active=False)
    reply = await trial.post(address(trip))
    reply.expect(409)
    await expect_no_letter(reply.sent)
    trip, _ = await a_trip()
    with other_process(trip, "active = false") as closes:
        reply = await trial.post(address(trip))
    if closes.had_its_turn:
        reply.sent += "  while another process closes the same sale"
        looked = "the answer looked first and wrote later: both processes found the sale open, and each sends the letters"
        Outcome(reply.sent, f"{reply.status}").expect(
            "409",
            because=looked if reply.status == 202 else None,
            next="`Trip.objects.select_for_update()` for the look, or `update()` with a filter on `active`",
        )
        await expect_no_letter(reply.sent)


async def expect_no_letter(sent: str) -> None:
    Outcome(sent, f"{len(await waiting_letters())} letters written down").expect("0 letters written down")


@close_sale.requirement("answers 404 for a trip that does not exist, and 405 to every method but `POST`")
async def odd_requests(trial: Trial) -> None:
    trip, _ = await a_trip()
    (await trial.post(f"/trips/{trip.pk + 5_000}/close-sale/")).expect(404)
    await trial.answers_only_to_post(address(trip))
    await trial.request("OPTIONS", address(trip))
    await expect_no_letter(f"{address(trip)} with each method but POST")
