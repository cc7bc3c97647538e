"""What `open_lesson()` takes, beside Django's own start."""

from __future__ import annotations

from collections.abc import Iterator

from .child import in_new_process
from .figure import Figure, in_turn

MOST = 1.08
"""Bound of the ratio of `open_lesson()` to a bare `django.setup()` and `migrate`."""
LIMIT = 60.0
"""Seconds that one opening may take."""
ROUNDS = 9


def figures() -> Iterator[Figure]:
    """All figures of this module; about half a minute."""
    memory: list[float] = []

    def lesson() -> float:
        opened = in_new_process("opened", "lesson", limit=LIMIT)
        memory.append(opened["memory"])
        return opened["seconds"]

    def bare() -> float:
        return in_new_process("opened", "bare", limit=LIMIT)["seconds"]

    in_turn(1, lesson, bare)  # what is compiled at the first import is on the disk now
    pairs = in_turn(ROUNDS, lesson, bare)
    yield Figure("open_lesson() in a new process, s", [mine for mine, _ in pairs])
    yield Figure("open_lesson() / django.setup() and migrate", [mine / its for mine, its in pairs], most=MOST)
    yield Figure("memory of a process after open_lesson(), MiB", memory)
