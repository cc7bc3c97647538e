"""What all attacks share."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Django's log of bad requests is not of interest here."""
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)
