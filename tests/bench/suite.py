"""The seconds of the suite, by kind of test."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from time import perf_counter
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from project import ROOT

from .figure import Figure

LIMIT = 3600.0
"""Seconds that the suite may take."""


def figures(paths: Sequence[str] = ()) -> Iterator[Figure]:
    """Run the suite, or a part of it, and say where its seconds go.

    Args:
        paths: folders and files of tests, from the repository's root; none for all.
    """
    with tempfile.TemporaryDirectory(prefix="async-views-bench-") as folder:
        report = Path(folder) / "report.xml"
        started = perf_counter()
        run(report, paths)
        seconds = perf_counter() - started
        cases = list(ElementTree.parse(report).iter("testcase"))
    yield Figure(f"suite: from start to end, {len(cases)} tests, s", [seconds])
    yield Figure("suite: tests that failed", [sum(map(failed, cases))], most=0)
    yield from by_kind(cases)


def run(report: Path, paths: Iterable[str]) -> None:
    """Run the tests as `make test` does; what pytest prints goes to stderr, where it can be followed."""
    command = [sys.executable, "-m", "pytest", f"--junitxml={report}", *paths]
    subprocess.run(command, cwd=ROOT, stdout=sys.stderr, timeout=LIMIT, check=False)


def by_kind(cases: Iterable[Element]) -> Iterator[Figure]:
    """The seconds of each kind, of all processes together; the longest kind first."""
    seconds: dict[str, list[float]] = {}
    for case in cases:
        seconds.setdefault(kind(case), []).append(float(case.attrib["time"]))
    for name, values in sorted(seconds.items(), key=lambda pair: -sum(pair[1])):
        yield Figure(f"suite: {name}, {len(values)} tests, s of all processes", [sum(values)])


def kind(case: Element) -> str:
    """What a test is about: its folder, or its module when that lies in `tests` itself."""
    first, *others = case.attrib["classname"].split(".")
    if first == "tests":
        return others[0].removeprefix("test_")
    return f"{first}, again" if case.attrib["name"].endswith(" again") else first


def failed(case: Element) -> bool:
    return case.find("failure") is not None or case.find("error") is not None
