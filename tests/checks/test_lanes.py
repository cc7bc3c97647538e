"""A fault about time is drawn: the questions as they were, above the same ones together."""

from __future__ import annotations

from tutorial_project.checks import Outcome, Task
from tutorial_project.checks.kinds.lanes import lanes
from tutorial_project.checks.outcome import Refusal
from tutorial_project.checks.verdict import Result, Verdict
from tutorial_project.services.statistics import Request


def asked(path: str, began: int, ended: int | None) -> Request:
    return Request("GET", path, {}, 1, 1, began=began, ended=ended)


IN_TURN = [asked("/weather/Lisbon", 4, 5), asked("/rates/USD", 6, 9)]
DRAWN = """\
got       /weather/Lisbon  ━━━
          /rates/USD             ━━━
expected  /weather/Lisbon  ━━━
          /rates/USD       ━━━"""


def test_questions_one_after_another_stand_above_the_same_ones_together() -> None:
    assert lanes(IN_TURN) == {"drawn": DRAWN}


def test_what_was_together_is_not_drawn() -> None:
    assert lanes([asked("/weather", 1, 3), asked("/rates", 2, None)]) == {}
    assert lanes(IN_TURN[:1]) == lanes([]) == {}


def test_one_that_is_not_answered_goes_on_to_the_end() -> None:
    drawn = lanes([asked("/a", 1, 2), asked("/b", 3, None)])["drawn"].splitlines()
    assert drawn[:2] == ["got       /a  ━━━", "          /b        ━━━"]


def test_a_verdict_shows_the_drawing_as_it_is_as_text_and_as_html() -> None:
    task = Task("page", hints=("Why?",), praise="", routes=["page/"])
    try:
        Outcome("GET /page/", "1 of 2").expect_that(False, "2 of 2", **lanes(IN_TURN))
    except Refusal as refusal:
        verdict = Verdict(task, [Result("asks together", "asks_together", refusal)])
    assert DRAWN.splitlines() == [
        line[17:] for line in verdict.text.splitlines() if "/" in line and "GET" not in line
    ]
    html = verdict._repr_mimebundle_()["text/html"]
    assert 'role="img" aria-label="The questions at the services, as they were and as expected"' in html
    assert f"{DRAWN}</dd>" in html
