"""What all tests share: Django as a lesson configures it, and the sources of all lessons."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "lessons"))

import build  # noqa: E402

from tutorial_project.classroom.database import SampleDatabase  # noqa: E402
from tutorial_project.classroom.lesson import prepare  # noqa: E402

# At import, and not in a fixture: test modules import models while they are collected.
SAMPLE_DATABASE = prepare(ROOT_URLCONF="tutorial_project.urls")


def pytest_configure(config: pytest.Config) -> None:
    """Keep the progress of whoever runs the tests: kernels and commands write to a folder of their own."""
    config.progress = tempfile.TemporaryDirectory(prefix="async-views-progress-")
    os.environ["TUTORIAL_PROGRESS"] = config.progress.name


def pytest_unconfigure(config: pytest.Config) -> None:
    from django.db import connections

    connections.close_all()
    config.progress.cleanup()


def pytest_report_header() -> list[str]:
    """Name the notebooks that were edited here: they are tested as they are."""
    edited = edited_notebooks()
    return [f"edited in this working tree, tested as they are: {', '.join(edited)}"] if edited else []


def edited_notebooks() -> list[str]:
    """The notebooks that differ from the last commit; none outside of a git checkout."""
    status = git("diff", "--name-only", "HEAD", "--", "notebooks", "solutions")
    return [line for line in status.splitlines() if line.endswith(".ipynb")]


def git(*arguments: str) -> str:
    """What a git command prints in this repository, or nothing when it fails."""
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, encoding="utf-8")
    return done.stdout if done.returncode == 0 else ""


@pytest.fixture
def sample_database() -> SampleDatabase:
    """The temporary database that Django is configured with, holding the sample data and no more."""
    SAMPLE_DATABASE.restore()
    return SAMPLE_DATABASE


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Hand each lesson's folder to the tests that ask for one, without a list of lessons."""
    if "lesson" in metafunc.fixturenames:
        folders = build.lesson_folders()
        metafunc.parametrize("lesson", folders, ids=[folder.name for folder in folders], scope="module")
