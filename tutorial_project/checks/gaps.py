"""The gaps of an exercise: what stands in one, for the learner, for who proves, and in the solution."""

from __future__ import annotations

import ast
import re

BEGIN_BROKEN, BEGIN, END = "### BEGIN BROKEN", "### BEGIN SOLUTION", "### END SOLUTION"
MARKER = re.compile(r"^ *### (BEGIN|END) (BROKEN|SOLUTION) *$", re.MULTILINE)
CELL = re.compile(r"^```\{code-cell\}[^\n]*\n(?::[^\n]*\n)*(.*?)^```$", re.DOTALL | re.MULTILINE)
"""A code cell of an `exercise.md`; its group is the code."""

_GAP = re.compile(
    r"^(?P<indent> *)### BEGIN (?:BROKEN *\n(?P<broken>.*?)^ *### BEGIN )?SOLUTION *\n"
    r"(?P<solution>.*?)^ *### END SOLUTION *\n?",
    re.DOTALL | re.MULTILINE,
)
STUB = "{indent}# Your code here\n{indent}raise NotImplementedError\n"


def solved(text: str) -> str:
    """A text with what the solution has in each gap."""
    return _without_gaps(_GAP.sub(lambda gap: gap["solution"], text))


def to_solve(text: str) -> str:
    """A text as the learner gets it: with the broken code of each gap, or else with a stub."""
    return _without_gaps(_GAP.sub(lambda gap: gap["broken"] or STUB.format(indent=gap["indent"]), text))


def _without_gaps(text: str) -> str:
    """The text with as few empty lines as the formatter leaves where a mark stood between definitions."""
    return re.sub(r"\n{3,}(?= +\S)", "\n\n", re.sub(r"\n{4,}", "\n\n\n", text))


def marked_solution(text: str) -> str:
    """A text with the solutions between their marks, and no broken code."""
    return _GAP.sub(lambda gap: f"{gap['indent']}{BEGIN}\n{gap['solution']}{gap['indent']}{END}\n", text)


def marks_are_right(cell: str) -> bool:
    """Whether each gap of a cell is marked from its begin to its end."""
    marks = ", ".join(map(" ".join, MARKER.findall(cell)))
    return re.fullmatch(r"(?:(?:BEGIN BROKEN, )?BEGIN SOLUTION, END SOLUTION(?:, |$))*", marks) is not None


def broken_cell(text: str, task: str) -> str:
    """The code cell that defines a task as its learner gets it, where its gap holds broken code; else nothing.

    Args:
        text: of an `exercise.md`.
        task: the name of the function or class.
    """
    cells = [to_solve(cell) for cell in CELL.findall(text) if BEGIN_BROKEN in cell]
    return next((cell for cell in cells if defines(cell, task)), "")


def defines(source: str, name: str) -> bool:
    """Whether a cell defines a function or class of this name."""
    return any(getattr(statement, "name", None) == name for statement in ast.parse(source).body)
