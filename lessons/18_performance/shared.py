from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

TURNS = 60
"""Turns of the event loop after which an answer has done what it does by itself."""
PATIENCE = 2.5
"""Seconds that a check waits for something that an answer has to do."""


async def settled() -> None:
    """Let the answer do all that it does by itself."""
    for _ in range(TURNS):
        await asyncio.sleep(0)


async def comes_true(condition: Callable[[], bool], calling: asyncio.Future) -> bool:
    """Whether a condition holds before the call has ended, and before the patience is over."""
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while not condition() and not calling.done() and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(0)
    return condition()


def made_up_seconds() -> float:
    """Some seconds that nobody can know."""
    return random.randint(10_000, 3_000_000) / 1_000_000
