"""A database for this process alone, and its sample data in a moment."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .copies import Pristine, copy_of_the_default_database

PREFIX = "async-views-"


def temporary_folder() -> Path:
    """A new folder that is removed when this process ends; leftovers of killed processes go first."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*-*"):
        if not _has_an_owner(folder):
            shutil.rmtree(folder, ignore_errors=True)
    new = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
    atexit.register(shutil.rmtree, new, ignore_errors=True)
    return new


def _has_an_owner(folder: Path) -> bool:
    import psutil  # here, since most openings find no folder of another process

    owner = folder.name.removeprefix(PREFIX).split("-")[0]
    return not owner.isdigit() or psutil.pid_exists(int(owner))


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
        self._pristine = in_thread(self._migrate_and_fill)

    def restore(self) -> None:
        """Forget what was written since the sample data was loaded."""
        in_thread(self._pristine.restore)

    @staticmethod
    def _migrate_and_fill() -> Pristine:
        from django.core.management import call_command

        from tutorial_project.trips.sample_data import load_sample_data

        call_command("migrate", verbosity=0, interactive=False)
        load_sample_data()
        return copy_of_the_default_database()
