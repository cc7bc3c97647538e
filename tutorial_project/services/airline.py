"""The airlines' fare finder, as its package ships it: sync only, as many packages are."""

from .client import ask_blocking
from .places import FLIGHTS, plain


class NotFlownTo(LookupError):
    """No airline of the fare finder flies to the city."""


def cheapest_fare(city: str) -> int:
    """Ask the airlines for their flights to a city, and wait for the answer.

    Args:
        city: the name of the city, such as "Lisbon".

    Returns:
        The price of the cheapest flight, in euros.

    Raises:
        NotFlownTo: when no airline flies there.
        ServiceError: when the airlines do not answer.
    """
    if not FLIGHTS.get(plain(city)):
        raise NotFlownTo(f"no airline flies to {city}")
    return min(flight["price"] for flight in ask_blocking(f"flights/{city}")["flights"])
