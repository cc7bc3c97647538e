"""What a notebook imports: `tutorial_project.classroom`, and nothing below it."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import build
from project import ROOT

from tutorial_project import classroom

BELOW = ("tutorial_project.classroom.", "tutorial_project.checks", "tutorial_project.desk")


def deep_imports(source: str) -> list[str]:
    """The modules below the facade that a cell imports."""
    found = []
    for node in ast.walk(ast.parse(source)):
        names = [node.module] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        found += [name for name in names if name.startswith(BELOW)]
    return found


def python_cells(folder: Path) -> list[str]:
    notebooks = [build.lesson_notebook(folder), build.solution_notebook(folder)]
    cells = [cell.source for notebook in notebooks for cell in notebook.cells if cell.cell_type == "code"]
    return [cell for cell in cells if not cell.startswith("%") and "from tutorial_project" in cell]


def printed_by(*lines: str) -> list[str]:
    """The words that a new process prints when it runs these lines."""
    command = [sys.executable, "-c", "\n".join(lines)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()


def test_a_notebook_imports_nothing_below_the_facade(lesson: Path) -> None:
    assert [name for cell in python_cells(lesson) for name in deep_imports(cell)] == []


def test_every_name_of_the_facade_is_there() -> None:
    assert [name for name in classroom.__all__ if getattr(classroom, name, None) is None] == []


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    assert not hasattr(classroom, "open_lessons")


def test_importing_the_facade_loads_no_client_and_no_server() -> None:
    heavy = "{'aiohttp', 'django', 'httpx', 'uvicorn', 'psycopg', 'IPython'}"
    assert printed_by(f"import sys, tutorial_project.classroom; print({heavy} & set(sys.modules))") == [
        "set()"
    ]


def test_cells_that_name_former_modules_go_on_working() -> None:
    words = printed_by(
        "from tutorial_project.classroom.crossings import crossings",
        "from tutorial_project.classroom.lesson import prepare",
        "from tutorial_project.classroom.postgresql import connections_open, postgresql",
        "from tutorial_project import classroom",
        "print(crossings is classroom.crossings, postgresql is classroom.postgresql, prepare is classroom.prepare)",
    )
    assert words == ["True"] * 3
