"""What happened to requests that were sent together: who ran, who waited, on which thread."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from .lane import Lane
from .picture import timeline_html
from .recording import Span, most_at_once


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
