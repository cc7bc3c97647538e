"""The right answers of every task: the shipped solution, and the others that its author wrote."""

from __future__ import annotations

import ast
import asyncio
import inspect
from collections.abc import Callable
from typing import Any

import build
from nbformat import NotebookNode

from .checks import exercise_names, load_known_answers, task_names

TASKS = [(lesson, task) for lesson in exercise_names() for task in task_names(lesson)]


def solution(lesson: str, task: str) -> Any:
    """The shipped solution, made anew: its module-level locks and tables are its own."""
    return answer_in(build.solution_notebook(build.LESSONS / lesson), task, lesson)


def answer_in(notebook: NotebookNode, task: str, place: str) -> Any:
    """Run the cells of an exercise that neither open it nor check it; return the answer to a task."""
    namespace: dict[str, Any] = {"__name__": "answer"}
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type == "code" and "exercise" not in cell.source:
            run_cell(cell.source, namespace, f"{place} cell {number}")
    return namespace[task]


def run_cell(source: str, namespace: dict[str, Any], name: str) -> None:
    """Run a cell as IPython does, without the request that it shows at its end."""
    tree = ast.parse(source)
    if tree.body and isinstance(tree.body[-1], ast.Expr) and isinstance(tree.body[-1].value, ast.Await):
        del tree.body[-1]
    result = eval(compile(tree, name, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), namespace)
    if inspect.iscoroutine(result):
        asyncio.run(result)


def right_answers(lesson: str, task: str) -> dict[str, Callable[[], Any]]:
    """What makes each right answer, by name; "solution" is the shipped one."""
    others = [known for known in load_known_answers(lesson) if known.task == task and not known.breaks]
    return {"solution": lambda: solution(lesson, task)} | {
        known.name: lambda known=known: known.answer for known in others
    }
