from asgiref.sync import sync_to_async
from django.db import DatabaseError, transaction
from django.db.models import F
from django_async_backend.db import async_new_connection
from django_async_backend.db.transaction import async_atomic

from tutorial_project.checks import known_answer
from tutorial_project.trips.models import Account


def demand(sender, receiver, amount):
    if amount <= 0 or sender == receiver:
        raise ValueError("not a transfer")


def of(manager, *owners):
    accounts = manager.filter(owner__username__in=owners).select_related("owner")
    return accounts.select_for_update(of=("self",)).order_by("pk")


def both(accounts, sender, receiver, amount):
    """The two accounts with their new balances."""
    by_name = {account.owner.username: account for account in accounts}
    if len(by_name) < 2:
        raise Account.DoesNotExist
    if by_name[sender].balance < amount:
        raise ValueError("not enough money")
    by_name[sender].balance -= amount
    by_name[receiver].balance += amount
    return by_name[sender], by_name[receiver]


@known_answer(
    "transfer", when="Where the rows shall be written in one statement each, whatever else they hold."
)
async def updates_in_one_order(sender, receiver, amount):
    demand(sender, receiver, amount)
    async with async_atomic():
        keys = {
            name: (await Account.async_objects.aget(owner__username=name)).pk for name in (sender, receiver)
        }
        steps = {keys[sender]: -amount, keys[receiver]: amount}
        for key in sorted(steps):
            enough = Account.async_objects.filter(pk=key, balance__gte=-steps[key])
            if not await enough.aupdate(balance=F("balance") + steps[key]):
                raise ValueError("not enough money")
        return (await Account.async_objects.aget(pk=keys[sender])).balance


@known_answer("transfer")
@async_atomic
async def decorated(sender, receiver, amount):
    demand(sender, receiver, amount)
    accounts = [account async for account in of(Account.async_objects, sender, receiver)]
    changed = both(accounts, sender, receiver, amount)
    await Account.async_objects.abulk_update(changed, ["balance"])
    return changed[0].balance


@known_answer("transfer", breaks="refuses_nonsense", says="ValueError")
async def takes_any_amount(sender, receiver, amount):
    async with async_atomic():
        accounts = [account async for account in of(Account.async_objects, sender, receiver)]
        changed = both(accounts, sender, receiver, amount)
        await Account.async_objects.abulk_update(changed, ["balance"])
    return changed[0].balance


@known_answer("transfer", breaks="refuses_a_stranger", says="KeyError")
async def looks_for_nobody(sender, receiver, amount):
    demand(sender, receiver, amount)
    async with async_atomic():
        rows = of(Account.async_objects, sender, receiver)
        accounts = {account.owner.username: account async for account in rows}
        if accounts[sender].balance < amount:
            raise ValueError("not enough money")
        accounts[sender].balance -= amount
        accounts[receiver].balance += amount
        await Account.async_objects.abulk_update(accounts.values(), ["balance"])
    return accounts[sender].balance


@known_answer("transfer", breaks="moves_all_or_nothing", says="one of the two writes was kept")
async def without_a_transaction(sender, receiver, amount):
    demand(sender, receiver, amount)
    accounts = Account.async_objects.filter(owner__username__in=(sender, receiver)).select_related("owner")
    changed = both([account async for account in accounts], sender, receiver, amount)
    for account in changed:
        await account.async_save(update_fields=["balance"])
    return changed[0].balance


@known_answer("transfer", breaks="moves_money", says="did not finish")
async def saves_with_the_other_orm(sender, receiver, amount):
    demand(sender, receiver, amount)
    async with async_atomic():
        accounts = [account async for account in of(Account.async_objects, sender, receiver)]
        changed = both(accounts, sender, receiver, amount)
        for account in changed:
            await account.asave(update_fields=["balance"])
    return changed[0].balance


@known_answer("transfer", breaks="joins_the_callers_transaction", says="over another connection")
async def in_one_sync_function(sender, receiver, amount):
    demand(sender, receiver, amount)

    @transaction.atomic
    def move():
        changed = both(of(Account.objects, sender, receiver), sender, receiver, amount)
        for account in changed:
            account.save(update_fields=["balance"])
        return changed[0].balance

    return await sync_to_async(move)()


@known_answer("transfer", breaks="joins_the_callers_transaction", says="over another connection")
async def on_a_connection_of_its_own(sender, receiver, amount):
    return await async_new_connection(decorated(sender, receiver, amount))


@known_answer("transfer", breaks="joins_the_callers_transaction", says="durable")
async def durable(sender, receiver, amount):
    async with async_atomic(durable=True):
        return await decorated(sender, receiver, amount)


@known_answer("transfer", breaks="keeps_count", says="changed meanwhile")
async def looks_without_a_lock(sender, receiver, amount):
    demand(sender, receiver, amount)
    async with async_atomic():
        accounts = Account.async_objects.filter(owner__username__in=(sender, receiver))
        rows = [account async for account in accounts.select_related("owner").order_by("pk")]
        changed = both(rows, sender, receiver, amount)
        for account in sorted(changed, key=lambda account: account.pk):
            await account.async_save(update_fields=["balance"])
    return changed[0].balance


@known_answer("transfer", breaks="keeps_count", says="in different orders")
async def locks_the_sender_first(sender, receiver, amount):
    demand(sender, receiver, amount)
    async with async_atomic():
        accounts = Account.async_objects.select_for_update(of=("self",)).select_related("owner")
        rows = [await accounts.aget(owner__username=name) for name in (sender, receiver)]
        changed = both(rows, sender, receiver, amount)
        for account in changed:
            await account.async_save(update_fields=["balance"])
    return changed[0].balance


@known_answer(
    "transfer",
    breaks="moves_money",
    says="TypeError",
    because="a transaction has no async form: it belongs to one connection,",
)
async def with_djangos_atomic(sender, receiver, amount):
    async with transaction.atomic():
        return await decorated(sender, receiver, amount)


@known_answer("transfer", breaks="moves_all_or_nothing", says="looks for the fault in the order")
async def hides_what_the_database_says(sender, receiver, amount):
    demand(sender, receiver, amount)
    try:
        async with async_atomic():
            accounts = [account async for account in of(Account.async_objects, sender, receiver)]
            first, second = both(accounts, sender, receiver, amount)
            await first.async_save(update_fields=["balance"])
            await second.async_save(update_fields=["balance"])
            return first.balance
    except DatabaseError as error:
        raise ValueError("refused") from error


@known_answer("transfer", breaks="moves_money", says="ValueError")
async def nothing_below_one(sender, receiver, amount):
    if amount <= 1:
        raise ValueError("not a transfer")
    return await decorated(sender, receiver, amount)


accounts_of_all = {}


@known_answer("transfer", breaks="keeps_count", says="while a transfer between two others waits")
async def accounts_in_the_module(sender, receiver, amount):
    global accounts_of_all
    demand(sender, receiver, amount)
    async with async_atomic():
        locked = of(Account.async_objects, sender, receiver)
        accounts_of_all = {account.owner.username: account async for account in locked}
        for account in both(accounts_of_all.values(), sender, receiver, amount):
            await account.async_save(update_fields=["balance"])
        return accounts_of_all[sender].balance


@known_answer("transfer")
async def locks_one_by_one_by_key(sender, receiver, amount):
    demand(sender, receiver, amount)
    async with async_atomic():
        keys = [(await Account.async_objects.aget(owner__username=name)).pk for name in (sender, receiver)]
        locked = {}
        for key in sorted(keys):
            locked[key] = await Account.async_objects.select_for_update().aget(pk=key)
        giver, taker = (locked[key] for key in keys)
        if (left := giver.balance - amount) < 0:
            raise ValueError("not enough money")
        giver.balance, taker.balance = left, taker.balance + amount
        for account in (giver, taker):
            await account.async_save()
    return left


@known_answer("transfer", breaks="keeps_count", says="while another process pays")
async def tells_the_balance_of_before(sender, receiver, amount):
    demand(sender, receiver, amount)
    async with async_atomic():
        giver = await Account.async_objects.aget(owner__username=sender)
        taker = await Account.async_objects.aget(owner__username=receiver)
        steps = {giver.pk: -amount, taker.pk: amount}
        for key in sorted(steps):
            enough = Account.async_objects.filter(pk=key, balance__gte=-steps[key])
            if not await enough.aupdate(balance=F("balance") + steps[key]):
                raise ValueError("not enough money")
    return giver.balance - amount


@known_answer("transfer", breaks="keeps_count", says="while another process takes all but")
async def looks_before_it_locks(sender, receiver, amount):
    demand(sender, receiver, amount)
    giver = await Account.async_objects.aget(owner__username=sender)
    taker = await Account.async_objects.aget(owner__username=receiver)
    if giver.balance < amount:
        raise ValueError("not enough money")
    async with async_atomic():
        for key in sorted((giver.pk, taker.pk)):
            await Account.async_objects.select_for_update().aget(pk=key)
        await Account.async_objects.filter(pk=giver.pk).aupdate(balance=F("balance") - amount)
        await Account.async_objects.filter(pk=taker.pk).aupdate(balance=F("balance") + amount)
        return (await Account.async_objects.aget(pk=giver.pk)).balance


@known_answer(
    "transfer",
    breaks="keeps_count",
    says="deadlock detected",
    because="deadlock: each of two transactions held a lock that the",
)
async def locks_the_poorer_first(sender, receiver, amount):
    demand(sender, receiver, amount)
    async with async_atomic():
        locked = of(Account.async_objects, sender, receiver).order_by("balance")
        changed = both([account async for account in locked], sender, receiver, amount)
        for account in changed:
            await account.async_save(update_fields=["balance"])
    return changed[0].balance


@known_answer(
    "transfer",
    breaks="keeps_count",
    says="deadlock detected",
    because="deadlock: each of two transactions held a lock that the",
)
async def locks_the_richer_first(sender, receiver, amount):
    demand(sender, receiver, amount)
    async with async_atomic():
        rows = Account.async_objects.filter(owner__username__in=(sender, receiver)).order_by("-balance")
        locked = []
        for key in [row.pk async for row in rows]:
            account = Account.async_objects.select_for_update(of=("self",)).select_related("owner")
            locked.append(await account.aget(pk=key))
        changed = both(locked, sender, receiver, amount)
        for account in changed:
            await account.async_save(update_fields=["balance"])
    return changed[0].balance


LOCKED = "nobody else has changed the row since it was locked"
EQUAL_MUTANTS = {
    'call in a chain: locked = of_both.select_related("owner").select_for_update(of=("self",)).order_by("pk") → …': "the "
    "model is ordered by its key",
    'only keyword: locked = of_both.select_related("owner").select_for_update(of=("self",)).order_by("pk") → …': "locks the "
    "two users as well, whom nobody writes",
    'arg removal: await account.async_save(update_fields=["balance"]) → …': LOCKED,
    'only keyword: await account.async_save(update_fields=["balance"]) → …': LOCKED,
}
