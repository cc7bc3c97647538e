"""The answers of the exercises, taken from their notebooks."""

from __future__ import annotations

import ast
import asyncio
import hashlib
import inspect
import linecache
from functools import cache
from pathlib import Path
from typing import Any

import build
from nbformat import NotebookNode

from tutorial_project.checks.gaps import defines
from tutorial_project.checks.loading import exercise_names, task_names
from tutorial_project.desk.front_matter import missing_for

LESSONS = [lesson for lesson in exercise_names() if not missing_for(lesson)]
"""Every lesson with an exercise that runs in this environment; the header of a test run names the others."""
TASKS = [(lesson, task) for lesson in LESSONS for task in task_names(lesson)]
"""Every task of these lessons: its lesson's name, and its own."""


def answer_in(notebook: NotebookNode, task_name: str, place: Path) -> Any:
    """Run the cells of an exercise that neither open it nor check it, and return the answer."""
    namespace: dict[str, Any] = {"__name__": "answer"}
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type == "code" and "exercise" not in cell.source:
            tree = _without_what_it_shows(ast.parse(cell.source))
            file = _file_of(cell.source, f"{place.name} cell {number}")
            code = compile(tree, file, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            result = eval(code, namespace)
            if inspect.iscoroutine(result):
                asyncio.run(result)
    return namespace[task_name]


def _file_of(source: str, name: str) -> str:
    """The name of a file that holds a cell, as a kernel gives it one: whoever asks `linecache` finds its lines."""
    file = f"{name} {hashlib.sha256(source.encode()).hexdigest()[:8]}"
    linecache.cache[file] = len(source), None, source.splitlines(keepends=True), file
    return file


def _without_what_it_shows(cell: ast.Module) -> ast.Module:
    """A cell without the requests that it sends to show what they do: they take time, and no answer needs them."""
    if cell.body and isinstance(cell.body[-1], ast.Expr) and isinstance(cell.body[-1].value, ast.Await):
        del cell.body[-1]
    return cell


def solution(lesson: str, task: str) -> Any:
    """The shipped solution of a task, made anew."""
    return answer_in(_solved(lesson), task, build.LESSONS / lesson)


def source_of(lesson: str, task: str) -> str:
    """The code cell of the solution notebook that defines the answer."""
    source: str = cell_of(_solved(lesson), task).source
    return source


def cell_of(notebook: NotebookNode, task: str) -> NotebookNode:
    """The one cell of an exercise that defines the answer to a task."""
    codes = [cell for cell in notebook.cells if cell.cell_type == "code"]
    [found] = [cell for cell in codes if defines(cell.source, task)]
    return found


@cache
def _solved(lesson: str) -> NotebookNode:
    return build.solution_notebook(build.LESSONS / lesson)
