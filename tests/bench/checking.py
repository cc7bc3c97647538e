"""What a check takes: of each solution, and of answers that hang."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterator

from .child import in_new_process
from .figure import Figure
from .hanging import ANSWERS, GIVEN_UP

MOST = 0.2
"""Seconds that half of all checks must stay below."""
HANGING = 6.0
"""Seconds in all that the check of a hanging answer may take."""
ROUNDS = 3
LIMIT = 600.0
"""Seconds that one of the processes may take."""


def figures() -> Iterator[Figure]:
    """All figures of this module; about two minutes."""
    found = in_new_process("checked", ROUNDS, limit=LIMIT)
    each = {name: statistics.median(values) for name, values in found["seconds"].items()}
    slowest = max(each, key=each.__getitem__)
    yield Figure("check of a solution, s", list(each.values()), most=MOST)
    yield Figure(f"the slowest, {slowest}, s", found["seconds"][slowest])
    yield Figure("checks that refused a solution", [len(found["refused"])], most=0)
    for verdict in found["refused"]:
        print(verdict, file=sys.stderr)
    for kind in ANSWERS:
        yield hanging(kind)


def hanging(kind: str) -> Figure:
    """Seconds until the verdict on an answer that hangs in this way."""
    name = f"check of an answer that {kind}, s"
    if (seconds := in_new_process("hanging", kind, limit=LIMIT)) is None:
        return Figure(f"{name}: no verdict yet after", [GIVEN_UP], most=HANGING)
    return Figure(name, [seconds], most=HANGING)
