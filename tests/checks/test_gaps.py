"""Gaps that hold broken code: who sees what of them."""

from __future__ import annotations

import pytest

from tutorial_project.checks.gaps import broken_cell, marked_solution, marks_are_right, solved, to_solve

CELL = """import asyncio


async def page(request):
    ### BEGIN BROKEN
    time.sleep(1)
    ### BEGIN SOLUTION
    await asyncio.sleep(1)
    ### END SOLUTION
    return 1


def other():
    ### BEGIN SOLUTION
    return 2
    ### END SOLUTION
"""
TEXT = f"# A\n\n```{{code-cell}} ipython3\n{CELL}```\n\n```{{code-cell}} ipython3\n:tags: [one]\n\nawait check(page)\n```\n"


def test_the_learner_gets_the_broken_code_or_a_stub_and_the_solution_is_the_repaired_one() -> None:
    assert "time.sleep(1)\n    return 1" in to_solve(CELL)
    assert "# Your code here\n    raise NotImplementedError" in to_solve(CELL)
    assert "await asyncio.sleep(1)\n    return 1" in solved(CELL)
    assert "time.sleep(1)" not in solved(CELL) + marked_solution(CELL)
    assert "###" not in solved(CELL) + to_solve(CELL)


def test_the_marked_solution_is_what_the_solution_is_but_for_its_marks() -> None:
    lines = marked_solution(CELL).splitlines()
    assert [line for line in lines if "###" not in line] == solved(CELL).splitlines()
    assert len(lines) == len(solved(CELL).splitlines()) + 4


def test_a_task_knows_its_broken_cell_and_another_has_none() -> None:
    assert broken_cell(TEXT, "page") == to_solve(CELL)
    assert broken_cell(TEXT, "somebody_else") == ""
    assert broken_cell(TEXT.replace("### BEGIN BROKEN\n    time.sleep(1)\n    ", ""), "page") == ""


@pytest.mark.parametrize(
    "line",
    ["    ### BEGIN SOLUTION\n", "    ### END SOLUTION\n", "    time.sleep(1)\n    ### BEGIN SOLUTION\n"],
)
def test_a_mark_that_is_missing_is_found(line: str) -> None:
    assert marks_are_right(CELL)
    assert not marks_are_right(CELL.replace(line, "", 1))
