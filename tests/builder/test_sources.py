"""What an author is told about the sources of a lesson: the file, and the remedy."""

from __future__ import annotations

from pathlib import Path

import author
import pytest
from sources import lesson_faults

from tutorial_project import paths

NAME = "77_new_lesson"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lesson that was just begun."""
    monkeypatch.setattr(paths, "LESSONS", tmp_path)
    return author.begin(NAME, tmp_path)


def test_a_lesson_that_was_just_begun_has_no_fault(folder: Path) -> None:
    assert lesson_faults(folder) == []


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        ("lesson.md", "# Say in a verb", "Say in a verb", "has no title"),
        ("exercise.md", "{{ requirements: trip", "{{ requirement: trip", "is no placeholder"),
        (
            "exercise.md",
            "{{ requirements: trip",
            "{{ requirements: tripp",
            "Write lessons/77_new_lesson/tasks/",
        ),
        ("exercise.md", "{{ requirements: trip_title }}", "", "shows no task"),
        ("exercise.md", "    ### END SOLUTION\n", "", "its solution would be in the exercise"),
        ("exercise.md", "await exercise.check(trip_title)", "1", "never checks 'trip_title'"),
    ],
)
def test_a_slip_is_said_with_its_file_and_remedy(
    folder: Path, file: str, old: str, new: str, says: str
) -> None:
    text = (folder / file).read_text(encoding="utf-8")
    assert old in text
    (folder / file).write_text(text.replace(old, new), encoding="utf-8")
    assert [fault for fault in lesson_faults(folder) if says in fault and f"{NAME}/{file}" in fault]


def test_a_task_without_known_answers_is_named(folder: Path) -> None:
    (folder / "answers" / "trip_title.py").unlink()
    assert "answers/trip_title.py: is missing" in lesson_faults(folder)[0]


def test_a_file_that_no_exercise_shows_is_named(folder: Path) -> None:
    (folder / "tasks" / "forgotten.py").write_text("")
    assert "tasks/forgotten.py: no exercise shows it" in lesson_faults(folder)[0]


def test_every_lesson_is_without_fault(lesson: Path) -> None:
    assert lesson_faults(lesson) == []


def test_broken_code_and_the_requirement_that_refuses_it_belong_together(folder: Path) -> None:
    exercise, answers = folder / "exercise.md", folder / "answers" / "trip_title.py"
    text = exercise.read_text(encoding="utf-8")
    exercise.write_text(
        text.replace("    ### BEGIN SOL", "    ### BEGIN BROKEN\n    return 1\n    ### BEGIN SOL")
    )
    assert "BROKEN = …" in lesson_faults(folder)[0]
    answers.write_text(answers.read_text(encoding="utf-8") + '\nBROKEN = "answers"\n')
    assert lesson_faults(folder) == []
    exercise.write_text(text)
    assert "BROKEN = …" in lesson_faults(folder)[0]
