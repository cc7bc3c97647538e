from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any
from unittest import mock

from django.db import OperationalError
from django.db.models import Model
from django.db.models.sql.compiler import SQLCompiler, SQLUpdateCompiler

from tutorial_project.classroom import temporary_folder
from tutorial_project.databases import sqlite_database
from tutorial_project.settings import INSTALLED_APPS

QUEUE_SETTINGS: dict[str, Any] = {
    "INSTALLED_APPS": [*INSTALLED_APPS, "django_tasks_db"],
    "TASKS": {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}},
    "POST_OFFICE": "http://127.0.0.1:9/",
}


@cache
def database_with_a_queue() -> dict[str, Any]:
    """A database of its own: the tables of django-tasks-db are in no other."""
    return sqlite_database(temporary_folder() / "with_a_queue.sqlite3")


class OtherProcess:
    """Changes a row as another process would: as soon as an answer has looked at it without locking it.

    It has one turn. It gets none while the answer holds the row in a transaction: SQLite knows no row locks, so
    the lock that was asked for is taken here for the one that PostgreSQL would give.
    """

    def __init__(self, row: Model, change: str) -> None:
        self.row, self.change, self.had_its_turn = row, change, False
        self._held: object = None

    def after(self, compiler: SQLCompiler) -> None:
        """Take note of a statement that the answer has sent, and take the turn."""
        connection, query = compiler.connection, compiler.query
        if query.model is not type(self.row) or self.had_its_turn:
            return
        block = connection.atomic_blocks[0] if connection.in_atomic_block else None
        if type(compiler) is not SQLCompiler or query.select_for_update:
            self._held = block
        elif block is None or block is not self._held:
            self.had_its_turn = True
            table = self.row._meta.db_table
            with connection.cursor() as cursor:
                cursor.execute(f"UPDATE {table} SET {self.change} WHERE id = %s", [self.row.pk])


@contextmanager
def other_process(row: Model, change: str) -> Iterator[OtherProcess]:
    """Let another process run `UPDATE … SET {change}` on a row, between two statements of the answer."""
    other, execute = OtherProcess(row, change), SQLCompiler.execute_sql

    def execute_sql(compiler: SQLCompiler, *args: Any, **kwargs: Any) -> Any:
        result = execute(compiler, *args, **kwargs)
        other.after(compiler)
        return result

    with mock.patch.object(SQLCompiler, "execute_sql", execute_sql):
        yield other


@contextmanager
def no_update_of(model: type[Model]) -> Iterator[None]:
    """Let the database refuse every UPDATE of a table."""
    execute = SQLUpdateCompiler.execute_sql

    def execute_sql(compiler: SQLUpdateCompiler, *args: Any, **kwargs: Any) -> Any:
        if compiler.query.model is model:
            raise OperationalError("database or disk is full")
        return execute(compiler, *args, **kwargs)

    with mock.patch.object(SQLUpdateCompiler, "execute_sql", execute_sql):
        yield
