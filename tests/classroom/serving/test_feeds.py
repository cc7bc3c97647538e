"""Reading a stream in the background: line by line, to its end or without one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tutorial_project.classroom import read_feed, serve


async def application(scope, receive, send) -> None:
    """Says which event was the last, then what its path asks for."""
    seen = dict(scope["headers"]).get(b"last-event-id", b"none")
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"seen: " + seen + b"\n\n", "more_body": True})
    if scope["path"] == "/waits/":
        await receive(), await receive()
    await send({"type": "http.response.body", "body": b"bye\n", "more_body": scope["path"] == "/breaks/"})


@pytest.fixture
def url() -> Iterator[str]:
    with serve(application) as server:
        yield server.url


def test_it_has_the_lines_and_the_end(url: str) -> None:
    async def read() -> tuple[str, list[str]]:
        feed = await read_feed(f"{url}/ends/", last_event_id="7")
        return await feed.end(), feed.lines

    assert asyncio.run(read()) == ("came to its end", ["seen: 7", "bye"])


def test_it_tells_an_answer_that_was_cut_off(url: str) -> None:
    async def read() -> tuple[str, str]:
        feed = await read_feed(f"{url}/breaks/")
        return await feed.end(), feed.lines[0]

    assert asyncio.run(read()) == ("was cut off", "seen: none")


def test_a_line_that_cannot_come_any_more_is_an_error(url: str) -> None:
    async def read() -> None:
        await (await read_feed(f"{url}/ends/")).until(3)

    with pytest.raises(RuntimeError, match="came to its end after"):
        asyncio.run(read())


def test_who_leaves_has_left(url: str) -> None:
    async def leave() -> None:
        feed = await read_feed(f"{url}/waits/")
        await feed.leave()
        await feed.end()

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(leave())
