"""Tests that are not run."""

from __future__ import annotations

import re

from project import git

SKIP = re.compile(r"mark\.(?:skip|skipif|xfail)\(|pytest\.(?:skip|xfail)\(")
DATED = re.compile(r"\b20\d\d-\d\d-\d\d: \w+")


def test_every_skip_has_a_reason_and_a_date() -> None:
    found = git("grep", "--untracked", "-nE", SKIP.pattern.replace("?:", ""), "--", "tests/*.py").splitlines()
    undated = [line for line in found if SKIP.search(line) and not DATED.search(line)]
    assert [line for line in undated if "test_skips.py" not in line] == []
    assert found
