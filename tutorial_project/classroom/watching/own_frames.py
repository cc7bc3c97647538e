"""Which frames run what a reader wrote, and how a line of one is shown."""

from __future__ import annotations

import asyncio
import gc
import linecache
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import tutorial_project

NOT_OWN = (
    sysconfig.get_paths()["stdlib"],
    sysconfig.get_paths()["purelib"],
    str(Path(tutorial_project.__file__).parent),
)


def is_own(frame: FrameType) -> bool:
    """Whether a frame runs neither Python's library, nor a package, nor the classroom: what a reader wrote."""
    return not frame.f_code.co_filename.startswith((*NOT_OWN, "<"))


def shown(frame: FrameType, line: int) -> str:
    """A line of a frame as code, with the name of its function; the name alone where the line is not to be had."""
    text = linecache.getline(frame.f_code.co_filename, line).strip()
    return f"`{text}`, in `{frame.f_code.co_name}`" if text else f"`{frame.f_code.co_name}`"


def waits_at(task: asyncio.Task[Any]) -> str:
    """The innermost line of a reader at which a task waits, as `shown`; empty where it is none of a reader's."""
    own = [frame for frame in frames_awaited(task.get_coro()) if is_own(frame)]
    return shown(own[-1], own[-1].f_lineno) if own else ""


def frames_awaited(awaitable: Any) -> Iterator[FrameType]:
    """The frames of a coroutine that waits, and of what it waits for, from the outside to the inside."""
    seen: set[int] = set()
    while awaitable is not None and id(awaitable) not in seen:
        seen.add(id(awaitable))
        frame, inner = _frame_and_awaited(awaitable)
        if frame is not None:
            yield frame
        awaitable = inner if inner is not None else _hidden_in(awaitable, frame)


def _frame_and_awaited(awaitable: Any) -> tuple[FrameType | None, Any]:
    for frame, awaited in (("cr_frame", "cr_await"), ("ag_frame", "ag_await"), ("gi_frame", "gi_yieldfrom")):
        if hasattr(awaitable, frame):
            return getattr(awaitable, frame), getattr(awaitable, awaited)
    return None, None


def _hidden_in(awaitable: Any, frame: FrameType | None) -> Any:
    if frame is not None:
        # Trap: a recorded view is driven by hand (`_Steps` of the handlers), and its coroutine is not awaited.
        return getattr(frame.f_locals.get("self"), "coroutine", None)
    # Trap: what `async for` awaits is an object that names its generator to the garbage collector alone.
    if "async_generator" in type(awaitable).__name__ or "coroutine" in type(awaitable).__name__:
        return next(
            (o for o in gc.get_referents(awaitable) if hasattr(o, "ag_frame") or hasattr(o, "cr_frame")), None
        )
    return None
