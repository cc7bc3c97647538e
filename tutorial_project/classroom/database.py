"""A database for this process alone, and its sample data in a moment."""

from __future__ import annotations

import atexit
import os
import shutil
import sqlite3
import tempfile
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil

PREFIX = "async-views-"


def temporary_folder() -> Path:
    """A new folder that is removed when this process ends; leftovers of killed processes go first."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*-*"):
        owner = folder.name.removeprefix(PREFIX).split("-")[0]
        if owner.isdigit() and not psutil.pid_exists(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)
    folder = tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def in_thread(work: Callable[[], Any]) -> Any:
    """Run sync work, such as a migration, where no event loop forbids it; return what it returns."""
    outcome: list[Any] = []
    failure: list[BaseException] = []

    def run() -> None:
        from django.db import connections

        try:
            outcome.append(work())
        except BaseException as error:
            failure.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return outcome[0]


class SampleDatabase:
    """The default database, migrated and filled, which can go back to that state in milliseconds."""

    def __init__(self) -> None:
        in_thread(self._migrate_and_fill)
        self._pristine = self._backup() if _sqlite_file() else None

    def restore(self) -> None:
        """Forget what was written since the sample data was loaded."""
        if self._pristine is None:
            in_thread(_load_sample_data)
            return
        with closing(sqlite3.connect(_sqlite_file(), timeout=20)) as live:
            self._pristine.backup(live)

    def _backup(self) -> sqlite3.Connection:
        pristine = sqlite3.connect(":memory:", check_same_thread=False)
        atexit.register(pristine.close)
        with closing(sqlite3.connect(_sqlite_file(), timeout=20)) as live:
            live.backup(pristine)
        return pristine

    @staticmethod
    def _migrate_and_fill() -> None:
        from django.core.management import call_command

        call_command("migrate", verbosity=0, interactive=False)
        _load_sample_data()


def _load_sample_data() -> None:
    from tutorial_project.trips.sample_data import load_sample_data

    load_sample_data()


def _sqlite_file() -> str | None:
    from django.conf import settings

    default = settings.DATABASES["default"]
    return str(default["NAME"]) if default["ENGINE"].endswith("sqlite3") else None
