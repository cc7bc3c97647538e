"""Driving a coroutine by hand, with something done at its steps."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Generator
from typing import Any


@types.coroutine
def stepped(coroutine: Any, before: Callable[[int], None]) -> Generator[Any, Any, Any]:
    """Await a coroutine, and call `before` with the number of each step, from 0, before the step is taken.

    A step runs from one wait to the next; the first begins with the call, and the last ends with the result.
    """
    step: Callable[[], Any] = functools.partial(coroutine.send, None)
    number = 0
    while True:
        before(number)
        try:
            waits_for = step()
        except StopIteration as stop:
            return stop.value
        number += 1
        try:
            step = functools.partial(coroutine.send, (yield waits_for))
        except GeneratorExit:
            coroutine.close()
            raise
        except BaseException as error:  # a cancellation belongs to the coroutine as well
            step = functools.partial(coroutine.throw, error)
