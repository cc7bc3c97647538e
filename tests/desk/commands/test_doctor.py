"""python manage.py doctor."""

from __future__ import annotations

import json
import runpy
import socket
import sys
import webbrowser
from pathlib import Path

import pytest
from django.core.management import call_command
from project import ROOT

from tutorial_project.desk.management import health
from tutorial_project.desk.management.commands import doctor
from tutorial_project.desk.management.health import Finding


def test_nothing_needed_is_wrong_where_these_tests_run() -> None:
    found = [check() for check in health.CHECKS if check not in {health.packages, health.proofs}]
    assert [finding for finding in found if finding.verdict == "wrong"] == []


def test_a_package_of_another_version_or_missing_is_named(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.txt"
    lock.write_text(
        "django==1.0 \\\n    --hash=sha256:00\n"
        "nosuchpackage==2.0 \\\n    --hash=sha256:00\n"
        "onlyelsewhere==3.0 ; sys_platform == 'amiga' \\\n    --hash=sha256:00\n"
    )
    finding = health.packages(lock)
    assert finding.verdict == "wrong"
    assert "django" in finding.found
    assert "nosuchpackage missing" in finding.found
    assert "onlyelsewhere" not in finding.found


@pytest.mark.parametrize(
    ("stamp", "verdict", "found"),
    [
        (None, "OK", "not installed"),
        ("Python 3.13 in /home/ada/.venv\nrequirements.txt\n00\n", "OK", "not installed"),
        ("Python 3.13 in /home/ada/.venv\nrequirements-proofs.txt\n00\n", "wrong", "nosuchpackage missing"),
    ],
    ids=["conda", "a learner", "whoever ran make test"],
)
def test_what_proofs_need_is_examined_where_it_was_installed(
    stamp: str | None, verdict: str, found: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "STAMP", tmp_path / "stamp.txt")
    monkeypatch.setattr(health, "LOCK_OF_PROOFS", tmp_path / "requirements-proofs.txt")
    health.LOCK_OF_PROOFS.write_text("nosuchpackage==2.0\n")
    if stamp is not None:
        health.STAMP.write_text(stamp)
    finding = health.proofs()
    assert (finding.verdict, finding.found[: len(found)]) == (verdict, found)


def test_the_stamp_is_where_and_what_set_up_writes() -> None:
    script = runpy.run_path(str(ROOT / "set_up.py"))
    assert Path(sys.prefix) / script["STAMP"] == health.STAMP
    assert (script["LOCK"], script["LOCK_OF_PROOFS"]) == (health.LOCK, health.LOCK_OF_PROOFS)


def test_the_lock_is_read_whole() -> None:
    entries = [
        line for line in health.LOCK.read_text(encoding="utf-8").splitlines() if "==" in line.split(" ")[0]
    ]
    assert len(list(health.pins(health.LOCK))) == len(entries) > 50


def test_a_kernel_of_another_python_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = tmp_path / "kernels" / "python3" / "kernel.json"
    kernel.parent.mkdir(parents=True)
    spec = {"argv": ["/old/bin/python", "-m", "ipykernel"], "display_name": "old", "language": "python"}
    kernel.write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    finding = health.kernel()
    assert finding.verdict == "wrong"
    assert "/old/bin/python" in finding.found


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TUTORIAL_PROGRESS", str(tmp_path / "file" / "progress"))
    assert str(tmp_path / "file" / "progress") in health.writable().found


def test_a_closed_loopback_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(socket, "create_server", refuse)
    assert "firewall" in health.port().advice


def test_no_browser_is_a_note_for_one_can_be_opened_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise webbrowser.Error("could not locate runnable browser")

    monkeypatch.setattr(webbrowser, "get", refuse)
    assert health.browser().verdict == "note"


@pytest.mark.parametrize("advice", ["", "buy a new one"])
def test_something_wrong_ends_with_1(advice: str, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setattr(doctor, "CHECKS", [lambda: Finding("machine", "42 [bold]", advice)])
    try:
        call_command("doctor")
        code = 0
    except SystemExit as stop:
        code = stop.code
    assert code == (1 if advice else 0)
    printed = capsys.readouterr().out
    assert "42 [bold]" in printed
    assert ("wrong" if advice else "OK") in printed
    assert advice in printed


def test_a_lesson_that_cannot_run_here_is_named_and_is_no_fault(learner: Path) -> None:
    assert health.lessons() == Finding("lessons", "all run here")
    (learner / "lessons" / "02_both" / "lesson.md").write_text("---\nrequires: django>=99\n---\n\n# Both\n")
    finding = health.lessons()
    assert finding.verdict == "note"
    assert finding.found == "02_both needs Django 99 or newer"
    assert "VENV=" in finding.advice
