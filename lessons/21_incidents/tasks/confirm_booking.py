import asyncio
import gc
import random
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures.thread import _worker  # type: ignore[attr-defined]
from typing import Any, Self

from django.contrib.auth.models import User
from django.test import override_settings

from tutorial_project.checks import Outcome, Task, Trial
from tutorial_project.checks.kinds.made_up import made_up, made_up_rate
from tutorial_project.checks.kinds.questions import all_saying
from tutorial_project.checks.proofs.clock import held_clock
from tutorial_project.checks.proofs.event_loop import tasks_of
from tutorial_project.classroom import on_duty
from tutorial_project.services import ask, running_services
from tutorial_project.settings import MIDDLEWARE
from tutorial_project.trips.models import Booking, Trip

from ..shared import expect_on_the_loop, site_of

NEW = "whitenoise.middleware.WhiteNoiseMiddleware"
"""What came in on the day of the trouble."""

confirm_booking = Task(
    "confirm_booking",
    routes=["bookings/<int:pk>/confirm/"],
    settings={
        "MIDDLEWARE": [NEW, *MIDDLEWARE],
        "STATIC_ROOT": None,
        "STATIC_URL": "/static/",
    },
    hints=(
        "The answer is right, and what comes after it dies. What does the log say of it, and on which line?",
        "That middleware is sync: the view runs inside a thread's call, and when the view has returned, a database call that still "
        "wants to go through that thread finds it gone. What does the task read from the database that the view could have read?",
        "Read the traveller in the view, `Booking.objects.select_related('traveller')`, and give the task plain data: "
        "`in_the_background(send_letter(booking.pk, booking.traveller.username))`.",
    ),
    praise="Right: what goes on after the answer has all that it needs, and asks the database for nothing. A letter that must "
    "never be lost belongs into a queue, as in lesson 17: a task dies with its process.",
)

ROUNDS, PATIENT_ROUNDS = 30, 300
"""Questions of the check's own, before a letter that has not come will never come: when nobody is at it, and when somebody is."""


async def some_bookings(number: int) -> dict[int, str]:
    """New bookings: the key of each, and the name of its traveller, of whom nobody has heard."""
    trip, found = random.choice([trip async for trip in Trip.objects.all()]), {}
    for _ in range(number):
        user = await User.objects.acreate(
            username=made_up("traveller"), first_name="Ada", email="ada@example.org", password="!"
        )
        found[(await Booking.objects.acreate(trip=trip, traveller=user)).pk] = user.username
    return found


def letters() -> Counter[tuple[str, ...]]:
    """What has arrived at the post office."""
    questions = [request.query for request in running_services().requests if request.path == "/echo"]
    return Counter(
        tuple(str(query.get(name)) for name in ("letter", "to", "stamp")) for query in questions if query
    )


def letters_owed() -> bool:
    """Whether a stamp was bought, or is being bought, for a letter that has not arrived."""
    stamps = sum(request.path.startswith("/rates/") for request in running_services().requests)
    return letters().total() < stamps


async def all_arrive(number: int, somebody_writes: Callable[[], object] = lambda: False) -> None:
    """Wait until so many letters have arrived, or one that has not will never."""
    quiet = 0
    for _ in range(PATIENT_ROUNDS):
        if letters().total() >= number or quiet == ROUNDS:
            return
        await ask("echo")
        quiet = 0 if somebody_writes() else quiet + 1


def busy(threads: Iterable[threading.Thread]) -> bool:
    """Whether one of these threads does something, and does not wait in a pool for work."""
    frames = sys._current_frames()
    doing = [frames[thread.ident] for thread in threads if thread.ident in frames]
    return any(frame.f_code is not _worker.__code__ for frame in doing)


async def answered(*asking: asyncio.Future[Any]) -> bool:
    """Wait until all of these are answered, or one that is not will never be while the stamp is missing."""
    for _ in range(ROUNDS):
        if all(one.done() for one in asking):
            return True
        await ask("echo")
    return all(one.done() for one in asking)


@confirm_booking.seen_by_operations
async def seen(answer: Any) -> Any:
    with override_settings(MIDDLEWARE=MIDDLEWARE):
        before, _ = await a_day(answer)
    after, duty = await a_day(answer)
    duty.note("on Friday", f"without {NEW.rpartition('.')[2]}, {before}")
    duty.note("on Monday", f"with {NEW.rpartition('.')[2]}, {after}")
    return duty


async def a_day(answer: Any) -> tuple[str, Any]:
    """What becomes of five letters, and what operations see meanwhile."""
    bookings = await some_bookings(5)
    running_services().forget()
    async with on_duty(site_of(confirm_booking, answer)) as duty:
        await duty.send(*[f"/bookings/{key}/confirm/" for key in bookings], method="POST")
        await all_arrive(len(bookings))
    return f"{letters().total()} of {len(bookings)} letters have arrived at the post office", duty


@confirm_booking.requirement(
    'answers `POST /bookings/12/confirm/` with 202 and `{"booking": 12}`, with 404 when there is no such booking, and a GET with 405'
)
async def answers(trial: Trial) -> None:
    async with nothing_left(trial) as left:
        for key in await some_bookings(2):
            (await trial.post(f"/bookings/{key}/confirm/")).expect(202, json={"booking": key})
        await left.all_arrive(2)  # a letter may still have to look at its booking
        await Booking.objects.filter(pk=key).adelete()
        reply = await trial.post(f"/bookings/{key}/confirm/")
        reply.sent += "  after it was cancelled"
        reply.expect(404)
        (await trial.get(f"/bookings/{key}/confirm/")).expect(405)


@confirm_booking.requirement("answers at once: the letter is sent afterwards, however long the stamp takes")
async def answers_before_the_letter(trial: Trial) -> None:
    [(key, _)] = (await some_bookings(1)).items()
    async with nothing_left(trial) as left:
        with running_services().held("/rates/", timeout=4.0) as hold:
            with held_clock():  # so that none of the answer's own limits ends its wait
                asking = asyncio.ensure_future(trial.post(f"/bookings/{key}/confirm/"))
                at_once = await answered(asking)
            hold.release()
            reply = await asking
            await left.all_arrive(1)  # or it would arrive among those of the next proof
    reply.sent += "  while nobody sells a stamp"
    reply.expect_that(at_once, "202 at once", got="no answer until the letter was sent")
    reply.expect(202, json={"booking": key})


@confirm_booking.requirement(
    "sends each letter once, after the answer, with that middleware and without it: to the traveller of the booking, with the "
    "rate of the day as its stamp"
)
async def sends_the_letter(trial: Trial) -> None:
    await expect_each_letter_once(trial)
    with override_settings(MIDDLEWARE=MIDDLEWARE):
        await expect_each_letter_once(Trial(trial.answer, trial.task), f", without {NEW.rpartition('.')[2]}")


async def expect_each_letter_once(trial: Trial, remark: str = "") -> None:
    bookings, rate = await some_bookings(3), made_up_rate("CHF")
    async with nothing_left(trial) as left:
        with all_saying({"rates/CHF": rate}) as services, services.held("/rates/", timeout=4.0) as hold:
            asking = [asyncio.ensure_future(trial.post(f"/bookings/{key}/confirm/")) for key in bookings]
            await answered(*asking)
            hold.release()
            for one in asking:
                (await one).expect(202)
            await left.all_arrive(len(bookings))
    found = letters()  # once nothing is under way any more, so that a letter that is sent again counts
    expected = Counter((f"confirmation-{key}", name, str(rate["rate"])) for key, name in bookings.items())
    Outcome(
        f"3 × POST /bookings/…/confirm/{remark}, and the stamps come later; {shown(expected)}", shown(found)
    ).expect_that(found == expected, f"{shown(expected)} at the post office, and no other")


def shown(found: Counter[tuple[str, ...]]) -> str:
    return (
        "; ".join(f"{letter} to {to}, {stamp}" for letter, to, stamp in sorted(found.elements()))
        or "no letter"
    )


@confirm_booking.requirement("is awaited on the event loop, as before")
async def stays_on_the_loop(trial: Trial) -> None:
    [key] = await some_bookings(1)
    async with nothing_left(trial):
        await expect_on_the_loop(trial, f"/bookings/{key}/confirm/", method="POST")


class nothing_left:
    """Ends what the answer has left on the loop; what becomes of its tasks is seen at the post office alone."""

    def __init__(self, trial: Trial) -> None:
        self._answer, self._before = trial.answer, asyncio.all_tasks()
        self._threads = set(threading.enumerate())

    async def __aenter__(self) -> Self:
        running_services().forget()
        self._loop = asyncio.get_running_loop()
        self._handler = self._loop.get_exception_handler()
        self._loop.set_exception_handler(lambda loop, context: None)
        return self

    async def all_arrive(self, number: int) -> None:
        """Wait for so many letters as long as somebody may be writing them, however busy the machine is."""
        await all_arrive(number, self._somebody_writes)

    def _somebody_writes(self) -> bool:
        return bool(tasks_of(self._answer, set())) or busy({*threading.enumerate()} - self._threads)

    async def __aexit__(self, *_: object) -> None:
        await self._ended()
        if letters_owed():
            gc.collect()  # an error that nobody looked at is told when its task is thrown away
        self._loop.set_exception_handler(self._handler)

    async def _ended(self) -> None:
        for _ in range(ROUNDS):
            if not self._left():
                return
            await ask("echo")
        # A worker that waits for the next letter stays; a task that owes one is stuck.
        if (left := self._left()) and letters_owed():
            for task in left:
                task.cancel()
            await asyncio.wait(left, timeout=1)

    def _left(self) -> list[asyncio.Task[Any]]:
        return tasks_of(self._answer, self._before | {asyncio.current_task()})  # type: ignore[arg-type]
