import asyncio

from asgiref.sync import async_to_sync, sync_to_async
from django.db import transaction
from django.db.models import F

from tutorial_project.checks import known_answer
from tutorial_project.trips.models import Account

from ..shared import all_of, async_atomic

# transfer


@known_answer("transfer")
async def two_updates_in_the_order_of_the_keys(sender, receiver, amount):
    def move():
        with transaction.atomic():
            debtor = Account.objects.get(owner__username=sender)
            creditor = Account.objects.get(owner__username=receiver)
            for account, change in sorted(
                [(debtor, -amount), (creditor, amount)], key=lambda pair: pair[0].pk
            ):
                covered = Account.objects.filter(pk=account.pk, balance__gte=-change)
                if not covered.update(balance=F("balance") + change):
                    raise ValueError("not enough money")
            debtor.refresh_from_db()
            return debtor.balance

    return await sync_to_async(move)()


@known_answer("transfer")
async def everyone_locked_first(sender, receiver, amount):
    @sync_to_async
    @transaction.atomic
    def move():
        list(Account.objects.select_for_update().order_by("pk"))
        debtor = Account.objects.get(owner__username=sender)
        creditor = Account.objects.get(owner__username=receiver)
        if debtor.balance < amount:
            raise ValueError("not enough money")
        debtor.balance, creditor.balance = debtor.balance - amount, creditor.balance + amount
        debtor.save()
        creditor.save()
        return debtor.balance

    return await move()


@known_answer("transfer", breaks="refuses_a_stranger", says="ada has 5100.00")
async def two_statements(sender, receiver, amount):
    debtor = await Account.objects.aget(owner__username=sender)
    if debtor.balance < amount:
        raise ValueError("not enough money")
    debtor.balance -= amount
    await debtor.asave()
    creditor = await Account.objects.aget(owner__username=receiver)
    creditor.balance += amount
    await creditor.asave()
    return debtor.balance


@known_answer("transfer", breaks="moves_all_or_nothing", says="belonged to separate transactions")
async def both_looked_up_first(sender, receiver, amount):
    debtor = await Account.objects.aget(owner__username=sender)
    creditor = await Account.objects.aget(owner__username=receiver)
    if debtor.balance < amount:
        raise ValueError("not enough money")
    await Account.objects.filter(pk=debtor.pk).aupdate(balance=F("balance") - amount)
    await Account.objects.filter(pk=creditor.pk).aupdate(balance=F("balance") + amount)
    await debtor.arefresh_from_db()
    return debtor.balance


@known_answer("transfer", breaks="moves_all_or_nothing", says="belonged to separate transactions")
async def both_halves_in_gather(sender, receiver, amount):
    debtor = await Account.objects.aget(owner__username=sender)
    creditor = await Account.objects.aget(owner__username=receiver)
    if debtor.balance < amount:
        raise ValueError("not enough money")

    def add(account, change):
        Account.objects.filter(pk=account.pk).update(balance=F("balance") + change)

    async def both():
        await all_of(asyncio.to_thread(add, debtor, -amount), asyncio.to_thread(add, creditor, amount))

    await sync_to_async(transaction.atomic(async_to_sync(both)))()
    return debtor.balance - amount


@known_answer("transfer", breaks="keeps_count", says="worked out from the old ones")
async def transaction_without_a_lock(sender, receiver, amount):
    @sync_to_async
    @transaction.atomic
    def move():
        debtor = Account.objects.get(owner__username=sender)
        creditor = Account.objects.get(owner__username=receiver)
        if debtor.balance < amount:
            raise ValueError("not enough money")
        debtor.balance, creditor.balance = debtor.balance - amount, creditor.balance + amount
        debtor.save()
        creditor.save()
        return debtor.balance

    return await move()


@known_answer("transfer", breaks="keeps_count", says="IntegrityError")
async def looked_at_the_balance_too_early(sender, receiver, amount):
    @sync_to_async
    @transaction.atomic
    def move():
        debtor = Account.objects.get(owner__username=sender)
        creditor = Account.objects.get(owner__username=receiver)
        if debtor.balance < amount:
            raise ValueError("not enough money")
        for account, change in sorted([(debtor, -amount), (creditor, amount)], key=lambda pair: pair[0].pk):
            Account.objects.filter(pk=account.pk).update(balance=F("balance") + change)
        return debtor.balance - amount

    return await move()


@known_answer("transfer", breaks="goes_both_ways", says="deadlock")
async def sender_locked_first(sender, receiver, amount):
    @sync_to_async
    @transaction.atomic
    def move():
        debtor = Account.objects.select_for_update().get(owner__username=sender)
        creditor = Account.objects.select_for_update().get(owner__username=receiver)
        if debtor.balance < amount:
            raise ValueError("not enough money")
        debtor.balance, creditor.balance = debtor.balance - amount, creditor.balance + amount
        debtor.save()
        creditor.save()
        return debtor.balance

    return await move()


@known_answer("transfer", breaks="leaves_others_alone", says="became part of it, and was undone with it")
async def transfer_with_the_popular_hack(sender, receiver, amount):
    async with async_atomic():
        both = Account.objects.select_for_update().filter(owner__username__in=[sender, receiver])
        accounts = {a.owner_id: a async for a in both.order_by("pk")}
        debtor = await Account.objects.aget(owner__username=sender)
        creditor = await Account.objects.aget(owner__username=receiver)
        if debtor.balance < amount:
            raise ValueError("not enough money")
        accounts[debtor.owner_id].balance -= amount
        accounts[creditor.owner_id].balance += amount
        for account in accounts.values():
            await account.asave()
    return accounts[debtor.owner_id].balance


@known_answer("transfer", breaks="refuses_too_much", says="not enough money")
async def the_constraint_speaks(sender, receiver, amount):
    @sync_to_async
    @transaction.atomic
    def move():
        Account.objects.filter(owner__username=sender).update(balance=F("balance") - amount)
        Account.objects.filter(owner__username=receiver).update(balance=F("balance") + amount)
        return Account.objects.get(owner__username=sender).balance

    return await move()


@known_answer("transfer", breaks="moves_money", says="5100")
async def nothing_returned(sender, receiver, amount):
    @sync_to_async
    @transaction.atomic
    def move():
        list(Account.objects.select_for_update().order_by("pk"))
        Account.objects.filter(owner__username=sender).update(balance=F("balance") - amount)
        Account.objects.filter(owner__username=receiver).update(balance=F("balance") + amount)

    await move()
