"""Two small lessons and a learner's folder of their exercises; a tutorial's repository and a learner's clone of it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from tutorial_project import paths
from tutorial_project.desk.management.commands import update as update_command
from tutorial_project.desk.management.notebook_file import original_id

TASK = """
from tutorial_project.checks import Task

hello = Task("hello", hints=("Why?", "Where?", "Like this."), praise="Right.")

@hello.requirement("returns hello")
async def returns_hello(trial):
    (await trial.call()).expect("hello")
"""
LESSON = "# A lesson\n"
EXERCISE = """# An exercise

{{ requirements: hello }}

```{code-cell} ipython3
def hello():
    ### BEGIN SOLUTION
    return "hello"
    ### END SOLUTION
```
"""
STUBS = ["def first():\n    # Your code here\n    raise NotImplementedError", "await exercise.check(first)",
         "def second():\n    # Your code here\n    raise NotImplementedError", "await exercise.check(second)"]  # fmt: skip
ANSWER = "def first():\n    return 'my own answer'"


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


def write_built(file: Path, *cells: str) -> None:
    """Write a notebook of code cells as the builder writes it: the ids come from the text."""
    write_notebook(file, *cells)
    notebook = nbformat.read(file, as_version=4)
    for cell in notebook.cells:
        cell.id = original_id(cell)
    nbformat.write(notebook, file)


def sources(folder: Path, name: str = "01_first") -> list[str]:
    """The texts of the cells of an exercise in a clone."""
    return [cell.source for cell in nbformat.read(folder / "exercises" / f"{name}.ipynb", as_version=4).cells]


def git(folder: Path, *arguments: str) -> str:
    """Run git as an author or a learner would, and return what it prints."""
    done = subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout


def commit(folder: Path, message: str) -> None:
    """Commit all that a folder holds."""
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", message)


@pytest.fixture
def tutorial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The repository that learners clone, with one exercise; git has no configuration but an author."""
    for variable in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "An author")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "author@example.com")
    folder = tmp_path / "tutorial"
    write_lesson(folder, "01_first")
    (folder / ".gitignore").write_text("progress/\n.ipynb_checkpoints/\n*.before-*\n")
    git(folder.parent, "init", "--quiet", "--initial-branch=main", "tutorial")
    commit(folder, "Lesson 01")
    return folder


def write_lesson(folder: Path, name: str, *cells: str, formerly: str = "") -> None:
    """Write a lesson and its exercise into a tutorial's repository."""
    lesson = folder / "lessons" / name / "lesson.md"
    lesson.parent.mkdir(parents=True, exist_ok=True)
    former = f"formerly: {formerly}\n" if formerly else ""
    lesson.write_text(f"---\n{former}---\n\n# Lesson {name}\n")
    (folder / "exercises").mkdir(exist_ok=True)
    write_built(folder / "exercises" / f"{name}.ipynb", *(cells or STUBS))


@pytest.fixture
def clone(tutorial: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A learner's clone, in which task one is answered, run, and noted as done."""
    git(tmp_path, "clone", "--quiet", str(tutorial), "clone")
    folder = tmp_path / "clone"
    answer(folder / "exercises" / "01_first.ipynb")
    write_progress(folder, "01_first", first="done")
    monkeypatch.setenv("TUTORIAL_PROGRESS", str(folder / "progress"))
    monkeypatch.setattr(update_command, "ROOT", folder)
    return folder


def answer(file: Path) -> None:
    """Answer the first task, and run it, as JupyterLab would store that."""
    notebook = nbformat.read(file, as_version=4)
    notebook.cells[0].update(source=ANSWER, execution_count=3)
    output = nbformat.v4.new_output("stream", text="✓ first   done\n")
    notebook.cells[1].update(execution_count=4, outputs=[output])
    notebook.metadata["language_info"] = {"name": "python", "version": "3.13.0"}
    nbformat.write(notebook, file)
