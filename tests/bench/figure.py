"""One figure of the bench: what was measured, how often, and the bound that it has to keep."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

Measured = TypeVar("Measured")


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    Args:
        name: what was measured, with its unit.
        values: what each measurement gave.
        least: what the median must not be below; None for no such bound.
        most: what the median must not be above; None for no such bound.
    """

    name: str
    values: Sequence[float]
    least: float | None = None
    most: float | None = None

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def kept(self) -> bool | None:
        """Whether the median keeps the bound; None when there is none."""
        if self.least is None and self.most is None:
            return None
        low = self.least is None or self.median >= self.least
        return low and (self.most is None or self.median <= self.most)

    @property
    def bound(self) -> str:
        """The bound in words; empty when there is none."""
        bounds = {"at least": self.least, "at most": self.most}
        return ", ".join(f"{word} {value:g}" for word, value in bounds.items() if value is not None)

    @property
    def cells(self) -> tuple[str, ...]:
        """The line of the table: name, median, smallest, largest, how often, bound, kept."""
        shown = [f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}" for value in self._spread]
        kept = {None: "", True: "yes", False: "NO"}[self.kept]
        return (self.name, *shown, str(len(self.values)), self.bound, kept)

    @property
    def _spread(self) -> tuple[float, float, float]:
        return self.median, min(self.values), max(self.values)


def in_turn(rounds: int, *measures: Callable[[], Measured]) -> list[tuple[Measured, ...]]:
    """Measure A B A B …, so that what the machine does besides falls on all alike.

    Args:
        rounds: how often each is measured.
        measures: what measures A, B, ….

    Returns:
        One tuple a round, in the order of the measures.
    """
    return [tuple(measure() for measure in measures) for _ in range(rounds)]
