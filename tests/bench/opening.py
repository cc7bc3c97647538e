"""What `open_lesson()` takes, beside Django's own start."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from .child import in_new_process
from .figure import Figure, in_turn

MOST = 1.08
"""Bound of the ratio of `open_lesson()` to a bare `django.setup()` and `migrate`."""
LIMIT = 60.0
"""Seconds that one opening may take."""
ROUNDS = 9


def figures() -> Iterator[Figure]:
    """All figures of this module; about half a minute."""
    lesson, bare = partial(opened, "lesson"), partial(opened, "bare")
    in_turn(1, lesson, bare)  # what is compiled at the first import is on the disk now
    pairs = in_turn(ROUNDS, lesson, bare)
    yield Figure("open_lesson() in a new process, s", [mine["seconds"] for mine, _ in pairs])
    yield Figure("open_lesson() / django.setup() and migrate", ratios(pairs, "seconds"), most=MOST)
    yield Figure("open_lesson() / django.setup() and migrate: processor seconds", ratios(pairs, "processor"))
    yield Figure("memory of a process after open_lesson(), MiB", [mine["memory"] for mine, _ in pairs])


def opened(which: str) -> dict[str, float]:
    """What one opening takes, "lesson" or "bare"."""
    return in_new_process("opened", which, limit=LIMIT)


def ratios(pairs: Sequence[tuple[dict[str, float], ...]], of: str) -> list[float]:
    """The first by the second of each pair."""
    return [mine[of] / its[of] for mine, its in pairs]
