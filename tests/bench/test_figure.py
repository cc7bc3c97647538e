"""Bounds, and the order of measurements."""

from __future__ import annotations

import pytest

from bench.figure import Figure, in_turn


@pytest.mark.parametrize(
    ("values", "kept"), [([0.94], False), ([0.95], True), ([1.05], True), ([1.06], False), ([9, 1, 1], True)]
)
def test_the_median_has_to_keep_both_bounds(values: list[float], kept: bool) -> None:
    assert Figure("a ratio", values, least=0.95, most=1.05).kept is kept


def test_a_figure_without_a_bound_is_neither_kept_nor_not() -> None:
    assert Figure("seconds", [3.0]).kept is None


def test_a_line_says_median_spread_bound_and_that_it_is_not_kept() -> None:
    figure = Figure("a check, s", [0.31, 0.2512, 640.4], most=0.2)
    assert figure.cells == ("a check, s", "0.31", "0.251", "640", "3", "at most 0.2", "NO")


def test_measures_take_turns() -> None:
    order: list[str] = []
    rounds = in_turn(2, lambda: order.append("A") or 1.0, lambda: order.append("B") or 2.0)
    assert order == ["A", "B", "A", "B"]
    assert rounds == [(1.0, 2.0), (1.0, 2.0)]
