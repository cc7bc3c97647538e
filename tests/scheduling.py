"""How tests are spread over processes, and in which order they come."""

from __future__ import annotations

import itertools
import re

import pytest
from xdist.scheduler import LoadScopeScheduling

LESSON = re.compile(r"\d\d_\w+")
TASK = re.compile(rf"\[(?:\w+-)?({LESSON.pattern}(?:-\w+)?)")
BROWSERS = "tests/browser/"


def scope_of(nodeid: str) -> str:
    """What stays on one process: the cells of a notebook; of a test module, the tests of one task; all browsers."""
    if nodeid.startswith(BROWSERS):
        return BROWSERS  # two at the same time would keep both processors of a small machine from the kernels
    scope, _, test = nodeid.rpartition("::")
    task = TASK.search(test)
    return f"{scope} {task[1]}" if task else scope


class ByNotebookAndTask(LoadScopeScheduling):
    """Keeps the cells of a notebook together, and the tests of one task of each test module."""

    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid)


def in_turns(items: list[pytest.Item]) -> list[pytest.Item]:
    """The same tests, with those that belong to no lesson and those that do in turns.

    Browsers, hubs and servers, which take long, so come early, and not all at the same time;
    at the end there are only lessons, the shortest last, and no process waits long for another.
    """
    scopes: dict[str, list[pytest.Item]] = {}
    for item in items:
        scopes.setdefault(scope_of(item.nodeid), []).append(item)
    others = [tests for scope, tests in scopes.items() if not LESSON.search(scope)]
    lessons = sorted(
        (tests for scope, tests in scopes.items() if LESSON.search(scope)), key=len, reverse=True
    )
    pairs = itertools.zip_longest(others, lessons, fillvalue=[])
    return [item for pair in pairs for tests in pair for item in tests]
