"""Seeing the queries that are sent to the database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..data.connections import every_statement_through

NOT_QUERIES = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE", "ROLLBACK", "PRAGMA")
"""SQL words that open or close a transaction and fetch nothing."""


@contextmanager
def queries() -> Iterator[list[str]]:
    """Collect the SQL of every query that any thread sends to a database.

    Statements that only open or close a transaction are left out.
    """
    sent: list[str] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if not sql.lstrip().upper().startswith(NOT_QUERIES):
            sent.append(sql)
        return execute(sql, params, many, context)

    with every_statement_through(note):
        yield sent
