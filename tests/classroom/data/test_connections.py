"""Connections of other threads and event loops are closed without a crash, and their statements are heard."""

from __future__ import annotations

import sqlite3
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from django.db import connection
from django.db.backends.signals import connection_created
from django.db.utils import ConnectionHandler

from tutorial_project.classroom.data.connections import connected_to, every_statement_through, let_go
from tutorial_project.databases import sqlite_database

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


def test_a_thread_inside_a_query_lets_go_of_its_connection() -> None:
    connection = sqlite3.connect(":memory:", check_same_thread=False)
    inside, ended = threading.Event(), []
    connection.create_function("inside", 0, inside.set)

    def ask() -> None:
        cursor: Any = connection.cursor()
        try:
            cursor.execute(f"SELECT inside(), ({ENDLESS})")
        except sqlite3.OperationalError as error:
            ended.append(str(error))

    thread = threading.Thread(target=ask)
    thread.start()
    assert inside.wait(10)
    assert let_go(connection)
    connection.close()
    thread.join(10)
    assert ended == ["interrupted"]


def test_a_connection_that_nobody_uses_can_be_closed_at_once() -> None:
    connection = sqlite3.connect(":memory:")
    assert let_go(connection)
    connection.close()
    assert let_go(None)


def test_connections_of_django_async_backend_are_led_to_the_same_databases_and_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    handler = ConnectionHandler({"default": sqlite_database("before.sqlite3")})
    native = SimpleNamespace(async_connections=handler)
    monkeypatch.setitem(sys.modules, "django_async_backend.db.utils", native)
    outside = handler["default"]
    with connected_to({"default": sqlite_database("inside.sqlite3")}):
        assert handler["default"].settings_dict["NAME"] == "inside.sqlite3"
    assert handler["default"] is outside


def test_an_async_connection_is_ended_without_its_event_loop() -> None:
    class Connection:
        def __init__(self) -> None:
            self.connection = Mock()

        async def close(self) -> None:
            """What only the connection's own event loop can await."""

    left, driver = Connection(), None
    with connected_to({"default": sqlite_database("inside.sqlite3")}):
        connection_created.send(sender=Connection, connection=left)
        driver = left.connection
    driver.pgconn.finish.assert_called_once_with()
    assert left.connection is None


@pytest.mark.usefixtures("sample_database")
def test_a_thread_is_heard_through_the_connection_it_has_opened_before_and_not_afterwards() -> None:
    heard = []

    def wrapper(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        heard.append(sql)
        return execute(sql, params, many, context)

    def ask(sql: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute(sql)

    with ThreadPoolExecutor(1) as pool:
        pool.submit(ask, "SELECT 1").result(10)
        with every_statement_through(wrapper):
            pool.submit(ask, "SELECT 2").result(10)
        pool.submit(ask, "SELECT 3").result(10)
        pool.submit(lambda: connection.close()).result(10)
    assert heard == ["SELECT 2"]
