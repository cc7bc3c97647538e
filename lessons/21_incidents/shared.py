import warnings
from asyncio.selector_events import BaseSelectorEventLoop
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from django.contrib.auth.models import User
from django.db.models import Sum
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path

from tutorial_project.checks import Outcome, Refusal, Task, Trial
from tutorial_project.checks.kinds.made_up import made_up
from tutorial_project.checks.kinds.streams import OpenStream
from tutorial_project.checks.outcome import heard
from tutorial_project.checks.proofs.postgresql import OtherProcess
from tutorial_project.classroom import most_at_once  # noqa: F401 - one way to the classroom for all incidents
from tutorial_project.services import ask
from tutorial_project.trips.models import Booking, Destination, Trip

TABLES = ("trips_trip", "trips_booking")
"""Where seats are sold."""
TRANSACTIONS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend' AND state <> 'idle'
    AND pid <> pg_backend_pid()
"""
ROUNDS, QUIET_ROUNDS = 600, 12
"""Questions of the check's own, until all is over at the latest, and in which nothing changed any more."""
TROUBLE = {"/failing?status=503": "answers 503", "/half": "breaks off"}
"""How a service fails."""


async def opening_hours(request: HttpRequest) -> HttpResponse:
    return HttpResponse("Monday to Friday, 9 to 18")


def site_of(task: Task, answer: Any) -> list[URLPattern]:
    """The page of an incident, and one beside it that waits for nothing."""
    view = answer.as_view() if hasattr(answer, "as_view") else answer
    return [*(path(route, view) for route in task.routes), path("opening-hours/", opening_hours)]


async def expect_on_the_loop(trial: Trial, address: str, **request: Any) -> None:
    """Refuse a page that was made sync: it answers, and costs a thread for each visitor who waits."""
    try:
        await trial.runs_on_the_loop(address, **request)
    except Refusal as refusal:
        raise Refusal(
            sent=refusal.sent,
            expected=refusal.expected,
            got=refusal.got,
            because="a plain `def` hides the fault, and costs one thread for each visitor as long as they wait",
            next="let the view stay `async def`, and mend the line that is at fault",
        ) from None


@contextmanager
def nothing_left() -> Iterator[None]:
    """Closes, at the end, what the answer has left open on loops that are closed."""
    made, making = [], BaseSelectorEventLoop._make_socket_transport

    def make(*args: Any, **kwargs: Any) -> Any:
        # Trap: held here, or Python's garbage collector would close some of them, with a warning, at any moment.
        made.append(transport := making(*args, **kwargs))
        return transport

    with mock.patch.object(BaseSelectorEventLoop, "_make_socket_transport", make), warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            yield
        finally:
            for transport in made:
                if transport._sock is not None and transport._loop.is_closed():
                    transport._sock.close()
                    transport._sock = None  # its `__del__` would warn


async def a_trip(seats_left: int) -> int:
    """A new trip, with more seats than are left."""
    destination = await Destination.objects.afirst()
    trip = await Trip.objects.acreate(
        destination=destination,
        title=made_up("trip"),
        departs="2031-05-01",
        nights=3,
        price=900,
        seats=40,
        seats_left=seats_left,
    )
    return trip.pk


async def travellers(number: int) -> list[int]:
    rows = [User(username=made_up("traveller"), password="!") for _ in range(number)]
    return [row.pk for row in await User.objects.abulk_create(rows)]


async def stored(trip: int) -> tuple[int, int, int]:
    """The seats left of a trip, how many bookings it has, and the seats in these."""
    booked = await Booking.objects.filter(trip=trip).aaggregate(seats=Sum("seats", default=0))
    left = await Trip.objects.values_list("seats_left", flat=True).aget(pk=trip)
    return left, await Booking.objects.filter(trip=trip).acount(), booked["seats"]


def shown(left: int, bookings: int, seats: int) -> str:
    return f"{left} seats left, and {bookings} bookings of {seats} seats in all"


async def expect_stored(sent: str, trip: int, expected: tuple[int, int, int], **words: str) -> None:
    Outcome(sent, shown(*(await stored(trip)))).expect(shown(*expected), **words)


async def a_round() -> None:
    """The time that the machine needs for a question and its answer."""
    heard.get()()
    await ask("rates/CHF", wait=0)


async def all_is_over(process: OtherProcess, condition: Callable[[], bool] = lambda: True) -> None:
    """Wait until nobody is in a transaction, and the condition holds, for some rounds."""
    quiet = 0
    for _ in range(ROUNDS):
        quiet = quiet + 1 if condition() and not await process.value(TRANSACTIONS) else 0
        if quiet == QUIET_ROUNDS:
            return
        await a_round()


async def expect_both_or_neither(
    process: OtherProcess, order: Callable[[int], OpenStream], seats: int
) -> None:
    """Refuse half of an order whose traveller leaves while its first, or its second, write waits."""
    # Trap: who only cancels a request leaves its view running; a server says that the client has gone.
    for table in TABLES:
        trip = await a_trip(5)
        await process.close_the_gate([table])
        async with order(trip) as ordering:
            await process.all_stand_still([ordering.call])
            ordering.leave()
            await a_round()
            await process.open_the_gate()
            await all_is_over(process)
        found, both = shown(*await stored(trip)), shown(5 - seats, 1, seats)
        Outcome(f"an order of a traveller who leaves while {table} waits to be written", found).expect_that(
            found in (both, shown(5, 0, 0)),
            f"{both}; or nothing of it",
            because="one half was written, and stayed",
        )
