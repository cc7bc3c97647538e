import asyncio
import inspect
import re
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.db import transaction

from tutorial_project.checks import Outcome, Refusal
from tutorial_project.checks.outcome import described
from tutorial_project.checks.proofs.connections import Meanwhile, Statement
from tutorial_project.trips.models import Theme

ONE_UNIT = (
    "put everything from the first look to the last write into one sync function with "
    "`transaction.atomic()`, and call it once: `await sync_to_async(function)(…)`"
)
ROW_LOCK = re.compile(r"FOR (NO KEY )?UPDATE")
WRITE = re.compile(r"\b(INSERT|UPDATE|DELETE)\b")


def tallied(summary: Counter) -> str:
    return ", ".join(f"{what} ×{times}" for what, times in sorted(summary.items(), key=str))


def locks(sent: list[Statement]) -> list[Statement]:
    return [statement for statement in sent if ROW_LOCK.search(statement.sql)]


def writes(sent: list[Statement]) -> list[Statement]:
    return [statement for statement in sent if WRITE.search(ROW_LOCK.sub("", statement.sql))]


def why_a_half_is_left(sent: list[Statement]) -> dict[str, str]:
    if len({statement.connection for statement in writes(sent)}) > 1:
        return {
            "because": "what was written went over different connections, so it belonged to separate transactions: "
            "`gather` over threads takes its calls out of the transaction around it",
            "next": f"no `gather` in a transaction; {ONE_UNIT}",
        }
    if len({id(statement.transaction) for statement in writes(sent)}) > 1:
        return {
            "because": "what was written belonged to separate transactions, and one was kept",
            "next": ONE_UNIT,
        }
    return {}


def refuse_atomic_around_async(answer: Any, sent: str) -> None:
    """Refuse `@transaction.atomic` above an `async def`: Django takes the wrapper for a sync function."""
    if not iscoroutinefunction(answer) and any(wraps_async_in_atomic(layer) for layer in layers(answer)):
        raise Refusal(
            sent=sent,
            expected="one transaction around everything that the answer does",
            got="a transaction that has ended before the answer begins",
            because="`@transaction.atomic` stands above an `async def`: its wrapper is sync, gets a coroutine, and "
            "commits before anybody awaits it",
            next=f"no decorator above the `async def`; {ONE_UNIT}",
        )


def layers(answer: Any) -> Iterator[Any]:
    while hasattr(answer, "__wrapped__"):
        yield answer
        answer = answer.__wrapped__


def wraps_async_in_atomic(layer: Any) -> bool:
    holds = [cell.cell_contents for cell in getattr(layer, "__closure__", None) or ()]
    return any(isinstance(held, transaction.Atomic) for held in holds) and inspect.iscoroutinefunction(
        inspect.unwrap(layer)
    )


@contextmanager
def forgotten_awaits() -> Iterator[list[str]]:
    """Collect what Python says of coroutines that nobody awaited in the `with` block."""
    heard: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", RuntimeWarning)
        yield heard
    heard += [str(warning.message) for warning in caught if "was never awaited" in str(warning.message)]


async def expect_all_kept(sent: str, meanwhile: Meanwhile) -> None:
    written = len(meanwhile.written)
    lost = written - await Theme.objects.filter(name__in=meanwhile.written).acount()
    got = f"{lost} of {written} themes are gone, though writing them had succeeded"
    if meanwhile.error is not None:
        got = f"the other task failed with {described(meanwhile.error)}"
    Outcome(f"{sent}  undone by the database, while another task writes themes", got).expect_that(
        not lost and meanwhile.error is None,
        "every theme that the other task has written is there",
        because="the transaction was left open on the thread between two awaits, and what other tasks wrote "
        "on that thread in between became part of it, and was undone with it",
        next=f"await nothing inside of a transaction; {ONE_UNIT}",
    )


class async_atomic:
    """The hack that many pages recommend."""

    async def __aenter__(self):
        self.atomic = transaction.atomic()
        await sync_to_async(self.atomic.__enter__)()

    async def __aexit__(self, *error):
        await sync_to_async(self.atomic.__exit__)(*error)


async def all_of(*calls):
    """gather, which waits for all of them also when one fails."""
    results = await asyncio.gather(*calls, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception):
            raise result
    return results
