import asyncio
import gc
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from tutorial_project.checks import Outcome, Task, Trial
from tutorial_project.checks.kinds.made_up import made_up
from tutorial_project.checks.kinds.streams import OpenStream
from tutorial_project.checks.outcome import quoted
from tutorial_project.checks.proofs.clock import held_clock
from tutorial_project.checks.proofs.postgresql import other_process
from tutorial_project.classroom import on_duty, postgresql
from tutorial_project.services import ask
from tutorial_project.trips.departures import board
from tutorial_project.trips.models import Destination, Trip
from tutorial_project.words import counted

from ..shared import site_of

trip_screen = Task(
    "trip_screen",
    routes=["screens/<int:pk>/"],
    database=postgresql,
    hints=(
        "Compare two counts: screens that are on, and connections of the database. What does one screen keep, and since when?",
        "A request keeps the connection of its first query until its answer has ended, and the answer of a screen ends at night. "
        "After the title is read, nothing here asks the database any more.",
        "Give the connection back on the thread that opened it, before the stream begins: `await sync_to_async(connections.close_all)()`. Not `connection.close`: that would be looked up on the loop's thread.",
    ),
    praise="Right: what a stream read before it began, it need not hold. A pool would not have helped: with four connections, the "
    "fifth screen would have waited for the first one to be switched off.",
)

SCREENS = 5
IDLE = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND state = 'idle' AND query LIKE 'SELECT%FROM "trips_trip"%'
"""
"""How many connections do nothing, and have asked for a trip last."""
ROUNDS = 12
"""Questions of the check's own, in which what must come has to come."""


@trip_screen.seen_by_operations
async def seen(answer: Any) -> Any:
    trip = await a_trip(made_up("trip"))
    async with on_duty(site_of(trip_screen, answer)) as duty, other_process() as process:
        before = await process.connections()
        screens = asyncio.ensure_future(duty.send(f"/screens/{trip}/", times=12, leaves_after=3.0))
        while board.listeners < 12 and not screens.done():
            await ask("echo")
        during = await process.connections(until=before)
        idle = await process.value(IDLE)
        await screens
        while board.listeners:
            await ask("echo")
        after = await process.connections(until=before)
        limit = await process.value("SELECT current_setting('max_connections')::int")
    duty.note("screens", "12 switched on, and switched off again after 3 s")
    duty.note(
        "connections", f"{before} before, {during} while they are on, {after} afterwards; {limit} at most"
    )
    if during > before:
        duty.note("idle", f'{idle} of them, and the last that they did was `SELECT … FROM "trips_trip"`')
    return duty


async def a_trip(title: str) -> int:
    destination = await Destination.objects.afirst()
    trip = await Trip.objects.acreate(
        destination=destination, title=title, departs="2031-05-01", nights=3, price=900, seats=9, seats_left=9
    )
    return trip.pk


def a_departure() -> tuple[dict[str, Any], str]:
    """A departure that nobody could know, and its line."""
    city, gate = made_up("city"), random.randrange(1, 99)
    return {"to": city, "gate": gate}, f"{city}, gate {gate}\n"


@asynccontextmanager
async def screens(trial: Trial, *trips: int) -> AsyncIterator[list[OpenStream]]:
    """Screens that are on for the block, one for each trip; nobody listens to the board before or afterwards.

    Each is switched on when the one before it shows something.
    """
    for queue in list(board._queues):
        board.leave(queue)
    try:
        async with AsyncExitStack() as stack:
            opened = []
            for trip in trips:
                opened.append(screen := OpenStream(trial, f"/screens/{trip}/"))
                await stack.enter_async_context(screen)
                await patiently(lambda: screen.text or screen.ended)
            yield opened
    finally:
        board.announce(a_departure()[0])  # wakes an answer that would wait for ever, so that it can be ended


async def shows(screen: OpenStream, text: str) -> None:
    """Wait until a screen shows this text, and nothing else."""
    await patiently(lambda: len(screen.text) >= len(text) or screen.ended)
    await screen.until(
        lambda: screen.text == text, quoted(text), lambda: {"got": quoted(screen.text) or "nothing"}
    )


async def patiently(condition: Callable[[], object]) -> None:
    for _ in range(ROUNDS):
        if condition():
            return
        await ask("echo")


@trip_screen.requirement(
    "answers `GET /screens/7/` with 200 and a stream: the title of the trip at once, and then a line for each departure, such as "
    "`Kyoto, gate 4`"
)
async def shows_the_trip_and_departures(trial: Trial) -> None:
    title = f"{made_up('trip')} & back"
    trip = await a_trip(title)
    for name in (title, made_up("trip")):
        await Trip.objects.filter(pk=trip).aupdate(title=name)
        async with screens(trial, trip) as [screen]:
            await shows(screen, expected := f"{name}\n")
            once, twice = a_departure(), a_departure()
            for departure, _ in (once, twice, twice):  # the same train, announced once more
                board.announce(departure)
            for _, line in (once, twice, twice):
                expected += line
            await shows(screen, expected)
        Outcome(screen.sent, screen.status).expect(200)
    async with screens(trial, random.randrange(10**6, 10**7)) as [screen]:
        screen.sent += "  where no such trip is"
        await screen.until(
            lambda: screen.status == 404, "404, as before", lambda: {"got": f"{screen.status}"}
        )


async def stays_on(screen: OpenStream) -> None:
    """Let an hour go by on the event loop's clock, in which nothing departs."""
    with held_clock() as clock:
        clock.now += 3600
        await clock.advance(0.1)
    await patiently(lambda: screen.ended)
    Outcome(f"{screen.sent}, and nothing departs for an hour", "the stream has ended").expect_that(
        not screen.ended, "the screen stays on"
    )


@trip_screen.requirement(
    f"serves {SCREENS} screens at the same time: each departure is on all of them at once"
)
async def serves_many_screens(trial: Trial) -> None:
    titles = [made_up("trip") for _ in range(SCREENS - 1)]
    trips = [await a_trip(title) for title in titles]
    shown = [*titles, titles[0]]  # two screens have the same trip
    async with screens(trial, *trips, trips[0]) as all_screens:
        for screen in all_screens:
            screen.sent += f"  while {SCREENS - 1} other screens are on"
        await all_show(all_screens, [f"{title}\n" for title in shown])
        departure, line = a_departure()
        board.announce(departure)
        await all_show(all_screens, [f"{title}\n{line}" for title in shown])
        first, *others = all_screens
        first.leave()
        await patiently(lambda: first.ended)
        for screen in others:
            screen.sent += ", and one of them is switched off"
        departure, later = a_departure()
        board.announce(departure)
        await all_show(others, [f"{title}\n{line}{later}" for title in shown[1:]])


async def all_show(all_screens: list[OpenStream], texts: list[str]) -> None:
    for screen, text in zip(all_screens, texts, strict=True):
        await shows(screen, text)


@trip_screen.requirement("leaves the board when its screen is switched off")
async def leaves_the_board(trial: Trial) -> None:
    trip = await a_trip(title := made_up("trip"))
    async with screens(trial, trip) as [screen]:
        await shows(screen, f"{title}\n")
        await stays_on(screen)
        screen.leave()
        await expect_nobody_listens(f"{screen.sent}, and the screen is switched off")
    async with OpenStream(trial, f"/screens/{trip}/", slow_at=lambda text: title in text) as screen:
        await shows(screen, f"{title}\n")
        screen.leave()
        await asyncio.wait([screen.call], timeout=3.0)
        gc.collect()  # Django leaves a stream that is not waiting to the collector
        await expect_nobody_listens(f"{screen.sent}, and the screen is switched off while the title is sent")


async def expect_nobody_listens(sent: str) -> None:
    await patiently(lambda: not board.listeners)
    Outcome(sent, f"{counted(board.listeners, 'listener')} on the board").expect("0 listeners on the board")


@trip_screen.requirement("keeps no connection of the database while a screen is on, however many are")
async def keeps_no_connection(trial: Trial) -> None:
    titles = [made_up("trip") for _ in range(SCREENS)]
    trips = [await a_trip(title) for title in titles]
    async with other_process() as process:
        before = await process.connections()
        async with screens(trial, *trips) as all_screens:
            await all_show(all_screens, [f"{title}\n" for title in titles])
            more = await process.connections(until=before) - before
            expected = ""
            for _ in range(2):  # the second one is shown when all is done that follows the first one
                departure, line = a_departure()
                board.announce(departure)
                expected += line
                await all_show(all_screens, [f"{title}\n{expected}" for title in titles])
            later = await process.connections(until=before) - before
    expect_none_kept("all of them on", more, "as soon as the title is read")
    expect_none_kept("all of them on, after a departure", later, "each time that something was asked")


def expect_none_kept(when: str, more: int, moment: str) -> None:
    Outcome(
        f"{SCREENS} × GET /screens/…/, {when}",
        f"{counted(max(more, 0), 'connection')} more than before",
    ).expect_that(
        more <= 0,
        "as many connections as before",
        because="a connection that was opened for a screen stays open with it: the request's own until the answer has ended, one "
        "that a thread of the pool opened even longer",
        next=f"close it on the thread that opened it, {moment}",
    )
