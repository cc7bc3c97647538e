import asyncio
import json
import threading

from asgiref.sync import async_to_sync, sync_to_async
from django.db import IntegrityError, connection, transaction
from django.db.models import F
from django.http import JsonResponse

from tutorial_project.checks import known_answer
from tutorial_project.trips.models import Booking, Trip

from ..shared import all_of, async_atomic


def traveller_of(request):
    return json.loads(request.body)["traveller"]


def answer(sold):
    return JsonResponse({"sold": sold}, status=201 if sold else 409)


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
