"""Lessons that not every supported Python can run: those whose front matter says so, and no other."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import build
import pytest
from locks import LEARNERS
from packaging.utils import canonicalize_name
from project import ROOT

from tutorial_project.desk.front_matter import missing_for, requires

ALL = [folder.name for folder in build.lesson_folders()]
IMPORTED = re.compile(r"^\s*(?:from|import)\s+(\w+)", re.MULTILINE)


def only_newer_pythons_get() -> set[str]:
    """The packages of the lock that Python 3.11 does not get, which has Django 5.2."""
    return set(LEARNERS.installed("3.13")) - set(LEARNERS.installed("3.11"))


def imported_by(lesson: str) -> set[str]:
    """The packages, by their modules' names, that the cells and the Python files of a lesson import."""
    files = [file for pattern in ("*.md", "**/*.py") for file in (build.LESSONS / lesson).glob(pattern)]
    texts = (file.read_text(encoding="utf-8") for file in files)
    return {canonicalize_name(module) for text in texts for module in IMPORTED.findall(text)}


def test_what_does_not_run_on_django_5_2_is_exactly_what_says_so() -> None:
    newer = {name for name in ALL if imported_by(name) & only_newer_pythons_get()}
    assert newer == {name for name in ALL if requires(name)}


@pytest.fixture(scope="module")
def collected() -> str:
    """What pytest says when it only collects the notebooks, as a learner's environment runs them."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-n0", "notebooks", "solutions"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_every_notebook_is_collected_but_those_that_cannot_run_here(collected: str) -> None:
    found = set(re.findall(r"^((?:notebooks|solutions)/\w+)\.ipynb", collected, re.MULTILINE))
    kinds = {"notebooks": "lesson.md", "solutions": "exercise.md"}
    there = {
        f"{kind}/{name}"
        for kind, file in kinds.items()
        for name in ALL
        if (build.LESSONS / name / file).is_file() and not missing_for(name)
    }
    assert found == there


def test_a_run_names_what_it_leaves_out(tmp_path: Path) -> None:
    (tmp_path / "test_nothing.py").write_text("def test_nothing():\n    pass\n")
    command = [sys.executable, "-m", "pytest", "-n0", "--rootdir", str(ROOT), "-c", "pyproject.toml"]
    header = subprocess.run([*command, "notebooks/00_start_here.ipynb", "--collect-only"], cwd=ROOT,
                            capture_output=True, text=True).stdout  # fmt: skip
    for name in ALL:
        assert (f"not run here: {name}. This lesson needs" in header) == bool(missing_for(name))
