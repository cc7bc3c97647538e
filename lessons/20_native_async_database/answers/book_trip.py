import asyncio
import functools
import json

from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F
from django.http import JsonResponse
from django.views.decorators.http import require_POST
from django_async_backend.db.transaction import async_atomic

from tutorial_project.checks import known_answer
from tutorial_project.trips.models import Booking, Note, Trip


def guarded(view):
    """What the exercise gives: POST alone, a traveller who is there, and 404 for another trip."""

    @require_POST
    @functools.wraps(view)
    async def guarded_view(request, pk):
        try:
            key = json.loads(request.body)["traveller"]
        except (ValueError, TypeError, KeyError, RecursionError):
            key = None
        traveller = await User.objects.filter(pk=key).afirst() if type(key) is int else None
        if traveller is None:
            return JsonResponse({"error": "no such traveller"}, status=400)
        if not await Trip.objects.filter(pk=pk).aexists():
            return JsonResponse({"error": "no such trip"}, status=404)
        return await view(request, pk, traveller)

    return guarded_view


def sold_out():
    return JsonResponse({"sold": False}, status=409)


async def booked(trip):
    themes = [theme.name async for theme in trip.themes.all()]
    return JsonResponse({"trip": trip.title, "themes": themes}, status=201)


async def take_a_seat(trip, traveller):
    """Book, if there is a seat and no booking yet; inside of the caller's transaction."""
    if trip.seats_left == 0 or await Booking.async_objects.filter(trip=trip, traveller=traveller).aexists():
        return False
    await Booking.async_objects.acreate(trip=trip, traveller=traveller)
    trip.seats_left -= 1
    await trip.async_save(update_fields=["seats_left"])
    return True


def locked():
    return Trip.async_objects.select_for_update()


def words_for(traveller):
    return f"booked for {traveller.username}"


@known_answer("book_trip", when="Where a booking without its note would be wrong: both are one transaction.")
@guarded
async def the_note_in_the_transaction(request, pk, traveller):
    async with async_atomic():
        trip = await locked().aget(pk=pk)
        if not await take_a_seat(trip, traveller):
            return sold_out()
        await Note.async_objects.acreate(subject=trip, text=words_for(traveller))
    return await booked(trip)


@known_answer("book_trip")
@guarded
async def one_conditional_update(request, pk, traveller):
    async with async_atomic():
        if await Booking.async_objects.filter(trip_id=pk, traveller=traveller).aexists():
            return sold_out()
        free = Trip.async_objects.filter(pk=pk, seats_left__gt=0)
        if not await free.aupdate(seats_left=F("seats_left") - 1):
            return sold_out()
        await Booking.async_objects.acreate(trip_id=pk, traveller=traveller)
    trip = await Trip.objects.prefetch_related("themes").aget(pk=pk)
    await trip.notes.acreate(text=words_for(traveller))
    return await booked(trip)


@known_answer("book_trip", breaks="keeps_them_apart", says="below the `async with async_atomic()` block")
@guarded
async def the_note_over_the_other_connection(request, pk, traveller):
    async with async_atomic():
        trip = await locked().aget(pk=pk)
        if not await take_a_seat(trip, traveller):
            return sold_out()
        await trip.notes.acreate(text=words_for(traveller))
    return await booked(trip)


@known_answer("book_trip", breaks="books_a_seat", says="did not finish")
@guarded
async def saves_with_the_other_orm(request, pk, traveller):
    async with async_atomic():
        trip = await locked().aget(pk=pk)
        if trip.seats_left == 0:
            return sold_out()
        await Booking.async_objects.acreate(trip=trip, traveller=traveller)
        trip.seats_left -= 1
        await trip.asave(update_fields=["seats_left"])
    await trip.notes.acreate(text=words_for(traveller))
    return await booked(trip)


@known_answer("book_trip", breaks="sells_each_seat_once", says="had seen a free seat before")
@guarded
async def reads_with_the_other_orm(request, pk, traveller):
    async with async_atomic():
        trip = await Trip.objects.aget(pk=pk)
        if not await take_a_seat(trip, traveller):
            return sold_out()
    await trip.notes.acreate(text=words_for(traveller))
    return await booked(trip)


@known_answer("book_trip", breaks="keeps_them_apart", says="was not one transaction")
@guarded
async def without_a_transaction(request, pk, traveller):
    trip = await Trip.async_objects.aget(pk=pk)
    if not await take_a_seat(trip, traveller):
        return sold_out()
    await trip.notes.acreate(text=words_for(traveller))
    return await booked(trip)


@known_answer(
    "book_trip",
    breaks="books_a_seat",
    says="You cannot call this from an async context",
    because="the database (or something else that is sync only) was used",
)
@guarded
async def themes_in_a_plain_loop(request, pk, traveller):
    async with async_atomic():
        trip = await locked().aget(pk=pk)
        if not await take_a_seat(trip, traveller):
            return sold_out()
    await trip.notes.acreate(text=words_for(traveller))
    themes = [theme.name for theme in trip.themes.all()]
    return JsonResponse({"trip": trip.title, "themes": themes}, status=201)


@known_answer("book_trip", breaks="refuses_when_sold_out", says="409")
@guarded
async def nobody_looks_at_the_booking(request, pk, traveller):
    async with async_atomic():
        trip = await locked().aget(pk=pk)
        if trip.seats_left == 0:
            return sold_out()
        await Booking.async_objects.acreate(trip=trip, traveller=traveller)
        trip.seats_left -= 1
        await trip.async_save(update_fields=["seats_left"])
    await trip.notes.acreate(text=words_for(traveller))
    return await booked(trip)


@known_answer(
    "book_trip",
    breaks="books_a_seat",
    says="An async connection can only be used by the task",
    because="a connection of django-async-backend belongs to one task, and",
)
@guarded
async def gathers_in_the_transaction(request, pk, traveller):
    async with async_atomic():
        trip = await locked().aget(pk=pk)
        trip.seats_left -= 1
        create = Booking.async_objects.acreate(trip=trip, traveller=traveller)
        await asyncio.gather(create, trip.async_save(update_fields=["seats_left"]))
    await trip.notes.acreate(text=words_for(traveller))
    return await booked(trip)


@known_answer("book_trip", breaks="writes_a_note", says="notes")
@guarded
async def forgets_the_note(request, pk, traveller):
    async with async_atomic():
        trip = await locked().aget(pk=pk)
        if not await take_a_seat(trip, traveller):
            return sold_out()
    return await booked(trip)


@known_answer("book_trip", breaks="refuses_what_it_cannot_read", says="404")
@require_POST
async def whoever_and_whatever(request, pk):
    traveller = await User.objects.aget(pk=json.loads(request.body)["traveller"])
    async with async_atomic():
        trip = await locked().aget(pk=pk)
        if not await take_a_seat(trip, traveller):
            return sold_out()
    await trip.notes.acreate(text=words_for(traveller))
    return await booked(trip)


locks = {}


@known_answer("book_trip", breaks="sells_each_seat_once", says="a lock inside this process")
@guarded
async def behind_a_lock_of_the_process(request, pk, traveller):
    async with locks.setdefault(asyncio.get_running_loop(), asyncio.Lock()), async_atomic():
        trip = await Trip.async_objects.aget(pk=pk)
        if not await take_a_seat(trip, traveller):
            return sold_out()
    await trip.notes.acreate(text=words_for(traveller))
    return await booked(trip)


@known_answer("book_trip", breaks="books_a_seat", says="who has booked another trip")
@guarded
async def any_booking_counts(request, pk, traveller):
    async with async_atomic():
        if await Booking.async_objects.filter(traveller=traveller).aexists():
            return sold_out()
        trip = await locked().aget(pk=pk)
        if not await take_a_seat(trip, traveller):
            return sold_out()
    await trip.notes.acreate(text=words_for(traveller))
    return await booked(trip)


trip_of_all = None


@known_answer("book_trip", breaks="sells_each_seat_once", says="while a booking of another trip waits")
@guarded
async def the_trip_in_the_module(request, pk, traveller):
    global trip_of_all
    async with async_atomic():
        trip_of_all = await locked().aget(pk=pk)
        if not await take_a_seat(trip_of_all, traveller):
            return sold_out()
    await trip_of_all.notes.acreate(text=words_for(traveller))
    return await booked(trip_of_all)


@known_answer("book_trip", breaks="writes_a_note", says="Ada Lovelace")
@guarded
async def the_note_with_the_full_name(request, pk, traveller):
    async with async_atomic():
        trip = await locked().aget(pk=pk)
        if not await take_a_seat(trip, traveller):
            return sold_out()
    await trip.notes.acreate(text=f"booked for {traveller.get_full_name() or traveller.username}")
    return await booked(trip)


@known_answer("book_trip", breaks="keeps_them_apart", says="over the async connection")
@guarded
async def in_one_sync_transaction(request, pk, traveller):
    @transaction.atomic
    def sell():
        trip = Trip.objects.select_for_update().get(pk=pk)
        if trip.seats_left == 0 or trip.bookings.filter(traveller=traveller).exists():
            return None
        trip.bookings.create(traveller=traveller)
        trip.notes.create(text=words_for(traveller))
        trip.seats_left -= 1
        trip.save(update_fields=["seats_left"])
        return trip

    trip = await sync_to_async(sell)()
    return await booked(trip) if trip else sold_out()


LOCKED = "nobody else has changed the row since it was locked"
EQUAL_MUTANTS = {
    "order of two:  ⏎ await Note.objects.acreate(…": "the note is none of the themes",
    "order of two: await Booking.async_objects.acreate(…": "the seat is written later, whenever it is taken off",
    "another function: trip = await Trip.async_objects.select_for_update().filter(pk=pk).afirst() → …": "of one row the "
    "last is the first",
    'arg removal: await trip.async_save(update_fields=["seats_left"]) → …': LOCKED,
    'only keyword: await trip.async_save(update_fields=["seats_left"]) → …': LOCKED,
}


@known_answer("book_trip", breaks="writes_a_note", says="the view had returned, and the note was not written")
@guarded
async def the_note_in_a_task_that_nobody_holds(request, pk, traveller):
    async with async_atomic():
        trip = await locked().aget(pk=pk)
        if not await take_a_seat(trip, traveller):
            return sold_out()
    answer = await booked(trip)
    asyncio.create_task(Note.objects.acreate(subject=trip, text=words_for(traveller)))
    return answer


@known_answer("book_trip", breaks="keeps_them_apart", says="so it stays when the booking is undone")
@guarded
async def the_note_whatever_becomes_of_the_booking(request, pk, traveller):
    sold = False
    try:
        async with async_atomic():
            trip = await locked().aget(pk=pk)
            if not (sold := await take_a_seat(trip, traveller)):
                return sold_out()
    finally:
        if sold:
            await Note.objects.acreate(subject=trip, text=words_for(traveller))
    return await booked(trip)


@known_answer("book_trip", breaks="sells_each_seat_once", says="404 ×19")
@guarded
async def skips_a_trip_that_is_locked(request, pk, traveller):
    async with async_atomic():
        trip = await Trip.async_objects.select_for_update(skip_locked=True).filter(pk=pk).afirst()
        if trip is None:
            return JsonResponse({"error": "no such trip"}, status=404)
        if not await take_a_seat(trip, traveller):
            return sold_out()
    await Note.objects.acreate(subject=trip, text=words_for(traveller))
    return await booked(trip)


@known_answer("book_trip", breaks="books_a_seat", says='"themes": [null]')
@guarded
async def joins_the_themes(request, pk, traveller):
    async with async_atomic():
        trip = await locked().aget(pk=pk)
        if not await take_a_seat(trip, traveller):
            return sold_out()
    await Note.objects.acreate(subject=trip, text=words_for(traveller))
    names = Trip.objects.filter(pk=pk).order_by("themes__name").values_list("themes__name", flat=True)
    return JsonResponse({"trip": trip.title, "themes": [name async for name in names]}, status=201)
