"""Who listens to the agency's board of departures, and why nobody does."""

from __future__ import annotations

from tutorial_project.trips.departures import board


def why_nobody_listens() -> dict[str, str]:
    """Words for a feed that is not on the board, while `board.join` is watched; none when somebody listens."""
    if board.listeners:
        return {}
    if not board.join.called:  # type: ignore[attr-defined]
        return {"because": "nobody called `board.join()` for this client"}
    return {
        "because": "the board was joined and left again: a `finally` of the view runs when the view returns, and its "
        "generator begins after that",
        "next": "join and leave inside the generator",
    }
