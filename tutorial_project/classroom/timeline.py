"""What happened to requests that were sent together: who ran, who waited, on which thread."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from itertools import groupby
from time import perf_counter
from typing import Any, Literal

from .timeline_picture import timeline_html

HOLDS_AFTER = 0.15
"""Seconds that one uninterrupted run may take before it is said to hold its thread."""

request_number: ContextVar[int] = ContextVar("request_number", default=0)


@dataclass(frozen=True)
class Span:
    """A stretch of time, in seconds of `time.perf_counter`, inside one request.

    `kind` is "view" (inside the view function), "runs" (Python code of the view is executing)
    or "asks" (a named wait, reported with `span`).
    """

    kind: Literal["view", "runs", "asks"]
    name: str
    request: int
    thread: str
    started: float
    ended: float


class Recording:
    """The spans reported by all threads while requests are on their way."""

    def __init__(self) -> None:
        self.spans: list[Span] = []

    def add(self, kind: str, name: str, started: float) -> None:
        """Report a span of the current request and thread that ends now."""
        thread = threading.current_thread().name
        self.spans.append(Span(kind, name, request_number.get(), thread, started, perf_counter()))

    @contextmanager
    def measure(self, kind: str, name: str) -> Iterator[None]:
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
    _active.append(recording)
    try:
        yield recording
    finally:
        _active.remove(recording)


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


@dataclass(frozen=True)
class Lane:
    """One request of a timeline: what was sent, what came back, and its spans by kind."""

    number: int
    path: str
    response: Any
    sent: float
    answered: float
    spans: list[Span]

    def of_kind(self, kind: str) -> list[Span]:
        return sorted((s for s in self.spans if s.kind == kind), key=lambda s: s.started)

    @property
    def held(self) -> bool:
        """True when the view kept its thread busy without giving way."""
        return any(s.ended - s.started > HOLDS_AFTER for s in self.of_kind("runs"))

    @property
    def behaviour(self) -> str:
        """What the view did with its thread, in words."""
        views = self.of_kind("view")
        if not views:
            return "never reached a view"
        place = "the event loop" if views[0].name == "async" else "a thread of its own"
        verb = "holds" if self.held else "gives way on" if views[0].name == "async" else "runs on"
        return f"{views[0].name} view, {verb} {place}{self._asked()}"

    def _asked(self) -> str:
        asked = self.of_kind("asks")
        if not asked:
            return ""
        names = ", ".join(sorted(s.name for s in asked) if most_at_once(asked) > 1 else [s.name for s in asked])
        how = "" if len(asked) == 1 else " together" if most_at_once(asked) == len(asked) else " in turn"
        return f"; asks {names}{how}"


@dataclass
class Timeline:
    """Requests that were sent together, with what happened to each.

    Displays as a picture with its text twin in a notebook; `text` holds facts only (counts, order,
    threads), no seconds, so it reads the same on every machine.
    """

    lanes: list[Lane]
    _spans: list[Span] = field(repr=False, default_factory=list)

    @property
    def responses(self) -> list[Any]:
        """The responses, in the order in which the requests were sent."""
        return [lane.response for lane in self.lanes]

    @property
    def seconds(self) -> float:
        """Seconds from the first request sent to the last answer received."""
        return max(lane.answered for lane in self.lanes) - min(lane.sent for lane in self.lanes)

    @property
    def together(self) -> int:
        """How many requests were inside their views at the same moment, at most."""
        return most_at_once(s for s in self._spans if s.kind == "view")

    @property
    def threads(self) -> int:
        """How many threads the views ran on."""
        return len({s.thread for s in self._spans if s.kind == "view"})

    @property
    def finished(self) -> list[int]:
        """The numbers of the requests, in the order in which they were answered."""
        return [lane.number for lane in sorted(self.lanes, key=lambda lane: lane.answered)]

    @property
    def text(self) -> str:
        """The facts of the picture, in words that are the same at every run."""
        return "\n".join([self._headline(), *self._lines()])

    def _headline(self) -> str:
        at_once = f"{self.together} in a view at the same time" if self.together > 1 else "one at a time"
        threads = f"on {self.threads} thread{'s' * (self.threads != 1)}"
        if len(self.lanes) == 1:
            return f"1 request, {threads}"
        return f"{len(self.lanes)} requests: {at_once}, {threads}"

    def _lines(self) -> Iterator[str]:
        facts = lambda lane: (lane.path, lane.response.status_code, lane.behaviour)  # noqa: E731
        for (path, status, behaviour), group in groupby(self.lanes, facts):
            numbers = [lane.number for lane in group]
            label = f"{numbers[0]}" if len(numbers) == 1 else f"{numbers[0]}-{numbers[-1]}"
            yield f"  {label:>5}  {path}  {status}  {behaviour}"

    def __repr__(self) -> str:
        return self.text

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"text/plain": self.text, "text/html": timeline_html(self)}
