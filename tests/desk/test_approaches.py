"""Other right answers, for who has found one."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from solved import LESSONS

from tutorial_project import paths
from tutorial_project.checks.loading import load_known_answers
from tutorial_project.desk.approaches import approaches_to
from tutorial_project.desk.exercise import Exercise

NAME, TASK = "00_start_here", "opening_hours"


ANSWERS = """
from tutorial_project.checks import known_answer


def hour(text):
    return int(text)


@known_answer("opening_hours", when="Where <many> pages say the same hours.")
class WithAHelper:
    async def get(self, request):
        return hour("9")
"""


@pytest.fixture
def exercise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Exercise:
    monkeypatch.setenv("TUTORIAL_PROGRESS", str(tmp_path / "progress"))
    exercise = Exercise(NAME, ROOT_URLCONF="tutorial_project.urls")
    lessons = tmp_path / "lessons"
    (lessons / NAME / "answers").mkdir(parents=True)
    (lessons / NAME / "exercise.md").write_text(f"{{{{ requirements: {TASK} }}}}\n")
    (lessons / NAME / "answers" / f"{TASK}.py").write_text(ANSWERS)
    monkeypatch.setattr(paths, "LESSONS", lessons)
    return exercise


def test_they_are_shown_to_nobody_who_has_not_found_one(exercise: Exercise, capsys) -> None:
    assert exercise.approaches(TASK) is None
    assert "First find a way of your own" in capsys.readouterr().out


def test_text_and_page_hold_when_it_is_the_better_one_and_code_that_runs(exercise: Exercise) -> None:
    from tutorial_project.desk.progress import Progress

    Progress(NAME).checked(TASK, "done")
    shown = exercise.approaches(TASK)
    assert repr(shown).startswith("Where <many> pages say the same hours.\n\n    def hour(text):")
    assert "class WithAHelper:" in repr(shown)
    assert "known_answer" not in repr(shown)
    assert "Where &lt;many&gt; pages" in shown._repr_html_()


def test_a_task_that_is_none_is_answered_with_those_there_are(exercise: Exercise, capsys) -> None:
    assert exercise.approaches("opening_ours") is None
    assert "The tasks of this exercise: opening_hours" in capsys.readouterr().out


@pytest.mark.parametrize("name", LESSONS)
def test_every_approach_is_one_sentence_and_code(name: str) -> None:
    for task in {known.task for known in load_known_answers(name)}:
        for approach in approaches_to(name, task):
            assert approach.when.endswith(".")
            ast.parse(approach.code)
            assert "known_answer" not in approach.code
