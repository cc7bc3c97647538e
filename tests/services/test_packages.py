"""The sync packages that lessons and exercises wrap."""

import pytest

from tutorial_project.services import ServiceError, running_services
from tutorial_project.services.airline import NotFlownTo, cheapest_fare
from tutorial_project.services.insurer import premium


def test_the_fare_finder_gives_the_cheapest_flight() -> None:
    assert cheapest_fare("Kyoto") == 890


def test_the_fare_finder_knows_where_nobody_flies() -> None:
    with pytest.raises(NotFlownTo, match="Atlantis"):
        cheapest_fare("Atlantis")


def test_the_insurer_asks_more_for_more_nights() -> None:
    assert premium(2) == 2 * premium(1) == 8.0


def test_the_fare_finder_finds_nothing_where_nobody_flies_now() -> None:
    with running_services().saying("/flights/Kyoto", {"flights": []}), pytest.raises(NotFlownTo, match="now"):
        cheapest_fare("Kyoto")


@pytest.mark.parametrize("said", [{}, {"flights": 7}, {"flights": [{}]}])
def test_flights_that_are_none_are_the_services_error(said: dict[str, object]) -> None:
    with running_services().saying("/flights/Kyoto", said), pytest.raises(ServiceError):
        cheapest_fare("Kyoto")


@pytest.mark.parametrize("said", [{}, {"rate": "much"}, {"rate": 0}])
def test_a_rate_that_is_none_is_the_services_error(said: dict[str, object]) -> None:
    with running_services().saying("/rates/GBP", said), pytest.raises(ServiceError):
        premium(2)
