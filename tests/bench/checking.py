"""What a check takes: of each solution, and of answers that hang."""

from __future__ import annotations

import statistics
import subprocess
from collections.abc import Iterator

from .child import in_new_process
from .figure import Figure
from .hanging import ANSWERS

MOST = 0.2
"""Seconds that half of all checks must stay below."""
HANGING = 6.0
"""Seconds in all that the check of a hanging answer may take."""
GIVEN_UP = 60.0
"""Seconds after which the bench does not wait any longer for it."""
ROUNDS = 3
LIMIT = 300.0
"""Seconds that the checks of all solutions may take."""


def figures() -> Iterator[Figure]:
    """All figures of this module; about two minutes."""
    found = in_new_process("checked", ROUNDS, limit=LIMIT)
    each = {name: statistics.median(values) for name, values in found.items()}
    slowest = max(each, key=each.__getitem__)
    yield Figure("check of a solution, s", list(each.values()), most=MOST)
    yield Figure(f"the slowest, {slowest}, s", found[slowest])
    for kind in ANSWERS:
        yield hanging(kind)


def hanging(kind: str) -> Figure:
    """Seconds until the verdict on an answer that hangs in this way."""
    name = f"check of an answer that {kind}"
    try:
        return Figure(f"{name}, s", [in_new_process("hanging", kind, limit=GIVEN_UP)], most=HANGING)
    except subprocess.TimeoutExpired:
        return Figure(f"{name}, s: no verdict yet after", [GIVEN_UP], most=HANGING)
