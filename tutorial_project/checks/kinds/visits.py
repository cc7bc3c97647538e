"""Requests under way while the event loop's clock is held: a proof says what happens when."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from typing import TYPE_CHECKING

from tutorial_project.checks.proofs.clock import PATIENCE, HeldClock, held_clock
from tutorial_project.checks.proofs.event_loop import blocking_calls_refused

if TYPE_CHECKING:
    from tutorial_project.checks.outcome import Reply
    from tutorial_project.checks.trial import Trial


class Visits:
    """Requests that are under way at the same moment.

    Attributes:
        clock: the clock that they live by.
    """

    def __init__(self, trial: Trial, asking: list[asyncio.Future[Reply]], clock: HeldClock) -> None:
        self._trial, self._asking, self.clock = trial, asking, clock

    def send(self, path: str) -> None:
        """Send one more GET request, while the others are under way."""
        self._asking.append(asyncio.ensure_future(self._trial.get(path)))

    @property
    def answered(self) -> int:
        """How many of them are answered."""
        return sum(asking.done() for asking in self._asking)

    @property
    def over(self) -> bool:
        """Whether all of them are answered."""
        return self.answered == len(self._asking)

    async def until(self, condition: Callable[[], object], patience: float = PATIENCE) -> bool:
        """Wait until the condition holds, or all are answered; whether it holds. The clock stands still."""
        await self.clock.until(lambda: condition() or self.over, patience)
        return bool(condition())

    async def replies(self, patience: float = PATIENCE) -> list[Reply]:
        """The replies, in the order of the requests; none when one of them still waits after `patience`."""
        answered = await self.clock.until(lambda: self.over, patience)
        return [asking.result() for asking in self._asking] if answered else []


@asynccontextmanager
async def visits(trial: Trial, *paths: str, may_block: bool = False) -> AsyncIterator[Visits]:
    """Send GET requests together while the clock is held, and end with the block those that still wait.

    Args:
        trial: the answer they are sent to.
        paths: where they go.
        may_block: let an answer block the event loop; else its blocking calls raise where it makes them.
    """
    asking: list[asyncio.Future[Reply]] = []
    with nullcontext() if may_block else blocking_calls_refused(trial.answer):
        try:
            with held_clock() as clock:
                sent = Visits(trial, asking, clock)
                for path in paths:
                    sent.send(path)
                yield sent
        finally:
            # Trap: only now, where the clock moves again. An answer that takes its cancellation for an error
            # goes on, and the judge's own limit has to end it.
            for one in asking:
                one.cancel()
            await asyncio.wait(asking)
