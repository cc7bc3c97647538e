"""What leaves the station just now, for everybody who wants to hear of it."""

from __future__ import annotations

import asyncio
from typing import Any

Departure = dict[str, Any]


class DepartureBoard:
    """Announcements to all listeners of this process; several processes would need a broker such as Redis.

    A listener joins, takes departures from its queue, and leaves. One that never leaves stays in the
    board's memory, and so does every departure that is announced to it.
    """

    def __init__(self) -> None:
        self._queues: dict[asyncio.Queue[Departure], asyncio.AbstractEventLoop] = {}

    @property
    def listeners(self) -> int:
        """How many have joined and not left."""
        return len(self._queues)

    def join(self) -> asyncio.Queue[Departure]:
        """Give a queue that gets every departure from now on; call it on the event loop that reads the queue."""
        queue: asyncio.Queue[Departure] = asyncio.Queue()
        self._queues[queue] = asyncio.get_running_loop()
        return queue

    def leave(self, queue: asyncio.Queue[Departure]) -> None:
        """Stop filling this queue. Safe to call twice."""
        self._queues.pop(queue, None)

    def announce(self, departure: Departure) -> None:
        """Tell all listeners of a departure, such as `{"to": "Kyoto", "gate": 4}`; safe to call on any thread."""
        for queue, loop in list(self._queues.items()):
            # Trap: an asyncio.Queue belongs to its event loop, and a server's loop is on another thread.
            loop.call_soon_threadsafe(queue.put_nowait, departure)


board = DepartureBoard()
