import asyncio
from collections import Counter
from decimal import Decimal

from tutorial_project.checks import Outcome, Task, Trial
from tutorial_project.checks.outcome import described
from tutorial_project.checks.proofs.connections import (
    on_a_thread_of_its_own,
    statements,
    while_another_task_writes,
)
from tutorial_project.checks.proofs.postgresql import (
    everyone_looks_before_anyone_writes,
    other_process,
    refused_writes,
)
from tutorial_project.classroom import postgresql
from tutorial_project.trips.models import Account

from ..shared import ONE_UNIT, counted, expect_all_kept, why_a_half_is_left

transfer = Task(
    "transfer",
    database=postgresql,
    limit=20,
    hints=(
        "Which rows must nobody else change between your look at the balance and your last write?",
        "Lock both accounts, in the same order whoever pays whom, and do everything else in that transaction.",
        "`with transaction.atomic():` "
        '`accounts = Account.objects.select_for_update().filter(owner__username__in=…).order_by("pk")`, '
        "compare, change both balances, save both, return the sender's. "
        "Then `return await sync_to_async(function)(sender, receiver, amount)`.",
    ),
    praise=(
        "Right: both rows locked in one order, both written in one transaction. Two UPDATEs in the order of the "
        "keys, with `F()` and a condition on the balance, would have done without a look at all."
    ),
)


NOT_ENOUGH = "ValueError: not enough money"


HUNDRED, TEN = Decimal("100.00"), Decimal("10.00")


async def balances() -> dict[str, Decimal]:
    return {a.owner.username: a.balance async for a in Account.objects.select_related("owner")}


def moved(before: dict[str, Decimal], amount: Decimal, sender: str, receiver: str) -> dict[str, Decimal]:
    return before | {sender: before[sender] - amount, receiver: before[receiver] + amount}


def expect_balances(sent: str, expected: dict[str, Decimal], found: dict[str, Decimal], **words) -> None:
    wrong = [name for name in expected if found[name] != expected[name]]
    describe = lambda balances: ", ".join(f"{name} has {balances[name]}" for name in wrong)  # noqa: E731
    Outcome(sent).expect_that(not wrong, describe(expected), got=describe(found), **words)


@transfer.requirement(
    'moves money: `await transfer("ada", "grace", Decimal("100.00"))` returns the new balance of ada'
)
async def moves_money(trial: Trial) -> None:
    before = await balances()
    outcome = await trial.call("ada", "grace", HUNDRED)
    outcome.expect(before["ada"] - HUNDRED)
    expect_balances(outcome.sent, moved(before, HUNDRED, "ada", "grace"), await balances())


@transfer.requirement(
    'raises `ValueError("not enough money")` when the balance does not cover it, and moves nothing'
)
async def refuses_too_much(trial: Trial) -> None:
    before = await balances()
    outcome = await trial.call("dennis", "grace", HUNDRED)
    if described(outcome.error or Exception()) != NOT_ENOUGH:
        outcome.refuse(expected=NOT_ENOUGH)
    expect_balances(outcome.sent, before, await balances())


@transfer.requirement(
    "raises `Account.DoesNotExist` when the receiver, such as frances, has no account, and moves nothing"
)
async def refuses_a_stranger(trial: Trial) -> None:
    before = await balances()
    outcome = await trial.call("ada", "frances", HUNDRED)
    outcome.expect_error(Account.DoesNotExist, expected="Account.DoesNotExist")
    expect_balances(outcome.sent, before, await balances(), because=TAKEN_ONLY, next=ONE_UNIT)


TAKEN_ONLY = "the money was taken before the rest was certain, and taking it was a transaction of its own"


@transfer.requirement(
    "moves nothing, and lets the error out, when the database refuses to write one of the accounts, whichever it is"
)
async def moves_all_or_nothing(trial: Trial) -> None:
    with statements() as sent:
        before = await balances()
        async with other_process() as check:
            for refused in ("ada", "grace"):
                sent.clear()
                async with refused_writes(check, "trips_account", when=f"NEW.owner_id = {OWNERS[refused]}"):
                    outcome = await trial.call("ada", "grace", HUNDRED)
                outcome.sent += f"  while the database refuses to write the account of {refused}"
                because = why_a_half_is_left(sent)
                expect_balances(outcome.sent, before, await balances(), **because)
                if outcome.error is None:
                    outcome.refuse(expected="an error: nothing was moved")


OWNERS = {"ada": 101, "grace": 102}


@transfer.requirement(
    "keeps count when many run at once: of twenty transfers of 10.00 from ada to grace all arrive; of ten of "
    "30.00 from dennis, who has 35.00, one does, and nine raise the ValueError"
)
async def keeps_count(trial: Trial) -> None:
    before = await balances()
    await many_at_once(trial, 20, ("ada", "grace", TEN), {"moved": 20})
    after = moved(before, 20 * TEN, "ada", "grace")
    sent = '20 × transfer("ada", "grace", Decimal("10.00")) at once'
    expect_balances(sent, after, await balances(), because=LOST_UPDATE, next=LOCK_FIRST)
    thirty = Decimal("30.00")
    await many_at_once(trial, 10, ("dennis", "grace", thirty), {"moved": 1, NOT_ENOUGH: 9})
    sent = '10 × transfer("dennis", "grace", Decimal("30.00")) at once'
    expect_balances(sent, moved(after, thirty, "dennis", "grace"), await balances())


LOST_UPDATE = "all of them had read the balances before the first one wrote, and each wrote what it had worked out from the old ones"


LOCK_FIRST = (
    "lock the accounts when you read them, with `select_for_update()`, in the transaction that writes them"
)


async def many_at_once(trial: Trial, times: int, arguments: tuple, expected: dict[str, int]) -> None:
    async with other_process() as check:
        calls = [on_a_thread_of_its_own(trial.call(*arguments)) for _ in range(times)]
        outcomes = await everyone_looks_before_anyone_writes(check, ["trips_account"], calls)
    summary = Counter("moved" if outcome.error is None else first_line(outcome.error) for outcome in outcomes)
    Outcome(f"{times} × {outcomes[0].sent} at once", counted(summary)).expect_that(
        summary == expected,
        counted(Counter(expected)),
        because=LOST_UPDATE if summary["moved"] > expected["moved"] else None,
        next=LOCK_FIRST,
    )


def first_line(error: BaseException) -> str:
    return described(error).partition("\n")[0]


@transfer.requirement("goes through in both directions at once: ada to grace, and grace to ada")
async def goes_both_ways(trial: Trial) -> None:
    before = await balances()
    async with other_process() as holds_ada, other_process() as holds_grace:
        await holds_ada.hold("trips_account", f"owner_id = {OWNERS['ada']}")
        await holds_grace.hold("trips_account", f"owner_id = {OWNERS['grace']}")
        calls = [("ada", "grace", HUNDRED), ("grace", "ada", TEN)]
        tasks = [asyncio.ensure_future(on_a_thread_of_its_own(trial.call(*call))) for call in calls]
        # Each transfer stands before its first account, then one of them before its second.
        for holder in (holds_ada, holds_grace):
            await holder.all_stand_still(tasks, patience=3)
            await holder.execute("COMMIT")
        outcomes = await asyncio.gather(*tasks)
    for outcome in outcomes:
        outcome.sent += "  while the same two do it the other way round"
        outcome.expect_that(True, "both transfers go through")
    expect_balances(
        outcomes[0], before | {"ada": before["ada"] - 90, "grace": before["grace"] + 90}, await balances()
    )


@transfer.requirement(
    "leaves alone what another task writes on the same thread meanwhile, also when the transfer is undone"
)
async def leaves_others_alone(trial: Trial) -> None:
    async with other_process() as check, refused_writes(check, "trips_account", at_commit=True):
        outcome, meanwhile = await while_another_task_writes(trial.call("ada", "grace", HUNDRED))
    await expect_all_kept(outcome.sent, meanwhile)
