"""Which databases Django is connected to, for all threads of this process at once."""

from __future__ import annotations

import itertools
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from inspect import iscoroutinefunction
from time import monotonic, sleep
from traceback import walk_stack
from types import FrameType
from typing import Any
from weakref import WeakSet

from asgiref.local import Local

from .sample import in_thread

LETTING_GO = 0.5
"""Seconds that a thread has to end its query before its connection is left to it."""
CURSORS = ("self", "cursor", "result")
"""What the frames of Django's that are inside a query call their cursor."""


class _Opened:
    """The connections that were opened, by whichever thread.

    Weakly held, because a forgotten connection ends when the garbage collector finds it, as lesson 09
    shows; strongly held while an answer is judged, where nothing may end by chance.
    """

    connections: Any = WeakSet()


def connect_to(databases: dict[str, Any]) -> None:
    """Lead every thread to other databases from now on, and close what was open.

    Args:
        databases: as in `settings.DATABASES`, which is left alone.
    """
    from django.db.backends.signals import connection_created

    connection_created.connect(_remember, dispatch_uid="classroom")
    in_thread(close_connections)
    # Trap: a connection belongs to its thread, and no thread can reach those of another. A new store
    # for all of them is the only way to let the others forget theirs.
    for handler in _handlers():
        handler.settings = handler.configure_settings(deepcopy(databases))
        handler._connections = Local(handler.thread_critical)
    _forget_content_types()


@contextmanager
def connected_to(databases: dict[str, Any]) -> Iterator[None]:
    """Lead every thread to other databases within the `with` block; their connections do not outlive it."""
    before = [(handler, handler.settings, handler._connections) for handler in _handlers()]
    opened_before = _Opened.connections
    _Opened.connections = set()
    connect_to(databases)
    try:
        yield
    finally:
        in_thread(close_connections)
        for handler, settings, kept in before:
            handler.settings, handler._connections = settings, kept
        _Opened.connections = opened_before
        _forget_content_types()


@contextmanager
def every_statement_through(wrapper: Callable[..., Any]) -> Iterator[None]:
    """Send what any thread says to a database through a wrapper, within the `with` block.

    Args:
        wrapper: called on the thread that sends, as Django calls an `execute_wrapper`.
    """
    from django.db.backends.signals import connection_created

    wrapped: Any = WeakSet()

    def wrap(connection: Any, **_: Any) -> None:
        if connection not in wrapped:
            wrapped.add(connection)
            connection.execute_wrappers.append(wrapper)

    connection_created.connect(wrap, weak=False)
    for connection in list(_Opened.connections):
        wrap(connection)
    try:
        yield
    finally:
        connection_created.disconnect(wrap)
        for connection in list(wrapped):
            connection.execute_wrappers.remove(wrapper)


def _handlers() -> list[Any]:
    """Where Django keeps its connections, and where django-async-backend does, if somebody imported that."""
    from django.db import connections

    native = sys.modules.get("django_async_backend.db.utils")
    return [connections, native.async_connections] if native else [connections]


def close_connections() -> None:
    """Close the connections of all threads, and their pools. Not for a thread with an event loop."""
    for connection in list(_Opened.connections):
        if iscoroutinefunction(connection.close):
            _end(connection)
            continue
        _cancel_the_query(connection)
        if not let_go(connection.connection):
            connection.connection = None
            continue
        connection.inc_thread_sharing()
        connection.close()
        connection.dec_thread_sharing()
        if getattr(connection, "pool", None):
            connection.close_pool()
    _Opened.connections.clear()


def _end(connection: Any) -> None:
    # Trap: an async connection is closed by awaiting it on its own event loop, which may be over.
    if connection.connection is not None:
        connection.connection.pgconn.finish()
        connection.connection = None


def let_go(connection: Any) -> bool:
    """Have the threads that are inside a query of a connection end it, so that another thread can close it.

    Args:
        connection: the driver's own, `sqlite3.Connection` for one; only with that is there anything to do.

    Returns:
        False when a thread does not let go. Closing is up to that thread then: forget the connection, and its
        cursor, which holds it, ends it.
    """
    # Trap: the interpreter crashes when a connection is closed while another thread is inside a query of it.
    if not isinstance(connection, sqlite3.Connection):
        return True
    until = monotonic() + LETTING_GO
    while (in_use := _is_in_use(connection)) and monotonic() < until:
        connection.interrupt()
        sleep(0.001)
    return not in_use


def _is_in_use(connection: sqlite3.Connection) -> bool:
    own = threading.get_ident()
    frames = [frame for thread, frame in sys._current_frames().items() if thread != own]
    return any(_works_on(connection, frame) for frame in frames)


def _works_on(connection: sqlite3.Connection, frame: FrameType) -> bool:
    # A cursor of Django's wraps a cursor of sqlite3, and Django's code holds either in the innermost frames.
    calls = itertools.islice(walk_stack(frame), 8)
    held = (value for call, _ in calls for name in CURSORS if (value := call.f_locals.get(name)) is not None)
    cursors = (getattr(value, "cursor", value) for value in held)
    return any(isinstance(cursor, sqlite3.Cursor) and cursor.connection is connection for cursor in cursors)


def _cancel_the_query(connection: Any) -> None:
    # Trap: a connection that is closed while its thread waits for an answer leaves that thread waiting.
    if connection.vendor != "postgresql" or connection.connection is None:
        return
    if connection.connection.info.transaction_status.name == "ACTIVE":
        connection.connection.cancel_safe(timeout=2)


def _remember(connection: Any, **_: Any) -> None:
    _Opened.connections.add(connection)


def _forget_content_types() -> None:
    # Their keys are others in another database.
    from django.contrib.contenttypes.models import ContentType

    ContentType.objects.clear_cache()
