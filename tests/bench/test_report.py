"""A bound that is not kept, and a figure that cannot be measured, are said and end with status 1."""

from __future__ import annotations

import subprocess
from types import SimpleNamespace

import pytest

from bench import report
from bench.child import in_new_process
from bench.figure import Figure


def run(monkeypatch: pytest.MonkeyPatch, *figures: Figure) -> int | str | None:
    """What `make bench` exits with, when one part has these figures."""
    monkeypatch.setattr("sys.argv", ["bench.py", "--only", "opening"])
    monkeypatch.setattr(
        report.importlib, "import_module", lambda name: SimpleNamespace(figures=lambda: iter(figures))
    )
    try:
        report.main()
    except SystemExit as end:
        return end.code
    return 0


def test_kept_bounds_end_well(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, Figure("a ratio", [1.0], most=1.08)) == 0
    printed = capsys.readouterr().out
    assert "processors" in printed
    assert "Django" in printed
    assert [cell.strip() for cell in printed.splitlines()[-2].split("|")][1:3] == ["a ratio", "1"]


def test_a_bound_that_is_not_kept_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    end = run(monkeypatch, Figure("a ratio", [1.0], most=1.08), Figure("another", [1.2], most=1.08))
    assert end == "not kept: another is 1.2, and has to be at most 1.08"


def test_a_part_that_cannot_be_measured_is_said_and_the_others_are_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def figures() -> list[Figure]:
        raise RuntimeError("no such server")

    parts = {
        "bench.opening": SimpleNamespace(figures=figures),
        "bench.checking": SimpleNamespace(figures=lambda: [Figure("a check", [1.0])]),
    }
    monkeypatch.setattr("sys.argv", ["bench.py", "--only", "opening", "checking"])
    monkeypatch.setattr(report.importlib, "import_module", parts.__getitem__)
    with pytest.raises(SystemExit) as end:
        report.main()
    assert end.value.code == "not measured: opening"
    printed = capsys.readouterr()
    assert "a check" in printed.out
    assert "no such server" in printed.err


def test_a_process_that_fails_says_why() -> None:
    with pytest.raises(RuntimeError, match="KeyError: 'nothing'"):
        in_new_process("opened", "nothing", limit=30)


def test_a_process_that_takes_too_long_is_ended() -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        in_new_process("opened", "lesson", limit=0.01)
