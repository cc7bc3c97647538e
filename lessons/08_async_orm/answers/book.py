import json
import time

from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import F
from django.http import HttpResponseNotAllowed, JsonResponse
from django.shortcuts import aget_object_or_404, get_object_or_404
from django.views.decorators.http import require_http_methods, require_POST

from tutorial_project.checks import known_answer
from tutorial_project.trips.models import Booking, Trip


async def named_traveller(request):
    return await User.objects.aget(username=json.loads(request.body)["traveller"])


async def answer(booking, trip, created):
    left = (await Trip.objects.aget(pk=trip.pk)).seats_left
    return JsonResponse({"booking": booking.pk, "seats_left": left}, status=201 if created else 200)


SOLD_OUT = {"error": "sold out"}


@known_answer("book")
@require_POST
async def one_transaction_in_a_sync_function(request, pk):
    username = json.loads(request.body)["traveller"]

    @transaction.atomic
    def booked():
        trip = get_object_or_404(Trip.objects.select_for_update(), pk=pk)
        traveller = User.objects.get(username=username)
        if booking := Booking.objects.filter(trip=trip, traveller=traveller).first():
            return {"booking": booking.pk, "seats_left": trip.seats_left}, 200
        if trip.seats_left == 0:
            return SOLD_OUT, 409
        booking = Booking.objects.create(trip=trip, traveller=traveller)
        trip.seats_left -= 1
        trip.save(update_fields=["seats_left"])
        return {"booking": booking.pk, "seats_left": trip.seats_left}, 201

    content, status = await sync_to_async(booked)()
    return JsonResponse(content, status=status)


@known_answer("book")
@require_POST
async def seat_first_and_given_back(request, pk):
    trip = await aget_object_or_404(Trip, pk=pk)
    traveller = await named_traveller(request)
    if older := await trip.bookings.filter(traveller=traveller).afirst():
        return await answer(older, trip, False)
    if not await takes_a_seat(pk):
        if older := await trip.bookings.filter(traveller=traveller).afirst():
            return await answer(older, trip, False)
        return JsonResponse(SOLD_OUT, status=409)
    booking, created = await trip.bookings.aget_or_create(traveller=traveller, defaults={"seats": 1})
    if not created:
        await Trip.objects.filter(pk=pk).aupdate(seats_left=F("seats_left") + 1)
    return await answer(booking, trip, created)


@known_answer("book")
@require_POST
async def both_refusals_are_caught(request, pk):
    trip = await aget_object_or_404(Trip, pk=pk)
    traveller = await named_traveller(request)
    try:
        booking = await Booking.objects.acreate(trip=trip, traveller=traveller)
    except IntegrityError:
        return await answer(await Booking.objects.aget(trip=trip, traveller=traveller), trip, False)
    try:
        trip.seats_left = F("seats_left") - 1
        await trip.asave(update_fields=["seats_left"])
    except IntegrityError:
        await Booking.objects.filter(pk=booking.pk).adelete()
        return JsonResponse(SOLD_OUT, status=409)
    return await answer(booking, trip, True)


async def takes_a_seat(pk):
    return await Trip.objects.filter(pk=pk, seats_left__gt=0).aupdate(seats_left=F("seats_left") - 1)


async def books_or_undoes(request, pk):
    trip = await aget_object_or_404(Trip, pk=pk)
    booking, created = await Booking.objects.aget_or_create(
        trip=trip, traveller=await named_traveller(request)
    )
    if created and not await takes_a_seat(pk):
        await booking.adelete()
        return JsonResponse(SOLD_OUT, status=409)
    return await answer(booking, trip, created)


@known_answer("book")
@require_http_methods(["POST"])
async def sold_out_looked_at_before_and_while_it_is_taken(request, pk):
    trip = await aget_object_or_404(Trip, pk=pk)
    mine = trip.bookings.filter(traveller=await named_traveller(request))
    if not trip.seats_left and not await mine.aexists():
        return JsonResponse(SOLD_OUT, status=409)
    return await books_or_undoes(request, pk)


@known_answer("book", breaks="writes_nothing_on_get", says="that follows a link would book")
async def books_on_get(request, pk):
    return await books_or_undoes(request, pk)


@known_answer("book", breaks="books_once", says="look for the traveller's booking before")
async def sold_out_before_the_older_booking(request, pk):
    trip = await aget_object_or_404(Trip, pk=pk)
    if trip.seats_left == 0:
        return JsonResponse(SOLD_OUT, status=409)
    return await books_or_undoes(request, pk)


@known_answer("book", breaks="books_once", says="look for the traveller's booking before")
async def seat_first_without_a_look(request, pk):
    trip = await aget_object_or_404(Trip, pk=pk)
    if not await takes_a_seat(pk):
        return JsonResponse(SOLD_OUT, status=409)
    booking, created = await trip.bookings.aget_or_create(traveller=await named_traveller(request))
    if not created:
        await Trip.objects.filter(pk=pk).aupdate(seats_left=F("seats_left") + 1)
    return await answer(booking, trip, created)


@known_answer("book", breaks="sells_the_last_seat_once", says="`seats_left` would go below 0")
async def sold_out_judged_from_a_stale_row(request, pk):
    trip = await aget_object_or_404(Trip, pk=pk)
    traveller = await named_traveller(request)
    if older := await Booking.objects.filter(trip=trip, traveller=traveller).afirst():
        return await answer(older, trip, False)
    if trip.seats_left == 0:
        return JsonResponse(SOLD_OUT, status=409)
    booking, created = await Booking.objects.aget_or_create(trip=trip, traveller=traveller)
    if created:
        await Trip.objects.filter(pk=pk).aupdate(seats_left=F("seats_left") - 1)
    return await answer(booking, trip, created)


@known_answer("book", breaks="refuses_a_sold_out_trip", says="the booking was made, and is still there")
async def forgets_to_undo_the_booking(request, pk):
    trip = await aget_object_or_404(Trip, pk=pk)
    booking, created = await Booking.objects.aget_or_create(
        trip=trip, traveller=await named_traveller(request)
    )
    if created and not await takes_a_seat(pk):
        return JsonResponse(SOLD_OUT, status=409)
    return await answer(booking, trip, created)


@known_answer("book", breaks="sells_the_last_seat_once", says="expected 409")
async def nobody_looks_whether_a_seat_was_taken(request, pk):
    trip = await aget_object_or_404(Trip, pk=pk)
    traveller = await named_traveller(request)
    if not trip.seats_left and not await trip.bookings.filter(traveller=traveller).aexists():
        return JsonResponse(SOLD_OUT, status=409)
    booking, created = await trip.bookings.aget_or_create(traveller=traveller)
    if created:
        await takes_a_seat(pk)
    return await answer(booking, trip, created)


@known_answer("book", breaks="loses_nobodys_seat", says="worked out from what was read before the update")
async def tells_the_seats_from_memory(request, pk):
    trip = await aget_object_or_404(Trip, pk=pk)
    booking, created = await Booking.objects.aget_or_create(
        trip=trip, traveller=await named_traveller(request)
    )
    if created and not await takes_a_seat(pk):
        await booking.adelete()
        return JsonResponse(SOLD_OUT, status=409)
    left = trip.seats_left - 1 if created else trip.seats_left
    return JsonResponse({"booking": booking.pk, "seats_left": left}, status=201 if created else 200)


@known_answer("book", breaks="books_a_seat", says="something was called and not awaited")
async def nothing_awaited(request, pk):
    trip = await aget_object_or_404(Trip, pk=pk)
    booking, created = Booking.objects.aget_or_create(trip=trip, traveller=await named_traveller(request))
    return await answer(booking, trip, created)


@known_answer("book", breaks="books_a_seat", says="seats left in the database got")
async def forgets_to_await_the_update(request, pk):
    trip = await aget_object_or_404(Trip, pk=pk)
    ada = await User.objects.aget(username=json.loads(request.body)["traveller"])
    booking, created = await Booking.objects.aget_or_create(trip=trip, traveller=ada)
    if created:
        Trip.objects.filter(pk=pk).aupdate(seats_left=F("seats_left") - 1)
    await trip.arefresh_from_db()
    answer = {"booking": booking.pk, "seats_left": trip.seats_left}
    return JsonResponse(answer, status=201 if created else 200)


@known_answer("book", breaks="books_a_seat", says="something was called and not awaited")
async def forgets_to_await_the_traveller(request, pk):
    trip = await aget_object_or_404(Trip, pk=pk)
    ada = User.objects.aget(username=json.loads(request.body)["traveller"])
    booking = await Booking.objects.acreate(trip=trip, traveller=ada)
    return JsonResponse({"booking": booking.pk, "seats_left": trip.seats_left - 1}, status=201)


@known_answer("book", breaks="books_a_seat", says="'tuple' object has no attribute 'pk'")
async def pair_not_unpacked(request, pk):
    trip = await aget_object_or_404(Trip, pk=pk)
    booking = await Booking.objects.aget_or_create(trip=trip, traveller=await named_traveller(request))
    return await answer(booking, trip, True)


@known_answer("book", breaks="books_a_seat", says="used directly in the event loop")
async def sync_methods(request, pk):
    trip = Trip.objects.get(pk=pk)
    booking, created = Booking.objects.get_or_create(trip=trip, traveller=await named_traveller(request))
    return await answer(booking, trip, created)


@known_answer("book", breaks="books_a_seat", says="seats left in the database got")
async def takes_no_seat(request, pk):
    trip = await aget_object_or_404(Trip, pk=pk)
    booking, created = await Booking.objects.aget_or_create(
        trip=trip, traveller=await named_traveller(request)
    )
    return await answer(booking, trip, created)


@known_answer("book", breaks="books_a_seat", says='"seats_left": ')
async def tells_the_old_number(request, pk):
    trip = await aget_object_or_404(Trip, pk=pk)
    booking, _ = await Booking.objects.aget_or_create(trip=trip, traveller=await named_traveller(request))
    await Trip.objects.filter(pk=pk).aupdate(seats_left=F("seats_left") - 1)
    return JsonResponse({"booking": booking.pk, "seats_left": trip.seats_left}, status=201)


@known_answer("book", breaks="books_once", says="look for the booking before making one")
async def always_makes_one(request, pk):
    trip = await aget_object_or_404(Trip, pk=pk)
    booking = await Booking.objects.acreate(trip=trip, traveller=await named_traveller(request))
    await Trip.objects.filter(pk=pk).aupdate(seats_left=F("seats_left") - 1)
    return await answer(booking, trip, True)


@known_answer("book", breaks="books_once", says='expected 200 {"booking": ')
async def takes_a_seat_each_time(request, pk):
    trip = await aget_object_or_404(Trip, pk=pk)
    booking, created = await Booking.objects.aget_or_create(
        trip=trip, traveller=await named_traveller(request)
    )
    await Trip.objects.filter(pk=pk).aupdate(seats_left=F("seats_left") - 1)
    return await answer(booking, trip, created)


@known_answer("book", breaks="survives_a_double_click", says="was not there when you looked")
async def looks_then_makes(request, pk):
    trip = await aget_object_or_404(Trip, pk=pk)
    found = Booking.objects.filter(trip=trip, traveller=await named_traveller(request))
    if await found.aexists():
        return await answer(await found.aget(), trip, False)
    booking = await Booking.objects.acreate(trip=trip, traveller=await named_traveller(request))
    await Trip.objects.filter(pk=pk).aupdate(seats_left=F("seats_left") - 1)
    return await answer(booking, trip, True)


@known_answer("book", breaks="loses_nobodys_seat", says="read earlier was written back")
async def subtracts_in_python(request, pk):
    trip = await aget_object_or_404(Trip, pk=pk)
    booking, created = await Booking.objects.aget_or_create(
        trip=trip, traveller=await named_traveller(request)
    )
    if created:
        trip.seats_left -= 1
        await trip.asave()
    return await answer(booking, trip, created)


@known_answer("book", breaks="refuses_a_sold_out_trip", says="`seats_left` would go below 0")
async def never_looks_at_the_seats(request, pk):
    trip = await aget_object_or_404(Trip, pk=pk)
    booking, created = await Booking.objects.aget_or_create(
        trip=trip, traveller=await named_traveller(request)
    )
    if created:
        await Trip.objects.filter(pk=pk).aupdate(seats_left=F("seats_left") - 1)
    return await answer(booking, trip, created)


@known_answer("book", breaks="refuses_a_sold_out_trip", says="the booking was made, and is still there")
async def books_and_then_refuses(request, pk):
    trip = await aget_object_or_404(Trip, pk=pk)
    booking, created = await Booking.objects.aget_or_create(
        trip=trip, traveller=await named_traveller(request)
    )
    if created and trip.seats_left == 0:
        return JsonResponse(SOLD_OUT, status=409)
    if created:
        await Trip.objects.filter(pk=pk).aupdate(seats_left=F("seats_left") - 1)
    return await answer(booking, trip, created)


@known_answer("book", breaks="knows_no_trip_7000", says="`aget` raises when there is no such row")
async def trip_not_found_not_caught(request, pk):
    trip = await Trip.objects.aget(pk=pk)
    return await books_or_undoes(request, trip.pk)


@known_answer("book", breaks="leaves_the_loop_free", says="`time.sleep` holds the event loop")
@require_POST
async def rests_before_it_books(request, pk):
    time.sleep(0.01)
    return await both_refusals_are_caught(request, pk)


async def takes_one(booking, created, pk):
    if created:
        await Trip.objects.filter(pk=pk, seats_left__gt=0).aupdate(seats_left=F("seats_left") - 1)
    return await answer(booking, await Trip.objects.aget(pk=pk), created)


@known_answer("book", breaks="books_a_seat", says="that is the booking of another trip")
@require_POST
async def any_booking_of_the_traveller(request, pk):
    trip, traveller = await aget_object_or_404(Trip, pk=pk), await named_traveller(request)
    if older := await Booking.objects.filter(traveller=traveller).afirst():
        return await takes_one(older, False, pk)
    return await takes_one(await trip.bookings.acreate(traveller=traveller), True, pk)


@known_answer("book", breaks="books_once", says="the booking as it was, of two seats")
@require_POST
async def writes_one_seat_into_it(request, pk):
    trip, traveller = await aget_object_or_404(Trip, pk=pk), await named_traveller(request)
    return await takes_one(
        *await Booking.objects.aupdate_or_create(trip=trip, traveller=traveller, defaults={"seats": 1}), pk
    )


@known_answer("book", breaks="books_a_seat", says="that is the booking of another traveller")
@require_POST
async def any_booking_of_the_trip(request, pk):
    trip, traveller = await aget_object_or_404(Trip, pk=pk), await named_traveller(request)
    if older := await trip.bookings.afirst():
        return await takes_one(older, False, pk)
    return await takes_one(await trip.bookings.acreate(traveller=traveller), True, pk)


traveller_of_the_moment = None


@known_answer("book", breaks="books_a_seat", says="two requests share something")
@require_POST
async def one_traveller_for_all_requests(request, pk):
    global traveller_of_the_moment
    traveller_of_the_moment = await named_traveller(request)
    trip = await aget_object_or_404(Trip, pk=pk)
    booking, created = await trip.bookings.aget_or_create(traveller=traveller_of_the_moment)
    return await takes_one(booking, created, pk)


@known_answer("book", breaks="writes_nothing_on_get", says="a header Allow that names POST")
async def allows_another_method(request, pk):
    if request.method != "POST":
        return HttpResponseNotAllowed(["PUT"])
    return await one_transaction_in_a_sync_function(request, pk)


@known_answer("book", breaks="sells_the_last_seat_once", says="the booking of another trip is gone")
async def takes_back_all_bookings_of_the_traveller(request, pk):
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    trip, traveller = await aget_object_or_404(Trip, pk=pk), await named_traveller(request)
    booking, created = await Booking.objects.aget_or_create(trip=trip, traveller=traveller)
    if created and not await takes_a_seat(pk):
        await Booking.objects.filter(traveller=traveller).adelete()
        return JsonResponse({"error": "sold out"}, status=409)
    return await answer(booking, trip, created)


@known_answer("book", breaks="loses_nobodys_seat", says="worked out from what was read before the update")
@require_POST
async def tells_the_seats_of_before_the_transaction(request, pk):
    trip = await aget_object_or_404(Trip, pk=pk)
    username = json.loads(request.body)["traveller"]

    @transaction.atomic
    def booked():
        traveller = User.objects.get(username=username)
        booking, created = Booking.objects.get_or_create(trip=trip, traveller=traveller)
        if not created:
            return {"booking": booking.pk, "seats_left": Trip.objects.get(pk=pk).seats_left}, 200
        if not Trip.objects.filter(pk=pk, seats_left__gt=0).update(seats_left=F("seats_left") - 1):
            transaction.set_rollback(True)
            return SOLD_OUT, 409
        return {"booking": booking.pk, "seats_left": trip.seats_left - 1}, 201

    content, status = await sync_to_async(booked)()
    return JsonResponse(content, status=status)


@known_answer("book")
@require_POST
async def leaves_the_work_to_the_database(request, pk):
    traveller = await named_traveller(request)
    mine = Booking.objects.filter(trip=pk, traveller=traveller)
    taken = not await mine.aexists() and await takes_a_seat(pk)
    if not taken and not await mine.aexists():
        await aget_object_or_404(Trip, pk=pk)
        return JsonResponse(SOLD_OUT, status=409)
    booking, created = await mine.aget_or_create(defaults={"trip_id": pk, "traveller": traveller})
    if taken and not created:
        await Trip.objects.filter(pk=pk).aupdate(seats_left=F("seats_left") + 1)
    trip = await aget_object_or_404(Trip, pk=pk)
    return await answer(booking, trip, created)


@known_answer("book")
@require_POST
async def tells_an_older_booking_without_the_seats(request, pk):
    traveller = await named_traveller(request)

    @transaction.atomic
    def booked():
        trip = get_object_or_404(Trip.objects.select_for_update(), pk=pk)
        booking, created = Booking.objects.get_or_create(trip=trip, traveller=traveller)
        if not created:
            return {"booking": booking.pk}, 200
        if not Trip.objects.filter(pk=pk, seats_left__gt=0).update(seats_left=F("seats_left") - 1):
            transaction.set_rollback(True)
            return SOLD_OUT, 409
        trip.refresh_from_db(fields=["seats_left"])
        return {"booking": booking.pk, "seats_left": trip.seats_left}, 201

    content, status = await sync_to_async(booked)()
    return JsonResponse(content, status=status)


@known_answer("book", breaks="survives_a_double_click", says="this traveller's other click has it")
@require_POST
async def sold_out_by_the_same_traveller(request, pk):
    trip, traveller = await aget_object_or_404(Trip, pk=pk), await named_traveller(request)
    if older := await trip.bookings.filter(traveller=traveller).afirst():
        return await answer(older, trip, False)
    if not await takes_a_seat(pk):
        return JsonResponse(SOLD_OUT, status=409)
    booking, created = await trip.bookings.aget_or_create(traveller=traveller)
    if not created:
        await Trip.objects.filter(pk=pk).aupdate(seats_left=F("seats_left") + 1)
    return await answer(booking, trip, created)


@known_answer("book", breaks="survives_a_double_click", says="this traveller's other click has it")
@require_POST
async def takes_back_the_booking_of_the_other_click(request, pk):
    trip, traveller = await aget_object_or_404(Trip, pk=pk), await named_traveller(request)
    if older := await trip.bookings.filter(traveller=traveller).afirst():
        return await answer(older, trip, False)
    booking, created = await trip.bookings.aget_or_create(traveller=traveller)
    if not await takes_a_seat(pk):
        await booking.adelete()
        return JsonResponse(SOLD_OUT, status=409)
    if not created:
        await Trip.objects.filter(pk=pk).aupdate(seats_left=F("seats_left") + 1)
    return await answer(booking, trip, created)


@known_answer("book", breaks="books_once", says='expected 200 {"booking": ')
@require_POST
async def the_newest_booking_of_the_traveller(request, pk):
    trip, traveller = await aget_object_or_404(Trip, pk=pk), await named_traveller(request)
    if await trip.bookings.filter(traveller=traveller).aexists():
        return await answer(await traveller.bookings.alatest("created_at"), trip, False)
    return await one_transaction_in_a_sync_function(request, pk)


@known_answer("book", breaks="survives_a_double_click", says='expected 200 with "booking": ')
@require_POST
async def names_no_booking_of_the_other_click(request, pk):
    trip, traveller = await aget_object_or_404(Trip, pk=pk), await named_traveller(request)
    if older := await trip.bookings.filter(traveller=traveller).afirst():
        return await answer(older, trip, False)
    if not await takes_a_seat(pk):
        older = await trip.bookings.filter(traveller=traveller).afirst()
        return await answer(older, trip, False) if older else JsonResponse(SOLD_OUT, status=409)
    try:
        booking = await trip.bookings.acreate(traveller=traveller)
    except IntegrityError:
        await Trip.objects.filter(pk=pk).aupdate(seats_left=F("seats_left") + 1)
        return JsonResponse({"booking": None})
    return await answer(booking, trip, True)


@known_answer("book", breaks="books_a_seat", says="one booking of one seat for")
@require_POST
async def a_traveller_in_capitals_or_not(request, pk):
    username = json.loads(request.body)["traveller"]
    traveller = await User.objects.filter(username__iexact=username).afirst()

    @transaction.atomic
    def booked():
        trip = get_object_or_404(Trip.objects.select_for_update(), pk=pk)
        booking, created = Booking.objects.get_or_create(trip=trip, traveller=traveller)
        return booking.pk, created, trip.seats_left - created

    booking, created, left = await sync_to_async(booked)()
    if created:
        await takes_a_seat(pk)
    return JsonResponse({"booking": booking, "seats_left": left}, status=201 if created else 200)


EQUAL_MUTANTS = {
    "order of two: trip = await aget_object_or_404(Trip, pk=pk) ⏎ traveller = …": "which of the two is looked up first "
    "is left open",
    "another function: booking, created = await trip.bookings.filter(traveller=traveller).afirst(), False → …": "a "
    "traveller has at most one booking of a trip",
    "another function: booking = await trip.bookings.filter(traveller=traveller).afirst() → …": "the same",
    "arg removal: booking, created = await trip.bookings.filter(traveller=traveller).afirst(), False → …": "a seat that "
    "is taken for an older booking is given back at once",
    "condition: if booking is None: → if True:": "a seat that is taken for an older booking is given back at once",
}
