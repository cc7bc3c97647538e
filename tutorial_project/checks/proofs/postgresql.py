"""Proofs on PostgreSQL: races that are forced and not hoped for, and what is seen from another process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any

from tutorial_project.checks.outcome import Refusal
from tutorial_project.classroom.data.postgresql_server import connect

GATE = 9
"""The number of the advisory lock that stands for the gate: who writes wants to share it for a moment."""
NO_PROGRESS = 1.0
"""Seconds without a change after which nobody else is expected to come to a lock."""
LOOKS, STEADY = 25, 4
"""How often connections are counted at most, and how many looks in turn have to find the same number."""
STOOD_STILL = 5
"""Seconds after which PostgreSQL takes a lock from a check that does not get its turn any more."""

TRIGGERS = f"""
    CREATE SCHEMA IF NOT EXISTS proof;
    CREATE OR REPLACE FUNCTION proof.wait_at_the_gate() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_advisory_xact_lock_shared({GATE}); RETURN NEW; END $$;
    CREATE OR REPLACE FUNCTION proof.refuse() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'refused by the check' USING ERRCODE = 'check_violation'; END $$;
"""
END_TRANSACTIONS = """
    SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'
      AND backend_type = 'client backend' AND application_name <> 'check'
"""
# Not wait_event in pg_stat_activity: a lock that is granted counts there until its process has woken up.
WAITING = """
    SELECT count(DISTINCT pid) FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE NOT granted AND datname = current_database()
"""


CONNECTIONS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend' AND application_name <> 'check'
"""


def is_steady(seen: list[int]) -> bool:
    """Whether the last numbers are the same."""
    return len(seen) >= STEADY and len(set(seen[-STEADY:])) == 1


class OtherProcess:
    """A connection of the check's own: to PostgreSQL it is another process."""

    at_work = 0
    """How many there are now: a proof that is made beside another one has its own."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1)

    async def execute(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Run SQL without blocking the event loop; return the rows, if there are any."""
        return await self._do(self._execute, sql, parameters or None)

    async def value(self, sql: str, *parameters: Any) -> Any:
        """The first column of the first row."""
        return (await self.execute(sql, *parameters))[0][0]

    async def hold(self, table: str, where: str) -> None:
        """Begin a transaction, and lock the rows of a table in it until "COMMIT".

        Whoever holds a lock has to look at `all_stand_still` meanwhile.
        """
        # Trap: an answer that blocks the event loop until it has the lock would wait for ever, and the check with it.
        limit = f"SET LOCAL idle_in_transaction_session_timeout = '{STOOD_STILL}s'"
        await self.execute(f"BEGIN; {limit}; SELECT 1 FROM {table} WHERE {where} FOR UPDATE")

    async def is_free(self, table: str, where: str) -> bool:
        """Whether nobody has locked these rows against a change."""
        from psycopg.errors import LockNotAvailable

        try:
            await self.execute(f"SELECT 1 FROM {table} WHERE {where} FOR NO KEY UPDATE NOWAIT")
        except LockNotAvailable:
            return False
        return True

    async def connections(self, until: int | None = None) -> int:
        """How many connections the database has, besides those of checks.

        Trap: PostgreSQL takes a moment to give up a connection that was closed, and counts it until then.

        Args:
            until: wait a moment for that many; without it, until none has ended for a moment.
        """
        seen = [await self.value(CONNECTIONS)]
        while len(seen) < LOOKS and not (is_steady(seen) if until is None else seen[-1] <= until):
            await asyncio.sleep(0.02)
            seen.append(await self.value(CONNECTIONS))
        return seen[-1]

    async def close_the_gate(self, tables: Sequence[str]) -> None:
        """Let everyone who writes to these tables wait until `open_the_gate`."""
        await self.execute(
            f"SET idle_session_timeout = '{STOOD_STILL}s'; {TRIGGERS}; SELECT pg_advisory_lock({GATE})"
        )
        for table in tables:
            await self.execute(
                f"CREATE TRIGGER gate BEFORE INSERT OR UPDATE ON {table}"
                " FOR EACH ROW EXECUTE FUNCTION proof.wait_at_the_gate()"
            )

    async def open_the_gate(self) -> None:
        """Let go who waits at the gate."""
        await self.execute(f"SELECT pg_advisory_unlock({GATE}); RESET idle_session_timeout")

    async def waiting(self) -> int:
        """How many processes wait for a lock at this moment."""
        # Trap: in a transaction, such as that of `hold`, PostgreSQL goes on showing who was there at the first look.
        await self.execute("SELECT pg_stat_clear_snapshot()")
        return int(await self.value(WAITING))

    async def all_stand_still(self, tasks: Sequence[asyncio.Future[Any]], patiently: bool = False) -> None:
        """Return when each task has ended or waits for a lock.

        Args:
            tasks: what was started, each with a connection of its own.
            patiently: wait longer for those that are missing: an answer that is refused for it is slow, or held up.
        """
        before, since = (0, 0), monotonic()
        while before == (0, 0) or monotonic() - since < (PATIENT if patiently else NO_PROGRESS):
            state = sum(task.done() for task in tasks), await self.waiting()
            if sum(state) >= len(tasks):
                return
            if state != before:
                before, since = state, monotonic()
            await asyncio.sleep(0.01)

    async def _do(self, function: Any, *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)

    def _execute(self, sql: str, parameters: tuple[Any, ...] | None) -> list[tuple[Any, ...]]:
        from psycopg import Error

        try:
            cursor = self._connection.execute(sql, parameters)
        except Error as error:
            if self._connection.closed:
                raise stood_still() from error
            raise
        return cursor.fetchall() if cursor.description else []

    async def _open(self) -> None:
        self._connection = await self._do(connect)
        await self.execute("SET application_name = 'check'")

    async def _close(self) -> None:
        try:
            await self.execute("ROLLBACK; SELECT pg_advisory_unlock_all()")
        except Refusal:  # PostgreSQL has closed this connection: see STOOD_STILL
            await self._open()
        # Trap: what is under way may be a purchase of the proof beside this one. The last one out tidies up.
        if not OtherProcess.at_work:
            # Whoever is still in a transaction would keep the triggers in place, and the learner would meet them.
            await self.execute(END_TRANSACTIONS)
            await self.execute("DROP SCHEMA IF EXISTS proof CASCADE")
        await self._do(self._connection.close)
        self._thread.shutdown()


def stood_still() -> Refusal:
    """The refusal of an answer that kept the event loop from a check which had to look every few milliseconds."""
    return Refusal(
        sent="a call that has to wait for the database, and other work meanwhile",
        expected="the event loop goes on while the call waits",
        got=f"it stood still for {STOOD_STILL} seconds, until the check gave its lock away",
        because="the event loop itself waits: for the database, for a thread, or for a lock",
        next="await what waits: `await sync_to_async(function)(…)`, in place of `result()`, `join()`, "
        "`acquire()` or the end of `with ThreadPoolExecutor()`",
    )


@asynccontextmanager
async def other_process() -> AsyncIterator[OtherProcess]:
    """Another process for the `async with` block; what it set up is gone afterwards."""
    process = OtherProcess()
    await process._open()
    OtherProcess.at_work += 1
    try:
        yield process
    finally:
        OtherProcess.at_work -= 1
        await process._close()


async def one_comes_after_a_change(
    calls: Sequence[Callable[[], Awaitable[Any]]], table: str, held: int, other: int, change: str
) -> tuple[list[Any], bool]:
    """Let one call wait for a row, change another row meanwhile, and let a second call come then.

    Who locks rows in an order that follows what is in them meets the other here in the other order.

    Args:
        calls: what starts each of the two.
        table: the table of both rows.
        held: the key of the row that the first call has to wait for.
        other: the key of the row that another process changes, unless the first call has locked it already.
        change: what is set there, such as "balance = 7.50".

    Returns:
        What the two gave back, and whether the row was changed.
    """
    first_call, second_call = calls
    async with other_process() as process, other_process() as third:
        await process.hold(table, f"id = {held}")
        async with started(first_call()) as first:
            await process.all_stand_still(first, patiently=True)
            if changed := await third.is_free(table, f"id = {other}"):
                await third.execute(f"UPDATE {table} SET {change} WHERE id = {other}")
            async with started(second_call()) as second:
                await process.all_stand_still([*first, *second], patiently=True)
                await process.execute("COMMIT")
                return [await first[0], await second[0]], changed


async def everyone_looks_before_anyone_writes(
    process: OtherProcess, tables: Sequence[str], calls: Sequence[Awaitable[Any]]
) -> list[Any]:
    """Run calls at once, and hold each write to the tables until every call has gone as far as it can.

    Who holds a lock by then keeps the others waiting; who only looked has looked in vain.
    """
    await process.close_the_gate(tables)
    async with started(*calls) as tasks:
        await process.all_stand_still(tasks)
        await process.open_the_gate()
        return await asyncio.gather(*tasks)


@asynccontextmanager
async def started(*calls: Awaitable[Any]) -> AsyncIterator[list[asyncio.Future[Any]]]:
    """Tasks of these calls; what has not ended when the block is left by an error is cancelled."""
    tasks: list[asyncio.Future[Any]] = [asyncio.ensure_future(call) for call in calls]
    try:
        yield tasks
    finally:
        if left := [task for task in tasks if not task.done()]:
            for task in left:
                task.cancel()
            await asyncio.wait(left, timeout=1)


@asynccontextmanager
async def refused_writes(
    process: OtherProcess, *tables: str, when: str = "true", at_commit: bool = False
) -> AsyncIterator[None]:
    """Let PostgreSQL refuse what is written to these tables: at once, or when its transaction commits.

    Args:
        process: who sets this up.
        tables: whose inserts and updates are refused.
        when: SQL that says which rows, such as "NEW.owner_id = 101".
        at_commit: let every statement pass, and refuse the transaction as a whole.
    """
    deferred = "DEFERRABLE INITIALLY DEFERRED" if at_commit else ""
    await process.execute(TRIGGERS)
    for table in tables:
        await process.execute(
            f"CREATE CONSTRAINT TRIGGER refusal AFTER INSERT OR UPDATE ON {table} {deferred}"
            f" FOR EACH ROW WHEN ({when}) EXECUTE FUNCTION proof.refuse()"
        )
    yield
    await process.execute(END_TRANSACTIONS)
    for table in tables:
        await process.execute(f"DROP TRIGGER refusal ON {table}")


PATIENT = 3.0
"""Seconds of the same, where a verdict depends on who is missing."""
