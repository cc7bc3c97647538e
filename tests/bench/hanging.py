"""The check of an answer that hangs, timed in a process of its own: `python -m bench.hanging KIND`.

Prints the seconds, or null when there is no verdict within a minute.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
from typing import Any

from solved import TASKS

from tutorial_project.classroom import open_exercise

from .checked import judged


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
GIVEN_UP = 60.0
"""Seconds after which nobody waits any longer for the verdict."""


def longest() -> tuple[str, str]:
    """The exercise and the name of the view with the most requirements: there are most to give up."""
    found = [(lesson, open_exercise(lesson).tasks[name]) for lesson, name in TASKS]
    views = [(lesson, task) for lesson, task in found if task.routes and task.application is None]
    lesson, task = max(views, key=lambda pair: len(pair[1].requirements))
    return lesson, task.name


async def seconds(answer: Any) -> float:
    """Seconds until the verdict.

    Raises:
        RuntimeError: when the answer is not refused.
    """
    lesson, task = longest()
    exercise = open_exercise(lesson)
    threading.Timer(GIVEN_UP, end, [None]).start()
    verdict, passed = await judged(exercise, answer, task)
    if verdict.state != "not yet":
        raise RuntimeError(verdict.text)
    return passed


def end(seconds: float | None) -> None:
    """Print the seconds, and end this process at once."""
    print(json.dumps(seconds), flush=True)
    # Trap: asyncio.run() and Python's own end wait for what the answer still holds. A kernel does not.
    os._exit(0)


async def main() -> None:
    end(await seconds(ANSWERS[sys.argv[1]]))


if __name__ == "__main__":
    asyncio.run(main())
