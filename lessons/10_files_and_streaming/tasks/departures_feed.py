import asyncio
import gc
import json
import random
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from unittest import mock

from tutorial_project.checks import Outcome, Task, Trial
from tutorial_project.checks.kinds.listeners import why_nobody_listens
from tutorial_project.checks.kinds.streams import OpenStream
from tutorial_project.checks.outcome import quoted
from tutorial_project.checks.proofs.clock import held_clock
from tutorial_project.checks.proofs.event_loop import tasks_of
from tutorial_project.trips.departures import board
from tutorial_project.words import counted

LISBON, KYOTO, BERGEN = (
    {"to": city, "gate": gate}
    for city, gate in zip(("Lisbon", "Kyoto", "Bergen"), random.sample(range(1, 100), 3), strict=True)
)


MORE = [{"to": f"Platform {number}", "gate": number} for number in range(1, 7)]


QUOTED = {"to": 'Rome "Termini"', "gate": 7}
"""The second of two such buses leaves at the same gate."""


NO_GATE = {"to": "Oslo", "gate": None}
"""A bus whose gate nobody knows yet leaves all the same."""


HEARTBEAT = ": still here\n\n"


SHORTLY_BEFORE, SHORTLY_AFTER = 0.08, 0.12
"""Seconds, with a HEARTBEAT of 0.1."""


departures_feed = Task(
    "departures_feed",
    routes=["departures/"],
    hints=(
        "Where does a generator stand when its client goes away, and which part of `try` runs in every case?",
        "Join the board inside the generator. Wait for its queue with a time limit: the limit's `TimeoutError` "
        "is the moment for a heartbeat. Leave the board in `finally`.",
        "`try: while True: try: async with asyncio.timeout(HEARTBEAT): departure = await queue.get()` … "
        '`except TimeoutError: yield ": still here\\n\\n"` … `finally: board.leave(queue)`',
    ),
    praise="Right: `finally` runs wherever the generator stands when the client goes, at an `await` or at a `yield`. "
    "A context manager of your own around `join` and `leave` would do the same.",
)


def shown(stream: OpenStream) -> dict[str, str | None]:
    """What was sent so far, for a verdict."""
    return {"got": quoted(repr(stream.text)) if stream.messages else "nothing was sent"}


async def connected(stream: OpenStream, screens: int = 1) -> None:
    """Wait until the answer has joined the board, as so many screens have by then."""
    said = counted(screens, "listener") + " of `board`"
    await stream.until(
        lambda: board.listeners == screens or (board.join.call_count == screens and bool(stream.text)),
        said,
        lambda: {"got": f"{board.listeners} listeners"} | why_nobody_listens(),
    )
    Outcome(stream.sent, f"{board.listeners} listeners").expect_that(
        board.listeners == screens, said, **why_nobody_listens()
    )


async def event_comes(stream: OpenStream, expected: list[Any], said: str, otherwise: Any) -> None:
    """Wait until the last of these events has come; refuse when it came in another form."""
    await stream.until(lambda: expected[-1]["to"] in stream.text, said, otherwise)
    await turns()  # for the rest of an event that is sent in pieces
    come = events(stream.text) == expected
    Outcome(stream.sent).expect_that(come, said, **({} if come else otherwise()))


async def turns() -> None:
    """Give the event loop many turns, and no time: whoever waits for nothing can go on."""
    for _ in range(1000):
        await asyncio.sleep(0)


def left_watched() -> Any:
    return mock.patch.object(board, "leave", wraps=board.leave)


@contextmanager
def empty_board() -> Iterator[list[asyncio.Queue[Any]]]:
    """A board without listeners, now and afterwards, whose `join` is watched: the queues that it gives."""
    for queue in list(board._queues):
        board.leave(queue)
    queues: list[asyncio.Queue[Any]] = []
    join = board.join

    def noted() -> asyncio.Queue[Any]:
        queues.append(join())
        return queues[-1]

    try:
        with (
            mock.patch.object(board, "join", side_effect=noted),
            left_watched(),
            warnings.catch_warnings(),
        ):
            # Trap: Django warns of a sync iterator whenever a generator fails with a TypeError, whatever it is.
            warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume")
            yield queues
    finally:
        board.announce(LISBON)  # wakes an answer that would wait for ever, so that it can be ended


def events(text: str) -> list[Any]:
    """The data of each complete event, from JSON where it is JSON."""
    blocks = text.replace("\r\n", "\n").split("\n\n")[:-1]
    data = ["\n".join(line[5:].strip() for line in b.split("\n") if line.startswith("data:")) for b in blocks]
    return [from_json(text) for text in data if text]


def from_json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


@departures_feed.requirement(
    "answers `GET /departures/` at once, before anything departs, with 200, `Content-Type: text/event-stream`, "
    "`Cache-Control: no-cache` and `X-Accel-Buffering: no`"
)
async def starts_at_once(trial: Trial) -> None:
    with empty_board():
        async with OpenStream(trial, "/departures/") as stream:
            await stream.until(
                lambda: bool(stream.messages),
                "status and headers, before anything departs",
                lambda: {
                    "got": "nothing was sent",
                    "because": "the view waits for a departure before it gives back the response",
                    "next": "wait inside the generator",
                },
            )
    kind, *others = ("text/event-stream", "no-cache", "no")
    told = [stream.headers.get(name, "") for name in ("content-type", "cache-control", "x-accel-buffering")]
    right = stream.status == 200 and told[0].split(";")[0] == kind and told[1:] == others
    Outcome(stream.sent, f"{stream.status} {as_headers(told)}").expect_that(
        right, f"200 {as_headers([kind, *others])}"
    )


def as_headers(values: list[str]) -> str:
    names = ("Content-Type", "Cache-Control", "X-Accel-Buffering")
    return ", ".join(f"{name}: {value or '(none)'}" for name, value in zip(names, values, strict=True))


@departures_feed.requirement(
    'sends what `board` announces as an event at once: `data: {"to": "Kyoto", "gate": 4}` and an empty line'
)
async def sends_events_one_by_one(trial: Trial) -> None:
    with empty_board():
        async with OpenStream(trial, "/departures/") as stream:
            await connected(stream)
            for number, departure in enumerate((LISBON, KYOTO), 1):
                board.announce(departure)
                await event_comes(
                    stream,
                    [LISBON, KYOTO][:number],
                    repr(f"data: {json.dumps(departure)}\n\n"),
                    lambda: shown(stream) | {"because": why_no_event(stream.text)},
                )
            board.announce(BERGEN)
            await turns()
            Outcome(stream.sent, "nothing yet, although it was announced").expect_that(
                events(stream.text) == [LISBON, KYOTO, BERGEN],
                f"{json.dumps(BERGEN)} at once",
                because="the feed waits for something else than its queue, and looks into that when it wakes up",
                next="await `queue.get()`, with a time limit around it",
            )
            await expect_all_at_once(stream)


async def expect_all_at_once(stream: OpenStream) -> None:
    """Refuse a feed that ends, or loses something, where many depart in one moment, some of them twice."""
    many = [QUOTED, QUOTED, NO_GATE, *(20 * MORE[:-1]), MORE[-1]]
    for departure in many:
        board.announce(departure)
    said = f"{len(many)} departures that are announced in one moment, all of them in their order"
    expected = [LISBON, KYOTO, BERGEN, *many]
    await stream.until(lambda: MORE[-1]["to"] in stream.text, said, lambda: shown(stream))
    await turns()
    told = events(stream.text)
    got = quoted(repr(stream.text)) if len(told) == len(expected) else f"{len(told) - 3} of them"
    Outcome(stream.sent).expect_that(told == expected, said, got=got)


def why_no_event(text: str) -> str | None:
    """The cause, where it is certain."""
    if "Lisbon" not in text:
        return None
    if not re.search("^data:", text, re.MULTILINE):
        return "no line starts with `data:`: a browser ignores every line whose field it does not know"
    if not events(text):
        return "the empty line is missing that ends an event: the browser goes on collecting"
    if all(event in (LISBON, KYOTO, BERGEN) for event in events(text)):
        return None
    return "the data is not the JSON of the departure"


@departures_feed.requirement(
    "sends every departure to every screen: one on a slow connection holds up nobody, and misses nothing"
)
async def serves_many_screens(trial: Trial) -> None:
    is_slow = lambda text: LISBON["to"] in text  # noqa: E731
    with empty_board():
        async with (
            OpenStream(trial, "/departures/", is_slow) as slow,
            OpenStream(trial, "/departures/") as third,
            OpenStream(trial, "/departures/") as other,
        ):
            slow.sent, other.sent = f"{slow.sent}  by a slow screen", f"{other.sent}  beside a slow screen"
            await connected(other, screens=3)
            board.announce(LISBON)
            await slow.until(lambda: slow.held, json.dumps(LISBON), lambda: shown(slow))
            for departure in MORE:
                board.announce(departure)
            all_of_them = f"{json.dumps(LISBON)} and the {len(MORE)} that are announced after it"
            for screen in (other, third, slow):
                slow.take_again() if screen is slow else None
                await event_comes(screen, [LISBON, *MORE], all_of_them, lambda: shown(screen))  # noqa: B023


@departures_feed.requirement(
    "sends the comment `: still here` and an empty line whenever `HEARTBEAT` seconds pass without a departure, "
    "and loses no departure over it"
)
async def sends_heartbeats(trial: Trial) -> None:
    with empty_board():
        async with OpenStream(trial, "/departures/") as stream:
            await connected(stream)
            await stream.until(
                lambda: stream.text.count(HEARTBEAT) >= 2, repr(HEARTBEAT * 2), lambda: shown(stream)
            )
            board.announce(BERGEN)
            said = f"two heartbeats, and then {json.dumps(BERGEN)}"
            await event_comes(stream, [BERGEN], said, lambda: shown(stream))
    await expect_heartbeats_in_time(trial)


async def expect_heartbeats_in_time(trial: Trial) -> None:
    with empty_board():
        async with OpenStream(trial, "/departures/") as stream:
            with held_clock() as clock:
                await clock.until(lambda: board.listeners or stream.ended)
                await turns()
                before = stream.text.count(HEARTBEAT)
                await clock.advance(SHORTLY_BEFORE)
                await turns()
                expect_heartbeats(stream, before, 0, f"{SHORTLY_BEFORE} seconds after it began")
                board.announce(BERGEN)
                await clock.until(lambda: BERGEN["to"] in stream.text)
                await clock.advance(SHORTLY_BEFORE)
                await turns()
                expect_heartbeats(stream, before, 0, f"{SHORTLY_BEFORE} seconds after a departure")
                await clock.advance(SHORTLY_AFTER - SHORTLY_BEFORE)
                await turns()
                expect_heartbeats(stream, before, 1, f"{SHORTLY_AFTER} seconds after a departure")


def expect_heartbeats(stream: OpenStream, before: int, number: int, when: str) -> None:
    found = stream.text.count(HEARTBEAT) - before
    Outcome(f"{stream.sent}, {when}", counted(found, "heartbeat")).expect_that(
        found == number, counted(number, "heartbeat"), got=counted(found, "heartbeat")
    )


@departures_feed.requirement(
    "ends, with every task that it has started, and leaves `board` when the client goes while it waits for a departure"
)
async def leaves_while_waiting(trial: Trial) -> None:
    before = asyncio.all_tasks()
    with empty_board() as queues:
        async with OpenStream(trial, "/departures/") as stream:
            await connected(stream)
            board.announce(KYOTO)
            await event_comes(stream, [KYOTO], json.dumps(KYOTO), lambda: shown(stream))
            await ends(stream)
            await nobody_listens(stream)
            await expect_no_task(stream, trial, before, queues)


async def expect_no_task(
    stream: OpenStream, trial: Trial, before: set[asyncio.Task[Any]], queues: list[asyncio.Queue[Any]]
) -> None:
    """Refuse when a task that was not there before goes on, or anybody waits for a queue of the board."""
    await turns()  # for a task that is cancelled and has not ended yet
    left = tasks_of(trial.answer, before)
    still_waits = any(not getter.done() for queue in queues for getter in queue._getters)  # type: ignore[attr-defined]
    for task in left:
        task.cancel()
    words = {
        "because": "a task that the feed has started is still there, and nothing cancels a task but its own `cancel()`",
        "next": "`task.cancel()` in the `finally`; or no task: a time limit around `queue.get()` is enough",
    }
    sent = f"{stream.sent}, and the client goes"
    Outcome(sent, "a task that still waits for `queue.get()`").expect_that(
        bool(left) or not still_waits, "nobody waits for the queue any more", **words
    )
    Outcome(sent, f"{len(left)} task of the feed that goes on").expect_that(
        not left, "no task that goes on", **words
    )


@departures_feed.requirement(
    "ends its tasks, and leaves `board`, too, when the client goes while an event is on its way over a slow connection"
)
async def leaves_while_sending(trial: Trial) -> None:
    before = asyncio.all_tasks()
    with empty_board() as queues:
        async with OpenStream(trial, "/departures/", slow_at=lambda text: "Kyoto" in text) as stream:
            await connected(stream)
            board.announce(KYOTO)
            await stream.until(lambda: stream.held, json.dumps(KYOTO), lambda: shown(stream))
            await ends(stream)
            await nobody_listens(
                stream,
                because="a generator that waits at its `yield` gets a GeneratorExit, and no CancelledError: `board.leave(queue)` "
                "was not called for it",
            )
            await expect_no_task(stream, trial, before, queues)


async def ends(stream: OpenStream) -> None:
    stream.leave()
    before = len(stream.messages)
    to_nobody = lambda: len(stream.messages) - before  # noqa: E731
    said = "the feed ends when the client goes"
    words = {
        "because": "the CancelledError was caught, and not raised again",
        "next": "`raise` at the end of `except asyncio.CancelledError:`, or only a `finally:`",
    }
    got = lambda: f"it goes on, with {to_nobody()} messages to nobody"  # noqa: E731
    await stream.until(lambda: stream.ended or to_nobody() > 3, said, lambda: {"got": got()} | words)
    Outcome(stream.sent, got()).expect_that(stream.ended, said, **words)


NOT_LEFT = "`board.leave(queue)` was not called when the generator was cancelled"


async def nobody_listens(stream: OpenStream, **words: str) -> None:
    if board.listeners:
        gc.collect()  # what stands at a `yield` is closed when Python throws it away
    with suppress(TimeoutError):
        async with asyncio.timeout(0.2):
            while board.listeners:
                await asyncio.sleep(0)
    Outcome(f"{stream.sent}, and the client goes", f"{board.listeners} listener of `board`").expect_that(
        board.listeners == 0,
        "0 listeners of `board`",
        **({} if board.leave.called else {"because": NOT_LEFT} | words),
    )
