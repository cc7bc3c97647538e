"""Load on a server of this machine: `python -m bench.load rate PORT PATH REQUESTS AT_ONCE`, or `… together PORT PATH REQUESTS`.

In a process of its own, so that it takes no time from the server's event loop.
"""

# Trap: not httpx. Its pool walks over all of its connections for each request, and the load measures itself.
from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from time import perf_counter

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


class Connection:
    """A kept connection to a server on 127.0.0.1; see `connected`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str) -> None:
        self.reader, self.writer = reader, writer
        self.request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()

    async def ask(self) -> None:
        """Send one request and read the whole answer.

        Raises:
            RuntimeError: when the answer is not a 200 with a length.
        """
        self.writer.write(self.request)
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = LENGTH.search(head)
        if not head.startswith(b"HTTP/1.1 200 ") or length is None:
            raise RuntimeError(f"the server answered {head[:200]!r}")
        await self.reader.readexactly(int(length[1]))

    async def ask_often(self, requests: int) -> None:
        """Send requests one after another."""
        for _ in range(requests):
            await self.ask()


@asynccontextmanager
async def connected(port: int, path: str) -> AsyncIterator[Connection]:
    """A connection, closed at the end of the block."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Connection(reader, writer, path)
    finally:
        writer.close()
        await writer.wait_closed()


async def rate(port: int, path: str, requests: int, at_once: int) -> float:
    """Requests answered in a second, over `at_once` kept connections."""
    async with AsyncExitStack() as stack:
        kept = [await stack.enter_async_context(connected(port, path)) for _ in range(at_once)]
        await asyncio.gather(*(connection.ask() for connection in kept))  # connect before the clock runs
        each = requests // at_once
        started = perf_counter()
        await asyncio.gather(*(connection.ask_often(each) for connection in kept))
        return each * at_once / (perf_counter() - started)


async def together(port: int, path: str, requests: int) -> float:
    """Seconds until all requests are answered, sent at the same moment over a new connection each."""

    async def one() -> None:
        async with connected(port, path) as connection:
            await connection.ask()

    started = perf_counter()
    await asyncio.gather(*(one() for _ in range(requests)))
    return perf_counter() - started


if __name__ == "__main__":
    kind, port, path, *numbers = sys.argv[1:]
    measure = {"rate": rate, "together": together}[kind]
    print(json.dumps(asyncio.run(measure(int(port), path, *map(int, numbers)))))
