import random
from collections import Counter
from decimal import Decimal
from typing import Any

from tutorial_project.checks import Outcome, Task, Trial, blocking_calls_refused
from tutorial_project.checks.outcome import described
from tutorial_project.checks.proofs.connections import (
    on_a_thread_of_its_own,
    statements,
    while_another_task_writes,
)
from tutorial_project.checks.proofs.postgresql import (
    everyone_looks_before_anyone_writes,
    one_comes_after_a_change,
    other_process,
    refused_writes,
    started,
)
from tutorial_project.classroom import postgresql
from tutorial_project.trips.models import Account

from ..shared import ONE_UNIT, expect_all_kept, locks, tallied, why_a_half_is_left

transfer = Task(
    "transfer",
    beside="holds_up_nobody",
    database=postgresql,
    hints=(
        "Which rows must nobody else change between your look at the balance and your last write?",
        "Lock both accounts, in the same order whoever pays whom, and do everything else in that transaction. "
        "A lock on a query with a join takes the rows of both tables, unless you say which.",
        '`with transaction.atomic():` `accounts = Account.objects.select_for_update(of=("self",))'
        '.filter(owner__username__in=…).select_related("owner").order_by("pk")`, raise what has to be raised, '
        "change both balances, save both, return the sender's. Then `return await sync_to_async(move)()`.",
    ),
    praise=(
        "Right: both rows locked in one order, both written in one transaction. Two UPDATEs with `F()` and a "
        "condition on the balance do as well, if they come in the order of the keys, too."
    ),
)

NOT_ENOUGH = "ValueError: not enough money"
CENT, TEN, THIRTY = Decimal("0.01"), Decimal("10.00"), Decimal("30.00")
STRANGERS = ("frances", "zoë", "nobody")
"""Two users without an account, and no user."""


async def balances() -> dict[str, Decimal]:
    return {a.owner.username: a.balance async for a in Account.objects.select_related("owner")}


def moved(before: dict[str, Decimal], amount: Decimal, sender: str, receiver: str) -> dict[str, Decimal]:
    return before | {sender: before[sender] - amount, receiver: before[receiver] + amount}


async def expect_balances(sent: str, expected: dict[str, Decimal], **words: Any) -> None:
    found = await balances()
    wrong = [name for name in expected if found[name] != expected[name]]
    describe = lambda balances: ", ".join(f"{name} has {balances[name]}" for name in wrong)  # noqa: E731
    Outcome(sent).expect_that(not wrong, describe(expected), got=describe(found), **words)


async def two_of_them(*, rich: bool = False) -> tuple[str, str]:
    """Two owners of accounts: the first may have the lower key or the higher one."""
    chosen = await balances()
    sender = random.choice([name for name, balance in chosen.items() if not rich or balance > 500])
    return sender, random.choice([name for name in chosen if name != sender])


def cents(upto: Decimal) -> Decimal:
    """An amount that nobody could know."""
    return random.randrange(1, int(upto * 100)) * CENT


@transfer.requirement(
    'moves money: `await transfer("ada", "grace", Decimal("100.00"))` returns the new balance of ada; all that an '
    "account holds can be moved"
)
async def moves_money(trial: Trial) -> None:
    sender, receiver = await two_of_them()
    before = await balances()
    some = cents(before[sender])
    for pair, amount in [((sender, receiver), some), ((receiver, sender), before[receiver] + some)]:
        now = await balances()
        outcome = await trial.call(*pair, amount)
        outcome.expect(now[pair[0]] - amount)
        await expect_balances(outcome.sent, moved(now, amount, *pair))


@transfer.requirement(
    'raises `ValueError("not enough money")` when the balance does not cover it, and moves nothing'
)
async def refuses_too_much(trial: Trial) -> None:
    sender, receiver = await two_of_them()
    before = await balances()
    outcome = await trial.call(sender, receiver, before[sender] + CENT)
    if described(outcome.error or Exception()) != NOT_ENOUGH:
        outcome.refuse(expected=NOT_ENOUGH)
    await expect_balances(outcome.sent, before)


@transfer.requirement(
    "raises `Account.DoesNotExist` when one of them, such as frances, has no account, and moves nothing"
)
async def refuses_a_stranger(trial: Trial) -> None:
    name, other = await two_of_them()
    before = await balances()
    for stranger in (*STRANGERS, other.upper()):
        for pair in ((name, stranger), (stranger, name)):
            with statements() as sent:
                outcome = await on_a_thread_of_its_own(trial.call(*pair, CENT))
            outcome.expect_error(Account.DoesNotExist, expected="Account.DoesNotExist")
            await expect_balances(outcome.sent, before, **why_a_half_is_left(sent))


@transfer.requirement(
    "raises a `ValueError` when the amount is not positive, or when somebody would pay themselves, and moves nothing"
)
async def refuses_nonsense(trial: Trial) -> None:
    sender, receiver = await two_of_them()
    before = await balances()
    same = "".join(sender)  # Trap: the same name, and another object
    cases = [(sender, receiver, Decimal(0)), (sender, receiver, -cents(TEN)), (sender, same, cents(TEN))]
    for case in cases:
        outcome = await trial.call(*case)
        outcome.expect_error(ValueError, expected="ValueError")
        await expect_balances(outcome.sent, before)


@transfer.requirement(
    "moves nothing, and lets the error out, when the database refuses to write one of the accounts, whichever it is; "
    "nobody ever sees one written without the other"
)
async def moves_all_or_nothing(trial: Trial) -> None:
    pair = await two_of_them(rich=True)
    before = await balances()
    async with other_process() as check:
        for refused in pair:
            with statements() as sent:
                async with refused_writes(check, "trips_account", when=f"NEW.id = {await key(refused)}"):
                    outcome = await on_a_thread_of_its_own(trial.call(*pair, TEN))
            outcome.sent += f"  while the database refuses to write the account of {refused}"
            await expect_balances(outcome.sent, before, **why_a_half_is_left(sent))
            if outcome.error is None:
                outcome.refuse(expected="an error: nothing was moved")
            if isinstance(outcome.error, ValueError):
                outcome.refuse(
                    expected="the error of the database",
                    because="the database refused for another reason, and the caller is told something else",
                    next="catch what you know the reason of, and let the rest out",
                )
    for held in pair:
        await expect_no_half_is_seen(trial, pair, held)


async def expect_no_half_is_seen(trial: Trial, pair: tuple[str, str], held: str) -> None:
    """Refuse when others see money that has left one account and not reached the other."""
    total = "SELECT sum(balance) FROM trips_account"
    async with other_process() as check, other_process() as another:
        before = await another.value(total)
        await check.hold("trips_account", f"id = {await key(held)}")
        async with started(on_a_thread_of_its_own(trial.call(*pair, TEN))) as [waiting]:
            await check.all_stand_still([waiting])
            meanwhile = await another.value(total)
            await check.execute("COMMIT")
            outcome = await waiting
    outcome.sent += f"  while it waits for the account of {held}"
    outcome.expect_that(True, "a balance")
    Outcome(outcome.sent, f"together they hold {meanwhile - before:+} for the others").expect_that(
        meanwhile == before,
        "as much money in all accounts as before, for whoever looks",
        because="the two accounts are written in separate transactions",
        next=ONE_UNIT,
    )


async def key(owner: str) -> int:
    return (await Account.objects.aget(owner__username=owner)).pk


@transfer.requirement(
    "keeps count when many run at once: of twenty transfers of 10.00 all arrive, and the last one returns what is left "
    "then; of ten of 30.00 from dennis, who has 35.00, one does, and nine raise the ValueError"
)
async def keeps_count(trial: Trial) -> None:
    pair = await two_of_them(rich=True)
    before = await balances()
    after = moved(before, 20 * TEN, *pair)
    left, returned = after[pair[0]], await many_at_once(trial, 20, (*pair, TEN), after, {"moved": 20})
    before = await balances() | {"dennis": Decimal("35.00")}
    await Account.objects.filter(owner__username="dennis").aupdate(balance=before["dennis"])
    after = moved(before, THIRTY, "dennis", "grace")
    await many_at_once(trial, 10, ("dennis", "grace", THIRTY), after, {"moved": 1, NOT_ENOUGH: 9})
    Outcome(
        f"20 × transfer{(*pair, TEN)!r} at once", f"the lowest of the returned balances is {min(returned)}"
    ).expect_that(
        min(returned) == left,
        f"{left}, the balance after the last one",
        because="what is returned was worked out from a balance that was read before others moved money",
        next="return the balance of the row that is locked, or read it again when it is written",
    )


async def many_at_once(
    trial: Trial, times: int, arguments: tuple[Any, ...], after: dict[str, Decimal], expected: dict[str, int]
) -> list[Any]:
    """Refuse unless so many arrive, and all money with them; return what those that arrived have returned."""
    async with other_process() as check:
        with statements() as sent:
            calls = [on_a_thread_of_its_own(trial.call(*arguments)) for _ in range(times)]
            outcomes = await everyone_looks_before_anyone_writes(check, ["trips_account"], calls)
    summary = Counter("moved" if outcome.error is None else first_line(outcome.error) for outcome in outcomes)
    at_once = f"{times} × {outcomes[0].sent} at once"
    words = {} if locks(sent) or not sent else {"because": LOST_UPDATE, "next": LOCK_FIRST}
    Outcome(at_once, tallied(summary)).expect_that(
        summary == expected,
        tallied(Counter(expected)),
        **(words if summary["moved"] > expected["moved"] else {}),
    )
    await expect_balances(at_once, after, **words)
    return [outcome.value for outcome in outcomes if outcome.error is None]


LOST_UPDATE = "all of them had read the balances before the first one wrote, and each wrote what it had worked out from the old ones"


LOCK_FIRST = (
    "lock the accounts when you read them, with `select_for_update()`, in the transaction that writes them"
)


def first_line(error: BaseException) -> str:
    return described(error).partition("\n")[0]


@transfer.requirement("goes through in both directions at once: ada to grace, and grace to ada")
async def goes_both_ways(trial: Trial) -> None:
    one, other = sorted(await two_of_them(rich=True), key=(await keys()).get)
    before = await balances()
    async with other_process() as holds_one, other_process() as holds_other:
        await holds_one.hold("trips_account", f"id = {await key(one)}")
        await holds_other.hold("trips_account", f"id = {await key(other)}")
        calls = [(one, other, CENT), (other, one, 3 * CENT)]
        async with started(*(on_a_thread_of_its_own(trial.call(*call)) for call in calls)) as tasks:
            # Each transfer stands before its first account, then one of them before its second.
            for holder in (holds_one, holds_other):
                await holder.all_stand_still(tasks, patiently=True)
                await holder.execute("COMMIT")
            outcomes = [await task for task in tasks]
    await expect_both(outcomes, moved(before, -2 * CENT, one, other))
    for now, then in ((1000, 2000), (2000, 1000)):
        await while_the_other_grows_richer(trial, random.sample((one, other), 2), Decimal(now), Decimal(then))


async def expect_both(outcomes: list[Outcome], after: dict[str, Decimal]) -> None:
    for outcome in outcomes:
        outcome.sent += "  while the same two do it the other way round"
        outcome.expect_that(True, "both transfers go through")
    await expect_balances(outcomes[0].sent, after)


async def while_the_other_grows_richer(trial: Trial, pair: list[str], now: Decimal, then: Decimal) -> None:
    """Let the richer of two be the poorer before the second transfer begins: their balances are no order for locks."""
    one, other = pair
    await Account.objects.filter(owner__username=one).aupdate(balance=(now + then) / 2)
    await Account.objects.filter(owner__username=other).aupdate(balance=now)
    before = await balances()
    calls = [
        lambda: on_a_thread_of_its_own(trial.call(one, other, CENT)),
        lambda: on_a_thread_of_its_own(trial.call(other, one, 3 * CENT)),
    ]
    keys = await key(one), await key(other)
    outcomes, changed = await one_comes_after_a_change(calls, "trips_account", *keys, f"balance = {then}")
    before |= {other: then} if changed else {}
    await expect_both(outcomes, moved(before, -2 * CENT, one, other))


async def keys() -> dict[str, int]:
    return {a.owner.username: a.pk async for a in Account.objects.select_related("owner")}


@transfer.requirement(
    "holds up nobody else: while it waits for an account, the event loop is free, other accounts move their money, "
    "and the two owners can log in"
)
async def holds_up_nobody(trial: Trial) -> None:
    sender, receiver, *others = random.sample(sorted(await balances()), 4)
    with blocking_calls_refused(trial.answer):
        outcome = await on_a_thread_of_its_own(trial.call(*others, CENT))
    outcome.expect_that(True, "a balance")
    for held in (sender, receiver):
        await transfer_while_another_waits(trial, (sender, receiver), held, tuple(others))
    await two_pairs_at_once(trial, (sender, receiver), (others[0], others[1]))


async def two_pairs_at_once(trial: Trial, one: tuple[str, str], other: tuple[str, str]) -> None:
    """Refuse unless each of two transfers moves its own money, when both have read before one of them writes."""
    before = await balances()
    async with other_process() as check:
        calls = [on_a_thread_of_its_own(trial.call(*pair, CENT)) for pair in (one, other)]
        outcomes = await everyone_looks_before_anyone_writes(check, ["trips_account"], calls)
    for outcome, pair in zip(outcomes, (one, other), strict=True):
        outcome.sent += "  while two others do the same"
        outcome.expect(before[pair[0]] - CENT, **OF_ANOTHER)
    await expect_balances(outcomes[0].sent, moved(moved(before, CENT, *one), CENT, *other), **OF_ANOTHER)


OF_ANOTHER = {
    "because": "alone it is right: two transfers share something that each of them needs for itself",
    "next": "keep the accounts inside of the function that moves the money",
}


async def transfer_while_another_waits(
    trial: Trial, pair: tuple[str, str], held: str, others: tuple[str, ...]
) -> None:
    async with other_process() as check, other_process() as another:
        await check.hold("trips_account", f"id = {await key(held)}")
        async with started(on_a_thread_of_its_own(trial.call(*pair, CENT))) as [waiting]:
            await check.all_stand_still([waiting])
            names = ", ".join(f"'{name}'" for name in pair)
            can_log_in = await another.is_free("auth_user", f"username IN ({names})")
            async with started(on_a_thread_of_its_own(trial.call(*others, CENT))) as [moving]:
                await check.all_stand_still([waiting, moving], patiently=True)
                moved_meanwhile = moving.done()
                await check.execute("COMMIT")
                outcome, waited = await moving, await waiting
    outcome.sent += f"  while {waited.sent} waits for the account of {held}"
    outcome.expect_that(
        moved_meanwhile,
        "the other transfer goes through",
        got="it went through only afterwards",
        because="something that all transfers share lets one of them in at a time",
        next="lock the rows of the two accounts, and nothing else",
    )
    waited.sent += f"  while it waits for the account of {held}"
    waited.expect_that(
        can_log_in,
        "the rows of both owners in auth_user are free",
        got="they are locked as well, and a login writes there",
        because="a lock on a query with a join takes the rows of both tables",
        next='`select_for_update(of=("self",))`',
    )


@transfer.requirement(
    "leaves alone what another task writes on the same thread meanwhile, also when the transfer is undone"
)
async def leaves_others_alone(trial: Trial) -> None:
    pair = await two_of_them(rich=True)
    async with other_process() as check, refused_writes(check, "trips_account", at_commit=True):
        outcome, meanwhile = await while_another_task_writes(trial.call(*pair, TEN))
    await expect_all_kept(outcome.sent, meanwhile)
