"""Where the suite's seconds go, from pytest's own report."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench import suite

REPORT = """<testsuites><testsuite>
<testcase classname="notebooks.01_first.ipynb" name="Cell 0" time="4.5"/>
<testcase classname="notebooks.01_first.ipynb" name="Cell 0 again" time="0.5"/>
<testcase classname="solutions.01_first.ipynb" name="Cell 0" time="2.0"/>
<testcase classname="tests.test_exercises" name="test_the_solution_is_done[01_first-a]" time="1.0"/>
<testcase classname="tests.hub.test_hub" name="test_one" time="6.0"><error>no</error></testcase>
<testcase classname="tests.hub.test_proxy.TestProxy" name="test_two" time="1.5"><failure>no</failure></testcase>
</testsuite></testsuites>"""


def test_seconds_are_summed_by_kind_the_longest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suite, "run", lambda report, paths: report.write_text(REPORT))
    whole, failed, *kinds = suite.figures()
    assert whole.name == "suite: from start to end, 6 tests, s"
    assert (failed.values, failed.kept) == ([2], False)
    assert [(figure.name.split(",")[0], figure.values) for figure in kinds[:2]] == [
        ("suite: hub", [7.5]),
        ("suite: notebooks", [4.5]),
    ]
    assert {figure.name.rpartition(", 1 test")[0] for figure in kinds} >= {
        "suite: notebooks, again",
        "suite: exercises",
    }


def test_the_report_is_pytests_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # starts in a second
    report = tmp_path / "report.xml"
    suite.run(report, ["tests/trips/test_departures.py", "--noconftest", "--override-ini=addopts="])
    cases = list(ElementTree.parse(report).iter("testcase"))
    assert {suite.kind(case) for case in cases} == {"trips"}
    assert not any(map(suite.failed, cases))
