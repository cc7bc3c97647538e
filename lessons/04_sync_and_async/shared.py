import itertools
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from django.core.exceptions import SynchronousOnlyOperation
from django.db import OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper

from tutorial_project.checks import Outcome, Refusal, Reply, Trial
from tutorial_project.classroom.data.connections import let_go


@contextmanager
def connections_watched(*, queries_that_work: int | None = None) -> Iterator[list[int]]:
    """Collect the threads whose connection a query used, and that was still open at the end.

    Args:
        queries_that_work: let each query after so many fail on the open connection; None lets none fail.
    """
    used: dict[BaseDatabaseWrapper, int] = {}
    asked = itertools.count(1)
    left_open: list[int] = []
    real = BaseDatabaseWrapper.cursor

    def cursor(connection: BaseDatabaseWrapper) -> Any:
        used.setdefault(connection, threading.get_ident())
        found = real(connection)
        if queries_that_work is not None and next(asked) > queries_that_work:
            raise OperationalError("the database is in trouble")
        return found

    with patch.object(BaseDatabaseWrapper, "cursor", cursor):
        yield left_open
    for connection, thread in used.items():
        if connection.connection is not None:
            left_open.append(thread)
            # Trap: nobody else closes it, and a thread of the pool would keep it for the next check.
            raw, connection.connection = connection.connection, None
            if let_go(raw):
                raw.close()


async def get(trial: Trial, path: str, **request: Any) -> Reply:
    """Send a GET request, and let it leave no connection behind for the next requirement."""
    with connections_watched():
        return await trial.get(path, **request)


def refuse_a_query_on_the_loop(reply: Reply, expected: str, because: str, next: str) -> None:
    """Refuse with these words when Django's guard raised; they say more than its usual explanation."""
    if isinstance(reply.error, SynchronousOnlyOperation) and was_a_query(reply.error):
        raise Refusal(sent=reply.sent, expected=expected, got=reply.got, because=because, next=next)


def was_a_query(error: BaseException) -> bool:
    """Whether the guard stopped a query, and not the closing of a connection."""
    return "execute_sql" in {frame.name for frame in traceback.extract_tb(error.__traceback__)}


async def expect_no_connection_left(
    trial: Trial,
    path: str,
    status: int | None = 200,
    *,
    queries_that_work: int | None = None,
    meanwhile: str = "",
) -> Reply:
    """Refuse when a connection is open after the request.

    Args:
        trial: the answer.
        path: the request.
        status: of the reply; None where it does not matter, as where something fails.
        queries_that_work: as for `connections_watched`.
        meanwhile: what fails, in the words of the verdict.
    """
    with connections_watched(queries_that_work=queries_that_work) as left_open:
        reply = await trial.get(path)
    reply.sent += f"  {meanwhile}" * bool(meanwhile)
    if status is not None:
        reply.expect(status)
    on_the_loop = threading.get_ident() in left_open
    Outcome(reply.sent, f"still open after the request: {len(left_open)}").expect_that(
        not left_open,
        "every database connection that the request has used is closed after it",
        because=f"a query ran on {'the thread of the event loop' if on_the_loop else 'a thread of a pool'}: it opened "
        "a connection there, and Django closes only the one of the request's own thread",
        next=None
        if on_the_loop
        else "`sync_to_async` without `thread_sensitive=False` for the function with the query",
    )
    return reply
