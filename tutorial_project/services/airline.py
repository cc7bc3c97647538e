"""The airlines' fare finder, as its package ships it: sync only, as many packages are."""

from .client import ServiceError, ask_blocking
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
        ServiceError: when the airlines do not answer, or with something that is no list of flights.
    """
    if not FLIGHTS.get(plain(city)):
        raise NotFlownTo(f"no airline flies to {city}")
    answer = ask_blocking(f"flights/{city}")
    try:
        price = min((flight["price"] for flight in answer["flights"]), default=None)
    except (KeyError, TypeError) as error:
        raise ServiceError("the airlines gave no list of flights") from error
    if price is None:
        raise NotFlownTo(f"no airline flies to {city} now")
    return price
