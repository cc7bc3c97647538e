"""The sync packages that lessons and exercises wrap."""

import pytest

from tutorial_project.services.airline import NotFlownTo, cheapest_fare
from tutorial_project.services.insurer import premium


def test_the_fare_finder_gives_the_cheapest_flight() -> None:
    assert cheapest_fare("Kyoto") == 890


def test_the_fare_finder_knows_where_nobody_flies() -> None:
    with pytest.raises(NotFlownTo, match="Atlantis"):
        cheapest_fare("Atlantis")


def test_the_insurer_asks_more_for_more_nights() -> None:
    assert premium(2) == 2 * premium(1) == 8.0
