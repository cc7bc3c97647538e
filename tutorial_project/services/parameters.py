"""Reading numbers from a query string, and saying what is wrong with them."""

from collections.abc import Mapping
from typing import TypeVar

Number = TypeVar("Number", int, float)

USUAL_WAIT = 0.05
"""Seconds that a service takes when the request does not say."""

LONGEST_WAIT = 10.0
"""Seconds that a request can ask a service to wait."""


class BadParameter(ValueError):
    """A query parameter is no number, or is out of bounds; answered with 400."""


def number(query: Mapping[str, str], name: str, default: Number, low: Number, high: Number) -> Number:
    """Read a number of the default's type from the query.

    Args:
        query: the parameters of the request.
        name: the parameter to read.
        default: what an absent parameter stands for; an `int` here asks for a whole number.
        low: the least value that is accepted.
        high: the greatest value that is accepted.

    Raises:
        BadParameter: when it is no such number.
    """
    kind = type(default)
    try:
        value = kind(query.get(name, default))
    except ValueError:
        value = None
    if value is None or not low <= value <= high:
        described = "a whole number" if kind is int else "a number"
        raise BadParameter(f"{name} must be {described} from {low:g} to {high:g}, not {query[name]!r}")
    return value


def seconds(query: Mapping[str, str], default: float) -> float:
    """Read `wait`, in seconds, from 0 to 10."""
    return number(query, "wait", default, 0.0, LONGEST_WAIT)
