"""The clock that an answer reads: it stands still, and a proof puts it forward, so that what is measured is exact."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from tutorial_project.checks.own_code import OwnCode, function_of

Clock = Callable[[], Any]

REAL: dict[str, Clock] = {
    name: getattr(time, name)
    for name in ("perf_counter", "monotonic", "time", "perf_counter_ns", "monotonic_ns", "time_ns")
}
"""The clocks of `time` that go on while one waits; nothing else is replaced, such as that of `datetime`."""


class OwnClock:
    """What the code of an answer reads from the clocks of `time`; everybody else reads what they always do.

    Attributes:
        reads: how often it was read.
    """

    def __init__(self, answer: Any) -> None:
        self.reads, self._own = 0, OwnCode(answer)
        # Seconds as a float can hold them exactly: the difference of two readings is the one that was made.
        self._ns = round(REAL["time"]()) * 10**9

    def forward(self, seconds: float) -> None:
        """Let this time have passed."""
        self._ns += round(seconds * 10**9)

    def read(self, name: str, frame: Any) -> Any:
        """What the clock of this name shows to the code in this frame."""
        if not self._own.holds(frame):
            return REAL[name]()
        self.reads += 1
        return self._ns if name.endswith("_ns") else self._ns / 10**9


_clock: ContextVar[OwnClock | None] = ContextVar("own_clock", default=None)
_latest: list[OwnClock] = []
"""Those that stand now; a thread that was begun without a context reads the last of them."""


def _standing(name: str) -> Clock:
    def read() -> Any:
        clock = _clock.get() or next(reversed(_latest), None)
        return clock.read(name, sys._getframe(1)) if clock else REAL[name]()

    return read


STANDING = {name: _standing(name) for name in REAL}


@contextmanager
def own_clock(answer: Any) -> Iterator[OwnClock]:
    """Let the clock of an answer stand still, whether its code asks `time` for it or has imported its name.

    Args:
        answer: a function, class or any other object to call.
    """
    clock = OwnClock(answer)
    namespaces = [vars(time), getattr(function_of(answer), "__globals__", {})]
    replaced = [
        (namespace, key, name)
        for namespace in namespaces
        for key, value in list(namespace.items())
        for name, real in REAL.items()
        if value is real
    ]
    token = _clock.set(clock)
    _latest.append(clock)
    for namespace, key, name in replaced:
        namespace[key] = STANDING[name]
    try:
        yield clock
    finally:
        for namespace, key, name in replaced:
            namespace[key] = REAL[name]
        _latest.remove(clock)
        _clock.reset(token)
