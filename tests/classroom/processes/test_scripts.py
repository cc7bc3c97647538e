"""Scripts in a process of their own."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from tutorial_project.classroom import run_script


def test_a_script_prints_into_the_cell(capsys: Any) -> None:
    run_script("""
        import os
        print("✓", os.environ["PLACE"])
    """, PLACE="Lisbon")  # fmt: skip
    assert capsys.readouterr().out == "✓ Lisbon\n"


def test_an_error_shows_as_its_last_line(capsys: Any) -> None:
    run_script("print('before')\n1 / 0")
    assert capsys.readouterr().out == "before\nZeroDivisionError: division by zero\n"


def test_a_script_that_hangs_is_ended() -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        run_script("import threading; threading.Event().wait()", limit=0.5)
