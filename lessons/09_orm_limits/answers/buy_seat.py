import asyncio
import functools
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from asgiref.sync import async_to_sync, iscoroutinefunction, sync_to_async
from django.contrib.auth.models import User
from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.models import F
from django.http import JsonResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_POST

from tutorial_project.checks import known_answer
from tutorial_project.trips.models import Booking, Trip

from ..shared import all_of, async_atomic


def traveller_of(request):
    return json.loads(request.body)["traveller"]


def answer(sold):
    return JsonResponse({"sold": sold}, status=201 if sold else 409)


def guarded(view):
    """What the exercise gives: POST alone, a traveller who is there, and 404 for another trip."""

    def odd(request, pk):
        try:
            key = traveller_of(request)
        except (ValueError, TypeError, KeyError):
            key = None
        if not isinstance(key, int) or not User.objects.filter(pk=key).exists():
            return JsonResponse({"error": "no such traveller"}, status=400)
        get_object_or_404(Trip, pk=pk)
        return None

    async def async_view(request, pk):
        return await sync_to_async(odd)(request, pk) or await view(request, pk)

    def sync_view(request, pk):
        return odd(request, pk) or view(request, pk)

    return require_POST(functools.wraps(view)(async_view if iscoroutinefunction(view) else sync_view))


# buy_seat


@known_answer("buy_seat")
@guarded
def plain_view_with_a_lock(request, pk):
    with transaction.atomic():
        trip = Trip.objects.select_for_update().get(pk=pk)
        if not trip.seats_left or trip.bookings.filter(traveller=traveller_of(request)).exists():
            return answer(False)
        trip.bookings.create(traveller_id=traveller_of(request))
        Trip.objects.filter(pk=pk).update(seats_left=F("seats_left") - 1)
    return answer(True)


@known_answer(
    "buy_seat",
    when="Where no row has to be read before it is written: nothing is held between a look and a write.",
)
@guarded
async def one_conditional_update(request, pk):
    @sync_to_async
    @transaction.atomic
    def sell():
        if Booking.objects.filter(trip_id=pk, traveller_id=traveller_of(request)).exists():
            return False
        if not Trip.objects.filter(pk=pk, seats_left__gt=0).update(seats_left=F("seats_left") - 1):
            return False
        Booking.objects.create(trip_id=pk, traveller_id=traveller_of(request))
        return True

    return answer(await sell())


@known_answer("buy_seat")
@guarded
async def the_constraints_decide(request, pk):
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


@known_answer("buy_seat")
@guarded
async def refreshed_under_the_lock(request, pk):
    trip = await Trip.objects.aget(pk=pk)

    @transaction.atomic
    def sell():
        trip.refresh_from_db(from_queryset=Trip.objects.select_for_update(of=("self",), no_key=True))
        _, new = (
            trip.bookings.get_or_create(traveller_id=traveller_of(request)) if trip.seats_left else (0, 0)
        )
        if new:
            trip.seats_left -= 1
            trip.save()
        return bool(new)

    return answer(await sync_to_async(sell, thread_sensitive=True)())


ONE_STATEMENT = """
    WITH taken AS (
        UPDATE trips_trip SET seats_left = seats_left - 1 WHERE id = %(trip)s AND seats_left > 0
        AND NOT EXISTS (SELECT 1 FROM trips_booking WHERE trip_id = %(trip)s AND traveller_id = %(traveller)s)
        RETURNING id
    )
    INSERT INTO trips_booking (trip_id, traveller_id, seats, created_at)
    SELECT id, %(traveller)s, 1, now() FROM taken RETURNING id
"""


@known_answer("buy_seat", when="Where each round trip counts: look, booking and seat are one statement.")
@guarded
async def one_statement_of_sql(request, pk):
    def sell():
        with connection.cursor() as cursor:
            cursor.execute(ONE_STATEMENT, {"trip": pk, "traveller": traveller_of(request)})
            return cursor.fetchone() is not None

    return answer(await sync_to_async(sell)())


@known_answer("buy_seat")
@guarded
async def psycopg_of_ones_own(request, pk):
    from psycopg import AsyncConnection

    keys = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    address = {key: connection.settings_dict[name] for key, name in keys.items()}
    async with await AsyncConnection.connect(**address, autocommit=True) as own:
        rows = await own.execute(ONE_STATEMENT, {"trip": pk, "traveller": traveller_of(request)})
        return answer(await rows.fetchone() is not None)


@known_answer("buy_seat")
@guarded
async def serializable_and_again(request, pk):
    def sell():
        with transaction.atomic():
            connection.cursor().execute("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
            trip = Trip.objects.get(pk=pk)
            if trip.seats_left == 0 or trip.bookings.filter(traveller=traveller_of(request)).exists():
                return False
            trip.bookings.create(traveller_id=traveller_of(request))
            trip.seats_left -= 1
            trip.save()
            return True

    while True:
        try:
            return answer(await sync_to_async(sell)())
        except OperationalError as error:
            if error.__cause__.sqlstate != "40001":
                raise


@known_answer("buy_seat", breaks="sells_once_to_forty", says="read, then write")
async def read_then_write(request, pk):
    trip = await Trip.objects.aget(pk=pk)
    if trip.seats_left == 0:
        return answer(False)
    await Booking.objects.acreate(trip=trip, traveller_id=traveller_of(request))
    trip.seats_left -= 1
    await trip.asave()
    return answer(True)


@known_answer("buy_seat", breaks="sells_once_to_forty", says="read, then write")
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
    "buy_seat", breaks="sells_once_to_forty", says="the lock was taken outside of the transaction that writes"
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
        if trip.seats_left == 0 or await trip.bookings.filter(traveller=traveller_of(request)).aexists():
            return answer(False)
        await Booking.objects.acreate(trip=trip, traveller_id=traveller_of(request))
        trip.seats_left -= 1
        await trip.asave()
    return answer(True)


@known_answer("buy_seat", breaks="leaves_other_tasks_alone", says="became part of it, and was undone with it")
async def the_popular_hack_and_gather_in_it(request, pk):
    async with async_atomic():
        trip = await Trip.objects.select_for_update().aget(pk=pk)
        if trip.seats_left == 0 or await trip.bookings.filter(traveller=traveller_of(request)).aexists():
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


@known_answer(
    "buy_seat",
    breaks="sells_a_seat",
    says="`@transaction.atomic` stands above an `async def`: its wrapper is sync",
)
@require_POST
@transaction.atomic
async def the_decorator_above_the_view(request, pk):
    trip = await Trip.objects.aget(pk=pk)
    await Booking.objects.acreate(trip=trip, traveller_id=traveller_of(request))
    return answer(True)


def sell_once(pk, traveller, lock):
    """The right sale, but for how it locks."""
    with transaction.atomic():
        trip = lock(Trip.objects).get(pk=pk)
        if trip.seats_left == 0 or trip.bookings.filter(traveller_id=traveller).exists():
            return False
        trip.bookings.create(traveller_id=traveller)
        trip.seats_left -= 1
        trip.save()
        return True


def locked(trips):
    return trips.select_for_update()


@known_answer("buy_seat", breaks="sells_once_to_forty", says="OperationalError ×39")
@guarded
async def who_does_not_wait(request, pk):
    lock = lambda trips: trips.select_for_update(nowait=True)  # noqa: E731
    return answer(await sync_to_async(sell_once)(pk, traveller_of(request), lock))


@known_answer("buy_seat", breaks="sells_once_to_forty", says="201 ×1, 409 ×39; seats_left 1")
@guarded
async def locked_means_sold_out(request, pk):
    lock = lambda trips: trips.select_for_update(skip_locked=True)  # noqa: E731
    try:
        return answer(await sync_to_async(sell_once)(pk, traveller_of(request), lock))
    except Trip.DoesNotExist:
        return answer(False)


@known_answer("buy_seat", breaks="sells_a_seat", says="seats left on trip")
@guarded
async def always_trip_seven(request, pk):
    return answer(await sync_to_async(sell_once)(7, traveller_of(request), locked))


@known_answer("buy_seat", breaks="answers_odd_requests", says="nobody looked for the first one")
@guarded
async def who_comes_twice(request, pk):
    @transaction.atomic
    def sell():
        trip = Trip.objects.select_for_update().get(pk=pk)
        if trip.seats_left == 0:
            return False
        Booking.objects.create(trip=trip, traveller_id=traveller_of(request))
        trip.seats_left -= 1
        trip.save()
        return True

    return answer(await sync_to_async(sell)())


@known_answer("buy_seat", breaks="sells_once_to_forty", says="look at `seats_left` after the row is locked")
@guarded
async def looked_before_the_lock(request, pk):
    trip = await Trip.objects.aget(pk=pk)
    if trip.seats_left == 0:
        return answer(False)

    @transaction.atomic
    def sell():
        Trip.objects.select_for_update().get(pk=pk)
        _, new = trip.bookings.get_or_create(traveller_id=traveller_of(request))
        Trip.objects.filter(pk=pk, seats_left__gt=0).update(seats_left=F("seats_left") - int(new))
        return int(new)

    return answer(await sync_to_async(sell)())


@known_answer("buy_seat", breaks="stands_against_another_process", says="saved whole")
@guarded
async def a_stale_row_saved_whole(request, pk):
    trip = await Trip.objects.aget(pk=pk)

    @transaction.atomic
    def sell():
        now = Trip.objects.select_for_update().get(pk=pk)
        if now.seats_left == 0 or now.bookings.filter(traveller_id=traveller_of(request)).exists():
            return False
        now.bookings.create(traveller_id=traveller_of(request))
        trip.seats_left = now.seats_left - 1
        trip.save()
        return True

    return answer(await sync_to_async(sell)())


one_visitor = asyncio.Lock()


@known_answer("buy_seat", breaks="holds_up_nobody", says="lets one of them in at a time")
@guarded
async def one_visitor_at_a_time(request, pk):
    async with one_visitor:
        return answer(await sync_to_async(sell_once)(pk, traveller_of(request), locked))


@known_answer("buy_seat", breaks="holds_up_nobody", says="lets one of them in at a time")
@guarded
async def every_row_locked(request, pk):
    @transaction.atomic
    def sell():
        list(Trip.objects.select_for_update().order_by("pk"))
        return sell_once(pk, traveller_of(request), locked)

    return answer(await sync_to_async(sell)())


@known_answer("buy_seat", breaks="sells_once_to_forty", says="event loop")
@guarded
async def the_loop_waits_for_the_thread(request, pk):
    def sell():
        try:
            return sell_once(pk, traveller_of(request), locked)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        return answer(pool.submit(sell).result())


@known_answer(
    "buy_seat",
    breaks="leaves_no_connection",
    says="more than before",
    because="a thread beside the request's own keeps the connection that it",
)
@guarded
async def a_thread_that_closes_nothing(request, pk):
    return answer(await asyncio.to_thread(sell_once, pk, traveller_of(request), locked))


@known_answer("buy_seat", breaks="holds_up_nobody", says="time.sleep")
@guarded
async def sleeps_on_the_loop(request, pk):
    sold = await sync_to_async(sell_once)(pk, traveller_of(request), locked)
    time.sleep(0.05)
    return answer(sold)


@known_answer("buy_seat", breaks="leaves_no_connection", says="DoesNotExist")
@require_POST
async def no_such_trip(request, pk):
    return answer(await sync_to_async(sell_once)(pk, traveller_of(request), locked))


@known_answer("buy_seat", breaks="answers_odd_requests", says="expected 400")
@require_POST
async def whoever_that_is(request, pk):
    await sync_to_async(get_object_or_404)(Trip, pk=pk)
    return answer(await sync_to_async(sell_once)(pk, traveller_of(request), locked))


@known_answer("buy_seat", breaks="answers_odd_requests", says="405")
async def sells_on_get(request, pk):
    if request.method == "GET":
        return answer(False)
    return await guarded(one_statement_of_sql.__wrapped__)(request, pk)


def sell(pk, traveller):
    try:
        with transaction.atomic():
            trip = Trip.objects.select_for_update().filter(pk=pk).first()
            if trip is None or not trip.seats_left:
                return False
            trip.bookings.create(traveller_id=traveller)
            Trip.objects.filter(pk=pk).update(seats_left=F("seats_left") - 1)
            return True
    except IntegrityError:
        return False


@known_answer("buy_seat", breaks="does_all_or_nothing", says="what has to be given back later is seen by all")
@guarded
async def gives_the_seat_back(request, pk):
    this_trip = Trip.objects.filter(pk=pk)
    if not await this_trip.filter(seats_left__gt=0).aupdate(seats_left=F("seats_left") - 1):
        return answer(False)
    try:
        await Booking.objects.acreate(trip_id=pk, traveller_id=traveller_of(request))
    except IntegrityError:
        await this_trip.aupdate(seats_left=F("seats_left") + 1)
        return answer(False)
    return answer(True)


@known_answer(
    "buy_seat",
    breaks="leaves_no_connection",
    says="1 connection more than before",
    because="a thread beside the request's own keeps the connection that it",
)
@guarded
async def closes_what_it_has_opened_when_it_is_sold(request, pk):
    def sell_and_close():
        sold = sell(pk, traveller_of(request))
        if sold:
            connection.close()
        return sold

    return answer(await asyncio.to_thread(sell_and_close))


sold_out = set()


@known_answer("buy_seat", breaks="refuses_when_sold_out", says="it was sold out before, and has a seat now")
@guarded
async def remembers_what_is_sold_out(request, pk):
    if pk in sold_out or not await sync_to_async(sell)(pk, traveller_of(request)):
        sold_out.add(pk)
        return answer(False)
    return answer(True)


trip_of_the_moment = None


@known_answer("buy_seat", breaks="holds_up_nobody", says="has written what belongs to the other")
@guarded
async def one_trip_for_all_purchases(request, pk):
    def sell_it():
        global trip_of_the_moment
        with transaction.atomic():
            trip_of_the_moment = Trip.objects.select_for_update().get(pk=pk)
            traveller = traveller_of(request)
            if not trip_of_the_moment.seats_left or Booking.objects.filter(trip=pk, traveller=traveller):
                return False
            Booking.objects.create(trip_id=pk, traveller_id=traveller)
            trip_of_the_moment.seats_left -= 1
            trip_of_the_moment.save(update_fields=["seats_left"])
            return True

    return answer(await sync_to_async(sell_it)())


@known_answer(
    "buy_seat",
    breaks="holds_up_nobody",
    says="waits for its traveller's row",
    because="the two purchases share something that lets one of them in at a time",
)
@guarded
async def the_place_is_locked_with_its_trip(request, pk):
    @transaction.atomic
    def sell():
        trip = Trip.objects.select_related("destination").select_for_update().get(pk=pk)
        traveller = traveller_of(request)
        if trip.seats_left == 0 or trip.bookings.filter(traveller=traveller).exists():
            return False
        trip.bookings.create(traveller_id=traveller)
        Trip.objects.filter(pk=pk).update(seats_left=F("seats_left") - 1)
        return True

    return answer(await sync_to_async(sell)())


@known_answer("buy_seat", breaks="answers_odd_requests", says="nobody looked for the first one")
@guarded
async def who_has_one_seat_already(request, pk):
    @transaction.atomic
    def sell():
        trip = Trip.objects.select_for_update().get(pk=pk)
        traveller = traveller_of(request)
        if trip.seats_left == 0 or trip.bookings.filter(traveller=traveller, seats=1).exists():
            return False
        trip.bookings.create(traveller_id=traveller)
        Trip.objects.filter(pk=pk).update(seats_left=F("seats_left") - 1)
        return True

    return answer(await sync_to_async(sell)())


EQUAL_MUTANTS = {
    "call in a chain: if trip.seats_left == 0 or trip.bookings.filter(traveller=traveller).exists(): → …filter("
    "traveller=traveller):": "a QuerySet without rows is false",
    'arg removal: trip.save(update_fields=["seats_left"]) → …': "nobody else has changed the row since it was locked",
    'only keyword: trip.save(update_fields=["seats_left"]) → …': "nobody else has changed the row since it was locked",
}
