"""What the tests of the classroom leave behind is theirs."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def blamed_for_what_it_leaves() -> Iterator[None]:
    """Collect what a test has left open while it is still its own warning, and not that of the next one."""
    yield
    gc.collect()
