"""What `--another-python` leaves out: what neither Python nor Django decides, and a run on the first Python has proven."""

from __future__ import annotations

import re

import pytest

from tutorial_project.checks.loading import exercise_names
from tutorial_project.desk.front_matter import requires

OPTION = "--another-python"
ONCE = re.compile(
    r"tests/(adversaries|attacks|bench|browser|builder|hub|repository|setup|website)/"
    r"|::test_a_wrong_answer_is_refused"
)
NOT_ON_EVERY_PYTHON = [lesson for lesson in exercise_names() if requires(lesson)]
"""Lessons that the first Python may not have run: nothing of them is left out."""


def add_option(parser: pytest.Parser) -> None:
    """Let a run say that another one has proven what every Python does alike."""
    parser.addoption(
        OPTION,
        action="store_true",
        help="leave out what neither Python nor Django decides, where it was proven",
    )


def is_proven_once(nodeid: str) -> bool:
    """Whether a test is not made again on another Python."""
    return bool(ONCE.search(nodeid)) and not any(lesson in nodeid for lesson in NOT_ON_EVERY_PYTHON)


def leave_out(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Take these tests out of a run that says so, and count them."""
    if config.getoption(OPTION):
        left_out = [item for item in items if is_proven_once(item.nodeid)]
        items[:] = [item for item in items if not is_proven_once(item.nodeid)]
        config.hook.pytest_deselected(items=left_out)
