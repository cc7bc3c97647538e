"""Building notebooks from the sources of a lesson."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import build
import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output
from project import ROOT

from tutorial_project import paths

EXERCISE = """# Practise

## Task 1

{{ requirements: opening_hours }}

```{code-cell} ipython3
if "exercise" in globals():
    await exercise.check(opening_hours)
```

```{code-cell} ipython3
async def opening_hours(request):
    \"\"\"When the agency is open.\"\"\"
    if request.method == "GET":
        ### BEGIN SOLUTION
        return 1
        ### END SOLUTION
```
"""


@pytest.fixture
def example(tmp_path: Path) -> Path:
    folder = tmp_path / "00_start_here"
    folder.mkdir()
    (folder / "lesson.md").write_text("# Ask\n\n```{code-cell} ipython3\n1 + 1\n```\n")
    (folder / "exercise.md").write_text(EXERCISE)
    for kind in ("tasks", "answers"):
        shutil.copytree(build.LESSONS / folder.name / kind, folder / kind)
    return folder


def code(notebook: object) -> str:
    return "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")


def test_the_solution_is_cut_out_of_the_exercise_and_nowhere_else(example: Path) -> None:
    exercise, solution = code(build.exercise_notebook(example)), code(build.solution_notebook(example))
    assert exercise.splitlines()[-2:] == ["        # Your code here", "        raise NotImplementedError"]
    assert solution.splitlines()[-1] == "        return 1"
    assert exercise.splitlines()[:-2] == solution.splitlines()[:-1]
    assert "SOLUTION" not in exercise + solution


def test_the_task_lists_the_sentences_of_the_checks(example: Path) -> None:
    text = build.exercise_notebook(example).cells[0].source
    assert "- has the status 200\n- is the JSON" in text


def test_a_new_cell_leaves_the_ids_of_the_others_alone(example: Path) -> None:
    before = {cell.id for cell in build.lesson_notebook(example).cells}
    text = (example / "lesson.md").read_text()
    (example / "lesson.md").write_text(
        text.replace("```{code-cell}", "```{code-cell} ipython3\n0\n```\n\n```{code-cell}", 1)
    )
    after = [cell.id for cell in build.lesson_notebook(example).cells]
    assert before <= set(after)
    assert len(after) == len(set(after))


def executed(source: str, **metadata: object) -> object:
    notebook = new_notebook(cells=[new_code_cell(source, metadata=metadata)])
    notebook.metadata.kernelspec = build.KERNEL
    return build.execute(notebook, ROOT / "notebooks", "a lesson").cells[0]


def test_a_failing_cell_stops_the_build_with_the_lesson_the_cell_and_the_error() -> None:
    with pytest.raises(build.BuildError) as error:
        executed("1 / 0")
    assert all(words in str(error.value) for words in ("a lesson", "1 / 0", "ZeroDivisionError"))


def test_an_error_that_was_announced_and_did_not_come_stops_the_build() -> None:
    with pytest.raises(build.BuildError, match="raised nothing"):
        executed("1", tags=["raises-exception"])


def test_stored_outputs_hold_no_address_no_path_and_no_frame_outside_of_the_notebook() -> None:
    cell = new_code_cell(
        "",
        outputs=[
            new_output("stream", name="stdout", text=f"<object at 0x7f01> in {ROOT}"),
            new_output("stream", name="stdout", text="/file.py"),
            new_output(
                "error",
                ename="E",
                evalue="e",
                traceback=["Cell In[1], line 1", "File ~/x/site-packages/django/a.py:1", "E: e"],
            ),
        ],
    )
    build._normalise(cell)
    stream, error = cell.outputs
    assert stream.text == "<object at 0x…> in ./file.py"
    assert error.traceback == ["Cell In[1], line 1", "    … 1 frame inside Django and Python …", "E: e"]


def test_only_what_changed_is_built(example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "ROOT", tmp_path)
    for kind in ("notebooks", "exercises", "solutions"):
        (tmp_path / kind).mkdir()
    assert build.build(example, everything=False)
    assert not build.build(example, everything=False)
    (example / "lesson.md").write_text((example / "lesson.md").read_text() + "\nMore.\n")
    assert build.build(example, everything=False)


def test_only_changed_code_is_run_again(
    example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "notebooks").mkdir()
    (example / "exercise.md").unlink()
    ran: list[str] = []
    monkeypatch.setattr(build, "ROOT", tmp_path)
    monkeypatch.setattr(build, "execute", lambda notebook, _, name: ran.append(code(notebook)) or notebook)
    for before, after in (("", ""), ("# Ask", "# Ask again"), ("1 + 1", "2 + 2")):
        (example / "lesson.md").write_text((example / "lesson.md").read_text().replace(before, after))
        assert build.build(example, everything=False)
        assert not build.build(example, everything=False)
    assert ran == ["1 + 1", "2 + 2"]


def test_a_solution_whose_task_was_changed_is_run_again(
    example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook, file = build.solution_notebook(example), tmp_path / "solutions" / "00_start_here.ipynb"
    file.parent.mkdir()
    nbformat.write(notebook, file)
    assert build.take_outputs(build.solution_notebook(example), file)
    task = next(example.glob("tasks/*.py"))
    task.write_text(f"{task.read_text()}\n")
    assert not build.take_outputs(build.solution_notebook(example), file)


def test_building_keeps_what_a_learner_has_answered(
    example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "ROOT", tmp_path)
    monkeypatch.setattr(build, "execute", lambda notebook, *_: notebook)
    for kind in ("notebooks", "exercises", "solutions"):
        (tmp_path / kind).mkdir()
    build.build(example, everything=False)
    file = tmp_path / "exercises" / "00_start_here.ipynb"
    answered = nbformat.read(file, as_version=4)
    answered.cells[-2].update(source="async def opening_hours(request): ...", execution_count=1)
    nbformat.write(answered, file)
    assert not build.build(example, everything=False)
    build.build(example, everything=True)
    kept = nbformat.read(file.with_name("00_start_here.before-build-1.ipynb"), as_version=4)
    assert kept.cells[-2].source == "async def opening_hours(request): ..."
    assert code(nbformat.read(file, as_version=4)) == code(build.exercise_notebook(example))


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: text[:200],
        lambda text: text.replace("raise NotImplementedError", "return 1  # written, not run"),
    ],
    ids=["saved half", "not run"],
)
def test_building_keeps_what_may_be_an_answer(
    example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, edit
) -> None:
    monkeypatch.setattr(build, "ROOT", tmp_path)
    monkeypatch.setattr(build, "execute", lambda notebook, *_: notebook)
    for kind in ("notebooks", "exercises", "solutions"):
        (tmp_path / kind).mkdir()
    build.build(example, everything=False)
    file = tmp_path / "exercises" / "00_start_here.ipynb"
    fresh = file.read_text()
    file.write_text(edit(fresh))
    build.build(example, everything=True)
    assert file.read_text() == fresh
    assert file.with_name("00_start_here.before-build-1.ipynb").read_text() == edit(fresh)


def test_an_unknown_lesson_is_told_which_there_are() -> None:
    done = subprocess.run(
        [sys.executable, "lessons/build.py", "77"], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert "no such lesson; there are: 00_start_here" in done.stderr


def test_the_readme_holds_the_table_of_lessons() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert build.with_tables(readme) == readme, "a lesson has changed: make notebooks"
    assert len(readme.splitlines()) < 150


def needing(requirement: str, folder: Path) -> Path:
    """The same lesson, with what it needs in its front matter."""
    lesson = folder / "lesson.md"
    lesson.write_text(f"---\nrequires: {requirement}\n---\n\n{lesson.read_text()}")
    return folder


@pytest.mark.parametrize("make", [build.lesson_notebook, build.exercise_notebook, build.solution_notebook])
def test_what_a_lesson_needs_stands_in_the_first_cell_of_its_notebooks(example: Path, make) -> None:
    assert "requires" not in make(example).metadata.lesson
    notebook = make(needing("django>=99", example))
    assert notebook.metadata.lesson["requires"] == "django>=99"
    first = next(cell for cell in notebook.cells if cell.cell_type == "code")
    assert first.source.endswith('require("django>=99")')


def test_a_lesson_that_cannot_run_here_is_left_as_it_was_built(
    example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    for kind in ("notebooks", "exercises", "solutions"):
        (tmp_path / kind).mkdir()
    built = tmp_path / "notebooks" / f"{example.name}.ipynb"
    built.write_text("built elsewhere")
    monkeypatch.setattr(build, "ROOT", tmp_path)
    monkeypatch.setattr(paths, "LESSONS", tmp_path)
    assert build.build(needing("django>=99", example), everything=True)  # the exercise needs no run
    assert built.read_text() == "built elsewhere"
    assert not (tmp_path / "solutions" / built.name).exists()
    said = capsys.readouterr().out
    assert f"notebooks/{built.name} is left as it is, out of date. This lesson needs Django 99" in said


def test_the_table_of_lessons_says_what_one_needs(example: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "lesson_folders", lambda: [needing("django>=99", example)])
    assert "[Ask](notebooks/00_start_here.ipynb) (needs Django 99) |" in build.lessons_table()


def test_the_code_to_take_along_is_folded_and_no_other(example: Path) -> None:
    cell = "```{code-cell} ipython3\n%s\n```\n"
    text = f"# Ask\n\n{cell % 1}\nAnd now:\n\n## In your project\n\nKeep this.\n\n{cell % 2}\n{cell % 3}"
    (example / "lesson.md").write_text(text, encoding="utf-8")
    folded = {cell.source: build.is_folded(cell) for cell in build.lesson_notebook(example).cells}
    assert [folded[name] for name in "123"] == [False, True, False]
