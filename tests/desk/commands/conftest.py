"""Two small lessons, and a learner's folder of their exercises."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from tutorial_project import paths

TASK = """
from tutorial_project.checks import Task

hello = Task("hello", hints=("Why?", "Where?", "Like this."), praise="Right.")

@hello.requirement("returns hello")
async def returns_hello(trial):
    (await trial.call()).expect("hello")
"""
LESSON = "---\nminutes: 5\n---\n\n# A lesson\n"
EXERCISE = """# An exercise

{{ requirements: hello }}

```{code-cell} ipython3
def hello():
    ### BEGIN SOLUTION
    return "hello"
    ### END SOLUTION
```
"""


@pytest.fixture
def learner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a learner: lessons/ with 01_hello and 02_both, an empty exercises/, and progress/."""
    for name, tasks in {"01_hello": ["hello"], "02_both": ["hello", "farewell"]}.items():
        folder = tmp_path / "lessons" / name
        (folder / "tasks").mkdir(parents=True)
        (folder / "lesson.md").write_text(LESSON, encoding="utf-8")
        texts = [EXERCISE.replace("hello", task) for task in tasks]
        (folder / "exercise.md").write_text("\n".join(texts), encoding="utf-8")
        for task in tasks:
            (folder / "tasks" / f"{task}.py").write_text(TASK.replace("hello", task), encoding="utf-8")
    (tmp_path / "exercises").mkdir()
    monkeypatch.setattr(paths, "LESSONS", tmp_path / "lessons")
    monkeypatch.setattr(paths, "EXERCISES", tmp_path / "exercises")
    monkeypatch.setenv("TUTORIAL_PROGRESS", str(tmp_path / "progress"))
    return tmp_path


def write_notebook(file: Path, *cells: str) -> None:
    """Write a notebook of code cells."""
    nbformat.write(
        new_notebook(cells=[new_code_cell(cell, id=f"cell-{n}") for n, cell in enumerate(cells)]), file
    )


def write_progress(folder: Path, exercise: str, **states: str) -> None:
    """Write a progress file in which each task named has a state, 4 checks and 2 hints."""
    tasks = {name: {"state": state, "checks": 4, "hints": 2} for name, state in states.items()}
    (folder / "progress").mkdir(exist_ok=True)
    (folder / "progress" / f"{exercise}.json").write_text(json.dumps({"tasks": tasks}), encoding="utf-8")
