"""Reading a stream of lines from a server while it is made, as a browser's `EventSource` does."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx

LIMIT = 20.0
"""Seconds within which what must come has to come."""


class Feed:
    """A stream that is read in the background; `lines` are those that came, without empty ones.

    Args:
        url: its address.
        headers: of the request.
    """

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        self.lines: list[str] = []
        self._came = asyncio.Event()
        self._task = asyncio.create_task(self._read(url, headers))

    async def until(self, number: int) -> list[str]:
        """Wait until that many lines have come; return all of them.

        Raises:
            RuntimeError: when the stream ends before.
            TimeoutError: when they do not come within twenty seconds.
        """
        async with asyncio.timeout(LIMIT):
            while len(self.lines) < number:
                if self._task.done():
                    raise RuntimeError(f"the stream {self._task.result()} after {self.lines}")
                self._came.clear()
                await self._came.wait()
        return self.lines

    async def end(self) -> str:
        """Wait for the end: "came to its end", or "was cut off" in the middle of the answer.

        Raises:
            TimeoutError: when there is no end within twenty seconds.
        """
        async with asyncio.timeout(LIMIT):
            return await asyncio.shield(self._task)

    async def leave(self) -> None:
        """Close the connection, as a visitor does who goes away."""
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _read(self, url: str, headers: dict[str, str]) -> str:
        try:
            async with httpx.AsyncClient(trust_env=False, timeout=None) as client:
                await self._collect(client.stream("GET", url, headers=headers))
        except httpx.HTTPError:
            return "was cut off"
        finally:
            self._came.set()
        return "came to its end"

    async def _collect(self, request: Any) -> None:
        async with request as response:
            async for line in response.aiter_lines():
                if line:
                    self.lines.append(line)
                    self._came.set()


async def read_feed(url: str, *, last_event_id: str = "") -> Feed:
    """Ask for a stream, and read it in the background from its first line on.

    Args:
        url: its address.
        last_event_id: the id of the last event that this reader has seen, sent as `Last-Event-ID`.

    Returns:
        The feed, whose first line has come: whatever happens from now on, the view is there to send it.

    Raises:
        RuntimeError: when the stream ends before.
        TimeoutError: when no line comes within twenty seconds.
    """
    feed = Feed(url, {"Last-Event-ID": last_event_id} if last_event_id else {})
    await feed.until(1)
    return feed
