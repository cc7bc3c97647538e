"""The right answers of a task: the shipped solution, and the others that its author wrote."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from solved import solution

from .checks import load_known_answers


def right_answers(lesson: str, task: str) -> dict[str, Callable[[], Any]]:
    """What makes each right answer anew, by name; "solution" is the shipped one."""
    others = [known for known in load_known_answers(lesson) if known.task == task and not known.breaks]
    return {"solution": lambda: solution(lesson, task)} | {
        known.name: lambda known=known: known.answer for known in others
    }
