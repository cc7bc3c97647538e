from __future__ import annotations

import asyncio
import threading
import traceback
from collections.abc import Sequence

from tutorial_project.checks import Reply, Trial, blocking_calls_refused

PATIENCE = 1.5
"""Seconds that a request may wait for another one that is under way."""


class Meeting:
    """A place in a view where requests wait until all that are expected are there."""

    def __init__(self) -> None:
        self._barrier = asyncio.Barrier(1)
        self.failed = False

    def expect(self, number: int) -> None:
        """Let requests go on only when so many of them are there, or when they have waited for too long."""
        self._barrier, self.failed = asyncio.Barrier(number), False

    async def wait(self) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                await self._barrier.wait()
        except (TimeoutError, asyncio.BrokenBarrierError):
            self.failed = True


class MeetingOfThreads:
    """The same place in a sync view, where the threads of a WSGI server wait."""

    def __init__(self) -> None:
        self._barrier = threading.Barrier(1)
        self.failed = False

    def expect(self, number: int) -> None:
        """Let requests go on only when so many of them are there, or when they have waited for too long."""
        self._barrier, self.failed = threading.Barrier(number), False

    @property
    def waiting(self) -> int:
        """How many requests are there."""
        return self._barrier.n_waiting

    def wait(self) -> None:
        try:
            self._barrier.wait(PATIENCE)
        except threading.BrokenBarrierError:
            self.failed = True


async def together(
    trial: Trial, meeting: Meeting, paths: Sequence[str], headers: Sequence[dict]
) -> list[Reply]:
    """Send requests that meet in the view; refuse when the middleware lets in one after another."""
    meeting.expect(len(paths))
    sending = (trial.get(path, headers=own) for path, own in zip(paths, headers, strict=True))
    replies = [told(reply) for reply in await asyncio.gather(*sending)]
    meeting_failed = meeting.failed
    meeting.expect(1)
    for reply in replies:
        reply.expect_that(
            not meeting_failed,
            f"all {len(paths)} requests inside the view at the same time",
            got="requests that waited for each other outside of it",
        )
    return replies


async def watched_get(trial: Trial, path: str, **request: object) -> Reply:
    """Send a request, and let blocking calls of the answer raise on the event loop."""
    with blocking_calls_refused(trial.answer):
        return told(await trial.get(path, **request))


def told(reply: Reply) -> Reply:
    """The same reply; the error of an async hook of `MiddlewareMixin` explains itself."""
    frames = traceback.extract_tb(reply.error.__traceback__) if reply.error else []
    in_the_mixin = any(frame.filename.endswith("deprecation.py") for frame in frames)
    if in_the_mixin and "sync_to_async can only be applied to sync functions" in str(reply.error):
        reply.cause = (
            "`MiddlewareMixin` takes its hooks into a thread, and awaits none: they are plain functions",
            "`def process_request` and `def process_response`, or a `__call__` of your own that awaits",
        )
    return reply
