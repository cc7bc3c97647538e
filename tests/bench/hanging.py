"""The check of an answer that hangs, timed in a process of its own: `python -m bench.hanging KIND`."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
from time import perf_counter
from typing import Any

from tutorial_project.classroom import open_exercise

from .checked import checks


async def awaits(*_: Any, **__: Any) -> None:
    await asyncio.Event().wait()


async def blocks(*_: Any, **__: Any) -> None:
    threading.Event().wait()


async def loops(*_: Any, **__: Any) -> None:
    while True:
        pass


def blocks_a_thread(*_: Any, **__: Any) -> None:
    threading.Event().wait()


ANSWERS = {
    "awaits for ever": awaits,
    "blocks the event loop for ever": blocks,
    "is a sync view that blocks for ever": blocks_a_thread,
    "is a loop without an end": loops,
}
"""What may hang, by what it does."""


def longest() -> tuple[str, str]:
    """The exercise and the name of the view with the most requirements: there are most to give up."""
    tasks = [(folder.name, open_exercise(folder.name).tasks[name]) for folder, name in checks()]
    views = [(lesson, task) for lesson, task in tasks if task.routes and task.application is None]
    lesson, task = max(views, key=lambda found: len(found[1].requirements))
    return lesson, task.name


async def seconds(answer: Any) -> float:
    """Seconds until the verdict.

    Raises:
        RuntimeError: when the answer is not refused.
    """
    lesson, task = longest()
    exercise = open_exercise(lesson)
    started = perf_counter()
    verdict = await exercise.judge(answer, task)
    passed = perf_counter() - started
    if verdict.state != "not yet":
        raise RuntimeError(verdict.text)
    return passed


async def main() -> None:
    print(json.dumps(await seconds(ANSWERS[sys.argv[1]])), flush=True)
    # Trap: here, and not after asyncio.run(), which waits for what the answer still holds: a kernel does not.
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main())
