"""Proofs on connections and their threads: who shares one, and what is sent through it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from asgiref.sync import ThreadSensitiveContext

from tutorial_project.classroom.data.connections import every_statement_through


async def on_a_thread_of_its_own(call: Awaitable[Any]) -> Any:
    """Await a call as a request does: what is thread-sensitive in it shares one thread, with nobody else."""
    async with ThreadSensitiveContext():
        return await call


@dataclass
class Meanwhile:
    """Rows that another task wrote on the same thread: their names, and the error that stopped it."""

    written: list[str]
    error: BaseException | None = None


async def while_another_task_writes(call: Awaitable[Any]) -> tuple[Any, Meanwhile]:
    """Await a call while other tasks add themes without a pause, on the thread that the call uses.

    The thread serves in turn whoever asks: between any two steps of the call a theme is written.
    """
    from tutorial_project.trips.models import Theme

    meanwhile = Meanwhile([])

    async def write(done: asyncio.Future[Any], writer: int) -> None:
        for number in range(500):
            name = f"theme {writer}-{number}"
            await Theme.objects.acreate(name=name)
            meanwhile.written.append(name)
            if done.done():
                return

    async with ThreadSensitiveContext():
        calling = asyncio.ensure_future(call)
        writers = [asyncio.ensure_future(write(calling, writer)) for writer in (1, 2)]
        outcome = await calling
        for ended in await asyncio.gather(*writers, return_exceptions=True):
            meanwhile.error = meanwhile.error or ended
    return outcome, meanwhile


@dataclass(frozen=True)
class Statement:
    """One statement that was sent through Django: its SQL, the connection that took it, and its transaction.

    Two statements of one transaction hold the same object in `transaction`.
    """

    sql: str
    connection: int
    transaction: object


@contextmanager
def statements() -> Iterator[list[Statement]]:
    """Collect what any thread sends to a database in the `with` block."""
    sent: list[Statement] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        connection = context["connection"]
        # Django replaces this list with every transaction, and it is the only thing that it replaces.
        transaction = connection.run_on_commit if connection.in_atomic_block else object()
        sent.append(Statement(sql, id(connection), transaction))
        return execute(sql, params, many, context)

    with every_statement_through(note):
        yield sent
