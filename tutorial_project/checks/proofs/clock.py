"""An event loop whose clock a proof moves, so that a limit is proven by its length and not by a fast machine."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from weakref import WeakKeyDictionary

STEP = 0.01
"""Seconds that the clock moves at once: what is due in between gets its turn before the next step."""

PATIENCE = 2.5
"""Real seconds that something may take that does not wait for the clock."""


class HeldClock:
    """The clock of the running event loop: it stands still, and `advance` moves it.

    Attributes:
        now: the time that `loop.time()` gives, in seconds.
    """

    def __init__(self, now: float) -> None:
        self.now = now

    async def advance(self, seconds: float) -> None:
        """Move the clock by this many seconds; every timer that falls due on the way rings."""
        end = self.now + seconds
        while self.now < end:
            self.now = min(self.now + STEP, end)
            for _ in range(5):
                await asyncio.sleep(0)

    async def pause(self, seconds: float) -> None:
        """Let real time pass, for what waits outside of this loop, while the clock stands still."""
        await asyncio.to_thread(time.sleep, seconds)

    async def until(self, condition: Callable[[], object], patience: float = PATIENCE) -> bool:
        """Wait until the condition holds, while the clock stands still.

        Args:
            condition: looked at again and again.
            patience: real seconds after which False is returned.
        """
        given_up = time.monotonic() + patience
        while not condition():
            if time.monotonic() > given_up:
                return False
            await self.pause(0.001)
        return True


# Trap: a proof that is made beside another one may hold the clock as well, and either of them ends first.
_held: WeakKeyDictionary[asyncio.AbstractEventLoop, list[HeldClock]] = WeakKeyDictionary()


@contextmanager
def held_clock() -> Iterator[HeldClock]:
    """Stop the clock of the running event loop for the block; at its end it shows the real time again.

    Limits of asyncio, aiohttp and httpx follow this clock. A limit in a thread follows the real one.
    """
    # Trap: in the block no `asyncio.timeout` ends by itself, that of the judge neither. Wait with `until`.
    loop = asyncio.get_running_loop()
    clocks = _held.setdefault(loop, [])
    clocks.append(clock := HeldClock(loop.time()))
    loop.time = lambda: clocks[-1].now  # type: ignore[method-assign]
    try:
        yield clock
    finally:
        clocks.remove(clock)
        if not clocks:
            del loop.time
