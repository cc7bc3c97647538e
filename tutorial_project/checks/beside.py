"""A call of an answer that waits is held there, to see what becomes of the others meanwhile."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Generator
from contextvars import ContextVar
from typing import Any


class Hold:
    """Holds a call in its context that waits: after that wait it goes on only when it is released.

    Args:
        at: which of the waits in its context this is: 1 for the first one.
    """

    def __init__(self, at: int = 1) -> None:
        self.taken, self._left = False, at
        self.inside, self.released = asyncio.Event(), asyncio.Event()

    def __enter__(self) -> Hold:
        self._token = _hold.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        _hold.reset(self._token)

    def takes(self) -> bool:
        """Whether it is this wait, which is over, after which the call is held; called once for each."""
        self._left -= 1
        if self._left == 0:
            self.taken = True
            self.inside.set()
        return self._left == 0


_hold: ContextVar[Hold | None] = ContextVar("hold", default=None)


def holdable(call: Awaitable[Any]) -> Awaitable[Any]:
    """The same call of an answer, held at its first wait where the context says so and nobody else is; else as it is."""
    hold = _hold.get()
    if hold is None or hold.taken:
        return call
    return _Held(call, hold)


def holdable_view(view: Callable[..., Any]) -> Callable[..., Any]:
    """The same async view; each call of it is `holdable`."""

    @functools.wraps(view)
    async def held(*args: Any, **kwargs: Any) -> Any:
        return await holdable(view(*args, **kwargs))

    return held


class _Held:
    """Awaits a call as `await` does, but for one stop."""

    def __init__(self, call: Awaitable[Any], hold: Hold) -> None:
        # Under this name a coroutine that is driven by hand is looked for, to tell where it waits.
        self.coroutine, self._hold = call, hold

    def _until_released(self) -> Generator[Any, Any, None]:
        # Trap: a limit of the answer may end while it is held; it must not go on then, beside whoever is tried meanwhile.
        cancelled: asyncio.CancelledError | None = None
        while not self._hold.released.is_set():
            try:
                yield from self._hold.released.wait().__await__()
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled is not None:
            raise cancelled

    def __await__(self) -> Generator[Any, Any, Any]:
        inner = self.coroutine.__await__()
        step: Callable[[], Any] = functools.partial(next, inner)
        while True:
            try:
                waits_for = step()
            except StopIteration as stop:
                return stop.value
            try:
                step = functools.partial(inner.send, (yield waits_for))
                waits = waits_for is not None  # None is `asyncio.sleep(0)`, which waits for nothing
                if waits and self._hold.takes():
                    yield from self._until_released()
            except GeneratorExit:
                inner.close()
                raise
            except BaseException as error:  # a cancellation belongs to the answer as well
                step = functools.partial(inner.throw, error)
