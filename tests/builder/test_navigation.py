"""From each notebook to the one before, to its exercise and to the next."""

from __future__ import annotations

from pathlib import Path

import build
import pytest


@pytest.fixture
def lessons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    folders = [tmp_path / name for name in ("00_begin", "01_ask", "02_end")]
    for folder, title in zip(folders, ("Begin", "Ask", "End"), strict=True):
        folder.mkdir()
        (folder / "lesson.md").write_text(f"# {title}\n")
    (folders[1] / "exercise.md").write_text("# Practise\n")
    return folders


def last_line(notebook: object) -> str:
    return notebook.cells[-1].source.splitlines()[-1]


def test_a_lesson_leads_back_to_its_exercise_and_on(lessons: list[Path]) -> None:
    assert last_line(build.lesson_notebook(lessons[1])) == (
        "← [00 Begin](00_begin.ipynb) · [Exercise 01](../exercises/01_ask.ipynb) · [02 End](02_end.ipynb) →"
    )


def test_an_exercise_leads_to_lessons_and_not_to_its_solution(lessons: list[Path], no_tasks: None) -> None:
    assert last_line(build.exercise_notebook(lessons[1])) == (
        "← [00 Begin](../notebooks/00_begin.ipynb) · [Lesson 01](../notebooks/01_ask.ipynb)"
        " · [02 End](../notebooks/02_end.ipynb) →"
    )
    assert "[Exercise 01](../exercises/01_ask.ipynb)" in last_line(build.solution_notebook(lessons[1]))


@pytest.fixture
def no_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "load_tasks", lambda name: {})


def test_the_first_and_the_last_lead_one_way_only(lessons: list[Path]) -> None:
    assert last_line(build.lesson_notebook(lessons[0])) == "[01 Ask](01_ask.ipynb) →"
    assert last_line(build.lesson_notebook(lessons[2])) == "← [01 Ask](01_ask.ipynb)"


def test_a_new_lesson_changes_nothing_but_the_ways_of_its_neighbours(lessons: list[Path]) -> None:
    before = [build.lesson_notebook(folder) for folder in lessons]
    (new := lessons[0].with_name("03_new")).mkdir()
    (new / "lesson.md").write_text("# New\n")
    after = [build.lesson_notebook(folder) for folder in lessons]
    assert [build.cells(b)[:-1] for b in before] == [build.cells(a)[:-1] for a in after]
    assert [b.cells == a.cells for b, a in zip(before, after, strict=True)] == [True, True, False]
