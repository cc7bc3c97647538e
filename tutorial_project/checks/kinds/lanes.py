"""Questions to the services as lanes: when each was under way, above the same ones together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tutorial_project.services.statistics import Request

STEP, BAR = 3, "━"
MOST = 12
"""Lanes that are drawn."""


def lanes(asked: Sequence[Request]) -> dict[str, str]:
    """What a verdict draws of these questions, as its evidence "drawn"; nothing where all were under way together.

    A step to the right is a question that came or that was answered, and no time: the drawing of an answer is the same on
    every machine.

    Args:
        asked: the questions, in the order in which they came.
    """
    asked = asked[:MOST]
    if all(_ended(one) > other.began for one in asked for other in asked):
        return {}
    moments = sorted({one.began for one in asked} | {_ended(one) for one in asked})
    got = [(moments.index(one.began), moments.index(_ended(one))) for one in asked]
    names = [one.path for one in asked]
    drawn = _drawn("got", names, got) + _drawn("expected", names, [(0, 1)] * len(asked))
    return {"drawn": "\n".join(drawn)}


def _ended(question: Request) -> float:
    return question.ended if question.ended is not None else float("inf")


def _drawn(title: str, names: Sequence[str], spans: Sequence[tuple[int, int]]) -> list[str]:
    width = max(map(len, names))
    return [
        f"{title if number == 0 else '':<9} {name:<{width}}  {' ' * STEP * began}{BAR * STEP * (ended - began)}"
        for number, (name, (began, ended)) in enumerate(zip(names, spans, strict=True))
    ]
