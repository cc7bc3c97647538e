"""A task meets an adversary."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from .calls import around
from .checks import Task, Verdict, judge
from .rehearsal import Rehearsal

Restore = Callable[[], None] | None
"""Brings the sample data back."""


def rehearse(task: Task, right_answer: Any, restore: Restore) -> Rehearsal:
    """Listen to all that a check asks of a right answer.

    Raises:
        AssertionError: when the check refuses it.
    """
    verdict = judged(task, around(right_answer, rehearsal := Rehearsal()), restore)
    if verdict.state != "done":
        raise AssertionError(f"a right answer is refused\n{verdict.text}")
    return rehearsal


def judged(task: Task, answer: Any, restore: Restore, until_held: bool = False) -> Verdict:
    """The verdict on an answer, up to the first refusal; on one that holds the loop, up to the first requirement."""
    return asyncio.run(judge(task, answer, restore, until_refused=True, until_held=until_held))
