"""Tests that are not run."""

from __future__ import annotations

import re

from project import ROOT

SKIP = re.compile(r"(?:mark\.(?:skip|skipif|xfail)|pytest\.(?:skip|xfail))\(")
REASON = re.compile(r"(?:reason=)?f?\"20\d\d-\d\d-\d\d: \w+")
LONGEST_CALL = 200
"""Characters in which the reason has to come."""


def undated(source: str) -> list[str]:
    """The skips in a module whose reason does not begin with a date."""
    calls = [source[match.start() : match.start() + LONGEST_CALL] for match in SKIP.finditer(source)]
    return [call for call in calls if not REASON.search(call)]


def test_every_skip_has_a_reason_and_a_date() -> None:
    modules = [file for file in (ROOT / "tests").rglob("*.py") if file.name != "test_skips.py"]
    assert {file.name: undated(file.read_text(encoding="utf-8")) for file in modules} == {
        file.name: [] for file in modules
    }


def test_a_skip_without_a_date_is_found() -> None:
    assert undated('@pytest.mark.skip(reason="flaky")') != []
    assert undated('@pytest.mark.skipif(\n    True, reason="2026-11-23: no make")') == []
