"""PostgreSQL for one process: it starts once, it says why it does not, and it is gone afterwards."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from django.db import connection, connections
from jupyter_client.manager import start_new_kernel
from project import ROOT

from tutorial_project.classroom import postgresql
from tutorial_project.classroom.data.connections import connected_to
from tutorial_project.classroom.data.postgresql_server import NoPostgreSQL, _Process, connections_open
from tutorial_project.classroom.opening import fresh_sample_database, prepare
from tutorial_project.classroom.processes.supervisor import alive
from tutorial_project.trips.models import Trip

LIMIT = 15.0
"""Seconds within which everything has to be gone."""
WHERE = """
from tutorial_project.classroom import postgresql
from tutorial_project.classroom import open_lesson
open_lesson(DATABASES={"default": postgresql()})
from tutorial_project.classroom.data.postgresql_server import connect
with connect() as connection:
    folder = connection.execute("SHOW data_directory").fetchone()[0]
    print(f'["{folder}", "{connection.info.dbname}"]', flush=True)
"""


@pytest.fixture
def on_postgresql() -> Iterator[Any]:
    with connected_to({"default": postgresql()}):
        yield fresh_sample_database()


@pytest.fixture
def not_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Process, "child", None)
    monkeypatch.delenv("DATABASE_URL", raising=False)


def becomes_true(condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + LIMIT
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()


def test_a_killed_kernel_leaves_neither_server_nor_files() -> None:
    manager, client = start_new_kernel(cwd=str(ROOT / "notebooks"))
    try:
        printed: list[str] = []
        client.execute_interactive(
            WHERE, timeout=60, output_hook=lambda message: printed.append(message["content"].get("text", ""))
        )
        folder = Path(json.loads("".join(printed).splitlines()[-1])[0])
        server = psutil.Process(int((folder / "postmaster.pid").read_text().split()[0]))
        assert alive(server)
        psutil.Process(manager.provisioner.pid).kill()
        assert becomes_true(lambda: not alive(server) and not folder.parent.exists())
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def test_a_process_that_fails_leaves_neither_server_nor_files() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WHERE + "\n1 / 0"], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.stderr.endswith("ZeroDivisionError: division by zero\n")
    folder = Path(json.loads(done.stdout.splitlines()[-1])[0])
    assert not folder.parent.exists()


def test_a_database_on_a_named_server_is_dropped_when_its_process_is_killed(on_postgresql: Any) -> None:
    entry = postgresql()
    url = f"postgresql:///{entry['NAME']}?host={entry['HOST']}&user={entry['USER']}&port={entry['PORT'] or 5432}"
    with subprocess.Popen(
        [sys.executable, "-c", WHERE + "\nimport time; time.sleep(60)"],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": url},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        process.stdout.readline()
        name = json.loads(process.stdout.readline())[1]
        with psycopg.connect(url, autocommit=True) as other:
            exists = lambda: other.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()  # noqa: E731
            assert exists()
            process.kill()
            assert becomes_true(lambda: not exists())


def test_missing_packages_are_named_with_both_ways_out(
    not_started: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = sys.modules["tutorial_project.classroom.data.postgresql_server"]
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(NoPostgreSQL, match=r"(?s)pip install .*DATABASE_URL") as caught:
        postgresql()
    assert caught.value._render_traceback_() == [f"No PostgreSQL: {caught.value}"]


def test_a_named_server_that_does_not_answer_is_reported_with_the_reason(
    not_started: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(NoPostgreSQL, match=r"DATABASE_URL names gave no database. OperationalError: "):
        postgresql()


def test_opening_twice_brings_fresh_data_and_no_old_connection() -> None:
    try:
        prepare(DATABASES={"default": postgresql(CONN_MAX_AGE=60)}, ROOT_URLCONF="tutorial_project.urls")
        Trip.objects.filter(pk=7).update(title="Changed")
        assert asyncio.run(connections_open()) == 1
        prepare(DATABASES={"default": postgresql()}, ROOT_URLCONF="tutorial_project.urls")
        assert asyncio.run(connections_open()) == 0
        assert Trip.objects.get(pk=7).title != "Changed"
        assert Trip.objects.create(**a_trip()).pk == 61
    finally:
        prepare(ROOT_URLCONF="tutorial_project.urls")
    assert connection.vendor == "sqlite"


def a_trip() -> dict[str, Any]:
    return {
        "destination_id": 1,
        "title": "x",
        "departs": "2027-01-01",
        "nights": 1,
        "price": 1,
        "seats": 1,
        "seats_left": 1,
    }


def test_a_pool_is_closed_by_the_next_opening() -> None:
    try:
        prepare(
            DATABASES={"default": postgresql(OPTIONS={"pool": {"min_size": 2}})},
            ROOT_URLCONF="tutorial_project.urls",
        )
        pool = connection.pool
        assert Trip.objects.count() == 60
    finally:
        prepare(ROOT_URLCONF="tutorial_project.urls")
    assert pool.closed


def test_fresh_data_comes_although_a_forgotten_transaction_holds_a_lock(on_postgresql: Any) -> None:
    connection.set_autocommit(False)
    Trip.objects.select_for_update().get(pk=7)
    on_postgresql.restore()
    with pytest.raises(Exception, match=r"closed|terminat"):
        Trip.objects.get(pk=7)
    connection.close()


def test_another_database_lasts_as_long_as_its_with_block() -> None:
    before = connections["default"]
    with connected_to({"default": postgresql()}):
        assert connection.vendor == "postgresql"
    assert connections["default"] is before
