"""What views report while requests are on their way: stretches of time, and calls that hold an event loop."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Literal

HOLDS_AFTER = 0.2
"""Seconds that one step on an event loop may take before it is said to hold the loop."""

request_number: ContextVar[int] = ContextVar("request_number", default=0)


Kind = Literal["view", "runs", "asks", "holds"]


@dataclass(frozen=True)
class Span:
    """A stretch of time, in seconds of `time.perf_counter`, inside one request.

    `kind` is "view" (inside the view function), "runs" (Python code of the view has its thread),
    "asks" (a named wait, reported with `span`) or "holds" (the event loop can do nothing else).
    """

    kind: Kind
    name: str
    request: int
    thread: str
    started: float
    ended: float


class Recording:
    """The spans reported by all threads while requests are on their way.

    Attributes:
        spans: what was reported, in the order in which it ended.
        heard: called with each span, on the thread that reports it.
    """

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.heard: Callable[[Span], None] = lambda span: None

    def add(self, kind: Kind, name: str, started: float, request: int | None = None) -> None:
        """Report a span of the current thread that ends now; of the current request, or of the one named."""
        number = request_number.get() if request is None else request
        span = Span(kind, name, number, threading.current_thread().name, started, perf_counter())
        self.spans.append(span)
        self.heard(span)

    @contextmanager
    def measure(self, kind: Kind, name: str) -> Iterator[None]:
        """Report the body of the `with` block as one span."""
        started = perf_counter()
        try:
            yield
        finally:
            self.add(kind, name, started)


# A plain global, no context variable: the requests are handled on other threads and event loops
# than the cell that sends them.
_active: list[Recording] = []


def active_recording() -> Recording | None:
    """The recording that is under way, or None."""
    return _active[-1] if _active else None


@contextmanager
def record() -> Iterator[Recording]:
    """Collect every span that any thread reports during the `with` block."""
    recording = Recording()
    if not _active:
        _Step.inner = asyncio.Handle._run
        asyncio.Handle._run = _watched_step  # type: ignore[method-assign, assignment]
    _active.append(recording)
    try:
        with _no_garbage_collection():
            yield recording
    finally:
        _active.remove(recording)
        if not _active:
            asyncio.Handle._run = _Step.inner  # type: ignore[method-assign]


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    # Trap: one full collection takes 0.2 s in a kernel, and would look like a view that holds the event loop.
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


# All code on an event loop runs inside of a handle, the tasks that a view starts as well; and a handle
# knows the context, and so the request, that it belongs to.
class _Step:
    """What ran the handles before anybody recorded."""

    inner = asyncio.Handle._run


def _watched_step(handle: Any) -> Any:
    started = perf_counter()
    try:
        return _Step.inner(handle)
    finally:
        recording = active_recording()
        if perf_counter() - started > HOLDS_AFTER and recording is not None:
            recording.add("holds", "event loop", started, handle._context.get(request_number, 0))


@contextmanager
def span(name: str) -> Iterator[None]:
    """Name a wait inside a view, so that the timeline shows it; costs nothing when nothing records.

    Args:
        name: what is waited for, such as "weather".
    """
    if (recording := active_recording()) is None:
        yield
    else:
        with recording.measure("asks", name):
            yield


def most_at_once(spans: Iterable[Span]) -> int:
    """How many of the spans share one moment, at most."""
    moments = sorted((moment, step) for s in spans for moment, step in ((s.started, 1), (s.ended, -1)))
    most = now = 0
    for _, step in moments:
        now += step
        most = max(most, now)
    return most
