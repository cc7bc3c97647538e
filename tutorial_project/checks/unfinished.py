"""What an answer is doing that does not finish, and how it is ended."""

from __future__ import annotations

import asyncio
import concurrent.futures.thread
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from types import FrameType
from typing import Any

from asgiref.sync import SyncToAsync

from tutorial_project.classroom.data.connections import close_connections
from tutorial_project.classroom.data.sample import in_thread
from tutorial_project.classroom.watching.own_frames import frames_awaited

from .own_code import OwnCode, frames_of_thread, shown_line
from .watchdog import Watchdog, doing, done_within, raise_in

MOST_PLACES = 3
SOON = 0.05
"""Seconds in which a task or a thread that can be ended has ended."""
PACKAGES = ("asgiref", "django", "httpx")
"""Whose tasks belong to a request."""


class Surroundings:
    """What was under way before an answer was called, and what came since.

    Args:
        own: tells the learner's code from all other.
    """

    def __init__(self, own: OwnCode) -> None:
        self._own = own
        self._tasks, self._threads = asyncio.all_tasks(), set(self._busy_threads())

    def places(self) -> list[str]:
        """The innermost lines of the learner's own code that are not done: those of tasks, then of threads."""
        tasks = sorted(self.tasks(), key=lambda task: (len(task.get_name()), task.get_name()))
        frames = (self._own.innermost(frames_of_task(task)) for task in tasks)
        in_tasks = [shown_line(frame) for frame in frames if frame is not None]
        frames = (self._own.innermost(frames_of_thread(thread.ident)) for thread in self.threads())
        in_threads = [f"{shown_line(frame)}, in a thread" for frame in frames if frame is not None]
        return list(dict.fromkeys(in_tasks + in_threads))[:MOST_PLACES]

    async def doing(self) -> str:
        """Whether a task or a thread of the answer is "running", round and round, or all of them are "waiting"."""
        threads = [thread.ident for thread in self.threads() if thread.ident]
        if threads and doing(*threads) == "running":
            return "running"
        tasks = [task for task in self.tasks() if self._own.innermost(frames_of_task(task)) is not None]
        for _ in range(3):
            await asyncio.sleep(0)
            tasks = [task for task in tasks if getattr(task, "_fut_waiter", self) is None]
        return "running" if tasks else "waiting"

    def tasks(self) -> list[asyncio.Task[Any]]:
        """The tasks that are not done, and belong to the answer or to a request to it."""
        # Trap: a Jupyter kernel has tasks of its own on this loop, and begins new ones at any moment.
        new = asyncio.all_tasks() - self._tasks - {asyncio.current_task()}
        return [task for task in new if any(map(self._belongs, frames_of_task(task)))]

    def threads(self) -> list[threading.Thread]:
        """The threads that run the learner's code, and those of a pool that have not come back from their work."""
        return [thread for thread in self._busy_threads() if thread not in self._threads]

    def _belongs(self, frame: FrameType) -> bool:
        module = frame.f_globals.get("__name__", "")
        return self._own.holds(frame) or module.partition(".")[0] in PACKAGES

    def _busy_threads(self) -> list[threading.Thread]:
        others = set(threading.enumerate()) - {threading.current_thread()}
        return [thread for thread in others if any(map(self._works, frames_of_thread(thread.ident)))]

    def _works(self, frame: FrameType) -> bool:
        return self._own.holds(frame) or frame.f_code is _POOL_WORK

    async def end(self, watchdog: Watchdog) -> None:
        """End the tasks and threads that came since, and leave behind what cannot be ended."""
        await end_tasks(self.tasks(), watchdog)
        for _ in range(3):
            for thread in self.threads():
                raise_in(thread.ident or 0)
            await done_within(SOON if self.threads() else 0)
        if left := self.threads():
            await leave_behind(left)


_POOL_WORK = concurrent.futures.thread._WorkItem.run.__code__


def frames_of_task(task: asyncio.Task[Any]) -> list[FrameType]:
    """The frames of a task that waits, from the outside to the inside."""
    return list(frames_awaited(task.get_coro()))


async def end_tasks(tasks: Iterable[asyncio.Task[Any]], watchdog: Watchdog) -> None:
    """Cancel tasks; those that catch it cannot catch what comes next."""
    tasks = list(tasks)
    for catchable in (True, True, False, False):
        if left := [task for task in tasks if not task.done()]:
            for task in left:
                task.cancel()
            with nullcontext() if catchable else watchdog.uncatchable(left):
                await done_within(SOON, *left)
    for task in tasks:
        with suppress(asyncio.CancelledError, asyncio.InvalidStateError):
            task.exception()  # or asyncio would report that nobody has looked at it


async def leave_behind(threads: Iterable[threading.Thread]) -> None:
    """Give up threads that wait for ever: what they shared with other code is made anew."""
    for thread in threads:
        # Trap: at its end Python waits for the threads of every pool, daemons or not.
        pools: Any = concurrent.futures.thread._threads_queues
        pools.pop(thread, None)
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(thread_name_prefix="asyncio"))
    # The thread in which `sync_to_async` runs everything outside of a request.
    answered = asyncio.wrap_future(SyncToAsync.single_thread_executor.submit(int))
    if not await done_within(SOON, answered):
        answered.cancel()
        SyncToAsync.single_thread_executor = ThreadPoolExecutor(max_workers=1)
    # A transaction of theirs would keep everybody else from writing.
    await asyncio.to_thread(in_thread, close_connections)
