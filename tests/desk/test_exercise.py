"""How an exercise answers a learner."""

from __future__ import annotations

import asyncio
import functools
import json
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.http import JsonResponse

from tutorial_project.checks.verdict import WIDTH, AnswerRefused
from tutorial_project.desk.exercise import Exercise
from tutorial_project.desk.marks import Marks

NAME = "00_start_here"


async def opening_hours(request: Any) -> JsonResponse:
    return JsonResponse({"opens": 9, "closes": 18})


@pytest.fixture
def exercise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Exercise:
    monkeypatch.setenv("TUTORIAL_PROGRESS", str(tmp_path))
    return Exercise(NAME, ROOT_URLCONF="tutorial_project.urls")


def check(exercise: Exercise, answer: Any, task: str | None = None) -> None:
    async def checking() -> None:
        await exercise.check(answer, task)

    asyncio.run(checking())


def refused(exercise: Exercise, answer: Any, task: str | None = None) -> str:
    """The verdict that a learner reads."""
    with pytest.raises(AnswerRefused), redirect_stdout(StringIO()) as shown:
        check(exercise, answer, task)
    return shown.getvalue()


def progress(tmp_path: Path) -> dict[str, Any]:
    return json.loads((tmp_path / f"{NAME}.json").read_text())["tasks"]


def test_a_right_answer_is_done_and_stays_done(exercise: Exercise, tmp_path: Path, capsys: Any) -> None:
    check(exercise, opening_hours)
    assert "✓ opening_hours   done · 2 of 2" in capsys.readouterr().out

    async def opening_hours_broken_later(request: Any) -> JsonResponse:
        return JsonResponse({})

    refused(exercise, opening_hours_broken_later, "opening_hours")
    assert progress(tmp_path)["opening_hours"] == {"state": "done", "checks": 2, "hints": 0}


def test_a_stub_is_not_started_and_raises_nothing(exercise: Exercise, tmp_path: Path, capsys: Any) -> None:
    async def stub(request: Any) -> JsonResponse:
        raise NotImplementedError

    check(exercise, stub, "opening_hours")
    assert "○ opening_hours   not started" in capsys.readouterr().out
    assert progress(tmp_path)["opening_hours"]["checks"] == 0


def test_what_operations_see_is_shown_for_the_task_of_the_answer_on_fresh_data(exercise: Exercise) -> None:
    from tutorial_project.trips.models import Trip

    @exercise.tasks["opening_hours"].seen_by_operations
    async def seen(answer: Any) -> Any:
        await Trip.objects.all().adelete()
        return answer.__name__, await Trip.objects.acount()

    for _ in range(2):
        assert asyncio.run(exercise.operations(opening_hours)) == ("opening_hours", 0)
    exercise.tasks["opening_hours"].operations = None
    with pytest.raises(LookupError, match="no traffic"):
        asyncio.run(exercise.operations(opening_hours))


def test_a_name_that_is_no_task_is_told_the_tasks_there_are(exercise: Exercise) -> None:
    async def office_hours(request: Any) -> JsonResponse:
        return JsonResponse({})

    verdict = refused(exercise, office_hours)
    assert "one of the tasks of this exercise: opening_hours" in verdict
    assert 'task="opening_hours"' in verdict


def test_what_cannot_be_called_is_told_what_to_pass(exercise: Exercise) -> None:
    assert "pass the function itself" in refused(exercise, {"opens": 9}, "opening_hours")


def test_a_coroutine_is_told_that_the_answer_was_called_already(exercise: Exercise) -> None:
    assert "a coroutine: the answer was called" in refused(exercise, opening_hours(None))


def test_an_answer_that_raises_is_quoted_with_its_error(exercise: Exercise) -> None:
    async def divides(request: Any) -> JsonResponse:
        return JsonResponse({"opens": 1 / 0})

    verdict = refused(exercise, divides, "opening_hours")
    assert "got        ZeroDivisionError: division by zero" in verdict
    assert "sent       GET /opening-hours/" in verdict


def test_a_check_that_was_not_awaited_says_so(exercise: Exercise) -> None:
    assert "await" in repr(exercise.check(opening_hours))


def test_hints_come_in_three_grades_and_the_last_one_stays(exercise: Exercise, capsys: Any) -> None:
    for _ in range(4):
        exercise.hint("opening_hours")
    grades = [line.partition(":")[0] for line in capsys.readouterr().out.splitlines()]
    assert grades == ["Hint 1 of 3", "Hint 2 of 3", "Hint 3 of 3", "Hint 3 of 3"]


def test_a_task_without_hints_says_so(exercise: Exercise, capsys: Any) -> None:
    exercise.tasks["opening_hours"].hints = ()
    exercise.hint("opening_hours")
    assert capsys.readouterr().out.startswith("opening_hours has no hints")


def test_a_hint_for_no_task_says_which_tasks_there_are(exercise: Exercise, capsys: Any) -> None:
    exercise.hint("lunch")
    assert "The tasks of this exercise: opening_hours" in capsys.readouterr().out


def test_progress_is_a_row_of_marks_and_how_many_are_done(exercise: Exercise) -> None:
    assert repr(exercise.progress()) == "○ opening_hours\n\n0 of 1 done"


def test_progress_says_where_to_go_on_when_everything_is_done(exercise: Exercise) -> None:
    check(exercise, opening_hours)
    marks = exercise.progress()
    assert marks.text.startswith("✓ opening_hours\n\n1 of 1 done. Next: notebooks/")
    assert '<span role="img" aria-label="done" title="done">✓</span>' in marks.html
    assert marks.next in marks.html


def test_a_long_row_of_marks_is_broken_between_tasks() -> None:
    states = {f"task_number_{number}": "not yet" for number in range(12)}
    *rows, _, count = Marks(states).text.splitlines()
    assert len(rows) > 1
    assert all(len(row) <= WIDTH and row.startswith("✗ task") and row[-1].isdigit() for row in rows)
    assert count == "0 of 12 done"


def test_an_unknown_exercise_is_told_which_there_are() -> None:
    with pytest.raises(LookupError, match=NAME):
        Exercise("99_flying_cars")


def test_a_refusal_shows_its_verdict_and_stops_run_all_with_one_line(exercise: Exercise) -> None:
    async def opening_hours(request: Any) -> JsonResponse:
        return JsonResponse({})

    with pytest.raises(AnswerRefused) as refusal, redirect_stdout(StringIO()) as shown:
        check(exercise, opening_hours)
    assert shown.getvalue().startswith("✗ opening_hours   not yet · 1 of 2")
    assert refusal.value._render_traceback_() == [
        "AnswerRefused: ✗ opening_hours not yet · 1 of 2: see above"
    ]


async def any_city(request: Any, city: str = "") -> JsonResponse:
    return JsonResponse({"opens": 9, "closes": 18})


class Office:
    async def __call__(self, request: Any) -> JsonResponse:
        return JsonResponse({"opens": 9, "closes": 18})


@pytest.mark.parametrize(
    "answer",
    [functools.partial(any_city, city="Lisbon"), lambda request: JsonResponse({}), Office()],
    ids=["partial", "lambda", "object"],
)
def test_an_answer_without_a_tasks_name_gets_no_score_and_no_hint(exercise: Exercise, answer: Any) -> None:
    verdict = refused(exercise, answer)
    assert "one of the tasks of this exercise: opening_hours" in verdict
    assert "0 of 0" not in verdict
    assert "hint" not in verdict


def test_the_name_of_an_answer_is_found_behind_what_wraps_it(exercise: Exercise) -> None:
    assert asyncio.run(exercise.judge(functools.partial(opening_hours))).state == "done"
