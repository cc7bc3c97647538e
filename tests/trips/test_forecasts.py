"""The forecast that computes: the same seed gives the same one, and it is a chance."""

from __future__ import annotations

from tutorial_project.trips.forecasts import chance_to_sell_out


def test_a_forecast_is_the_same_each_time() -> None:
    assert chance_to_sell_out(3, 30, 200, seed=7) == chance_to_sell_out(3, 30, 200, seed=7)


def test_no_seats_are_sold_for_sure_and_more_than_days_never() -> None:
    assert (chance_to_sell_out(0, 5, 50), chance_to_sell_out(6, 5, 50)) == (1.0, 0.0)


def test_fewer_seats_sell_out_more_often() -> None:
    assert chance_to_sell_out(2, 30, 500) > chance_to_sell_out(6, 30, 500)
