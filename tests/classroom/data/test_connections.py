"""Connections of other threads are closed without a crash."""

from __future__ import annotations

import sqlite3
import threading
from typing import Any

from tutorial_project.classroom.data.connections import let_go

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
