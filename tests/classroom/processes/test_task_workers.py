"""A worker as a process of its own: it has the lesson's settings, can be killed, and is gone afterwards."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from project import ROOT

from tutorial_project.classroom import opening
from tutorial_project.classroom.processes import task_workers
from tutorial_project.classroom.processes.supervisor import alive
from tutorial_project.classroom.processes.task_workers import WorkerProcess

LIMIT = 20.0
"""Seconds within which a process has to be gone."""
APPS = ["django.contrib.auth", "django.contrib.contenttypes", "tutorial_project.trips", "django_tasks_db"]


@pytest.fixture
def settings_of_a_lesson(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tutorial_project.databases import sqlite_database

    chosen = {
        "DEBUG": False,
        "INSTALLED_APPS": APPS,
        "ROOT_URLCONF": "tutorial_project.front_desk.urls",
        "DATABASES": {"default": sqlite_database(tmp_path / "db.sqlite3")},
        "TASKS": {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}},
    }
    monkeypatch.setattr(task_workers, "settings_of_the_lesson", lambda: chosen)
    with monkeypatch.context() as first:
        first.setattr(task_workers, "COMMAND", ("migrate", "--verbosity=0"))
        WorkerProcess().wait(60)


@pytest.mark.usefixtures("settings_of_a_lesson")
def test_a_worker_that_has_nothing_to_do_ends_when_it_was_told_to() -> None:
    worker = WorkerProcess("--batch").wait(60)
    assert (worker.running, "No more tasks to run" in worker.log) == (False, True)
    assert worker.command == "python manage.py db_worker --no-startup-delay --interval 0.1 --batch"


@pytest.mark.usefixtures("settings_of_a_lesson")
def test_a_killed_worker_says_nothing_and_leaves_nothing() -> None:
    with WorkerProcess() as worker:
        asyncio.run(worker.says("Starting worker", limit=60))
        family = psutil.Process(worker._process.pid).children(recursive=True)
        worker.kill()
    assert not any(map(alive, family))
    assert "shutting down" not in worker.log


def test_a_worker_has_all_settings_of_the_lesson_but_its_urls(monkeypatch: pytest.MonkeyPatch) -> None:
    from django.test import override_settings

    monkeypatch.setattr(opening._Lesson, "databases", {"default": {}}, raising=False)
    monkeypatch.setattr(
        opening._Lesson, "overrides", override_settings(ROOT_URLCONF="__main__", POST_OFFICE="here")
    )
    assert opening.settings_of_the_lesson() == {"DATABASES": {"default": {}}, "POST_OFFICE": "here"}


KILLED = """
import os, signal
from tutorial_project.trips.process_pool import computing_pool

if __name__ == "__main__":
    print(computing_pool(1).submit(os.getpid).result(), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="2026-11-26: SIGKILL is POSIX's")
def test_a_killed_process_leaves_no_process_of_its_pool(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(KILLED, encoding="utf-8")
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, text=True, env=environ
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
    assert gone(child)


def gone(pid: int) -> bool:
    """Whether a process has ended, at most some seconds from now."""
    end = time.monotonic() + LIMIT
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        while alive(process) and time.monotonic() < end:
            time.sleep(0.02)
        return not alive(process)
    return True
