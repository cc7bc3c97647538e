"""Broken code is not started until it is changed: its layout and its comments do not count."""

from __future__ import annotations

import asyncio
import linecache
from collections.abc import Callable
from typing import Any

import pytest

from tutorial_project.checks import Task, Trial
from tutorial_project.checks.judge import judge
from tutorial_project.checks.unchanged import is_unchanged

BROKEN = '''import functools

LIMIT = 5


def served(view, most=3):
    return functools.wraps(view)(lambda request: view(request))


@served
def page(request):
    """A page."""
    if request:
        return [one for one in range(LIMIT)]
    return {"a": 1, "b": (2, None)}
'''
CHANGES = [
    ("range(LIMIT)", "range(LIMIT + 1)"),
    ("LIMIT = 5", "LIMIT = 6"),
    ("@served\n", ""),
    ("most=3", "most=4"),
    ("view(request))", "view(not request))"),
    ("(2, None)", "(2.0, None)"),
    ("LIMIT = 5", "LIMIT ="),
]


def answer_of(source: str, file: str = "") -> Any:
    """What a cell defines; with a file, as a kernel runs it."""
    try:
        code = compile(source, file or "<nowhere>", "exec")
    except SyntaxError:  # the cell was run, and then spoiled
        code = compile(BROKEN, file, "exec")
    if file:
        linecache.cache[file] = len(source), None, source.splitlines(keepends=True), file
    namespace: dict[str, Any] = {"__name__": "answer"}
    exec(code, namespace)
    return namespace["page"]


def laid_out_anew(source: str) -> str:
    source = source.replace("LIMIT = 5", "# how many\nLIMIT = (\n    5\n)").replace("    ", "  ")
    return source.replace(
        "return [one for one in range(LIMIT)]", "return [\n    one\n    for one in range(LIMIT)  # all\n  ]"
    )


@pytest.mark.parametrize("edit", [str, laid_out_anew], ids=["as it was", "laid out anew"])
@pytest.mark.parametrize("file", ["broken cell", ""], ids=["a cell", "code alone"])
def test_layout_and_comments_do_not_count(edit: Callable[[str], str], file: str) -> None:
    assert is_unchanged(answer_of(edit(BROKEN), file), BROKEN)


@pytest.mark.parametrize(("old", "new"), CHANGES)
def test_every_other_change_does(old: str, new: str) -> None:
    assert old in BROKEN
    assert not is_unchanged(answer_of(BROKEN.replace(old, new), "changed cell"), BROKEN)


def test_code_alone_is_compared_where_nobody_knows_its_cell() -> None:
    assert not is_unchanged(answer_of(BROKEN.replace("range(LIMIT)", "range(LIMIT + 1)")), BROKEN)
    assert not is_unchanged(print, BROKEN)


def a_task(broken: str) -> Task:
    task = Task("page", hints=("Why?",), praise="Right.", broken=broken)

    @task.requirement("is a list")
    async def is_a_list(trial: Trial) -> None:
        (await trial.call(None)).expect([], because="of the cause", next="this step")

    return task


def test_the_verdict_on_unchanged_code_says_what_is_seen_and_not_why() -> None:
    answer = answer_of(BROKEN, "broken cell")
    verdict = asyncio.run(judge(a_task(BROKEN), answer))
    assert (verdict.state, verdict.broken, set(verdict.evidence)) == (
        "not started",
        "is_a_list",
        {"sent", "expected", "got"},
    )
    assert "○ page   not started" in verdict.text
    assert "✗ is a list" in verdict.text
    assert "Repair the code, run the cell" in verdict.text
    assert "cause" not in verdict.text


def test_changed_code_is_judged_as_any_answer() -> None:
    verdict = asyncio.run(judge(a_task(BROKEN), answer_of(BROKEN.replace('"a": 1', '"a": 2'), "changed")))
    assert (verdict.state, verdict.evidence["because"]) == ("not yet", "of the cause")
