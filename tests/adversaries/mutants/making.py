"""The mutants of a task's solution, as cells of its exercise."""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import jupytext
import libcst as cst
from libcst.metadata import CodeRange, MetadataWrapper, PositionProvider

from tutorial_project.checks.gaps import BEGIN, END, defines, marked_solution

from .operators import OPERATORS, name_of


@dataclass(frozen=True)
class Mutant:
    """One small change of a solution.

    Args:
        name: the operator and the lines that changed, before and after: stable as long as these lines are.
        source: the changed cell.
        diff: the change, as a reader sees it.
    """

    name: str
    source: str
    diff: str


def mutants_of(exercise: Path, task: str) -> list[Mutant]:
    """Every mutant of the solution of a task, each source once."""
    notebook = jupytext.reads(marked_solution(exercise.read_text(encoding="utf-8")), fmt="md:myst")
    cells = [cell.source for cell in notebook.cells if cell.cell_type == "code" and BEGIN in cell.source]
    return [mutant for cell in cells if defines(cell, task) for mutant in mutants_of_cell(cell)]


def mutants_of_cell(source: str) -> list[Mutant]:
    """The mutants of what stands between the marks of a cell."""
    found: dict[str, str] = {}
    for operator, changed in _changed(source):
        if changed != source and _compiles(changed):
            found.setdefault(changed, operator)
    mutants, names = [], set[str]()
    for changed, operator in found.items():
        before, after = _changed_lines(source, changed)
        name = _unused(f"{operator}: {before} → {after}", names)
        mutants.append(Mutant(name, changed, _diff(source, changed)))
    return mutants


def _changed(source: str) -> Iterator[tuple[str, str]]:
    """The name of the operator, and the source that it makes, for each place where one fits."""
    wrapper = MetadataWrapper(cst.parse_module(source))
    positions = wrapper.resolve(PositionProvider)
    module, ranges = wrapper.module, list(gaps(source))
    for node in _nodes(module):
        if not any(_belongs_to(positions.get(node), node, gap) for gap in ranges):
            continue
        for kind, operator in OPERATORS:
            if isinstance(node, kind):
                for other in operator(node):
                    changed = cst.ensure_type(module.deep_replace(node, other), cst.Module)
                    yield name_of(operator), changed.code


def gaps(source: str) -> Iterator[range]:
    """The numbers of the lines between the marks."""
    lines = source.splitlines()
    for begin, line in enumerate(lines, 1):
        if line.strip() == BEGIN:
            end = next(n for n, line in enumerate(lines, 1) if n > begin and line.strip() == END)
            yield range(begin, end + 1)


def _nodes(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    yield node
    for child in node.children:
        yield from _nodes(child)


def _belongs_to(place: CodeRange | None, node: cst.CSTNode, gap: range) -> bool:
    if place is None:
        return False
    inside = place.start.line in gap and place.end.line in gap
    # The function around a gap, and its block, are changed by the statements in the gap.
    holds = isinstance(node, cst.FunctionDef | cst.IndentedBlock)
    return inside or (holds and place.start.line - 1 <= gap.start and place.end.line >= gap.stop - 2)


def _compiles(source: str) -> bool:
    try:
        compile(source, "mutant", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    except SyntaxError:
        return False
    return True


def _changed_lines(before: str, after: str) -> tuple[str, str]:
    old, new = _without_marks(before), _without_marks(after)
    changes = [
        change
        for change in difflib.SequenceMatcher(None, old, new, False).get_opcodes()
        if change[0] != "equal"
    ]
    if sorted(old) == sorted(new):  # lines that changed places: all from the first of them to the last
        changes = [("replace", changes[0][1], changes[-1][2], changes[0][3], changes[-1][4])]
    gone = [line for _, i, j, _, _ in changes for line in old[i:j]]
    come = [line for _, _, _, i, j in changes for line in new[i:j]]
    return _joined(gone), _joined(come)


def _without_marks(source: str) -> list[str]:
    # Trap: a mark is a comment of the statement that follows it, and goes with that.
    return [line for line in source.splitlines() if line.strip() not in (BEGIN, END)]


def _joined(lines: list[str]) -> str:
    return " ⏎ ".join(line.strip() for line in lines) or "nothing"


def _unused(name: str, names: set[str]) -> str:
    number = 1
    while (chosen := name if number == 1 else f"{name} ({number})") in names:
        number += 1
    names.add(chosen)
    return chosen


def _diff(before: str, after: str) -> str:
    lines = difflib.unified_diff(_without_marks(before), _without_marks(after), lineterm="", n=1)
    return "\n".join(line for line in lines if not line.startswith(("---", "+++", "@@")))


def is_named(pattern: str, name: str) -> bool:
    """Whether a pattern, in which … stands for any text, names this mutant."""
    return re.fullmatch(".*".join(map(re.escape, pattern.split("…"))), name, re.DOTALL) is not None
