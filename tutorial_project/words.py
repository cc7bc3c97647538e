"""Words for people."""

from __future__ import annotations


def counted(number: int, noun: str, plural: str = "") -> str:
    """A number and what it counts: "1 crossing", "2 crossings".

    Args:
        number: how many.
        noun: of one of them.
        plural: of several, where it is not the noun with an s.
    """
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"
