"""Lets one caller in, and the next one when that has left."""

from __future__ import annotations

import asyncio
from typing import Any
from weakref import WeakKeyDictionary

from .calls import Adversary, Call
from .rehearsal import Rehearsal
from .taps import is_stream, tap


class OneAtATime(Adversary):
    """A right answer behind one lock, which a stream holds until its end."""

    def __init__(self) -> None:
        self._locks: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()

    async def call(self, call: Call) -> Any:
        if call.lasts:
            return await call.proceed()
        lock = self._locks.setdefault(asyncio.get_running_loop(), asyncio.Lock())
        await lock.acquire()
        release = _Once(lock.release)
        try:
            value = await call.proceed()
            if is_stream(value):
                tap(value, on_end=release)
                value._resource_closers.append(release)  # when the client leaves before the end
                release = _Once(lambda: None)
            return value
        finally:
            release()

    def can_act(self, heard: Rehearsal) -> bool:
        # An answer that never waits lets nobody in between, with and without a lock.
        return heard.gives_way


class _Once:
    def __init__(self, function: Any) -> None:
        self._function = function

    def __call__(self) -> None:
        function, self._function = self._function, lambda: None
        function()
