"""Which frames run what a reader wrote, and how a line of one is shown."""

from __future__ import annotations

import asyncio
import linecache
import sysconfig
from pathlib import Path
from types import FrameType
from typing import Any, cast

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
    place, waiting = "", cast(Any, task.get_coro())
    while waiting is not None:
        frame = getattr(waiting, "cr_frame", None)
        if frame is not None and is_own(frame):
            place = shown(frame, frame.f_lineno)
        waiting = getattr(waiting, "cr_await", None)
    return place
