"""A copy of the default database as it is now, and the way back to it."""

from __future__ import annotations

import atexit
import sqlite3
from contextlib import closing
from typing import Any, Protocol


class Pristine(Protocol):
    """The state that a database had when the copy was made."""

    def restore(self) -> None:
        """Bring that state back. Not for a thread with an event loop."""


def copy_of_the_default_database() -> Pristine:
    """Copy the default database. Not for a thread with an event loop.

    Raises:
        NotImplementedError: when it is neither SQLite nor PostgreSQL.
    """
    from django.db import connection

    copies: dict[str, type[Pristine]] = {"sqlite": SQLiteCopy, "postgresql": PostgreSQLCopy}
    if connection.vendor not in copies:
        raise NotImplementedError(f"the lessons run on SQLite and PostgreSQL, not on {connection.vendor}")
    return copies[connection.vendor]()


class SQLiteCopy:
    """A copy in memory: going back takes a millisecond."""

    def __init__(self) -> None:
        from django.db import connection

        self._file = str(connection.settings_dict["NAME"])
        self._copy = sqlite3.connect(":memory:", check_same_thread=False)
        atexit.register(self._copy.close)
        with closing(sqlite3.connect(self._file, timeout=20)) as live:
            live.backup(self._copy)

    def restore(self) -> None:
        with closing(sqlite3.connect(self._file, timeout=20)) as live:
            live.execute(
                "PRAGMA synchronous=OFF"
            )  # or it waits for the disk, ten times as long as for all else
            self._copy.backup(live)


# A transaction that somebody forgot keeps its locks. Not the young ones: a pool sets up its connections in such.
END_OLD_TRANSACTIONS = """
    SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
      AND xact_start < now() - interval '0.5 s'
"""


class PostgreSQLCopy:
    """A copy of each table in a schema of its own."""

    def __init__(self) -> None:
        from django.db import connection

        self._tables = connection.introspection.django_table_names(only_existing=True, include_views=False)
        copies = (f'CREATE TABLE pristine."{table}" AS TABLE public."{table}"' for table in self._tables)
        _execute("DROP SCHEMA IF EXISTS pristine CASCADE", "CREATE SCHEMA pristine", *copies)

    def restore(self) -> None:
        from django.db import OperationalError

        try:
            self._refill()
        except OperationalError:
            _execute(END_OLD_TRANSACTIONS)
            self._refill()

    def _refill(self) -> None:
        from django.db import transaction

        # Not TRUNCATE, which makes new files and takes ten times as long.
        empty = (f'DELETE FROM public."{table}"' for table in self._tables)
        fill = (f'INSERT INTO public."{table}" TABLE pristine."{table}"' for table in self._tables)
        # Django's foreign keys are looked at when a transaction ends: the order of the tables is free.
        with transaction.atomic():
            _execute("SET LOCAL lock_timeout = '1s'", *empty, *fill, *_sequences_behind_the_rows())


def _sequences_behind_the_rows() -> list[str]:
    from django.apps import apps
    from django.core.management.color import no_style
    from django.db import connection

    models: list[Any] = apps.get_models(include_auto_created=True)
    return connection.ops.sequence_reset_sql(no_style(), models)


def _execute(*statements: str) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
