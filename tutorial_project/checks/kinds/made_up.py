"""What a check makes up at that moment, so that no answer can have known it."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar
from uuid import uuid4

Key = TypeVar("Key")

_lately: deque[Any] = deque(maxlen=8)
"""What `one_of` gave last."""


def made_up(kind: str) -> str:
    """A name that nobody had before this moment.

    Args:
        kind: what it is the name of, such as "island".
    """
    return f"{kind}-{uuid4().hex[:8]}"


def one_of(keys: Iterable[Key]) -> Key:
    """One of these keys by chance, and none of the last eight that were given.

    Trap: a proof may be made beside another one. Where both happen to choose the same row, each finds there what the
    other did.

    Args:
        keys: more than eight, of rows that the proof changes.
    """
    chosen = random.choice([key for key in keys if key not in _lately])
    _lately.append(chosen)
    return chosen


def mixed(items: Sequence[Any]) -> list[Any]:
    """The same items in an order that nobody could know, never as they were nor the other way round.

    Trap: of three items that are only shuffled, every third time the order tells nothing.

    Args:
        items: three or more, of which at least two differ from the rest.
    """
    found = list(items)
    while found in (list(items), list(items)[::-1]):
        random.shuffle(found)
    return found


def made_up_weather(city: str) -> dict[str, Any]:
    """What nobody could know about the weather in a city.

    Trap: of four skies every fourth is the one of before, and tells nothing of an answer that remembers it.
    """
    sky = made_up(random.choice(["fog", "hail", "haze", "mist"]))
    return {"city": city, "celsius": random.randint(-4000, 4000) / 100, "sky": sky}


def made_up_flights(city: str) -> dict[str, Any]:
    """Three flights that nobody could know, the cheapest of them in the middle."""
    cheapest = random.randint(1000, 9000)
    prices = (cheapest + random.randint(1, 999), cheapest, cheapest + random.randint(1000, 99000))
    numbers = random.sample(range(100, 10000), 3)
    flights = [{"number": f"XY {n}", "price": price} for n, price in zip(numbers, prices, strict=True)]
    return {"city": city, "flights": flights}


def made_up_rate(currency: str) -> dict[str, Any]:
    """An exchange rate that nobody could know."""
    return {"currency": currency, "rate": random.randint(1000, 9999) / 1000}
