import asyncio
import json

from asgiref.sync import sync_to_async
from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.models import F
from django.http import HttpResponseNotAllowed, JsonResponse
from django.shortcuts import aget_object_or_404, get_object_or_404
from django.views.decorators.http import require_http_methods, require_POST

from tutorial_project.checks.known_answers import known_answer
from tutorial_project.trips.models import Booking, Trip

BROKEN = "sells_each_seat_once"


def order_in(request):
    order = json.loads(request.body)
    return order["traveller"], order["seats"]


def answer(seats):
    return JsonResponse({"sold": seats}, status=201 if seats else 409)


def booked(pk, traveller):
    return Booking.objects.filter(trip=pk, traveller=traveller)


@known_answer(
    "sell_seats",
    when="Where nothing but the number of seats decides: one UPDATE looks and writes, without a lock of your own.",
)
@require_POST
async def one_update(request, pk):
    traveller, seats = order_in(request)

    def sell():
        with transaction.atomic():
            taken = Trip.objects.filter(pk=pk, seats_left__gte=seats).update(
                seats_left=F("seats_left") - seats
            )
            if not taken:
                get_object_or_404(Trip, pk=pk)
                return 0
            if booked(pk, traveller).exists():
                transaction.set_rollback(True)
                return 0
            Booking.objects.create(trip_id=pk, traveller_id=traveller, seats=seats)
            return seats

    return answer(await sync_to_async(sell)())


def sell_locked(pk, traveller, seats):
    with transaction.atomic():
        trip = get_object_or_404(Trip.objects.select_for_update(), pk=pk)
        if trip.seats_left < seats or booked(pk, traveller).exists():
            return 0
        Booking.objects.create(trip=trip, traveller_id=traveller, seats=seats)
        trip.seats_left -= seats
        trip.save()
        return seats


@known_answer(
    "sell_seats",
    when="Where the whole page works with the database: a sync view in a thread needs no bridge.",
)
@require_POST
def a_sync_view(request, pk):
    return answer(sell_locked(pk, *order_in(request)))


async def look_then_write(pk, traveller, seats):
    trip = await aget_object_or_404(Trip, pk=pk)
    if trip.seats_left < seats or await booked(pk, traveller).aexists():
        return 0
    await Booking.objects.acreate(trip=trip, traveller_id=traveller, seats=seats)
    trip.seats_left -= seats
    await trip.asave(update_fields=["seats_left"])
    return seats


@known_answer(
    "sell_seats",
    breaks="sells_each_seat_once",
    says="expected 2 × 201",
    because="all of them had looked at `seats_left` before the first one",
)
@require_POST
async def an_f_expression_alone(request, pk):
    traveller, seats = order_in(request)
    trip = await aget_object_or_404(Trip, pk=pk)
    if trip.seats_left < seats or await booked(pk, traveller).aexists():
        return answer(0)
    await Booking.objects.acreate(trip=trip, traveller_id=traveller, seats=seats)
    await Trip.objects.filter(pk=pk, seats_left__gte=seats).aupdate(seats_left=F("seats_left") - seats)
    return answer(seats)


@known_answer("sell_seats", breaks="sells_each_seat_once", says="had looked at `seats_left`")
@require_POST
async def a_transaction_without_a_lock(request, pk):
    traveller, seats = order_in(request)

    def sell():
        with transaction.atomic():
            trip = get_object_or_404(Trip, pk=pk)
            if trip.seats_left < seats or booked(pk, traveller).exists():
                return 0
            Booking.objects.create(trip=trip, traveller_id=traveller, seats=seats)
            trip.seats_left -= seats
            trip.save(update_fields=["seats_left"])
            return seats

    return answer(await sync_to_async(sell)())


locks = {}


@known_answer("sell_seats", breaks="stands_against_another_process", says="a lock inside this process")
@require_POST
async def behind_a_lock(request, pk):
    async with locks.setdefault(asyncio.get_running_loop(), asyncio.Lock()):
        return answer(await look_then_write(pk, *order_in(request)))


@known_answer("sell_seats", breaks="does_all_or_nothing", says="one half was written")
@require_POST
async def two_transactions(request, pk):
    traveller, seats = order_in(request)
    await aget_object_or_404(Trip, pk=pk)
    taken = 0
    if not await booked(pk, traveller).aexists():
        taken = await Trip.objects.filter(pk=pk, seats_left__gte=seats).aupdate(
            seats_left=F("seats_left") - seats
        )
    if taken:
        await Booking.objects.acreate(trip_id=pk, traveller_id=traveller, seats=seats)
    return answer(seats if taken else 0)


@known_answer("sell_seats", breaks="holds_up_nobody", says="one of them at a time")
@require_POST
async def the_whole_table_locked(request, pk):
    def sell(pk, traveller, seats):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(77)")
            return sell_locked(pk, traveller, seats)

    return answer(await sync_to_async(sell)(pk, *order_in(request)))


@known_answer("sell_seats", breaks="sells_seats", says="expected 201")
@require_POST
async def sells_nothing_any_more(request, pk):
    return answer(0)


@known_answer("sell_seats", breaks="refuses_what_it_cannot_sell", says="IntegrityError")
@require_POST
async def lets_the_database_refuse(request, pk):
    traveller, seats = order_in(request)

    def sell():
        with transaction.atomic():
            trip = get_object_or_404(Trip.objects.select_for_update(), pk=pk)
            if trip.seats_left < seats:
                return 0
            Booking.objects.create(trip=trip, traveller_id=traveller, seats=seats)
            trip.seats_left -= seats
            trip.save(update_fields=["seats_left"])
            return seats

    return answer(await sync_to_async(sell)())


@known_answer("sell_seats", breaks="sells_seats", says="where exactly two are left")
@require_POST
async def keeps_the_last_seats(request, pk):
    traveller, seats = order_in(request)

    def sell():
        with transaction.atomic():
            trip = get_object_or_404(Trip.objects.select_for_update(), pk=pk)
            return 0 if trip.seats_left == seats else sell_locked(pk, traveller, seats)

    return answer(await sync_to_async(sell)())


@known_answer("sell_seats", breaks="sells_each_seat_once", says="turned away while enough seats were left")
@require_POST
async def does_not_wait_for_the_row(request, pk):
    traveller, seats = order_in(request)

    def sell():
        get_object_or_404(Trip, pk=pk)
        try:
            with transaction.atomic():
                Trip.objects.select_for_update(nowait=True).get(pk=pk)
                return sell_locked(pk, traveller, seats)
        except OperationalError:
            return 0

    return answer(await sync_to_async(sell)())


@known_answer("sell_seats", breaks="refuses_what_it_cannot_sell", says="only a POST changes something")
async def sells_to_who_only_looks(request, pk):
    return await one_update.__wrapped__(request, pk)


@known_answer("sell_seats", breaks="refuses_what_it_cannot_sell", says="only a POST changes something")
async def refuses_only_a_get(request, pk):
    return await require_http_methods(["POST", "PUT", "PATCH", "DELETE"])(one_update.__wrapped__)(request, pk)


@known_answer("sell_seats", breaks="refuses_what_it_cannot_sell", says="by other methods, answered with 405")
async def sells_before_it_looks_at_the_method(request, pk):
    sold = await one_update.__wrapped__(request, pk)
    return sold if request.method == "POST" else HttpResponseNotAllowed(["POST"])


trip_of_all = None


@known_answer("sell_seats", breaks="sells_each_seat_once", says="while the booking of another trip waits")
@require_POST
async def the_trip_in_the_module(request, pk):
    traveller, seats = order_in(request)

    @sync_to_async
    @transaction.atomic
    def sell():
        global trip_of_all
        trip_of_all = get_object_or_404(Trip.objects.select_for_update(), pk=pk)
        if trip_of_all.seats_left < seats or booked(pk, traveller).exists():
            return 0
        Booking.objects.create(trip=trip_of_all, traveller_id=traveller, seats=seats)
        trip_of_all.seats_left -= seats
        trip_of_all.save(update_fields=["seats_left"])
        return seats

    return answer(await sell())


@known_answer(
    "sell_seats",
    breaks="does_all_or_nothing",
    says="a traveller who leaves",
    because="one half was written, and stayed",
)
@require_POST
async def takes_back_by_hand(request, pk):
    traveller, seats = order_in(request)
    trip = await aget_object_or_404(Trip, pk=pk)
    if await booked(pk, traveller).aexists():
        return answer(0)
    if not await Trip.objects.filter(pk=pk, seats_left__gte=seats).aupdate(
        seats_left=F("seats_left") - seats
    ):
        return answer(0)
    try:
        await Booking.objects.acreate(trip=trip, traveller_id=traveller, seats=seats)
    except IntegrityError:
        await Trip.objects.filter(pk=pk).aupdate(seats_left=F("seats_left") + seats)
        return answer(0)
    return answer(seats)


EQUAL_MUTANTS = {
    "call in a chain: if trip.seats_left < seats or …": "a QuerySet without rows is false",
    'arg removal: trip.save(update_fields=["seats_left"]) → …': "nobody else has changed the row since it was locked",
    'only keyword: trip.save(update_fields=["seats_left"]) → …': "nobody else has changed the row since it was locked",
}
