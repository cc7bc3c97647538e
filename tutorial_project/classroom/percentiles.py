"""Percentiles of measured times."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil


def percentile(times: Sequence[float], percent: float) -> float:
    """The nearest rank: the smallest of the times that at least `percent` of a hundred did not exceed.

    Args:
        times: in seconds, in any order.
        percent: from 0 to 100.

    Returns:
        One of the times; "not a number" where there are none.
    """
    return sorted(times)[max(ceil(len(times) * percent / 100) - 1, 0)] if times else float("nan")
