"""What all tests share: Django as a lesson configures it, and the sources of all lessons."""

from __future__ import annotations

import gc
import os
import tempfile

import alone
import another_python
import build
import pytest
import twice
from django.db import connections
from project import edited_notebooks
from scheduling import ByNotebookAndTask, in_turns

from tutorial_project.checks import general, judge
from tutorial_project.checks.proofs import postgresql
from tutorial_project.classroom.data.sample import SampleDatabase
from tutorial_project.classroom.opening import prepare

# At import, and not in a fixture: test modules import models while they are collected.
SAMPLE_DATABASE = prepare(ROOT_URLCONF="tutorial_project.urls")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the second of two Pythons prove only what may differ there."""
    another_python.add_option(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Keep the progress of whoever runs the tests: kernels and commands write to a folder of their own."""
    config.pluginmanager.register(alone)
    config.progress = tempfile.TemporaryDirectory(prefix="async-views-progress-")
    os.environ["TUTORIAL_PROGRESS"] = config.progress.name


def pytest_unconfigure(config: pytest.Config) -> None:
    connections.close_all()
    config.progress.cleanup()


def pytest_report_header() -> list[str]:
    """Name the notebooks that were edited here: they are tested as they are."""
    edited = edited_notebooks()
    return [f"edited in this working tree, tested as they are: {', '.join(edited)}"] if edited else []


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> ByNotebookAndTask:
    """Spread the proofs of the lessons: one test module holds them all, and would keep one process busy."""
    return ByNotebookAndTask(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run each notebook twice, and let long and short tests take turns."""
    another_python.leave_out(config, items)
    twice.pytest_collection_modifyitems(items)
    items[:] = in_turns(items)


def pytest_collection_finish() -> None:
    """Take what was imported and collected out of the garbage collector's reach.

    Trap: without this each gc.collect() between two proofs walks over all of it, which costs more than the proof.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture
def sample_database() -> SampleDatabase:
    """The temporary database that Django is configured with, holding the sample data and no more."""
    SAMPLE_DATABASE.restore()
    return SAMPLE_DATABASE


@pytest.fixture
def the_machine_may_be_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give answers more time than a learner waits: several of them are judged at once here, on few processors."""
    for module, limit, seconds in (
        (judge, "LIMIT", 10.0),
        (judge, "LATER_LIMIT", 10.0),
        (judge, "REFUSED_LIMIT", 60.0),
        (general, "PATIENCE", 8.0),
        (postgresql, "PATIENT", 8.0),
        (postgresql, "STOOD_STILL", 20),
    ):
        monkeypatch.setattr(module, limit, seconds)


@pytest.fixture
def clients_start_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let an httpx client look for a certificate when it needs one; it needs none here.

    Trap: each client that is made reads all of certifi's certificates, which takes longer than what it then asks.
    """
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.setenv("SSL_CERT_DIR", tempfile.gettempdir())


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Hand each lesson's folder to the tests that ask for one, without a list of lessons."""
    if "lesson" in metafunc.fixturenames:
        folders = build.lesson_folders()
        metafunc.parametrize("lesson", folders, ids=[folder.name for folder in folders], scope="module")


def pytest_xdist_auto_num_workers() -> int:
    """Three for each processor, eight at most: most of a lesson's time is waiting, which is what it teaches."""
    return min(3 * (os.cpu_count() or 1), 8)
