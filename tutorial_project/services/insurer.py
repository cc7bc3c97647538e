"""The insurer's own client, as their package ships it: sync only, as many packages are."""

from .client import ServiceError, ask_blocking

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
        ServiceError: when the insurer does not answer, or with something that is no rate.
    """
    answer = ask_blocking("rates/GBP", wait=min(nights * SECONDS_PER_NIGHT, 2))
    try:
        return round(nights * PER_NIGHT / answer["rate"], 2)
    except (KeyError, TypeError, ZeroDivisionError) as error:
        raise ServiceError("the insurer gave no rate") from error
