"""Counting the ways between the event loop and its threads, as asgiref goes them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from asgiref.sync import AsyncToSync, SyncToAsync


@dataclass
class Crossings:
    """What was run on the other side, in the order in which it was called.

    `into_threads` names the functions that `sync_to_async` ran, `onto_the_loop` the coroutine functions
    that `async_to_sync` ran; `threads` holds the threads that the first were run on.
    """

    into_threads: list[str] = field(default_factory=list)
    onto_the_loop: list[str] = field(default_factory=list)
    threads: set[threading.Thread] = field(default_factory=set)

    @property
    def text(self) -> str:
        """The three numbers in words."""
        many = "" if len(self.threads) == 1 else "s"
        return (
            f"{len(self.into_threads)} into a thread, {len(self.onto_the_loop)} back to the event loop, "
            f"{len(self.threads)} thread{many}"
        )

    def __repr__(self) -> str:
        return self.text


@contextmanager
def crossings() -> Iterator[Crossings]:
    """Count every call through `sync_to_async` and `async_to_sync` in this process during the `with` block."""
    seen = Crossings()
    there, back, arrived = SyncToAsync.__call__, AsyncToSync.__call__, SyncToAsync.thread_handler

    async def counted_there(self: Any, *args: Any, **kwargs: Any) -> Any:
        seen.into_threads.append(_named(self.func))
        return await there(self, *args, **kwargs)

    def counted_back(self: Any, *args: Any, **kwargs: Any) -> Any:
        seen.onto_the_loop.append(_named(self.awaitable))
        return back(self, *args, **kwargs)

    def noted_arrival(self: Any, *args: Any, **kwargs: Any) -> Any:
        seen.threads.add(threading.current_thread())
        return arrived(self, *args, **kwargs)

    # Trap: asgiref has no hook for it. The class is patched, so that what was wrapped before counts as well.
    _patch(counted_there, counted_back, noted_arrival)
    try:
        yield seen
    finally:
        _patch(there, back, arrived)


def _patch(there: Any, back: Any, arrived: Any) -> None:
    for kind, name, value in (
        (SyncToAsync, "__call__", there),
        (AsyncToSync, "__call__", back),
        (SyncToAsync, "thread_handler", arrived),
    ):
        setattr(kind, name, value)


def _named(function: Callable[..., Any]) -> str:
    wrapped = getattr(function, "__wrapped__", function)  # Django wraps each middleware, to catch its errors
    return getattr(wrapped, "__qualname__", type(wrapped).__qualname__)
