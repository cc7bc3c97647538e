"""Who may import whom, and what a type checker finds; both are set up in pyproject.toml."""

from __future__ import annotations

import subprocess
import sys

from project import ROOT


def printed_by(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True, timeout=120)


def test_no_room_imports_what_stands_on_it_and_nobody_imports_in_a_circle() -> None:
    done = printed_by(
        "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()", "--no-cache"
    )
    assert "0 broken" in done.stdout, done.stdout + done.stderr


def test_the_type_checker_finds_nothing() -> None:
    done = printed_by("-m", "mypy")
    assert done.returncode == 0, done.stdout + done.stderr
