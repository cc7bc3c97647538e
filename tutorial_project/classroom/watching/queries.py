"""Seeing the queries that are sent to the database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

NOT_QUERIES = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE", "ROLLBACK", "PRAGMA")
"""SQL words that open or close a transaction and fetch nothing."""


@contextmanager
def queries() -> Iterator[list[str]]:
    """Collect the SQL of every query that any thread sends to the default database.

    Connections that are opened in the `with` block are watched, and those of the calling thread and
    of asgiref's shared thread. Statements that only open or close a transaction are left out.
    """
    from django.db import connections
    from django.db.backends.signals import connection_created

    sent: list[str] = []
    watched: list[Any] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if not sql.lstrip().upper().startswith(NOT_QUERIES):
            sent.append(sql)
        return execute(sql, params, many, context)

    def watch(connection: Any, **_: Any) -> None:
        if note not in connection.execute_wrappers:
            connection.execute_wrappers.append(note)
            watched.append(connection)

    connection_created.connect(watch, weak=False)
    for connection in {connections["default"], _shared_threads_connection()} - {None}:
        watch(connection)
    try:
        yield sent
    finally:
        connection_created.disconnect(watch)
        for connection in watched:
            connection.execute_wrappers.remove(note)


def _shared_threads_connection() -> Any:
    from asgiref.sync import SyncToAsync
    from django.db import connections

    return SyncToAsync.single_thread_executor.submit(lambda: connections["default"]).result(timeout=5)
