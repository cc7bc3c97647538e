import random
import uuid
from collections import Counter
from decimal import Decimal

from django.contrib.auth.models import User

from tutorial_project.checks import Outcome, Task, Trial
from tutorial_project.checks.outcome import described
from tutorial_project.checks.proofs.postgresql import (
    everyone_looks_before_anyone_writes,
    one_comes_after_a_change,
    other_process,
    refused_writes,
    started,
)
from tutorial_project.trips.models import Account

from ..shared import native_postgresql, on_its_own, undone_transaction

transfer = Task(
    "transfer",
    database=native_postgresql,
    hints=(
        "Which rows must nobody else change between your look at the balance and your last write?",
        "`async with async_atomic():` around everything, both rows locked in one order for everybody, and nothing but "
        "`async_objects` and `async_save` inside.",
        '`async with async_atomic():` `accounts = Account.async_objects.select_for_update(of=("self",))'
        '.filter(owner__username__in=…).select_related("owner").order_by("pk")`, read them with `async for`, raise what '
        "has to be raised, change both balances, `await account.async_save(…)` both, return the sender's.",
    ),
    praise="Right: one coroutine, both rows locked in one order, both written in one transaction, which joins the "
    "caller's if there is one. Two `aupdate` with `F()` and a condition on the balance do as well, in the order of the keys.",
)

FIFTY = 50
CENT = Decimal("0.01")


async def balances(*owners: str) -> dict[str, Decimal]:
    """What these owners have in their accounts."""
    accounts = Account.objects.filter(owner__username__in=owners).select_related("owner")
    return {account.owner.username: account.balance async for account in accounts}


async def expect_balances(sent: str, expected: dict[str, Decimal], **words: str | None) -> None:
    found = await balances(*expected)
    wrong = [name for name in expected if found[name] != expected[name]]
    describe = lambda balances: ", ".join(f"{name} has {balances[name]}" for name in wrong)  # noqa: E731
    Outcome(sent).expect_that(not wrong, describe(expected), got=describe(found), **words)


async def two_rich_ones() -> tuple[str, str]:
    """Two new owners of accounts, in either order of their keys, who have an amount that nobody could know."""
    names = [uuid.uuid4().hex[:8] for _ in range(2)]
    for name in names:
        owner = await User.objects.acreate(username=name)
        await Account.objects.acreate(owner=owner, balance=random.randrange(10_000_00, 20_000_00) * CENT)
    sender, receiver = random.sample(names, 2)
    return sender, receiver


def some_money() -> Decimal:
    return random.randrange(1_00, 99_00) * CENT


def some_cents() -> Decimal:
    return random.randrange(1, 99) * CENT


def moved(before: dict[str, Decimal], sender: str, receiver: str, amount: Decimal) -> dict[str, Decimal]:
    return before | {sender: before[sender] - amount, receiver: before[receiver] + amount}


@transfer.requirement(
    'moves money: `await transfer("ada", "grace", Decimal("100.00"))` returns the new balance of ada; all that an '
    "account holds can be moved"
)
async def moves_money(trial: Trial) -> None:
    pair = await two_rich_ones()
    again = some_money()
    for amount in (again, again, some_cents(), None):
        before = await balances(*pair)
        amount = before[pair[0]] if amount is None else amount
        outcome = await on_its_own(trial.call(*pair, amount))
        outcome.expect(before[pair[0]] - amount)
        await expect_balances(outcome.sent, moved(before, *pair, amount))


@transfer.requirement(
    "raises a `ValueError` when the balance does not cover the amount, when the amount is not positive, or when somebody "
    "would pay themselves, and moves nothing"
)
async def refuses_nonsense(trial: Trial) -> None:
    sender, receiver = await two_rich_ones()
    before = await balances(sender, receiver)
    cases = [
        (sender, receiver, before[sender] + CENT),
        (sender, receiver, Decimal(0)),
        (sender, receiver, -some_money()),
        (sender, sender, some_money()),
    ]
    for case in cases:
        outcome = await on_its_own(trial.call(*case))
        outcome.expect_error(ValueError, expected="ValueError")
        await expect_balances(outcome.sent, before)


@transfer.requirement("raises `Account.DoesNotExist` when one of them has no account, and moves nothing")
async def refuses_a_stranger(trial: Trial) -> None:
    name, _ = await two_rich_ones()
    before = await balances(name)
    for pair in ((name, "nobody"), ("nobody", name), (name, "frances")):
        outcome = await on_its_own(trial.call(*pair, some_money()))
        outcome.expect_error(Account.DoesNotExist, expected="Account.DoesNotExist")
        await expect_balances(outcome.sent, before)


@transfer.requirement(
    "moves nothing, and lets the error out, when the database refuses to write one of the accounts, whichever it is"
)
async def moves_all_or_nothing(trial: Trial) -> None:
    pair = await two_rich_ones()
    before = await balances(*pair)
    async with other_process() as check:
        for refused in pair:
            key = (await Account.objects.aget(owner__username=refused)).pk
            async with refused_writes(check, "trips_account", when=f"NEW.id = {key}"):
                outcome = await on_its_own(trial.call(*pair, some_money()))
            outcome.sent += f"  while the database refuses to write the account of {refused}"
            await expect_balances(
                outcome.sent,
                before,
                because="one of the two writes was kept, so they were no transaction",
                next="`async with async_atomic():` around both, with `async_objects` and `async_save`",
            )
            if outcome.error is None:
                outcome.refuse(expected="an error: nothing was moved")
            if isinstance(outcome.error, ValueError | Account.DoesNotExist):
                outcome.refuse(
                    expected="the error of the database",
                    because="whoever reads this error looks for the fault in the order, which was good",
                )


@transfer.requirement(
    "joins the async transaction of whoever calls it: when that is undone, the transfer is undone with it"
)
async def joins_the_callers_transaction(trial: Trial) -> None:
    pair = await two_rich_ones()
    before, amount = await balances(*pair), some_money()
    async with undone_transaction():
        outcome = await trial.call(*pair, amount)
    outcome.sent += "  in an async transaction of the caller's, which is undone"
    outcome.expect(before[pair[0]] - amount)
    await expect_balances(
        outcome.sent,
        before,
        because="the transfer was written over another connection than the one that the caller's transaction is on",
        next="`async with async_atomic():` in the task that calls, with `async_objects` and `async_save`",
    )


@transfer.requirement(
    "keeps count when fifty run at once, in both directions between the same two, or when another process writes an "
    "account meanwhile: all arrive, and no cent is lost"
)
async def keeps_count(trial: Trial) -> None:
    pair = await two_rich_ones()
    after, calls = await balances(*pair), []
    for number in range(FIFTY):
        arguments = (*(pair if number % 2 else pair[::-1]), some_money())
        after = moved(after, *arguments)
        calls.append(on_its_own(trial.call(*arguments)))
    async with other_process() as check:
        outcomes = await everyone_looks_before_anyone_writes(check, ["trips_account"], calls)
    errors = Counter(described(outcome.error).splitlines()[0] for outcome in outcomes if outcome.error)
    sent = f"{FIFTY} × {outcomes[0].sent}, and back, at once"
    Outcome(sent, ", ".join(f"{error} ×{times}" for error, times in errors.items())).expect_that(
        not errors,
        "all of them go through",
        **(TWO_ORDERS if any("deadlock" in error for error in errors) else {}),
    )
    await expect_balances(
        sent,
        after,
        because="balances were written that had been worked out from others, which somebody changed meanwhile",
        next="lock the accounts when you read them, with `select_for_update()`, in the transaction that writes them",
    )
    await keeps_others_apart(trial)
    await keeps_count_beside_another_process(trial)
    await keeps_one_order(trial)


async def keeps_count_beside_another_process(trial: Trial) -> None:
    """Another process changes the sender's account, which it has locked before the answer comes to it."""
    sender, receiver = pair = await two_rich_ones()
    amount, paid = some_money(), some_cents()
    before = await balances(*pair)
    outcome = await beside_another_process(trial, pair, amount, before[sender] + paid)
    outcome.sent += f"  while another process pays {paid} into the account of {sender}"
    outcome.expect(before[sender] + paid - amount)
    after = moved(before | {sender: before[sender] + paid}, sender, receiver, amount)
    await expect_balances(outcome.sent, after)
    left = amount - CENT
    outcome = await beside_another_process(trial, pair, amount, left)
    outcome.sent += f"  while another process takes all but {left} from the account of {sender}"
    outcome.expect_error(ValueError, expected="ValueError")
    await expect_balances(outcome.sent, after | {sender: left})


async def beside_another_process(
    trial: Trial, pair: tuple[str, str], amount: Decimal, balance: Decimal
) -> Outcome:
    """Call the answer, and let another process write this balance of the sender when the answer waits for the row."""
    key = (await Account.objects.aget(owner__username=pair[0])).pk
    async with other_process() as process:
        await process.hold("trips_account", f"id = {key}")
        async with started(on_its_own(trial.call(*pair, amount))) as [moving]:
            await process.all_stand_still([moving])
            await process.execute("UPDATE trips_account SET balance = %s WHERE id = %s", balance, key)
            await process.execute("COMMIT")
            return await moving


async def keeps_others_apart(trial: Trial) -> None:
    """Refuse what two transfers share that concern nobody in common."""
    pairs, amounts = [await two_rich_ones() for _ in range(2)], [some_money(), some_money()]
    before = await balances(*pairs[0], *pairs[1])
    calls = [on_its_own(trial.call(*pair, amount)) for pair, amount in zip(pairs, amounts, strict=True)]
    async with other_process() as check:
        outcomes = await everyone_looks_before_anyone_writes(check, ["trips_account"], calls)
    after = before
    for pair, amount, outcome in zip(pairs, amounts, outcomes, strict=True):
        outcome.sent += "  while a transfer between two others waits to be written"
        outcome.expect(before[pair[0]] - amount)
        after = moved(after, *pair, amount)
    await expect_balances(outcomes[0].sent, after)


async def keeps_one_order(trial: Trial) -> None:
    """Refuse locks whose order follows the balances: one transfer waits, a balance changes, another one comes."""
    pair = await two_rich_ones()
    for held, other in (pair, pair[::-1]):
        await expect_both_around_a_change(trial, held, other)


async def expect_both_around_a_change(trial: Trial, held: str, other: str) -> None:
    before, amounts = await balances(held, other), (some_money(), some_money())
    turned = before[held] + (
        -CENT if before[other] > before[held] else CENT
    )  # the richer one is the poorer one
    calls = [
        lambda: on_its_own(trial.call(held, other, amounts[0])),
        lambda: on_its_own(trial.call(other, held, amounts[1])),
    ]
    keys = [(await Account.objects.aget(owner__username=name)).pk for name in (held, other)]
    outcomes, changed = await one_comes_after_a_change(calls, "trips_account", *keys, f"balance = {turned}")
    before |= {other: turned} if changed else {}
    for outcome in outcomes:
        outcome.sent += "  and another one back at once, while another process changes a balance"
        outcome.expect_that(outcome.error is None, "both go through")
    after = moved(moved(before, held, other, amounts[0]), other, held, amounts[1])
    await expect_balances(outcomes[0].sent, after)


TWO_ORDERS = {
    "because": "two transfers locked the same two rows in different orders, and each waited for the other",
    "next": 'lock both in one order for everybody: `.order_by("pk")`',
}
