"""A forecast that takes a processor a while: how likely it is that a trip sells out."""

from random import Random


def chance_to_sell_out(seats_left: int, days: int, rounds: int = 20_000, seed: int = 0) -> float:
    """Play the days until the departure many times, and count how often every seat is sold.

    Each day sells one seat with a chance of one in ten.

    Args:
        seats_left: seats that are not sold yet.
        days: days until the departure.
        rounds: how often the days are played; twice as many take twice as long.
        seed: the same seed gives the same forecast.

    Returns:
        between 0 and 1.
    """
    random = Random(seed).random
    sold_out = sum(sum(random() < 0.1 for _ in range(days)) >= seats_left for _ in range(rounds))
    return sold_out / rounds
