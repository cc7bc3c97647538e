import asyncio
from typing import Any


class CountedEvent(asyncio.Event):
    """Knows how many wait for it."""

    waiting = 0

    async def wait(self) -> Any:
        self.waiting += 1
        try:
            return await super().wait()
        finally:
            self.waiting -= 1
