import asyncio
import contextvars
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from asgiref.sync import async_to_sync
from django.http import JsonResponse
from django.shortcuts import aget_object_or_404, get_object_or_404
from django.views.decorators.http import require_POST

from tutorial_project.checks.known_answers import known_answer
from tutorial_project.services import ServiceError, ask, ask_blocking
from tutorial_project.trips.models import Booking

BROKEN = "sends_the_letter"

under_way = set()


def in_the_background(coroutine, context=None):
    task = asyncio.get_running_loop().create_task(coroutine, context=context)
    under_way.add(task)
    task.add_done_callback(under_way.discard)


async def send_letter(key):
    rate = await ask("rates/CHF")
    booking = await Booking.objects.select_related("traveller").aget(pk=key)
    await ask("echo", letter=f"confirmation-{key}", to=booking.traveller.username, stamp=rate["rate"])


async def send_letter_to(key, username):
    rate = await ask("rates/CHF")
    await ask("echo", letter=f"confirmation-{key}", to=username, stamp=rate["rate"])


def accepted(pk):
    return JsonResponse({"booking": pk}, status=202)


@known_answer(
    "confirm_booking", when="Where the task has to see what the database holds when the letter is written."
)
@require_POST
async def in_a_context_of_its_own(request, pk):
    await aget_object_or_404(Booking, pk=pk)
    in_the_background(send_letter(pk), contextvars.Context())
    return accepted(pk)


@known_answer("confirm_booking", when="Where the name is all that is needed of the booking.")
@require_POST
async def the_name_alone(request, pk):
    bookings = Booking.objects.values_list("traveller__username", flat=True)
    username = await aget_object_or_404(bookings, pk=pk)
    in_the_background(send_letter_to(pk, username))
    return accepted(pk)


@known_answer(
    "confirm_booking", breaks="answers_before_the_letter", says="no answer until the letter was sent"
)
@require_POST
async def waits_for_the_letter(request, pk):
    await aget_object_or_404(Booking, pk=pk)
    await send_letter(pk)
    return accepted(pk)


@known_answer("confirm_booking", breaks="sends_the_letter", says="no letter")
@require_POST
async def sends_none(request, pk):
    await aget_object_or_404(Booking, pk=pk)
    return accepted(pk)


@known_answer("confirm_booking", breaks="sends_the_letter", says="no letter")
@require_POST
async def hides_the_error(request, pk):
    async def quietly():
        with suppress(RuntimeError):
            await send_letter(pk)

    await aget_object_or_404(Booking, pk=pk)
    in_the_background(quietly())
    return accepted(pk)


@known_answer("confirm_booking", breaks="sends_the_letter", says="no letter")
@require_POST
async def tries_again_and_again(request, pk):
    async def until_it_works():
        for _ in range(5):
            with suppress(RuntimeError):
                return await send_letter(pk)

    await aget_object_or_404(Booking, pk=pk)
    in_the_background(until_it_works())
    return accepted(pk)


@known_answer("confirm_booking", breaks="sends_the_letter", says="no letter")
@require_POST
async def shielded(request, pk):
    await aget_object_or_404(Booking, pk=pk)
    under_way.add(asyncio.shield(asyncio.ensure_future(hushed(pk))))
    return accepted(pk)


async def hushed(pk):
    with suppress(Exception):
        await send_letter(pk)


@known_answer("confirm_booking", breaks="answers", says="expected 404")
@require_POST
async def asks_nobody(request, pk):
    booking = await Booking.objects.select_related("traveller").filter(pk=pk).afirst()
    if booking is not None:
        in_the_background(send_letter_to(pk, booking.traveller.username))
    return accepted(pk)


@known_answer(
    "confirm_booking", breaks="answers_before_the_letter", says="no answer until the letter was sent"
)
@require_POST
def everything_sync(request, pk):
    booking = get_object_or_404(Booking.objects.select_related("traveller"), pk=pk)
    async_to_sync(send_letter_to)(pk, booking.traveller.username)
    return accepted(pk)


@known_answer("confirm_booking", breaks="stays_on_the_loop", says="costs one thread for each visitor")
@require_POST
def a_thread_for_each_letter(request, pk):
    booking = get_object_or_404(Booking.objects.select_related("traveller"), pk=pk)
    sending = send_letter_to(pk, booking.traveller.username)
    threading.Thread(target=asyncio.run, args=[sending], daemon=True).start()
    return accepted(pk)


desks = {}


async def at_the_desk(letters):
    while True:
        with suppress(ServiceError):
            await send_letter(await letters.get())


@known_answer(
    "confirm_booking",
    when="Where letters go out one after another, and a hundred bookings make no hundred tasks.",
)
@require_POST
async def one_worker_for_all_letters(request, pk):
    booking = await aget_object_or_404(Booking, pk=pk)
    loop = asyncio.get_running_loop()
    if loop not in desks:
        desks[loop] = letters = asyncio.Queue()
        in_the_background(at_the_desk(letters), contextvars.Context())
    desks[loop].put_nowait(booking.pk)
    return accepted(pk)


@known_answer("confirm_booking", breaks="sends_the_letter", says="confirmation-")
@require_POST
async def sends_each_letter_twice(request, pk):
    booking = await aget_object_or_404(Booking.objects.select_related("traveller"), pk=pk)

    async def to_be_sure():
        for _ in range(2):
            await send_letter_to(pk, booking.traveller.username)

    in_the_background(to_be_sure())
    return accepted(pk)


@known_answer("confirm_booking", breaks="answers_before_the_letter", says="202 at once")
@require_POST
async def gives_the_letter_a_moment(request, pk):
    booking = await aget_object_or_404(Booking.objects.select_related("traveller"), pk=pk)
    sending = asyncio.ensure_future(send_letter_to(pk, booking.traveller.username))
    under_way.add(sending)
    with suppress(TimeoutError):
        await asyncio.wait_for(asyncio.shield(sending), 0.05)
    return accepted(pk)


last = {}


@known_answer("confirm_booking", breaks="sends_the_letter", says="confirmation-")
@require_POST
async def one_place_for_the_booking(request, pk):
    last["booking"] = await aget_object_or_404(Booking.objects.select_related("traveller"), pk=pk)

    async def send():
        rate = await ask("rates/CHF")
        booking = last["booking"]
        letter = f"confirmation-{booking.pk}"
        await ask("echo", letter=letter, to=booking.traveller.username, stamp=rate["rate"])

    in_the_background(send())
    return accepted(pk)


@known_answer("confirm_booking", breaks="sends_the_letter", says="to Ada")
@require_POST
async def to_the_first_name(request, pk):
    booking = await aget_object_or_404(Booking.objects.select_related("traveller"), pk=pk)
    in_the_background(send_letter_to(pk, booking.traveller.first_name or booking.traveller.username))
    return accepted(pk)


@known_answer("confirm_booking", breaks="sends_the_letter", says="without WhiteNoiseMiddleware")
@require_POST
async def a_thread_beside_the_task_that_dies(request, pk):
    booking = await aget_object_or_404(Booking.objects.select_related("traveller"), pk=pk)
    in_the_background(send_letter(pk))
    sending = send_letter_to(pk, booking.traveller.username)
    threading.Thread(target=asyncio.run, args=[sending], daemon=True).start()
    return accepted(pk)


clerks = ThreadPoolExecutor(max_workers=8)


def letter_on_a_thread(key, username):
    rate = ask_blocking("rates/CHF")
    ask_blocking("echo", letter=f"confirmation-{key}", to=username, stamp=rate["rate"])


@known_answer("confirm_booking", when="Where the letters are written by code that is sync.")
@require_POST
async def a_pool_of_threads_for_the_letters(request, pk):
    booking = await aget_object_or_404(Booking.objects.select_related("traveller"), pk=pk)
    clerks.submit(letter_on_a_thread, pk, booking.traveller.username)
    return accepted(pk)
