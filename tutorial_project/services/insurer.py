"""The insurer's own client, as their package ships it: sync only, as many packages are."""

from .client import ask_blocking

PER_NIGHT = 3.4
"""Pounds that one night of insurance costs."""

SECONDS_PER_NIGHT = 0.02
"""How long the insurer thinks about one night."""


def premium(nights: int) -> float:
    """Ask the insurer for the price of an insurance, and wait for the answer: long for a long journey.

    Args:
        nights: the length of the journey.

    Returns:
        The price in euros.

    Raises:
        ServiceError: when the insurer does not answer.
    """
    rate = ask_blocking("rates/GBP", wait=min(nights * SECONDS_PER_NIGHT, 2))["rate"]
    return round(nights * PER_NIGHT / rate, 2)
