import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from django.http import StreamingHttpResponse

from tutorial_project.checks import Task, Trial
from tutorial_project.trips.departures import board

from ..shared import Run, Words, expect_failure, expect_pass, expect_pass_again, failed_line

# Task 3


def feed(events: Any) -> Any:
    async def view(request: Any) -> StreamingHttpResponse:
        _ = request.body  # Django closes the file of the body here, and not when the client leaves
        return StreamingHttpResponse(events(), content_type="text/event-stream")

    return view


def event(departure: Any) -> str:
    return f"data: {json.dumps(departure)}\n\n"


async def leaves_at_last() -> Any:
    queue = board.join()
    try:
        yield ": listening\n\n"
        while True:
            yield event(await queue.get())
    finally:
        board.leave(queue)


async def leaves_with_a_context_manager() -> Any:
    with listening() as queue:
        yield ": listening\n\n"
        departure = await queue.get()
        while departure:
            yield event(departure)
            departure = await queue.get()


@contextmanager
def listening() -> Iterator[asyncio.Queue[Any]]:
    queue = board.join()
    try:
        yield queue
    finally:
        board.leave(queue)


async def never_leaves() -> Any:
    queue = board.join()
    yield ": listening\n\n"
    while True:
        yield event(await queue.get())


async def leaves_after_errors() -> Any:
    queue = board.join()
    try:
        yield ": listening\n\n"
        while True:
            yield event(await queue.get())
    except Exception:
        board.leave(queue)
        raise


async def holds_back() -> Any:
    queue = board.join()
    try:
        yield ": listening\n\n"
        departure = await queue.get()
        while True:
            following = await queue.get()
            yield event(departure)
            departure = following
    finally:
        board.leave(queue)


async def tells_another() -> Any:
    queue = board.join()
    try:
        yield ": listening\n\n"
        while True:
            departure = await queue.get()
            yield event(
                {"to": "Bergen", "gate": 1} if departure["to"] != "Bergen" else {"to": "Lima", "gate": 40}
            )
    finally:
        board.leave(queue)


async def tells_another_city() -> Any:
    queue = board.join()
    try:
        yield ": listening\n\n"
        while True:
            departure = await queue.get()
            yield event({**departure, "to": "Lima" if departure["to"] != "Lima" else "Oslo"})
    finally:
        board.leave(queue)


async def tells_another_gate() -> Any:
    queue = board.join()
    try:
        yield ": listening\n\n"
        while True:
            departure = await queue.get()
            yield event({key: value if key == "to" else f"not {value}" for key, value in departure.items()})
    finally:
        board.leave(queue)


test_screen_is_switched_off = Task(
    "test_screen_is_switched_off",
    excused={
        "beside itself": "a test has the board for itself, and looks at everything that it holds",
        "holder": "a test has its process for itself, and may start a server and wait for it",
    },
    hints=(
        "Who tells the view that its client has left, and with which message?",
        "Play the server with `ApplicationCommunicator(get_asgi_application(), SCOPE)`: send `http.request`, receive "
        "the start and `: listening`, announce, receive, send `http.disconnect`, and wait.",
        'await server.send_input({"type": "http.disconnect"}); await server.wait(); assert board.listeners == 0; '
        'and before that event = await server.receive_output() after board.announce(…), with an assert on event["body"]',
    ),
    praise="Right: you sent what a server sends when a screen goes dark, and looked at what the view leaves behind. "
    "A real server and a client that hangs up would do too; then you have to wait until the view has noticed.",
)


async def played(expect: Any, trial: Trial, events: Any, *words: Any) -> None:
    """Run `expect` for a feed, on a board without listeners."""
    try:
        await expect(trial, "departures/", feed(events), *words)
    finally:
        board._queues.clear()


@contextmanager
def departures_noted() -> Iterator[list[int]]:
    """Collect how many listeners there are whenever a departure is announced."""
    heard: list[int] = []
    announce = board.announce

    def note(departure: Any) -> None:
        heard.append(board.listeners)
        announce(departure)

    with patch.object(board, "announce", note):
        yield heard


@test_screen_is_switched_off.requirement(
    "passes for the view above, and for one that leaves the board in a context manager of its own"
)
async def passes_for_both_feeds(trial: Trial) -> None:
    for events, about in (
        (leaves_at_last, "the view above"),
        (leaves_with_a_context_manager, "a view that leaves the board in a context manager"),
    ):
        with departures_noted() as heard:

            def words(outcome: Run, heard: list[int] = heard) -> Words:
                if 0 in heard:
                    return {
                        "because": "a departure was announced when nobody listened yet",
                        "next": "receive the start of the answer and `: listening`, and announce then",
                    }
                if isinstance(outcome.error, TimeoutError):
                    return {
                        "because": "the test waits for a message of the view, and none came",
                        "next": 'the view starts when it is sent `{"type": "http.request"}`, and tells a departure '
                        "when one is announced",
                    }
                if outcome.listeners and "listeners" in f"{outcome.error} {failed_line(outcome.error)}":
                    return {
                        "because": "the view still listens: its client has not left, or has left only just now. "
                        "`AsyncClient` can read a stream, and it cannot leave one",
                        "next": '`ApplicationCommunicator`: send `{"type": "http.disconnect"}`, then `await server.wait()`',
                    }
                return {}

            await played(expect_pass, trial, events, about, words)


@test_screen_is_switched_off.requirement(
    "fails for a view that never leaves the board, and passes again for the view above"
)
async def fails_without_clean_up(trial: Trial) -> None:
    next_step = "let the client leave, wait until the view has ended, and assert `board.listeners == 0`"
    await played(expect_failure, trial, never_leaves, "a view that never leaves the board", next_step)
    await played(expect_pass_again, trial, leaves_at_last)


@test_screen_is_switched_off.requirement(
    "fails for a view that leaves the board in `except Exception`, which a departing client does not raise"
)
async def fails_for_errors_only(trial: Trial) -> None:
    about = "a view that leaves the board after an Exception"
    next_step = 'no error of the view: send what a server sends, `{"type": "http.disconnect"}`'
    await played(expect_failure, trial, leaves_after_errors, about, next_step)


@test_screen_is_switched_off.requirement("fails for a view that holds each departure back until the next one")
async def fails_for_held_back(trial: Trial) -> None:
    about = "a view that holds each departure back"
    next_step = "announce one departure, and receive it before you go on"
    await played(expect_failure, trial, holds_back, about, next_step)


@test_screen_is_switched_off.requirement(
    "fails for a view that tells another departure than the one announced, or another city or gate of it"
)
async def fails_for_another_departure(trial: Trial) -> None:
    next_step = 'assert all that you received: `event["body"]`'
    views = {"departure": tells_another, "city": tells_another_city, "gate": tells_another_gate}
    for what, view in views.items():
        await played(expect_failure, trial, view, f"a view that tells another {what}", next_step)
