import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor

from asgiref.sync import ThreadSensitiveContext, async_to_sync, sync_to_async
from django.db import IntegrityError, connection, connections, transaction
from django.db.models import F
from django.http import JsonResponse

from tutorial_project.classroom.checks import known_answer
from tutorial_project.trips.models import Account, Booking, Trip


def traveller_of(request):
    return json.loads(request.body)["traveller"]


def answer(sold):
    return JsonResponse({"sold": sold}, status=201 if sold else 409)


class async_atomic:
    """The hack that many pages recommend."""

    async def __aenter__(self):
        self.atomic = transaction.atomic()
        await sync_to_async(self.atomic.__enter__)()

    async def __aexit__(self, *error):
        await sync_to_async(self.atomic.__exit__)(*error)


# buy_seat


@known_answer("buy_seat")
def plain_view_with_a_lock(request, pk):
    with transaction.atomic():
        trip = Trip.objects.select_for_update().get(pk=pk)
        if not trip.seats_left:
            return answer(False)
        trip.bookings.create(traveller_id=traveller_of(request))
        Trip.objects.filter(pk=pk).update(seats_left=F("seats_left") - 1)
    return answer(True)


@known_answer("buy_seat")
async def one_conditional_update(request, pk):
    @sync_to_async
    @transaction.atomic
    def sell():
        if not Trip.objects.filter(pk=pk, seats_left__gt=0).update(seats_left=F("seats_left") - 1):
            return False
        Booking.objects.create(trip_id=pk, traveller_id=traveller_of(request))
        return True

    return answer(await sell())


@known_answer("buy_seat")
async def the_constraint_decides(request, pk):
    def sell():
        try:
            with transaction.atomic():
                Booking.objects.create(trip_id=pk, traveller_id=traveller_of(request))
                Trip.objects.filter(pk=pk).update(seats_left=F("seats_left") - 1)
        except IntegrityError:
            return False
        finally:
            connection.close()
        return True

    return answer(await asyncio.to_thread(sell))


@known_answer("buy_seat", breaks="sells_once_to_fifty", says="read, then write")
async def read_then_write(request, pk):
    trip = await Trip.objects.aget(pk=pk)
    if trip.seats_left == 0:
        return answer(False)
    await Booking.objects.acreate(trip=trip, traveller_id=traveller_of(request))
    trip.seats_left -= 1
    await trip.asave()
    return answer(True)


@known_answer("buy_seat", breaks="sells_once_to_fifty", says="read, then write")
async def read_then_write_in_a_transaction(request, pk):
    @transaction.atomic
    def sell():
        trip = Trip.objects.get(pk=pk)
        if trip.seats_left == 0:
            return False
        Booking.objects.create(trip=trip, traveller_id=traveller_of(request))
        trip.seats_left -= 1
        trip.save()
        return True

    return answer(await sync_to_async(sell)())


@known_answer("buy_seat", breaks="sells_a_seat", says="a row lock lasts until its transaction ends")
async def lock_without_a_transaction(request, pk):
    trip = await Trip.objects.select_for_update().aget(pk=pk)
    if trip.seats_left == 0:
        return answer(False)
    await Booking.objects.acreate(trip=trip, traveller_id=traveller_of(request))
    trip.seats_left -= 1
    await trip.asave()
    return answer(True)


@known_answer(
    "buy_seat", breaks="sells_once_to_fifty", says="the lock was taken outside of the transaction that writes"
)
async def lock_in_a_transaction_before(request, pk):
    @transaction.atomic
    def locked():
        return Trip.objects.select_for_update().get(pk=pk)

    @transaction.atomic
    def book(trip):
        Booking.objects.create(trip=trip, traveller_id=traveller_of(request))
        trip.seats_left -= 1
        trip.save()

    trip = await sync_to_async(locked)()
    if trip.seats_left == 0:
        return answer(False)
    await sync_to_async(book)(trip)
    return answer(True)


one_at_a_time = threading.Lock()


@known_answer("buy_seat", breaks="stands_against_another_process", says="inside this process")
async def a_lock_of_python(request, pk):
    @transaction.atomic
    def sell():
        trip = Trip.objects.get(pk=pk)
        if trip.seats_left == 0:
            return False
        Booking.objects.create(trip=trip, traveller_id=traveller_of(request))
        trip.seats_left -= 1
        trip.save()
        return True

    def sell_alone():
        with one_at_a_time:
            return sell()

    return answer(await sync_to_async(sell_alone)())


@known_answer("buy_seat", breaks="does_all_or_nothing", says="belonged to separate transactions")
async def conditional_update_alone(request, pk):
    free = Trip.objects.filter(pk=pk, seats_left__gt=0)
    if not await free.aupdate(seats_left=F("seats_left") - 1):
        return answer(False)
    await Booking.objects.acreate(trip_id=pk, traveller_id=traveller_of(request))
    return answer(True)


async def all_of(*calls):
    """gather, which waits for all of them also when one fails."""
    for result in await asyncio.gather(*calls, return_exceptions=True):
        if isinstance(result, Exception):
            raise result


class SoldOut(Exception):
    pass


def take_a_seat(pk):
    if not Trip.objects.filter(pk=pk, seats_left__gt=0).update(seats_left=F("seats_left") - 1):
        raise SoldOut


@known_answer("buy_seat", breaks="refuses_when_sold_out", says="belonged to separate transactions")
async def gather_in_a_transaction(request, pk):
    def book():
        Booking.objects.create(trip_id=pk, traveller_id=traveller_of(request))

    async def both():
        await all_of(asyncio.to_thread(take_a_seat, pk), asyncio.to_thread(book))

    @transaction.atomic
    def sell():
        async_to_sync(both)()

    try:
        await sync_to_async(sell)()
    except SoldOut:
        return answer(False)
    return answer(True)


@known_answer("buy_seat", breaks="does_all_or_nothing", says="belonged to separate transactions")
async def gather_after_a_look_in_a_transaction(request, pk):
    def book():
        Booking.objects.create(trip_id=pk, traveller_id=traveller_of(request))

    async def both():
        await asyncio.to_thread(take_a_seat, pk)
        await asyncio.gather(asyncio.to_thread(book), asyncio.sleep(0))

    @transaction.atomic
    def sell():
        async_to_sync(both)()

    try:
        await sync_to_async(sell)()
    except SoldOut:
        return answer(False)
    return answer(True)


@known_answer("buy_seat", breaks="leaves_other_tasks_alone", says="became part of it, and was undone with it")
async def the_popular_hack(request, pk):
    async with async_atomic():
        trip = await Trip.objects.select_for_update().aget(pk=pk)
        if trip.seats_left == 0:
            return answer(False)
        await Booking.objects.acreate(trip=trip, traveller_id=traveller_of(request))
        trip.seats_left -= 1
        await trip.asave()
    return answer(True)


@known_answer("buy_seat", breaks="leaves_other_tasks_alone", says="became part of it, and was undone with it")
async def the_popular_hack_and_gather_in_it(request, pk):
    async with async_atomic():
        trip = await Trip.objects.select_for_update().aget(pk=pk)
        if trip.seats_left == 0:
            return answer(False)
        trip.seats_left -= 1
        await asyncio.gather(trip.asave(), trip.bookings.acreate(traveller_id=traveller_of(request)))
    return answer(True)


@known_answer("buy_seat", breaks="sells_a_seat", says="a transaction has no async form")
async def async_with_atomic(request, pk):
    async with transaction.atomic():
        trip = await Trip.objects.select_for_update().aget(pk=pk)
        trip.seats_left -= 1
        await trip.asave()
    return answer(True)


@known_answer("buy_seat", breaks="sells_a_seat", says="a transaction was begun in the event loop")
async def with_atomic(request, pk):
    traveller = json.loads(request.body)["traveller"]
    with transaction.atomic():
        trip = await Trip.objects.select_for_update().aget(pk=pk)
        await Booking.objects.acreate(trip=trip, traveller_id=traveller)
    return JsonResponse({"sold": True}, status=201)


@known_answer("buy_seat", breaks="sells_a_seat", says="put `await` before the call")
async def sale_that_is_not_awaited(request, pk):
    traveller = json.loads(request.body)["traveller"]

    @sync_to_async
    @transaction.atomic
    def sell():
        trip = Trip.objects.select_for_update().get(pk=pk)
        if not trip.seats_left:
            return False
        Booking.objects.create(trip=trip, traveller_id=traveller)
        trip.seats_left -= 1
        trip.save()
        return True

    sold = bool(sell())
    return JsonResponse({"sold": sold}, status=201 if sold else 409)


@known_answer("buy_seat", breaks="refuses_when_sold_out", says="would go below 0")
async def lets_the_database_refuse(request, pk):
    traveller = json.loads(request.body)["traveller"]

    def sell():
        with transaction.atomic():
            Trip.objects.filter(pk=pk).update(seats_left=F("seats_left") - 1)
            Booking.objects.create(trip_id=pk, traveller_id=traveller)

    await sync_to_async(sell)()
    return JsonResponse({"sold": True}, status=201)


@known_answer("buy_seat", breaks="refuses_when_sold_out", says="409")
async def never_sold_out(request, pk):
    @transaction.atomic
    def sell():
        Booking.objects.create(trip_id=pk, traveller_id=traveller_of(request))
        Trip.objects.select_for_update().filter(pk=pk, seats_left__gt=0).update(
            seats_left=F("seats_left") - 1
        )

    await sync_to_async(sell)()
    return answer(True)


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


# two_reports


def closing(report):
    try:
        return report()
    finally:
        connection.close()


@known_answer("two_reports")
async def not_thread_sensitive(first, second):
    run = sync_to_async(closing, thread_sensitive=False)
    return list(await asyncio.gather(run(first), run(second)))


@known_answer("two_reports")
async def an_executor_of_its_own(first, second):
    loop = asyncio.get_running_loop()
    pool = ThreadPoolExecutor(2)
    try:
        return await asyncio.gather(
            *(loop.run_in_executor(pool, closing, report) for report in (first, second))
        )
    finally:
        pool.shutdown(wait=False)


@known_answer("two_reports")
async def a_context_each_in_a_task_group(first, second):
    async def alone(report):
        async with ThreadSensitiveContext():
            return await sync_to_async(closing)(report)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(alone(report)) for report in (first, second)]
    return [task.result() for task in tasks]


@known_answer("two_reports", breaks="returns_both", says="used directly in the event loop")
async def called_on_the_loop(first, second):
    return [first(), second()]


@known_answer("two_reports", breaks="returns_both", says="[")
async def a_dictionary(first, second):
    run = sync_to_async(closing, thread_sensitive=False)
    results = await asyncio.gather(run(first), run(second))
    return dict(zip(["first", "second"], results, strict=True))


@known_answer("two_reports", breaks="runs_them_together", says="shared one thread")
async def gather_of_thread_sensitive_calls(first, second):
    return await asyncio.gather(sync_to_async(closing)(first), sync_to_async(closing)(second))


@known_answer("two_reports", breaks="runs_them_together", says="had not begun")
async def one_after_the_other(first, second):
    return [await asyncio.to_thread(closing, first), await asyncio.to_thread(closing, second)]


@known_answer("two_reports", breaks="leaves_the_loop_free", says="the event loop itself waits")
async def an_executor_that_is_waited_for(first, second):
    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(closing, report) for report in (first, second)]
        return [future.result() for future in futures]


@known_answer("two_reports", breaks="leaves_no_connection", says="2 of 2 still there")
async def threads_that_close_nothing(first, second):
    return await asyncio.gather(asyncio.to_thread(first), asyncio.to_thread(second))


@known_answer("two_reports", breaks="leaves_no_connection", says="belongs to the thread that opened it")
async def closed_by_another_thread(first, second):
    try:
        return await asyncio.gather(asyncio.to_thread(first), asyncio.to_thread(second))
    finally:
        await sync_to_async(connections.close_all)()


@known_answer("two_reports", breaks="cleans_up_after_an_error", says="1 of 2 still there")
async def closed_only_after_success(first, second):
    def alone(report):
        result = report()
        connection.close()
        return result

    return await asyncio.gather(asyncio.to_thread(alone, first), asyncio.to_thread(alone, second))


@known_answer("two_reports", breaks="cleans_up_after_an_error", says="swallowed")
async def errors_as_results(first, second):
    run = sync_to_async(closing, thread_sensitive=False)
    return await asyncio.gather(run(first), run(second), return_exceptions=True)
