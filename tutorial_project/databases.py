"""The database connections of this project, as settings.DATABASES wants them."""

from pathlib import Path
from typing import Any

SQLITE_OPTIONS: dict[str, Any] = {
    # Seconds that a writer waits for another writer before "database is locked".
    "timeout": 20,
    # Trap: SQLite's default takes the write lock late, and a transaction that read first then fails at once.
    "transaction_mode": "IMMEDIATE",
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
}


def sqlite_database(path: Path | str) -> dict[str, Any]:
    """Return one entry of settings.DATABASES: the SQLite file at `path`, readable while it is written."""
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(path),
        "OPTIONS": dict(SQLITE_OPTIONS),
    }
