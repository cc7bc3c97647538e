"""What an update does for lessons that have another name now."""

from __future__ import annotations

import json
from pathlib import Path

import build
import nbformat
import pytest
from django.core.management import call_command

from tutorial_project.checks.gaps import BEGIN_BROKEN
from tutorial_project.desk.front_matter import said_under
from tutorial_project.desk.management.former_names import STUB, carry_over, former_names

from .conftest import (
    ANSWER,
    STUBS,
    answer,
    commit,
    git,
    sources,
    write_built,
    write_lesson,
    write_notebook,
    write_progress,
)

OPENED = "from tutorial_project.classroom import open_exercise\n\nexercise = open_exercise('{}')"
OTHER_FIRST = STUBS[0].replace("first()", "first(request)")


def rename(tutorial: Path, *cells: str, old: str = "01_first", new: str = "02_first") -> None:
    """Give a lesson of the tutorial another name, and say so in it; its cells may change as well."""
    git(tutorial, "rm", "-r", "--quiet", f"lessons/{old}", f"exercises/{old}.ipynb")
    write_lesson(tutorial, new, *cells, formerly=f"[{old}, 00_first]")
    commit(tutorial, f"Renumber to {new}")


def tasks(clone: Path, name: str) -> dict[str, dict[str, object]]:
    return json.loads((clone / "progress" / f"{name}.json").read_text())["tasks"]


def state(clone: Path) -> dict[str, bytes]:
    """All that a learner sees of exercises and progress."""
    return {
        file.relative_to(clone).as_posix(): file.read_bytes()
        for folder in ("exercises", "progress")
        for file in (clone / folder).iterdir()
    }


def test_an_answer_and_its_progress_are_there_under_the_new_name(tutorial: Path, clone: Path, capsys) -> None:
    rename(tutorial)
    call_command("update")
    assert sources(clone, "02_first") == [ANSWER, *STUBS[1:]]
    assert nbformat.read(clone / "exercises/02_first.ipynb", as_version=4).cells[0].execution_count == 3
    assert tasks(clone, "02_first") == {"first": {"state": "done", "checks": 4, "hints": 2}}
    assert not (clone / "exercises/01_first.ipynb").exists()
    assert not (clone / "progress/01_first.json").exists()
    assert sources(clone, "01_first.before-update-1")[0] == ANSWER
    assert "02_first.ipynb, with what you wrote. A copy is " in capsys.readouterr().out


def test_a_second_update_changes_nothing(tutorial: Path, clone: Path) -> None:
    rename(tutorial)
    call_command("update")
    before = state(clone)
    call_command("update")
    write_lesson(tutorial, "03_third")
    commit(tutorial, "Lesson 03")
    call_command("update")
    assert {name: content for name, content in state(clone).items() if "03_third" not in name} == before


def test_an_answer_follows_its_task_when_the_task_changed_too(tutorial: Path, clone: Path) -> None:
    rename(tutorial, "import asyncio", OTHER_FIRST, STUBS[1])
    call_command("update")
    assert sources(clone, "02_first") == ["import asyncio", ANSWER, STUBS[1]]


def test_a_cell_that_the_learner_added_stays_before_its_answer(tutorial: Path, clone: Path) -> None:
    file = clone / "exercises" / "01_first.ipynb"
    notebook = nbformat.read(file, as_version=4)
    notebook.cells.insert(2, nbformat.v4.new_code_cell("def helper(): ..."))
    notebook.cells.append(nbformat.v4.new_markdown_cell("My notes on 01_first"))
    nbformat.write(notebook, file)
    rename(tutorial, "import asyncio", OTHER_FIRST, *STUBS[1:])
    call_command("update")
    assert sources(clone, "02_first") == [
        "import asyncio", ANSWER, STUBS[1], "def helper(): ...", *STUBS[2:], "My notes on 02_first"
    ]  # fmt: skip


def test_an_edited_cell_that_opens_the_exercise_opens_the_new_one(tutorial: Path, clone: Path) -> None:
    write_built(tutorial / "exercises" / "01_first.ipynb", OPENED.format("01_first"), *STUBS)
    commit(tutorial, "Open it")
    git(clone, "checkout", "--quiet", "--", "exercises")
    call_command("update")
    file = clone / "exercises" / "01_first.ipynb"
    notebook = nbformat.read(file, as_version=4)
    notebook.cells[0].source = "exercise = open_exercise('01_first', DEBUG=False)"
    nbformat.write(notebook, file)
    rename(tutorial, OPENED.format("02_first"), *STUBS)
    call_command("update")
    assert sources(clone, "02_first") == ["exercise = open_exercise('02_first', DEBUG=False)", *STUBS]


def test_answers_of_an_editor_that_changes_every_id_are_carried_over_without_old_gaps(
    tutorial: Path, clone: Path
) -> None:
    write_notebook(clone / "exercises" / "01_first.ipynb", ANSWER, *STUBS[1:])
    rename(tutorial, OTHER_FIRST, "await exercise.check(first, 2)", *STUBS[2:])
    call_command("update")
    assert sources(clone, "02_first") == [ANSWER, "await exercise.check(first, 2)", *STUBS[2:]]


def test_of_an_exercise_that_was_never_touched_nothing_is_left_under_the_old_name(
    tutorial: Path, clone: Path
) -> None:
    git(clone, "checkout", "--quiet", "--", "exercises")
    rename(tutorial)
    call_command("update")
    assert [file.name for file in (clone / "exercises").iterdir()] == ["02_first.ipynb"]


def test_an_exercise_that_was_only_run_leaves_no_copy(tutorial: Path, clone: Path) -> None:
    file = clone / "exercises" / "01_first.ipynb"
    git(clone, "checkout", "--quiet", "--", "exercises")
    notebook = nbformat.read(file, as_version=4)
    notebook.cells[1].execution_count = 1
    nbformat.write(notebook, file)
    rename(tutorial)
    call_command("update")
    call_command("update")
    assert [file.name for file in (clone / "exercises").iterdir()] == ["02_first.ipynb"]
    assert sources(clone, "02_first") == STUBS


def test_where_both_names_were_answered_the_new_one_stays_and_the_old_one_is_kept(
    tutorial: Path, clone: Path
) -> None:
    rename(tutorial)
    call_command("update")
    mine, elsewhere = clone / "exercises" / "02_first.ipynb", clone / "exercises" / "01_first.ipynb"
    newer = nbformat.read(mine, as_version=4)
    newer.cells[0].source = "def first(): return 'newer'"
    nbformat.write(newer, mine)
    write_built(elsewhere, *STUBS)  # as from a copy on another machine, in which task two is answered as well
    older = nbformat.read(elsewhere, as_version=4)
    older.cells[0].source = "def first(): return 'older'"
    older.cells[2].source = "def second(): return 'older'"
    nbformat.write(older, elsewhere)
    write_progress(clone, "01_first", first="not yet", second="done")
    call_command("update")
    assert sources(clone, "02_first") == [
        "def first(): return 'newer'", STUBS[1], "def second(): return 'older'", STUBS[3]
    ]  # fmt: skip
    assert "def first(): return 'older'" in sources(clone, "01_first.before-update-2")
    assert {task: record["state"] for task, record in tasks(clone, "02_first").items()} == {
        "first": "done",
        "second": "done",
    }


def test_a_learner_who_skipped_a_name_is_found_too(tutorial: Path, clone: Path) -> None:
    rename(tutorial)
    git(tutorial, "rm", "-r", "--quiet", "lessons/02_first", "exercises/02_first.ipynb")
    write_lesson(tutorial, "03_first", formerly="02_first, 01_first")
    commit(tutorial, "Renumber again")
    call_command("update")
    assert sources(clone, "03_first")[0] == ANSWER
    assert tasks(clone, "03_first")["first"]["state"] == "done"


def test_lessons_that_a_new_one_pushed_on_take_their_answers_along(tutorial: Path, clone: Path) -> None:
    write_lesson(tutorial, "02_second")
    commit(tutorial, "Lesson 02")
    call_command("update")
    answer(clone / "exercises" / "02_second.ipynb")
    rename(tutorial, old="02_second", new="03_second")
    rename(tutorial, old="01_first", new="02_first")
    write_lesson(tutorial, "01_new")
    commit(tutorial, "A new lesson 01")
    call_command("update")
    assert sorted(file.name for file in (clone / "exercises").glob("0*[a-z].ipynb")) == [
        "01_new.ipynb", "02_first.ipynb", "03_second.ipynb"
    ]  # fmt: skip
    assert sources(clone, "02_first")[0] == sources(clone, "03_second")[0] == ANSWER
    assert sources(clone, "01_new") == STUBS


def test_a_lesson_that_the_learner_changed_is_carried_over_as_well(tutorial: Path, clone: Path) -> None:
    for number, folder in ((1, tutorial), (2, tutorial)):
        (folder / "notebooks").mkdir(exist_ok=True)
        write_built(folder / "notebooks" / f"0{number}_first.ipynb", "1 + 1", "2 + 2")
    (clone / "notebooks").mkdir()
    write_built(clone / "notebooks" / "01_first.ipynb", "1 + 1", "2 + 2")
    changed = nbformat.read(clone / "notebooks" / "01_first.ipynb", as_version=4)
    changed.cells[1].source = "2 + 3"
    nbformat.write(changed, clone / "notebooks" / "01_first.ipynb")
    (tutorial / "notebooks" / "01_first.ipynb").unlink()
    rename(tutorial)
    call_command("update")
    present = nbformat.read(clone / "notebooks" / "02_first.ipynb", as_version=4)
    assert [cell.source for cell in present.cells] == ["1 + 1", "2 + 3"]


def test_what_was_saved_half_is_named_and_carried_over_once_it_is_mended(
    tutorial: Path, clone: Path, capsys
) -> None:
    file = clone / "exercises" / "01_first.ipynb"
    whole = file.read_text()
    copy = file.parent / ".ipynb_checkpoints" / "01_first-checkpoint.ipynb"
    copy.parent.mkdir()
    copy.write_text(whole)
    file.write_text(whole[:300])
    rename(tutorial)
    call_command("update")
    printed = capsys.readouterr().out
    assert "put exercises/.ipynb_checkpoints/01_first-checkpoint.ipynb in its place" in printed
    assert "reset 01" not in printed
    assert tasks(clone, "02_first")["first"]["state"] == "done"
    file.write_text(copy.read_text())
    call_command("update")
    assert sources(clone, "02_first")[0] == ANSWER


def test_a_damaged_progress_file_does_not_stop_an_update(tutorial: Path, clone: Path) -> None:
    (clone / "progress" / "01_first.json").write_text('{"tasks": {"first": 3}}')
    rename(tutorial)
    call_command("update")
    assert sources(clone, "02_first")[0] == ANSWER
    assert (clone / "progress" / "01_first.damaged").read_text() == '{"tasks": {"first": 3}}'


def test_former_names_stand_in_the_front_matter_and_nowhere_else() -> None:
    assert said_under("formerly", "---\npaths: live\nformerly: 01_a, 01_b\n---\n# A\n") == ["01_a", "01_b"]
    assert said_under("formerly", "---\npaths: live\n---\n# A\n\n---\nformerly: 01_a\n---\n") == []
    assert said_under("formerly", "# A\n") == []


def test_a_name_that_a_lesson_has_is_nobodys_former_one(tmp_path: Path) -> None:
    write_lesson(tmp_path, "01_first")
    write_lesson(tmp_path, "02_first", formerly="01_first, 00_first")
    assert former_names(tmp_path / "lessons") == {"00_first": "02_first"}
    assert list(carry_over(tmp_path)) == []


def test_no_former_name_is_claimed_twice_or_in_use() -> None:
    names = [folder.name for folder in build.lesson_folders()]
    claimed = [
        name
        for f in build.lesson_folders()
        for name in said_under("formerly", (f / "lesson.md").read_text("utf-8"))
    ]
    assert sorted(claimed) == sorted(former_names(build.LESSONS))
    assert not set(claimed) & set(names)


@pytest.mark.parametrize("lesson_name", [folder.name for folder in build.lesson_folders()])
def test_a_gap_of_a_built_exercise_is_known_as_one(lesson_name: str) -> None:
    if BEGIN_BROKEN in build.exercise_text(lesson_name):
        return  # broken code that is carried over is broken code again
    notebook = build.exercise_notebook(build.LESSONS / lesson_name)
    assert any(STUB.search(cell.source) for cell in notebook.cells)
