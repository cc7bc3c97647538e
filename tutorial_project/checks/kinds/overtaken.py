"""Two calls of an answer for different data, the second one whole while the first waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, TypeVar

from tutorial_project.checks.beside import Hold

Value = TypeVar("Value")
Call = Callable[[], Coroutine[Any, Any, Value]]

PATIENCE = 0.5
"""Seconds that the second call may take; an answer that lets in one at a time is refused by another proof."""

MOST = 8
"""Waits of the first call that are looked at."""


async def overtaken(first: Call[Value], second: Call[Value]) -> AsyncIterator[tuple[Value, Value]]:
    """What both calls give, once for each wait of the first one: it was held there until the second was over.

    What an answer keeps during a wait, where every call finds it, is then the second one's, on every machine.

    Args:
        first: makes a call or request of a trial.
        second: makes the same for other data.

    Yields:
        what both gave; at least once, for a call that waits for nothing too.
    """
    for wait in range(1, MOST + 1):
        hold = Hold(at=wait)
        found = await _held(hold, first, second)
        if wait == 1 or hold.taken:
            yield found
        if not hold.taken:
            return


async def _held(hold: Hold, first: Call[Value], second: Call[Value]) -> tuple[Value, Value]:
    with hold:
        held = asyncio.ensure_future(first())
    inside = asyncio.ensure_future(hold.inside.wait())
    passing: asyncio.Future[Value] | None = None
    try:
        await asyncio.wait([held, inside], return_when=asyncio.FIRST_COMPLETED)
        passing = asyncio.ensure_future(second())
        await asyncio.wait([passing], timeout=PATIENCE)
        hold.released.set()
        return await held, await passing
    finally:
        hold.released.set()
        for left in filter(None, (held, inside, passing)):
            left.cancel()
