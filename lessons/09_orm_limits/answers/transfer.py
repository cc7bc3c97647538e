import asyncio
import functools
import time
from concurrent.futures import ThreadPoolExecutor

from asgiref.sync import async_to_sync, sync_to_async
from django.db import IntegrityError, connection, transaction
from django.db.models import F

from tutorial_project.checks import known_answer
from tutorial_project.trips.models import Account

from ..shared import all_of, async_atomic

# transfer


def sensible(move):
    """Refuse what is no transfer before anything else."""

    @functools.wraps(move)
    async def transfer(sender, receiver, amount):
        if amount <= 0 or sender == receiver:
            raise ValueError("not a transfer")
        return await move(sender, receiver, amount)

    return transfer


@known_answer(
    "transfer", when="Where the sum is all that counts: the database does it, and no row is held for a look."
)
@sensible
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
@sensible
async def one_lock_after_the_other(sender, receiver, amount):
    def move():
        with transaction.atomic():
            owners = dict(
                Account.objects.filter(owner__username__in=[sender, receiver]).values_list(
                    "owner__username", "pk"
                )
            )
            if len(owners) < 2:
                raise Account.DoesNotExist
            rows = {
                pk: Account.objects.select_for_update(no_key=True).get(pk=pk)
                for pk in sorted(owners.values())
            }
            debtor, creditor = rows[owners[sender]], rows[owners[receiver]]
            if debtor.balance - amount < 0:
                raise ValueError("not enough money")
            debtor.balance -= amount
            creditor.balance += amount
            Account.objects.bulk_update([debtor, creditor], ["balance"])
            return debtor.balance

    return await sync_to_async(move)()


ONE_STATEMENT = """
    WITH locked AS (
        SELECT a.id, u.username FROM trips_account a JOIN auth_user u ON u.id = a.owner_id
        WHERE u.username IN (%(sender)s, %(receiver)s) ORDER BY a.id FOR UPDATE OF a
    )
    UPDATE trips_account a SET balance = balance + CASE username WHEN %(sender)s THEN -%(amount)s ELSE %(amount)s END
    FROM locked WHERE a.id = locked.id RETURNING username, balance
"""


@known_answer(
    "transfer", when="Where each round trip counts: locks, sum and both accounts are one statement."
)
@sensible
async def one_statement_of_sql(sender, receiver, amount):
    names = {"sender": sender, "receiver": receiver, "amount": amount}

    def move():
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(ONE_STATEMENT, names)
                balances = dict(cursor.fetchall())
                if len(balances) < 2:
                    raise Account.DoesNotExist
                return balances[sender]
        except IntegrityError as error:
            if "account_balance_not_negative" in str(error):
                raise ValueError("not enough money") from error
            raise

    return await sync_to_async(move)()


@known_answer(
    "transfer", breaks="holds_up_nobody", says="lock the rows of the two accounts, and nothing else"
)
@sensible
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


@known_answer("transfer", breaks="holds_up_nobody", says="takes the rows of both tables")
@sensible
async def their_owners_are_locked_as_well(sender, receiver, amount):
    @sync_to_async
    @transaction.atomic
    def move():
        both = Account.objects.select_for_update().select_related("owner").order_by("pk")
        accounts = {a.owner.username: a for a in both.filter(owner__username__in=[sender, receiver])}
        if len(accounts) < 2:
            raise Account.DoesNotExist
        if accounts[sender].balance < amount:
            raise ValueError("not enough money")
        accounts[sender].balance -= amount
        accounts[receiver].balance += amount
        for account in accounts.values():
            account.save()
        return accounts[sender].balance

    return await move()


one_transfer = asyncio.Lock()


@known_answer("transfer", breaks="goes_both_ways", says="`async with one_transfer:`")
async def one_transfer_at_a_time(sender, receiver, amount):
    async with one_transfer:
        return await one_statement_of_sql(sender, receiver, amount)


@known_answer("transfer", breaks="holds_up_nobody", says="time.sleep")
async def sleeps_on_the_loop(sender, receiver, amount):
    time.sleep(0.05)
    return await one_statement_of_sql(sender, receiver, amount)


@known_answer("transfer", breaks="moves_all_or_nothing", says="event loop")
@sensible
async def the_loop_waits_for_the_thread(sender, receiver, amount):
    def move():
        try:
            return async_to_sync(one_statement_of_sql)(sender, receiver, amount)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(move).result()


@known_answer("transfer", breaks="refuses_nonsense", says="ValueError")
async def a_negative_amount_takes(sender, receiver, amount):
    if sender == receiver:
        raise ValueError("not a transfer")
    return await one_statement_of_sql.__wrapped__(sender, receiver, amount)


@known_answer("transfer", breaks="refuses_nonsense", says="ValueError")
async def who_pays_themselves_grows_rich(sender, receiver, amount):
    if amount <= 0:
        raise ValueError("not an amount")
    return await two_updates_in_the_order_of_the_keys.__wrapped__(sender, receiver, amount)


@known_answer("transfer", breaks="moves_money", says="not enough money")
@sensible
async def the_last_cent_stays(sender, receiver, amount):
    debtor = await Account.objects.aget(owner__username=sender)
    if debtor.balance <= amount:
        raise ValueError("not enough money")
    return await one_statement_of_sql(sender, receiver, amount)


@known_answer("transfer", breaks="refuses_a_stranger", says="KeyError")
@sensible
async def only_the_receiver_is_looked_for(sender, receiver, amount):
    @sync_to_async
    @transaction.atomic
    def move():
        both = Account.objects.select_for_update(of=("self",)).filter(owner__username__in=[sender, receiver])
        accounts = {account.owner.username: account for account in both.order_by("pk")}
        if receiver not in accounts:
            raise Account.DoesNotExist
        if accounts[sender].balance < amount:
            raise ValueError("not enough money")
        accounts[sender].balance -= amount
        accounts[receiver].balance += amount
        for account in accounts.values():
            account.save()
        return accounts[sender].balance

    return await move()


@known_answer("transfer", breaks="refuses_a_stranger", says=" has ")
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
@sensible
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
@sensible
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
@sensible
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
@sensible
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
@sensible
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


def locked_by_balance(order):
    @sensible
    @sync_to_async
    @transaction.atomic
    def move(sender, receiver, amount):
        both = Account.objects.select_for_update(of=("self",)).select_related("owner").order_by(order)
        found = {
            account.owner.username: account for account in both.filter(owner__username__in=[sender, receiver])
        }
        if len(found) < 2:
            raise Account.DoesNotExist
        debtor, creditor = found[sender], found[receiver]
        if debtor.balance < amount:
            raise ValueError("not enough money")
        debtor.balance, creditor.balance = debtor.balance - amount, creditor.balance + amount
        Account.objects.bulk_update([debtor, creditor], ["balance"])
        return debtor.balance

    return move


@known_answer("transfer", breaks="goes_both_ways", says="deadlock")
async def the_richer_locked_first(sender, receiver, amount):
    return await locked_by_balance("-balance")(sender, receiver, amount)


@known_answer("transfer", breaks="goes_both_ways", says="deadlock")
async def the_poorer_locked_first(sender, receiver, amount):
    return await locked_by_balance("balance")(sender, receiver, amount)


@known_answer("transfer")
async def both_locked_in_the_order_of_the_keys_descending(sender, receiver, amount):
    return await locked_by_balance("-pk")(sender, receiver, amount)


@known_answer("transfer", breaks="keeps_count", says="read before others moved money")
@sensible
async def returns_what_it_had_read_before(sender, receiver, amount):
    def move():
        debtor = Account.objects.get(owner__username=sender)
        creditor = Account.objects.get(owner__username=receiver)
        with transaction.atomic():
            for pk, change in sorted([(debtor.pk, -amount), (creditor.pk, amount)]):
                covered = Account.objects.filter(pk=pk, balance__gte=-change)
                if not covered.update(balance=F("balance") + change):
                    raise ValueError("not enough money")
        return debtor.balance - amount

    return await sync_to_async(move)()


@known_answer("transfer")
@sensible
async def looks_again_after_the_commit(sender, receiver, amount):
    await returns_what_it_had_read_before(sender, receiver, amount)
    return (await Account.objects.aget(owner__username=sender)).balance


@known_answer("transfer", breaks="leaves_others_alone", says="became part of it, and was undone with it")
@sensible
async def transfer_with_the_popular_hack(sender, receiver, amount):
    async with async_atomic():
        both = Account.objects.select_for_update(of=("self",)).filter(owner__username__in=[sender, receiver])
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


@known_answer("transfer", breaks="moves_money", says="got None")
async def nothing_returned(sender, receiver, amount):
    @sync_to_async
    @transaction.atomic
    def move():
        list(Account.objects.select_for_update().order_by("pk"))
        Account.objects.filter(owner__username=sender).update(balance=F("balance") - amount)
        Account.objects.filter(owner__username=receiver).update(balance=F("balance") + amount)

    await move()


@known_answer(
    "transfer",
    breaks="moves_all_or_nothing",
    says="as much money in all accounts as before",
    because="the two accounts are written in separate transactions",
)
@sensible
async def gives_the_money_back(sender, receiver, amount):
    debtor = await Account.objects.aget(owner__username=sender)
    creditor = await Account.objects.aget(owner__username=receiver)
    this_one = Account.objects.filter(pk=debtor.pk)
    if not await this_one.filter(balance__gte=amount).aupdate(balance=F("balance") - amount):
        raise ValueError("not enough money")
    try:
        await Account.objects.filter(pk=creditor.pk).aupdate(balance=F("balance") + amount)
    except IntegrityError:
        await this_one.aupdate(balance=F("balance") + amount)
        raise
    await debtor.arefresh_from_db()
    return debtor.balance


@known_answer("transfer", breaks="moves_all_or_nothing", says="the database refused for another reason")
async def takes_every_refusal_for_too_little_money(sender, receiver, amount):
    try:
        return await two_updates_in_the_order_of_the_keys(sender, receiver, amount)
    except IntegrityError as error:
        raise ValueError("not enough money") from error


accounts_of_the_moment = {}


@known_answer("transfer", breaks="holds_up_nobody", says="two transfers share something")
@sensible
async def one_dictionary_for_all_transfers(sender, receiver, amount):
    def move():
        with transaction.atomic():
            both = Account.objects.select_for_update(of=("self",)).select_related("owner").order_by("pk")
            for account in both.filter(owner__username__in=[sender, receiver]):
                accounts_of_the_moment["debtor" if account.owner.username == sender else "creditor"] = account
            debtor, creditor = accounts_of_the_moment["debtor"], accounts_of_the_moment["creditor"]
            if {debtor.owner.username, creditor.owner.username} != {sender, receiver}:
                raise Account.DoesNotExist
            if debtor.balance < amount:
                raise ValueError("not enough money")
            debtor.balance -= amount
            debtor.save()
            creditor = accounts_of_the_moment["creditor"]
            creditor.balance += amount
            creditor.save()
            return debtor.balance

    return await sync_to_async(move)()


@known_answer("transfer", breaks="refuses_nonsense", says="expected ValueError")
async def the_same_name_in_another_object(sender, receiver, amount):
    if amount <= 0 or sender is receiver:
        raise ValueError("not a transfer")

    @transaction.atomic
    def move():
        keys = [Account.objects.get(owner__username=owner).pk for owner in (sender, receiver)]
        locked = Account.objects.select_for_update().filter(pk__in=keys).order_by("pk").in_bulk()
        debtor, creditor = (locked[key] for key in keys)
        if debtor.balance < amount:
            raise ValueError("not enough money")
        debtor.balance -= amount
        creditor.balance += amount
        debtor.save()
        creditor.save()
        return debtor.balance

    return await sync_to_async(move)()


@known_answer("transfer", breaks="refuses_a_stranger", says="expected Account.DoesNotExist")
@sensible
async def owners_in_capitals_or_not(sender, receiver, amount):
    @transaction.atomic
    def move():
        keys = [Account.objects.get(owner__username__iexact=owner).pk for owner in (sender, receiver)]
        locked = Account.objects.select_for_update().filter(pk__in=keys).order_by("pk").in_bulk()
        debtor, creditor = (locked[key] for key in keys)
        if debtor.balance < amount:
            raise ValueError("not enough money")
        debtor.balance -= amount
        creditor.balance += amount
        debtor.save()
        creditor.save()
        return debtor.balance

    return await sync_to_async(move)()


LOCKED = "nobody else has changed the row since it was locked"
ONE_BY_ONE = "the owners are asked for one by one then, which costs two queries more and changes nothing"
EQUAL_MUTANTS = {
    'arg removal: account.save(update_fields=["balance"]) → …': LOCKED,
    'only keyword: account.save(update_fields=["balance"]) → …': LOCKED,
    "arg removal: accounts = Account.objects.… → ….select_related(None)": ONE_BY_ONE,
    'call in a chain: accounts = Account.objects.… → …select_for_update(of=("self",))': ONE_BY_ONE,
    "call in a chain: in_one_order = … → …filter(owner__username__in=owners)": "the model is ordered by its key",
}
