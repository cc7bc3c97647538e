"""Who holds the event loop: a step of the learner's code that waits or computes while everybody else stands in line."""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .own_code import OwnCode, frames_of_thread, shown_line
from .watchdog import in_one_turn

LOOK = 0.04
"""Seconds between two looks at the thread of the event loop."""
WAITING, COMPUTING = 0.2, 0.25
"""Seconds that one step may spend on waiting, and on a processor."""


@dataclass(frozen=True)
class Held:
    """The learner's line that held the event loop, as code, and what it did there: "waiting" or "computing"."""

    place: str
    doing: str


class HoldingWatch:
    """Looks, from another thread, for steps of the learner's code that hold the calling thread's event loop.

    What a busy machine adds does not count: seconds in which the thread was ready to run and got no processor.

    Args:
        own: tells the learner's code from all other.
    """

    def __init__(self, own: OwnCode) -> None:
        self.held: list[Held] = []
        self._own, self._loop = own, asyncio.get_running_loop()
        self._thread = threading.current_thread()
        self._marks = 0  # odd while the loop is inside a step
        self._over = threading.Event()

    def __enter__(self) -> HoldingWatch:
        self._run = asyncio.Handle._run
        asyncio.Handle._run = self._marked(self._run)  # type: ignore[method-assign]
        threading.Thread(target=self._watch, name="holding watch", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        asyncio.Handle._run = self._run  # type: ignore[method-assign]

    def _marked(self, run: Any) -> Any:
        def marked(handle: Any) -> None:
            if handle._loop is not self._loop:
                run(handle)
                return
            self._marks += 1
            try:
                run(handle)
            finally:
                self._marks += 1

        return marked

    def _watch(self) -> None:
        mark, before = -1, _spent(self._thread)
        while before and not self._over.wait(LOOK):
            if mark != self._marks or not mark % 2:
                mark, before = self._marks, _spent(self._thread)
            elif found := self._found(before):
                self.held.append(found)
                mark = -1

    def _found(self, before: _Spent) -> Held | None:
        now = _spent(self._thread) or before
        computing, waiting = now.computing - before.computing, now.waiting - before.waiting
        if waiting < WAITING and computing < COMPUTING:
            return None
        frame = self._own.innermost(in_one_turn(frames_of_thread(self._thread.ident)))
        if frame is None:
            return None
        return Held(shown_line(frame), "waiting" if waiting >= WAITING else "computing")


@dataclass(frozen=True)
class _Spent:
    """Seconds that a thread has spent on a processor, and neither on one nor in line for one."""

    computing: float
    waiting: float


def _spent(thread: threading.Thread) -> _Spent | None:
    """What a thread has spent; None where the system does not tell."""
    try:
        schedule = Path(f"/proc/self/task/{thread.native_id}/schedstat").read_text(encoding="ascii")
        computing, in_line = (int(nanoseconds) / 1e9 for nanoseconds in schedule.split()[:2])
    except (OSError, ValueError):
        return _spent_by_the_clock(thread)
    return _Spent(computing, time.monotonic() - computing - in_line)


def _spent_by_the_clock(thread: threading.Thread) -> _Spent | None:
    # Trap: without the scheduler's own count, standing in line for a processor looks like waiting.
    if not hasattr(time, "pthread_getcpuclockid") or thread.ident is None:
        return None
    computing = time.clock_gettime(time.pthread_getcpuclockid(thread.ident))
    return _Spent(computing, time.monotonic() - computing)
