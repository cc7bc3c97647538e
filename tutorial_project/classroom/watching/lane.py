"""One request of a timeline."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from .recording import Span, most_at_once


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
