from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any
from unittest import mock

from django.conf import settings
from django.contrib.auth.models import User
from django.test import AsyncClient
from django.utils import timezone

from tutorial_project.checks import Reply, Task, Trial
from tutorial_project.checks.kinds.made_up import made_up
from tutorial_project.classroom import on_duty
from tutorial_project.trips.models import Booking, Destination, Trip
from tutorial_project.words import counted

from ..shared import expect_on_the_loop, site_of

my_trips = Task(
    "my_trips",
    routes=["my-trips/"],
    beside="shows_travellers_their_trips",
    hints=(
        "Half of the visitors get an answer. What do the office and the health check have in common with them?",
        "Who is logged in has to be read from the database, and `request.user` does that when it is first looked at: on the "
        "event loop. Then look at the log again: a second line may do the same.",
        "`user = await request.auser()`, and `user.bookings.select_related('trip')`, so that `booking.trip` needs no query of its "
        "own.",
    ),
    praise="Right: the two rows that the page read behind your back are read where it awaits. A visitor without a session needs "
    "no query, which is why nobody in the office saw it.",
)


async def session_of(username: str) -> dict[str, str]:
    """The header of a browser in which this user is logged in."""
    client = AsyncClient()
    await client.aforce_login(await User.objects.aget(username=username))
    return {"Cookie": f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"}


@my_trips.seen_by_operations
async def seen(answer: Any) -> Any:
    traveller = await a_traveller("Two weeks in Porto")
    async with on_duty(site_of(my_trips, answer)) as duty:
        await duty.send("/my-trips/", times=4)
        await duty.send("/my-trips/?from=letter", times=4, headers=await session_of(traveller))
    duty.note("?from=letter", "visitors with a session, such as the one who wrote")
    return duty


async def a_traveller(*titles: str) -> str:
    """The username of a new traveller who has booked these trips, in this order."""
    user = await User.objects.acreate(username=made_up("traveller"), first_name="Ada", password="!")
    for number, title in reversed(list(enumerate(titles))):  # so that the keys tell nothing of the order
        await books(user.username, title, number)
    return user.username


async def books(username: str, title: str, number: int) -> None:
    """Let a traveller book a new trip, which departs before those booked before; every other one has left the shop."""
    destination = await Destination.objects.afirst()
    trip = await Trip.objects.acreate(
        destination=destination,
        title=title,
        departs=date(2031, 12, 31) - timedelta(days=number),
        nights=3,
        price=900,
        seats=9,
        seats_left=8,
        active=number % 2 == 0,
    )
    await Booking.objects.acreate(
        trip=trip,
        traveller=await User.objects.aget(username=username),
        created_at=timezone.now() + timedelta(minutes=number),
    )


@my_trips.requirement(
    'answers `GET /my-trips/` with `{"traveller": null, "trips": []}` for a visitor who is not logged in'
)
async def knows_no_stranger(trial: Trial) -> None:
    (await trial.get("/my-trips/")).expect(200, json={"traveller": None, "trips": []})


@my_trips.requirement(
    'answers with `{"traveller": "ada", "trips": ["…", "…"]}` for Ada, when she is logged in: the titles of the trips that she has '
    "booked, the first booking first"
)
async def shows_travellers_their_trips(trial: Trial) -> None:
    for number in (11, 1, 0):
        titles = [made_up("trip") for _ in range(number)]
        name, visitor = await a_traveller(*titles), Trial(trial.answer, trial.task)
        await visitor.log_in(name)
        for _ in range(2):
            with guard_stays_on():
                reply: Reply = await visitor.get("/my-trips/")
            reply.sent += f"  by {name}, who is logged in and has booked {counted(len(titles), 'trip')}"
            reply.expect(200, json={"traveller": name, "trips": titles}, **words(reply))
            titles.append(titles[0] if titles else made_up("trip"))  # the same tour, once more
            await books(name, titles[-1], len(titles))


@contextmanager
def guard_stays_on() -> Iterator[None]:
    """Let Django refuse a query on the event loop, whatever an answer writes into the environment."""
    with mock.patch("django.utils.asyncio.os", SimpleNamespace(environ={})):
        yield


def words(reply: Reply) -> dict[str, str]:
    if reply.value is not None and reply.status == 200 and reply.json == {"traveller": None, "trips": []}:
        return {
            "because": "a traveller who is logged in is taken for a stranger: the error is gone, and so is the page"
        }
    return {}


@my_trips.requirement("is awaited on the event loop, as before")
async def stays_on_the_loop(trial: Trial) -> None:
    await expect_on_the_loop(trial, "/my-trips/")


@my_trips.requirement("takes a visitor whose session is over for one who is not logged in")
async def bears_an_old_session(trial: Trial) -> None:
    trial.set_cookie(settings.SESSION_COOKIE_NAME, made_up("session"))
    reply = await trial.get("/my-trips/")
    reply.sent += "  with the cookie of a session that is over"
    reply.expect(200, json={"traveller": None, "trips": []})

    name, visitor = await a_traveller(made_up("trip")), Trial(trial.answer, trial.task)
    await visitor.log_in(name)
    user = await User.objects.aget(username=name)
    user.set_unusable_password()  # whoever changes the password ends the sessions everywhere
    await user.asave()
    reply = await visitor.get("/my-trips/")
    reply.sent += f"  with the session of {name}, whose password was changed since"
    reply.expect(200, json={"traveller": None, "trips": []})
