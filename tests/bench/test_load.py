"""The load: as many requests as asked for, at the same time, and only right answers count."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from bench.load import rate, together
from bench.serving import listening_socket

OK = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nContent-Length: 5\r\n\r\nhello"


@asynccontextmanager
async def server(answer: Callable[[], Awaitable[bytes]]) -> AsyncIterator[int]:
    """A server that answers each request with these bytes; yields its port."""
    visits: list[asyncio.Task[None]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visits.append(asyncio.current_task())
        while await reader.readline():
            await reader.readuntil(b"\r\n\r\n")
            writer.write(await answer())
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(serve, sock=listening_socket()) as listening:
        yield listening.sockets[0].getsockname()[1]
        await asyncio.gather(*visits)


def test_every_request_of_a_rate_is_sent_and_answered() -> None:
    answered = 0

    async def answer() -> bytes:
        nonlocal answered
        answered += 1
        return OK

    async def measured() -> float:
        async with server(answer) as port:
            return await rate(port, "/", requests=12, at_once=4)

    assert asyncio.run(measured()) > 0
    assert answered == 4 + 12, "one on each connection before the clock runs, and those that count"


def test_all_requests_wait_at_the_same_time() -> None:
    async def measured() -> float:
        everybody = asyncio.Barrier(300)

        async def answer() -> bytes:
            await everybody.wait()
            return OK

        async with server(answer) as port, asyncio.timeout(30):
            return await together(port, "/", 300)

    assert asyncio.run(measured()) > 0


@pytest.mark.parametrize(
    "wrong", [OK.replace(b"200 OK", b"500 Internal Server Error"), OK.replace(b"Content-Length", b"X-Length")]
)
def test_an_answer_that_is_not_the_expected_one_stops_the_measurement(wrong: bytes) -> None:
    async def answer() -> bytes:
        return wrong

    async def measured() -> float:
        async with server(answer) as port:
            return await rate(port, "/", requests=2, at_once=1)

    with pytest.raises(RuntimeError, match="the server answered"):
        asyncio.run(measured())
