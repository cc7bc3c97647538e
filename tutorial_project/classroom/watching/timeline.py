"""What happened to requests that were sent together: who ran, who waited, on which thread."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from .picture import timeline_html
from .recording import Recording, Span, active_recording, most_at_once, record, request_number, span

__all__ = [
    "Lane",
    "Recording",
    "Span",
    "Timeline",
    "active_recording",
    "most_at_once",
    "record",
    "request_number",
    "span",
]


@dataclass(frozen=True)
class Lane:
    """One request of a timeline: what was sent, what came back, and its spans."""

    number: int
    path: str
    response: Any
    sent: float
    answered: float
    spans: list[Span]

    def of_kind(self, kind: str) -> list[Span]:
        """Its spans of one kind, in the order in which they started."""
        return sorted((s for s in self.spans if s.kind == kind), key=lambda s: s.started)

    @property
    def seconds(self) -> float:
        """Seconds from the moment it was sent to its answer."""
        return self.answered - self.sent

    @property
    def kind(self) -> str:
        """The kind of its view, "sync" or "async"; empty when it reached none."""
        return next((s.name for s in self.of_kind("view")), "")

    @property
    def threads(self) -> set[str]:
        """The names of the threads that its view ran on."""
        return {s.thread for s in self.of_kind("view")}

    @property
    def held(self) -> bool:
        """True when it held the event loop."""
        return bool(self.of_kind("holds"))

    def stood_still_for(self, other: Lane) -> bool:
        """True when the other request held the event loop that this one needed."""
        holds = [s for s in other.of_kind("holds") if s.thread in self.threads]
        between = any(s.started < self.answered and self.sent < s.ended for s in holds)
        return other is not self and self.kind == "async" and between

    @property
    def asked(self) -> str:
        """What it waited for and how, in words, such as "asks weather, flights in turn"."""
        spans = self.of_kind("asks")
        if not spans:
            return ""
        most = most_at_once(spans)
        names = Counter([s.name for s in spans] if most == 1 else sorted(s.name for s in spans))
        listed = ", ".join(name if times == 1 else f"{name} ×{times}" for name, times in names.items())
        how = {1: " in turn", len(spans): " together"}.get(most, f", {most} together")
        return f"asks {listed}{how if len(spans) > 1 else ''}"


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
        longest = max(len(lane.path) for lane in self.lanes)
        facts = lambda lane: (lane.path, lane.response.status_code, self._behaviour(lane))  # noqa: E731
        for (path, status, behaviour), group in groupby(self.lanes, facts):
            numbers = [lane.number for lane in group]
            label = f"{numbers[0]}" if len(numbers) == 1 else f"{numbers[0]}-{numbers[-1]}"
            yield f"  {label:>5}  {path:<{longest}}  {status}  {behaviour}"

    def _behaviour(self, lane: Lane) -> str:
        if not lane.kind:
            return "never reached a view"
        thread = self._thread_of(lane) if lane.kind == "sync" else self._loop_of(lane)
        return f"{lane.kind} view: {'; '.join(filter(None, [lane.asked, *thread]))}"

    def _thread_of(self, lane: Lane) -> Iterator[str]:
        if len(self.lanes) == 1:
            yield "occupies a thread"
        elif any(lane.threads & other.threads for other in self.lanes if other is not lane):
            yield "shares its thread with others"
        else:
            yield "occupies a thread of its own"

    def _loop_of(self, lane: Lane) -> Iterator[str]:
        holders = [other.number for other in self.lanes if lane.stood_still_for(other)]
        if lane.held:
            yield "holds the event loop"
            return
        yield "leaves the event loop free" if len(lane.of_kind("runs")) > 1 else "ends without a wait"
        if holders:
            who = f"{holders[0]} holds" if len(holders) == 1 else "others hold"
            yield f"stands still while {who} the loop"

    def __repr__(self) -> str:
        return self.text

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"text/plain": self.text, "text/html": timeline_html(self)}
