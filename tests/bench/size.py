"""What a learner's environment takes on the disk."""

from __future__ import annotations

from collections.abc import Iterator

from .environment_size import LARGEST, measured
from .figure import Figure


def figures() -> Iterator[Figure]:
    """The size of a fresh environment; about half a minute."""
    size = measured()
    yield Figure(
        f"a learner's environment, {len(size.packages)} packages, MiB", [size.mebibytes], most=LARGEST
    )
