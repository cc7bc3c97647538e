from __future__ import annotations

import asyncio
import gc
import itertools
import json
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from tutorial_project.checks import Outcome, Task, Trial
from tutorial_project.checks.kinds.streams import OpenStream
from tutorial_project.checks.outcome import quoted
from tutorial_project.checks.proofs.clock import held_clock
from tutorial_project.checks.proofs.connections import statements
from tutorial_project.checks.proofs.event_loop import tasks_of
from tutorial_project.checks.proofs.postgresql import OtherProcess, other_process
from tutorial_project.classroom import postgresql
from tutorial_project.classroom.data.connections import every_statement_through
from tutorial_project.classroom.data.postgresql_server import connect
from tutorial_project.words import counted

from ..shared import CountedEvent

review_feed = Task(
    "review_feed",
    routes=["reviews/feed/"],
    state=lambda: {"listening": Listener().listening},
    database=postgresql,
    hints=(
        "When can a review be stored so that your feed has looked already, and does not listen yet, or no more?",
        "Listen first, then look. And clear `news` before each look, not after it: what is stored after the look sets it again.",
        "`with listening() as news:` `seen = await last_seen()`, `yield` the retry, and for ever: `news.clear()`, `async for review in "
        'Review.objects.filter(pk__gt=seen).order_by("pk")`: yield it and set `seen`; then `await give_back()` and '
        "`await news.wait()`, with `connection.close()` in a function of that name under `@sync_to_async`",
    ),
    praise="Right: the table keeps, the news only wakes. So it does not matter how many reviews one piece of news stands for, "
    "nor that a client was away meanwhile.",
)

RETRY = "retry: 500\n\n"
MORE_THAN_A_PAGE = 108
"""Reviews that were stored while a client was away."""
INSERT = "INSERT INTO trips_review (trip_id, author_id, rating, text) SELECT %s, min(id), %s, '' FROM auth_user RETURNING id"


@dataclass(frozen=True)
class Stored:
    """A review that another process has stored."""

    pk: int
    trip: int
    rating: int

    @property
    def event(self) -> tuple[str, dict[str, int]]:
        return str(self.pk), {"trip": self.trip, "rating": self.rating}


class Listener:
    """What a server's layer keeps for its process: who listens to PostgreSQL there."""

    _pairs = itertools.cycle([(2, 1), (4, 3), (6, 5), (8, 7), (10, 9)])

    def __init__(self) -> None:
        self.feeds: list[CountedEvent] = []
        """One for each feed: set when another process may have stored something."""
        self.given: list[CountedEvent] = []
        """The same, and those of feeds that are over."""
        self.trips = next(self._pairs)
        """The trips that are reviewed for these feeds: they also hear of what another check stores meanwhile."""
        self._turns = itertools.cycle(self.trips)

    @contextmanager
    def listening(self) -> Iterator[CountedEvent]:
        self.feeds.append(news := CountedEvent())
        self.given.append(news)
        try:
            yield news
        finally:
            self.feeds.remove(news)

    def made_up(self) -> tuple[int, int]:
        """A trip and a rating of it; the trips take turns, the later one first."""
        return next(self._turns), random.randint(1, 5)

    def wake(self) -> None:
        for news in self.feeds:
            news.set()

    async def all_wait(self) -> None:
        """Give the feeds a moment to come to their wait; one that never waits for news is looked at all the same."""
        with suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                while not all(news.waiting for news in self.feeds):
                    await asyncio.sleep(0.002)


class Feed(OpenStream):
    """The feed as a server calls it, for a client that may come back."""

    def __init__(
        self,
        trial: Trial,
        listener: Listener,
        last_event_id: str | None = None,
        slow_at: Callable[[str], bool] = lambda text: False,
    ) -> None:
        super().__init__(trial, "/reviews/feed/", slow_at)
        self._scope["state"] = {"listening": listener.listening}
        self._trips = listener.trips
        if last_event_id is not None:
            self.sent += f"  with Last-Event-ID: {last_event_id}"
            self._scope["headers"] = [*self._scope["headers"], (b"last-event-id", last_event_id.encode())]

    @property
    def events(self) -> list[tuple[str, Any]]:
        """The events so far, but for those of another check: their ids, and their data."""
        fields = [
            dict(line.split(": ", 1) for line in block.splitlines() if ": " in line) for block in self._blocks
        ]
        events = [(event.get("id", ""), _json(event["data"])) for event in fields if "data" in event]
        return [event for event in events if self._is_for_it(event[1])]

    def _is_for_it(self, data: Any) -> bool:
        return not isinstance(data, dict) or data.get("trip") in (*self._trips, None)

    @property
    def _blocks(self) -> list[str]:
        return self.text.split("\n\n")[:-1]

    async def begins(self) -> None:
        """Wait for the first line."""
        await self.until(lambda: self.text.startswith(RETRY), repr(RETRY), lambda: {"got": shown(self.text)})
        Outcome(self.sent, self.headers.get("content-type")).expect_that(
            self.headers.get("content-type", "").startswith("text/event-stream"),
            "the content type text/event-stream",
        )

    async def has_sent(self, expected: list[Stored], sent: str = "", **words: str) -> None:
        """Wait until exactly these reviews were sent."""
        self.sent += sent
        events = [review.event for review in expected]
        got = lambda: {"got": said(self.events)} | (words if len(self.events) < len(events) else {})  # noqa: E731
        await self.until(lambda: len(self.events) >= len(events), said(events), got)
        await asyncio.sleep(0)
        Outcome(self.sent).expect_that(self.events == events, said(events), **got())


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def shown(text: str) -> str:
    return quoted(repr(text)) if text else "nothing"


def said(events: list[tuple[str, Any]]) -> str:
    """Events in short: the last of them, and how many there are."""
    if not events:
        return "no event"
    pk, data = events[-1]
    return f"{counted(len(events), 'event')}, the last with the id {pk or 'nothing'} and {data if isinstance(data, str) else json.dumps(data)}"


async def stored(process: OtherProcess, listener: Listener, number: int = 1) -> list[Stored]:
    """Reviews of this moment, which another process stores together and then tells everybody."""
    await process.execute("BEGIN")
    reviews = []
    for _ in range(number):
        values = listener.made_up()
        reviews.append(Stored(await process.value(INSERT, *values), *values))
    await process.execute("NOTIFY reviews; COMMIT")
    listener.wake()
    return reviews


@review_feed.requirement(
    "sends `retry: 500` and an empty line at once, and then to each client each review that any process stores from now on, as an event: "
    '`id: 7`, `data: {"trip": 3, "rating": 5}` and an empty line, in the order of their ids'
)
async def sends_each_review(trial: Trial) -> None:
    listener = Listener()
    async with other_process() as process, Feed(trial, listener) as feed, Feed(trial, listener) as another:
        another.sent += "  while another client listens"
        for each in (feed, another):
            await each.begins()
        await listener.all_wait()
        sent: list[Stored] = []
        for number in (1, 3, 1):
            sent += await stored(process, listener, number)
            for each in (feed, another):
                await each.has_sent(sent)


@review_feed.requirement(
    "goes on after `Last-Event-ID`: a client that comes back with it first gets what was stored meanwhile; whoever brings none, or one that "
    "is no number, begins with what comes from now on"
)
async def goes_on_after_the_last_one(trial: Trial) -> None:
    listener = Listener()
    async with other_process() as process:
        before, gone, *missed = await stored(process, listener, MORE_THAN_A_PAGE)
        await process.execute("DELETE FROM trips_review WHERE id = %s", gone.pk)
        for seen, then in ((gone, missed), (missed[0], missed[1:]), (before, missed)):
            async with Feed(trial, listener, str(seen.pk)) as feed:
                await feed.has_sent(then)
        async with Feed(trial, listener, str(before.pk)) as feed:
            await feed.has_sent(missed)
            await feed.has_sent(missed + await stored(process, listener))
        for odd in ("", "seven", "7.5", "-", "4" * 40):
            async with Feed(trial, listener, odd) as feed:
                await feed.begins()
                await listener.all_wait()
                new = await stored(process, listener)
                if len(odd) < 40:  # an id that is far away may as well be waited for
                    await feed.has_sent(new)
        await process.execute("DELETE FROM trips_review")
        async with Feed(trial, listener) as feed:
            feed.sent += "  while there is no review yet"
            await feed.begins()
            await listener.all_wait()
            await feed.has_sent(first := await stored(process, listener))
        async with Feed(trial, listener, "0") as feed:  # a number, and less than all
            await feed.has_sent(first)


@review_feed.requirement(
    "misses none, and sends none twice: not one that is stored while it begins, right after it has looked into the table, or while a slow "
    "client takes an event"
)
async def misses_nothing(trial: Trial) -> None:
    await _stored_while_it_begins(trial)
    await _stored_after_each_look(trial)
    await _stored_while_a_client_takes_one(trial)


async def _stored_while_it_begins(trial: Trial) -> None:
    listener = Listener()
    async with other_process() as process, Feed(trial, listener, slow_at=bool) as feed:
        await feed.until(lambda: feed.held, repr(RETRY), lambda: {"got": shown(feed.text)})
        new = await stored(process, listener)
        feed.take_again()
        await feed.has_sent(
            new,
            "  and a review is stored while the first line is on its way",
            because="it listened, or looked where to begin, only when the client had taken the first line",
        )


async def _stored_after_each_look(trial: Trial) -> None:
    listener = Listener()
    async with other_process(), Feed(trial, listener) as feed:
        with _storing_after_each_look(listener, 4) as new:
            await feed.until(
                lambda: len(new) == 4 and len(feed.events) >= 4,
                "one event more, for a review that is stored right after it has looked into the table",
                lambda: {
                    "got": f"{counted(len(feed.events), 'event')} of {counted(len(new), 'review')}: it waits",
                    "because": "what set `news` after the look was cleared, or nobody listened then",
                },
            )
            await feed.has_sent(new, "  and a review is stored right after each look into the table")


@contextmanager
def _storing_after_each_look(listener: Listener, times: int) -> Iterator[list[Stored]]:
    """Let another process store a review whenever a thread has just asked for reviews."""
    loop, new = asyncio.get_running_loop(), list[Stored]()
    other = connect()

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        result = execute(sql, params, many, context)
        if "trips_review" in sql and len(new) < times:
            values = listener.made_up()
            new.append(Stored(other.execute(INSERT, values).fetchone()[0], *values))
            loop.call_soon_threadsafe(listener.wake)
        return result

    try:
        with every_statement_through(note):
            yield new
    finally:
        other.close()


async def _stored_while_a_client_takes_one(trial: Trial) -> None:
    listener = Listener()
    async with (
        other_process() as process,
        Feed(trial, listener, slow_at=lambda text: "data: " in text) as slow,
        Feed(trial, listener) as quick,
    ):
        for feed in (slow, quick):
            await feed.begins()
        first = await stored(process, listener)
        await slow.until(lambda: slow.held, said([first[0].event]), lambda: {"got": said(slow.events)})
        more = await stored(process, listener, 2)
        await quick.has_sent(first + more, "  while another client is slow")
        slow.take_again()
        await slow.has_sent(first + more, "  and two more are stored while the client takes the first")


@review_feed.requirement(
    "holds no connection to the database while it waits for news, and asks it nothing meanwhile"
)
async def waits_without_the_database(trial: Trial) -> None:
    listener = Listener()
    async with other_process() as process:
        before = await process.connections()
        async with Feed(trial, listener) as feed, Feed(trial, listener) as another:
            feed.sent += ", twice"
            for each in (feed, another):
                await each.begins()
            await listener.all_wait()
            await _holds_no_connection(process, before, f"{feed.sent}, before there is any news")
            new = await stored(process, listener)
            for each in (feed, another):
                await each.has_sent(new)
            await listener.all_wait()
            await _holds_no_connection(process, before, feed.sent)
            with statements() as asked, held_clock() as clock:
                await clock.advance(5)
                await clock.pause(0.05)
            Outcome(feed.sent).expect_that(
                not asked,
                "no question to the database while nothing is new",
                got=f"{counted(len(asked), 'question')} within five seconds",
                next="`await news.wait()`",
            )


async def _holds_no_connection(process: OtherProcess, before: int, sent: str) -> None:
    held = await process.connections(until=before) - before
    Outcome(sent).expect_that(
        held <= 0,
        "no connection to the database while both wait",
        got=counted(held, "connection"),
        because="Django gives a connection back when the request is over, and a feed is not over",
        next="before the wait, close it in the thread that has it: `connection.close()` in a function under `@sync_to_async`",
    )


@review_feed.requirement("listens no more, and leaves no task and no connection, when its client has gone")
async def leaves_nothing(trial: Trial) -> None:
    async with other_process() as process:
        await _leaves_nothing(trial, process, "waits for news")
        await _leaves_nothing(trial, process, "takes the first line", slow_at=bool)
        await _leaves_nothing(trial, process, "takes an event", slow_at=lambda text: "data: " in text)


async def _leaves_nothing(
    trial: Trial, process: OtherProcess, when: str, slow_at: Callable[[str], bool] = lambda text: False
) -> None:
    listener, tasks = Listener(), asyncio.all_tasks()
    before = await process.connections()
    async with Feed(trial, listener, slow_at=slow_at) as feed:
        await feed.begins()
        if not feed.held:
            new = await stored(process, listener, 2)
            await feed.has_sent(new[:1] if "event" in when else new)
        if not feed.held:
            await listener.all_wait()
        feed.leave()
        await feed.until(lambda: feed.ended, "the end of the feed", lambda: {"got": "it goes on"})
    gc.collect()  # what stands at a `yield` is closed when Python throws it away
    await asyncio.sleep(0)
    found = _left(trial, listener, tasks)
    connections = await process.connections(until=before) - before
    found |= {"connection": max(connections, 0)}
    Outcome(f"{feed.sent}, and the client goes while it {when}").expect_that(
        not any(found.values()),
        "nobody who listens, no task and no connection",
        got=", ".join(counted(number, what) for what, number in found.items() if number),
    )


def _left(trial: Trial, listener: Listener, tasks: set[asyncio.Task[Any]]) -> dict[str, int]:
    """What a feed has left behind; its tasks are ended."""
    left, waiting = tasks_of(trial.answer, tasks), sum(news.waiting for news in listener.given)
    for task in left:
        task.cancel()
    found = {"listener": len(listener.feeds), "task": max(len(left), waiting)}
    for news in listener.given:
        news.set()
    return found
