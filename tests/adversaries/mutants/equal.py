"""Mutants that are right answers whatever the task, so that no task has to name them: free words, and `strict`."""

from __future__ import annotations

import re

# The name of an error's key is the learner's too: a task that demands one says so, and then refuses the mutant.
WORDS_OF_AN_ERROR = re.compile(
    r"""
    "(XX)?error(XX)?":\ f?("(\\.|[^"\\])*"|None)  # what an answer with an error's status says
    | (?<=raise\ )[\w.]+\(.*\)                     # what an exception says
    """,
    re.VERBOSE,
)
SAME_LENGTH = re.compile(r", strict=\w+|(?<=\w), (?=\))")
"""`strict` guards what always has the same length."""


def is_equal(name: str) -> bool:
    """Whether this mutant is a right answer to any task.

    Args:
        name: the operator and the lines that changed, as `make mutants` prints them.
    """
    operator, _, lines = name.partition(": ")
    before, _, after = lines.partition(" → ")
    if operator in ("text", "arg removal") and _same(WORDS_OF_AN_ERROR, before, after):
        return True
    return "strict=True" in before and _same(SAME_LENGTH, before, after)


def _same(free: re.Pattern[str], before: str, after: str) -> bool:
    return free.sub("", before) == free.sub("", re.sub(r" \(\d+\)$", "", after))
