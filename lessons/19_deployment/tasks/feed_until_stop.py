from __future__ import annotations

import asyncio
import gc
import json
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any
from unittest import mock
from uuid import uuid4

from tutorial_project.checks import Outcome, Task, Trial
from tutorial_project.checks.kinds.listeners import why_nobody_listens
from tutorial_project.checks.kinds.messages import Message
from tutorial_project.checks.kinds.streams import OpenStream
from tutorial_project.checks.outcome import quoted
from tutorial_project.checks.proofs.clock import HeldClock, held_clock
from tutorial_project.checks.proofs.event_loop import tasks_of
from tutorial_project.trips.departures import board
from tutorial_project.words import counted

from ..shared import CountedEvent

RETRY = "retry: 500\n\n"

feed_until_stop = Task(
    "feed_until_stop",
    routes=["departures/"],
    state=lambda: {"stopping": asyncio.Event()},
    hints=(
        "A feed waits for two things at once. How can one of them reach it through the other?",
        "Join the board inside the generator. Let a task wait for `stopping`, and put a mark into the queue then: whatever was "
        "announced before stands before the mark.",
        "`async def close(): await stopping.wait(); queue.put_nowait(None)`, started with `asyncio.create_task`; then "
        '`while (departure := await queue.get()) is not None: yield …`, `yield "retry: 500\\n\\n"`, and in `finally:` '
        "`ending.cancel()` and `board.leave(queue)`",
    ),
    praise="Right: the queue keeps the order, so the mark for the end stands behind all that was announced before. "
    "Waiting for two tasks with `asyncio.wait` works, too, if the queue is emptied before the end.",
)


class Feed(OpenStream):
    """The feed as a server calls it, with the state that its layer has set up at the start."""

    def __init__(
        self, trial: Trial, stopping: asyncio.Event, slow_at: Callable[[str], bool] = lambda text: False
    ) -> None:
        super().__init__(trial, "/departures/", slow_at)
        self._scope["state"] = {"stopping": stopping}


def made_up(number: int) -> list[dict[str, Any]]:
    """Departures that nobody knows yet, with what JSON writes in another way."""
    first = random.randrange(100, 900)
    return [{"id": first + n, "to": f'Gate "{uuid4().hex[:8]}"'} for n in range(number)]


def as_event(departure: dict[str, Any]) -> str:
    return f"id: {departure['id']}\ndata: {json.dumps(departure)}\n\n"


class Queues:
    """The queues that a board has given away, and how many wait for something in them."""

    def __init__(self) -> None:
        self.waiting = 0
        self._join, self._given = board.join, list[asyncio.Queue[Any]]()

    def join(self) -> asyncio.Queue[Any]:
        queue = self._join()
        get = queue.get

        async def counted_get() -> Any:
            self.waiting += 1
            try:
                return await get()
            finally:
                self.waiting -= 1

        queue.get = counted_get  # type: ignore[method-assign]
        self._given.append(queue)  # so that Python does not throw away who waits there
        return queue

    def why_one_is_lost(self) -> dict[str, str]:
        """Words for the feed of these queues, which has ended before all was sent."""
        if any(queue.qsize() for queue in self._given):
            return {
                "because": "the feed ended with departures in its queue",
                "next": "empty the queue before the end, or let the stop itself come through the queue",
            }
        return {"because": "a departure was taken out of the queue, and not sent"}


@contextmanager
def watched_board() -> Iterator[Queues]:
    """A board without listeners, whose `join` is watched; who listens afterwards is woken up, and taken off."""
    for queue in list(board._queues):
        board.leave(queue)
    queues = Queues()
    try:
        with mock.patch.object(board, "join", wraps=queues.join):
            yield queues
    finally:
        board.announce(made_up(1)[0])


async def connected(stream: Feed, listeners: int = 1) -> None:
    await stream.until(
        lambda: board.listeners == listeners and bool(stream.text),
        f"`: welcome`, and of `board` {counted(listeners, 'listener')}",
        lambda: (
            {"got": f"{board.listeners} listeners, and {quoted(repr(stream.text))}"} | why_nobody_listens()
        ),
    )
    for _ in range(5):  # Trap: a task that the feed has started by now may not have begun
        await asyncio.sleep(0)


async def comes(stream: Feed, expected: str) -> None:
    """Wait until the stream has sent this, after its welcome, and nothing else."""
    whole = ": welcome\n\n" + expected
    shown = lambda: {"got": its_end(stream.text)}  # noqa: E731
    await stream.until(lambda: len(stream.text) >= len(whole), its_end(whole), shown)
    Outcome(stream.sent).expect_that(stream.text == whole, its_end(whole), **shown())


def its_end(text: str) -> str:
    """The text, or of a long one the last two events."""
    return repr(text) if len(text) < 150 else f"…{repr(text[-120:])[1:-1]}"


async def ends_with(
    stream: Feed,
    expected: list[dict[str, Any]],
    sent: str,
    why_lost: Callable[[], dict[str, str]] = dict,
) -> None:
    """Wait for the end of the stream, and refuse unless it has sent exactly this."""
    stream.sent = sent
    whole = ": welcome\n\n" + "".join(map(as_event, expected)) + RETRY
    went_on = lambda: {"got": f"it goes on, after {quoted(repr(stream.text[-90:]))}"}  # noqa: E731
    await stream.until(lambda: stream.ended, "the end of the feed within a second", went_on)
    lost = any(json.dumps(departure["to"]) not in stream.text for departure in expected)
    Outcome(sent, error=stream._call.exception()).expect_that(
        stream.text == whole,
        quoted(repr(whole)),
        got=quoted(repr(stream.text)),
        **(why_lost() if lost else {}),
    )


@feed_until_stop.requirement(
    "sends `: welcome` and an empty line at once, and each departure of `board` to each client at once, as an event: `id: 7`, "
    '`data: {"id": 7, "to": "Kyoto"}` and an empty line'
)
async def sends_events(trial: Trial) -> None:
    with watched_board():
        async with Feed(trial, asyncio.Event()) as stream, Feed(trial, asyncio.Event()) as another:
            another.sent += "  while another client listens"
            await connected_both(stream, another)
            sent = ""
            departures = made_up(12)
            departures[-1]["to"] = departures[0]["to"]  # two leave for one city
            for number, departure in enumerate(departures):
                if number == 1:
                    await asyncio.sleep(0.12)  # nothing departs for a while
                board.announce(departure)
                sent += as_event(departure)
                await comes(stream, sent)
                await comes(another, sent)
            Outcome(stream.sent, stream.headers.get("content-type")).expect_that(
                stream.headers.get("content-type", "").startswith("text/event-stream"),
                "the content type text/event-stream",
            )


async def connected_both(stream: Feed, another: Feed) -> None:
    await stream.until(
        lambda: bool(stream.text), "`: welcome`, before anything departs", lambda: sent_so_far(stream)
    )
    await connected(another, 2)


def sent_so_far(stream: Feed) -> dict[str, str]:
    return {"got": quoted(repr(stream.text)) if stream.messages else "nothing was sent"}


@feed_until_stop.requirement(
    "sends `retry: 500` and an empty line and ends, within a second, when `stopping` is set while it waits for a departure, and "
    "leaves it set"
)
async def ends_at_stop(trial: Trial) -> None:
    for number in (0, 2):
        stopping, departures = asyncio.Event(), made_up(number)
        with watched_board():
            async with Feed(trial, stopping) as stream:
                await connected(stream)
                for departure in departures:
                    board.announce(departure)
                await comes(stream, "".join(map(as_event, departures)))
                stopping.set()
                await ends_with(stream, departures, "GET /departures/, and then `stopping` is set")
                Outcome(
                    f"{stream.sent}, and the feed has ended", f"stopping.is_set() is {stopping.is_set()}"
                ).expect("stopping.is_set() is True", because="others look at it, too")


@feed_until_stop.requirement(
    "sends before its end all that was announced before `stopping` was set, even if in the same moment, and over a slow "
    "connection, too"
)
async def loses_nothing(trial: Trial) -> None:
    await _announced_in_the_same_moment(trial)
    await _announced_while_it_begins(trial)
    await _over_a_slow_connection(trial)
    await _a_minute_for_each(trial)


async def _announced_in_the_same_moment(trial: Trial) -> None:
    stopping, departures = asyncio.Event(), made_up(3)
    with watched_board() as queues:
        async with Feed(trial, stopping) as stream:
            await connected(stream)
            for departure in departures:
                board.announce(departure)
            stopping.set()
            await ends_with(
                stream,
                departures,
                "GET /departures/, three departures, and `stopping` is set in the same moment",
                queues.why_one_is_lost,
            )


async def _announced_while_it_begins(trial: Trial) -> None:
    departures = made_up(1)
    with watched_board():
        async with Feed(trial, asyncio.Event(), slow_at=bool) as stream:
            await stream.until(lambda: stream.held, "`: welcome`", lambda: sent_so_far(stream))
            board.announce(departures[0])
            stream.take_again()
            stream.sent += "  with a departure while `: welcome` is on its way"
            whole = ": welcome\n\n" + as_event(departures[0])
            await stream.until(
                lambda: stream.text == whole,
                quoted(repr(whole)),
                lambda: {
                    "got": quoted(repr(stream.text)),
                    "because": "the board was joined only when the client had taken the welcome",
                    "next": "`board.join()` before the first `yield`",
                },
            )


NOT_SENT_ANY_MORE = {
    "because": "what was announced while the client took the first departure was not sent any more",
    "next": "empty the queue before the end, or let the stop itself come through the queue",
}


async def _over_a_slow_connection(trial: Trial) -> None:
    stopping, departures = asyncio.Event(), made_up(12)
    first = json.dumps(departures[0]["to"])
    with watched_board():
        async with Feed(trial, stopping, slow_at=lambda text: first in text) as stream:
            await connected(stream)
            board.announce(departures[0])
            await stream.until(lambda: stream.held, "the first departure", lambda: {"got": "it was not sent"})
            for departure in departures[1:]:
                board.announce(departure)
            stopping.set()
            await asyncio.sleep(0)
            reading = asyncio.ensure_future(stream.read_on())
            try:
                await ends_with(
                    stream,
                    departures,
                    "GET /departures/, and `stopping` is set while a departure is on its way",
                    lambda: NOT_SENT_ANY_MORE,
                )
            finally:
                reading.cancel()


class SlowFeed(Feed):
    """A feed whose client takes a minute for each message, by a clock that is held."""

    clock: HeldClock | None = None

    async def _send(self, message: Message) -> None:
        await super()._send(message)
        if self.clock is not None:
            self.clock.now += 60
            for _ in range(20):  # so that what is due by then has its turn
                await asyncio.sleep(0)


async def _a_minute_for_each(trial: Trial) -> None:
    stopping, departures = asyncio.Event(), made_up(4)
    with watched_board() as queues:
        async with SlowFeed(trial, stopping) as stream:
            await connected(stream)
            with held_clock() as stream.clock:
                for departure in departures:
                    board.announce(departure)
                stopping.set()
                sent = lambda: as_event(departures[-1]) in stream.text or stream.ended  # noqa: E731
                await stream.clock.until(sent, patience=1.0)
                await stream.clock.advance(1)  # for a feed that looks now and then whether it is to end
                stream.clock = None
            await ends_with(
                stream,
                departures,
                "GET /departures/, four departures, `stopping` is set, and the client takes a minute for each",
                queues.why_one_is_lost,
            )


@feed_until_stop.requirement(
    "leaves `board`, and no task that goes on, when it has ended and when the client goes"
)
async def leaves_nothing(trial: Trial) -> None:
    await _leaves_nothing(trial, "`stopping` is set")
    await _leaves_nothing(trial, "the client goes")
    await _leaves_nothing(trial, "the client goes while `: welcome` is on its way", slow_at=bool)
    at_the_end = "the client goes while `retry: 500` is on its way"
    await _leaves_nothing(trial, at_the_end, slow_at=lambda text: RETRY in text)
    await _leaves_the_others_theirs(trial)


async def _leaves_nothing(
    trial: Trial, how: str, slow_at: Callable[[str], bool] = lambda text: False
) -> None:
    before = asyncio.all_tasks()
    stopping = CountedEvent()
    with watched_board() as queues:
        async with Feed(trial, stopping, slow_at) as stream:
            await connected(stream)
            if "client" not in how or RETRY.strip() in how:
                stopping.set()
            if RETRY.strip() in how:
                await stream.until(lambda: stream.held, repr(RETRY), lambda: sent_so_far(stream))
            if "client" in how:
                stream.leave()
            await stream.until(lambda: stream.ended, "the end of the feed", lambda: {"got": "it goes on"})
            await _nothing_is_left(trial, f"{stream.sent}, and {how}", before, stopping, queues)


async def _leaves_the_others_theirs(trial: Trial) -> None:
    """Refuse when the end of one feed takes from another what it needs for its own."""
    stopping, departures = asyncio.Event(), made_up(1)
    with watched_board():
        async with Feed(trial, stopping) as leaves, Feed(trial, stopping) as stays:
            await connected(stays, 2)
            leaves.leave()
            await leaves.until(lambda: leaves.ended, "the end of the feed", lambda: {"got": "it goes on"})
            board.announce(departures[0])
            stopping.set()
            await ends_with(
                stays,
                departures,
                "GET /departures/, another client goes, and then `stopping` is set",
                lambda: {"because": "the other feed has taken it off the board"},
            )


async def _nothing_is_left(
    trial: Trial, sent: str, before: set[asyncio.Task[Any]], stopping: CountedEvent, queues: Queues
) -> None:
    gc.collect()  # what stands at a `yield` is closed when Python throws it away
    with suppress(TimeoutError):
        async with asyncio.timeout(0.3):
            while board.listeners or tasks_of(trial.answer, before) or stopping.waiting or queues.waiting:
                await asyncio.sleep(0)
    Outcome(sent, f"{board.listeners} listener of `board`").expect_that(
        not board.listeners, "0 listeners of `board`", next="`board.leave(queue)` in `finally:`"
    )
    left = tasks_of(trial.answer, before)
    number = max(len(left), stopping.waiting, queues.waiting)
    stopping.set()
    for task in left:
        task.cancel()
    Outcome(sent, f"{number} task of the feed that goes on").expect_that(
        not number,
        "no task that goes on",
        because="a task that the feed has started is still there, and nothing cancels a task but its own `cancel()`",
        next="`task.cancel()` in the `finally`",
    )
