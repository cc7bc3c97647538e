import asyncio
import json
from contextlib import suppress

from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.core.exceptions import BadRequest
from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.models import F
from django.http import JsonResponse
from django.shortcuts import aget_object_or_404, get_object_or_404
from django.views.decorators.http import require_POST

from tutorial_project.checks.known_answers import known_answer
from tutorial_project.services import ServiceError, ask, ask_blocking
from tutorial_project.trips.bodies import fields_of
from tutorial_project.trips.models import Booking, Trip

BROKEN = "holds_up_nobody"


def page(reserved):
    """The view around another way to get a seat and the hotel's word."""

    async def view(request, pk):
        traveller = fields_of(request, traveller=int)["traveller"]
        await aget_object_or_404(User, pk=traveller)
        try:
            found = await reserved(pk, traveller)
        except ServiceError:
            return answer(False, 502)
        return answer(found)

    view.__name__ = view.__qualname__ = reserved.__name__
    return require_POST(view)


def answer(reserved, refused=409):
    return JsonResponse({"reserved": reserved}, status=201 if reserved else refused)


def is_to_have(trip, traveller):
    return trip.seats_left > 0 and not trip.bookings.filter(traveller=traveller).exists()


def looked(pk, traveller):
    return is_to_have(get_object_or_404(Trip, pk=pk), traveller)


def written(pk, traveller, then=lambda: None, **lock):
    with transaction.atomic():
        trip = get_object_or_404(Trip.objects.select_for_update(**lock), pk=pk)
        if not is_to_have(trip, traveller):
            return False
        Booking.objects.create(trip=trip, traveller_id=traveller)
        trip.seats_left -= 1
        trip.save(update_fields=["seats_left"])
        then()
        return True


def taken_back(pk, traveller):
    with transaction.atomic():
        if Booking.objects.filter(trip=pk, traveller=traveller).delete()[0]:
            Trip.objects.filter(pk=pk).update(seats_left=F("seats_left") + 1)


def confirmed(pk, traveller):
    """A blocking question to the hotel, to be asked in a transaction."""
    return lambda: ask_blocking("echo", trip=pk, traveller=traveller)


look, write, take_back = sync_to_async(looked), sync_to_async(written), sync_to_async(taken_back)


async def reserved_after_asking(pk, traveller, write=write):
    if not await look(pk, traveller):
        return False
    await ask("echo", trip=pk, traveller=traveller)
    return await write(pk, traveller)


@known_answer(
    "reserve_seat",
    when="Where the seat has to be safe while the hotel thinks: nobody else can have it meanwhile.",
)
@page
async def taken_first_and_given_back(pk, traveller):
    if not await write(pk, traveller):
        return False
    confirmed = False
    try:
        await ask("echo", trip=pk, traveller=traveller)
        confirmed = True
    finally:
        if not confirmed:
            await take_back(pk, traveller)
    return True


@known_answer(
    "reserve_seat", when="Where nothing but the number of seats decides: one UPDATE looks and writes."
)
@page
async def one_update_in_the_end(pk, traveller):
    if not await look(pk, traveller):
        return False
    await ask("echo", trip=pk, traveller=traveller)

    @sync_to_async
    def reserve():
        with transaction.atomic():
            taken = Trip.objects.filter(pk=pk, seats_left__gt=0).update(seats_left=F("seats_left") - 1)
            new = taken and Booking.objects.get_or_create(trip_id=pk, traveller_id=traveller)[1]
            if not new:
                transaction.set_rollback(True)
            return bool(new)

    return await reserve()


@known_answer("reserve_seat")
@page
async def given_back_whatever_happens(pk, traveller):
    if not await write(pk, traveller):
        return False
    try:
        await ask("echo", trip=pk, traveller=traveller)
    except BaseException:
        await asyncio.shield(asyncio.ensure_future(take_back(pk, traveller)))
        raise
    return True


@known_answer(
    "reserve_seat", breaks="keeps_nothing_of_who_left", says="nobody took it back when the traveller left"
)
@page
async def no_lock_and_given_back_on_an_error(pk, traveller):
    if not await write(pk, traveller):
        return False
    try:
        await ask("echo", trip=pk, traveller=traveller)
    except ServiceError:
        await take_back(pk, traveller)
        raise
    return True


@known_answer("reserve_seat", breaks="holds_up_nobody", says="as long as the hotel thinks")
@page
async def a_lock_and_given_back_on_leaving(pk, traveller):
    try:
        return await write(pk, traveller, confirmed(pk, traveller))
    except asyncio.CancelledError:
        await take_back(pk, traveller)
        raise


@known_answer("reserve_seat", breaks="holds_up_nobody", says="as long as the hotel thinks")
@page
async def asked_before_the_seat_is_gone(pk, traveller):
    def write():
        with transaction.atomic():
            trip = get_object_or_404(Trip.objects.select_for_update(), pk=pk)
            if not is_to_have(trip, traveller):
                return False
            ask_blocking("echo", trip=pk, traveller=traveller)
            Booking.objects.create(trip=trip, traveller_id=traveller)
            Trip.objects.filter(pk=pk).update(seats_left=F("seats_left") - 1)
            return True

    return await sync_to_async(write)()


locks = {}


@known_answer("reserve_seat", breaks="holds_up_nobody", says="lets in one at a time")
@page
async def behind_a_lock_of_this_process(pk, traveller):
    async with locks.setdefault(asyncio.get_running_loop(), asyncio.Lock()):
        return await reserved_after_asking(pk, traveller)


@known_answer("reserve_seat", breaks="holds_up_nobody", says='409 {"reserved": false}')
@page
async def sends_away_who_would_wait(pk, traveller):
    try:
        return await write(pk, traveller, confirmed(pk, traveller), nowait=True)
    except OperationalError:
        return False


@known_answer("reserve_seat", breaks="holds_up_nobody", says="got 404")
@page
async def looks_past_what_is_locked(pk, traveller):
    return await write(pk, traveller, confirmed(pk, traveller), skip_locked=True)


@known_answer(
    "reserve_seat",
    breaks="holds_up_nobody",
    says="OperationalError",
    because="it stands at no lock of the database: something in this process",
)
@page
async def gives_up_the_lock_after_a_moment(pk, traveller):
    def impatient():
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '1ms'")
        return written(pk, traveller, confirmed(pk, traveller))

    return await sync_to_async(impatient)()


@known_answer("reserve_seat", breaks="keeps_nothing_of_who_left", says="went on without the traveller")
@require_POST
def everything_sync(request, pk):
    traveller = fields_of(request, traveller=int)["traveller"]
    get_object_or_404(User, pk=traveller)
    try:
        if not looked(pk, traveller):
            return answer(False)
        ask_blocking("echo", trip=pk, traveller=traveller)
    except ServiceError:
        return answer(False, 502)
    return answer(written(pk, traveller))


@known_answer("reserve_seat", breaks="keeps_nothing_of_who_left", says="went on without the traveller")
@page
async def shielded_to_its_end(pk, traveller):
    return await asyncio.shield(asyncio.ensure_future(reserved_after_asking(pk, traveller)))


@known_answer("reserve_seat", breaks="stores_nothing_without_the_hotel", says="expected 502")
@page
async def swallows_the_error(pk, traveller):
    if not await write(pk, traveller):
        return False
    with suppress(ServiceError):
        await ask("echo", trip=pk, traveller=traveller)
    return True


under_way = set()


@known_answer("reserve_seat", breaks="stores_nothing_without_the_hotel", says="expected 502")
@page
async def asks_the_hotel_after_the_answer(pk, traveller):
    async def tell():
        with suppress(ServiceError):
            await ask("echo", trip=pk, traveller=traveller)

    if not await write(pk, traveller):
        return False
    under_way.add(task := asyncio.create_task(tell()))
    task.add_done_callback(under_way.discard)
    await asyncio.sleep(0.1)
    return True


@known_answer("reserve_seat", breaks="stores_nothing_without_the_hotel", says="0 seats left, and 1 bookings")
@page
async def takes_nothing_back(pk, traveller):
    if not await write(pk, traveller):
        return False
    await ask("echo", trip=pk, traveller=traveller)
    return True


@known_answer("reserve_seat", breaks="reserves_a_seat", says="0 questions to the hotel")
@page
async def asks_no_hotel_any_more(pk, traveller):
    return await write(pk, traveller)


@known_answer("reserve_seat", breaks="reserves_a_seat", says="2 questions to the hotel")
@page
async def asks_before_and_after(pk, traveller):
    if not await look(pk, traveller):
        return False
    for _ in range(2):
        await ask("echo", trip=pk, traveller=traveller)
    return await write(pk, traveller)


@known_answer("reserve_seat", breaks="refuses_what_is_not_to_have", says="2 questions to the hotel")
@page
async def asks_first_and_looks_later(pk, traveller):
    await aget_object_or_404(Trip, pk=pk)
    await ask("echo", trip=pk, traveller=traveller)
    return await write(pk, traveller)


@known_answer("reserve_seat", breaks="refuses_what_is_not_to_have", says="expected 400")
@require_POST
async def takes_what_is_sent(request, pk):
    try:
        traveller = int(json.loads(request.body)["traveller"])
    except (ValueError, TypeError, KeyError):
        raise BadRequest from None
    await aget_object_or_404(User, pk=traveller)
    try:
        return answer(await reserved_after_asking(pk, traveller))
    except ServiceError:
        return answer(False, 502)


@known_answer("reserve_seat", breaks="gives_each_seat_once", says="expected 2 × 201")
@page
async def writes_by_what_it_has_seen(pk, traveller):
    @sync_to_async
    def write_unseen(pk, traveller):
        with transaction.atomic():
            Trip.objects.filter(pk=pk, seats_left__gt=0).update(seats_left=F("seats_left") - 1)
            return Booking.objects.get_or_create(trip_id=pk, traveller_id=traveller)[1]

    return await reserved_after_asking(pk, traveller, write_unseen)


short = {}


@known_answer(
    "reserve_seat", breaks="stands_against_another_process", says="had read before the other process wrote"
)
@page
async def a_lock_around_the_write_alone(pk, traveller):
    @sync_to_async
    def unlocked(pk, traveller):
        trip = get_object_or_404(Trip, pk=pk)
        if not is_to_have(trip, traveller):
            return False
        with transaction.atomic():
            Booking.objects.create(trip=trip, traveller_id=traveller)
            trip.seats_left -= 1
            trip.save(update_fields=["seats_left"])
        return True

    async def write_behind_a_lock(pk, traveller):
        async with short.setdefault(asyncio.get_running_loop(), asyncio.Lock()):
            return await unlocked(pk, traveller)

    return await reserved_after_asking(pk, traveller, write_behind_a_lock)


@known_answer("reserve_seat", breaks="does_all_or_nothing", says="one half was written")
@page
async def two_transactions(pk, traveller):
    async def write_half_by_half(pk, traveller):
        new = False
        if await Trip.objects.filter(pk=pk, seats_left__gt=0).aupdate(seats_left=F("seats_left") - 1):
            _, new = await Booking.objects.aget_or_create(trip_id=pk, traveller_id=traveller)
            if not new:
                await Trip.objects.filter(pk=pk).aupdate(seats_left=F("seats_left") + 1)
        return new

    return await reserved_after_asking(pk, traveller, write_half_by_half)


@known_answer("reserve_seat", breaks="refuses_what_is_not_to_have", says="only a POST changes something")
async def reserves_for_who_only_looks(request, pk):
    return await taken_first_and_given_back.__wrapped__(request, pk)


trip_of_all = None


@known_answer("reserve_seat", breaks="gives_each_seat_once", says="while the booking of another trip waits")
@page
async def the_trip_in_the_module(pk, traveller):
    @sync_to_async
    @transaction.atomic
    def write_the_modules(pk, traveller):
        global trip_of_all
        trip_of_all = get_object_or_404(Trip.objects.select_for_update(), pk=pk)
        if not is_to_have(trip_of_all, traveller):
            return False
        Booking.objects.create(trip=trip_of_all, traveller_id=traveller)
        trip_of_all.seats_left -= 1
        trip_of_all.save(update_fields=["seats_left"])
        return True

    return await reserved_after_asking(pk, traveller, write_the_modules)


@known_answer(
    "reserve_seat",
    breaks="does_all_or_nothing",
    says="a traveller who leaves",
    because="one half was written, and stayed",
)
@page
async def takes_back_by_hand(pk, traveller):
    if not await look(pk, traveller):
        return False
    await ask("echo", trip=pk, traveller=traveller)
    trips = Trip.objects.filter(pk=pk)
    if not await trips.filter(seats_left__gt=0).aupdate(seats_left=F("seats_left") - 1):
        return False
    try:
        await Booking.objects.acreate(trip_id=pk, traveller_id=traveller)
    except IntegrityError:
        await trips.aupdate(seats_left=F("seats_left") + 1)
        return False
    return True


LOCKED = "nobody else has changed the row since it was locked"
EQUAL_MUTANTS = {
    "call in a chain: return trip.seats_left > 0 and not …": "a QuerySet without rows is false",
    'arg removal: trip.save(update_fields=["seats_left"]) → …': LOCKED,
    'only keyword: trip.save(update_fields=["seats_left"]) → …': LOCKED,
    "order of two: await aget_object_or_404(User, pk=traveller) ⏎ …": "both refuse before anything is asked or written",
    "kind of error: except ServiceError: → except Exception:": "whatever goes wrong there is answered alike",
}


@known_answer("reserve_seat", breaks="stores_nothing_without_the_hotel", says="2 questions to the hotel")
@page
async def asks_once_more_after_an_error(pk, traveller):
    if not await look(pk, traveller):
        return False
    try:
        await ask("echo", trip=pk, traveller=traveller)
    except ServiceError:
        await ask("echo", trip=pk, traveller=traveller)
    return await write(pk, traveller)
