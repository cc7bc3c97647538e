import asyncio
from collections import Counter

from asgiref.sync import sync_to_async
from django.db import transaction

from tutorial_project.checks import Outcome
from tutorial_project.checks.outcome import described
from tutorial_project.checks.proofs.connections import Meanwhile, Statement
from tutorial_project.trips.models import Theme

ONE_UNIT = (
    "put everything from the first look to the last write into one sync function with "
    "`transaction.atomic()`, and call it once: `await sync_to_async(function)(…)`"
)


def counted(summary: Counter) -> str:
    return ", ".join(f"{what} ×{times}" for what, times in sorted(summary.items(), key=str))


def writes(sent: list[Statement]) -> list[Statement]:
    return [statement for statement in sent if statement.sql.startswith(("UPDATE", "INSERT"))]


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
    for result in await asyncio.gather(*calls, return_exceptions=True):
        if isinstance(result, Exception):
            raise result
