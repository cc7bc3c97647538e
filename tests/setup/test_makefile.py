"""The targets of the Makefile, as make would run them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

import pytest

from tutorial_project.paths import ROOT

pytestmark = pytest.mark.skipif(
    shutil.which("make") is None, reason="2026-11-23: make is not on this machine"
)


FOR_LEARNERS = {"lab", "check", "update", "ready"}
TARGETS = re.search(r"^\.PHONY: (.+)", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)[1].split()
TARGETS = [target for target in TARGETS if target not in {"ready-for-proofs", "python"}]


def make(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run make as from a new terminal: these tests may run inside a make of their own."""
    ours = {"PYTHON", "VENV", "ARGS", "MAKEFLAGS", "MAKELEVEL"}
    kept = {name: value for name, value in os.environ.items() if name not in ours}
    return subprocess.run(
        ["make", *arguments], cwd=ROOT, env=kept | environment, capture_output=True, text=True
    )


def recipe(*arguments: str, **environment: str) -> str:
    """What make would run, without running it."""
    return make("--dry-run", *arguments, **environment).stdout


def test_lab_serves_this_machine_only_with_a_token_and_takes_options() -> None:
    started = recipe("lab", "ARGS=--no-browser --port 8899")
    assert "-m jupyterlab --ServerApp.ip=127.0.0.1 " in started
    assert " --no-browser --port 8899 " in started
    assert started.rstrip().endswith('"$(.venv/bin/python manage.py start)"')
    assert "token" not in started


@pytest.mark.parametrize("target", TARGETS)
def test_each_target_sets_up_what_it_needs_first_with_the_python_and_folder_that_are_named(
    target: str,
) -> None:
    lines = recipe(target, "VENV=.venv-3.13", PYTHON="python3.13").splitlines()
    option = "" if target in FOR_LEARNERS else " --proofs"
    assert lines[1] == f"python3.13 set_up.py .venv-3.13{option}"
    assert target == "ready" or lines[2].startswith(".venv-3.13/bin/python ")


def test_lock_takes_the_smaller_lock_out_of_the_larger_and_installs_what_is_there() -> None:
    larger, copied, smaller, installed = recipe("lock").splitlines()[2:]
    assert " pyproject.toml --group proofs -o requirements-proofs.txt --upgrade" in larger
    assert copied == "cp requirements-proofs.txt requirements.txt"
    assert smaller.endswith(" pyproject.toml -o requirements.txt")
    assert installed == "python3 set_up.py .venv"


def test_update_installs_what_the_new_lessons_need() -> None:
    assert recipe("update").splitlines()[-1] == "python3 set_up.py .venv"


def test_a_python_that_is_not_there_is_one_sentence() -> None:
    done = make("ready", "PYTHON=nosuchpython")
    assert done.returncode != 0
    assert done.stdout == "nosuchpython is not on this machine: install Python 3.11 or newer.\n"


def test_python_keeps_its_bytecode_also_where_the_environment_forbids_it() -> None:
    target = "--eval=told: ; @echo told=$$PYTHONDONTWRITEBYTECODE"
    assert make(target, "told", PYTHONDONTWRITEBYTECODE="1").stdout.strip() == "told="
