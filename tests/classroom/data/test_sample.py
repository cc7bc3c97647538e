"""The database of one process."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from tutorial_project.classroom.data.sample import PREFIX, in_thread, temporary_folder
from tutorial_project.trips.models import Trip


def test_the_folder_of_a_process_that_was_killed_is_removed_by_the_next() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left_over = Path(tempfile.gettempdir()) / f"{PREFIX}{ended.pid}-test"
    left_over.mkdir()
    mine = temporary_folder()
    assert not left_over.exists()
    assert mine.is_dir()


def test_the_folder_of_a_living_process_stays() -> None:
    first = temporary_folder()
    temporary_folder()
    assert first.is_dir()


def test_sync_work_runs_inside_a_running_event_loop_and_returns_its_value() -> None:
    async def in_a_cell() -> int:
        return in_thread(Trip.objects.count)

    assert asyncio.run(in_a_cell()) == 60


def test_an_error_in_the_thread_is_raised_where_it_was_called() -> None:
    with pytest.raises(ZeroDivisionError):
        in_thread(lambda: 1 / 0)


def test_restoring_undoes_what_another_open_connection_wrote(sample_database: Any) -> None:
    async def delete_and_restore() -> tuple[int, int]:
        await Trip.objects.all().adelete()
        empty = await Trip.objects.acount()
        await asyncio.to_thread(sample_database.restore)
        return empty, await sync_to_async(Trip.objects.count)()

    assert asyncio.run(delete_and_restore()) == (0, 60)
