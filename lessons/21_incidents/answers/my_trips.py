import asyncio
from unittest import mock

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.core.exceptions import SynchronousOnlyOperation
from django.http import JsonResponse

from tutorial_project.checks.known_answers import known_answer
from tutorial_project.trips.models import Trip

BROKEN = "shows_travellers_their_trips"


def nobody():
    return JsonResponse({"traveller": None, "trips": []})


def page_in_a_thread(request):
    if not request.user.is_authenticated:
        return nobody()
    titles = [booking.trip.title for booking in request.user.bookings.all()]
    return JsonResponse({"traveller": request.user.username, "trips": titles})


@known_answer(
    "my_trips", when="Where the page also renders a template or a form, which ask the database themselves."
)
async def in_one_crossing(request):
    return await sync_to_async(page_in_a_thread)(request)


@known_answer("my_trips")
async def the_titles_alone(request):
    user = await request.auser()
    if user.is_anonymous:
        return nobody()
    titles = user.bookings.values_list("trip__title", flat=True)
    return JsonResponse({"traveller": user.get_username(), "trips": [title async for title in titles]})


@known_answer(
    "my_trips",
    breaks="shows_travellers_their_trips",
    says="SynchronousOnlyOperation",
    because="the database was used directly in the event loop: an attribute",
)
async def only_the_first_of_two(request):
    user = await request.auser()
    if not user.is_authenticated:
        return nobody()
    titles = [booking.trip.title async for booking in user.bookings.all()]
    return JsonResponse({"traveller": user.username, "trips": titles})


@known_answer("my_trips", breaks="shows_travellers_their_trips", says="is taken for a stranger")
async def takes_the_error_for_a_stranger(request):
    try:
        return page_in_a_thread(request)
    except SynchronousOnlyOperation:
        return nobody()


@known_answer("my_trips", breaks="knows_no_stranger", says="302")
@login_required
async def shuts_strangers_out(request):
    return await sync_to_async(page_in_a_thread)(request)


@known_answer("my_trips", breaks="shows_travellers_their_trips", says="expected 200")
async def by_departure(request):
    user = await request.auser()
    if not user.is_authenticated:
        return nobody()
    trips = Trip.objects.filter(bookings__traveller=user)
    return JsonResponse({"traveller": user.username, "trips": [trip.title async for trip in trips]})


@known_answer("my_trips", breaks="stays_on_the_loop", says="costs one thread for each visitor")
def everything_sync(request):
    return page_in_a_thread(request)


@known_answer("my_trips", breaks="bears_an_old_session", says="AnonymousUser")
async def takes_a_cookie_for_a_login(request):
    if settings.SESSION_COOKIE_NAME not in request.COOKIES:
        return nobody()
    user = await request.auser()
    titles = user.bookings.values_list("trip__title", flat=True)
    return JsonResponse({"traveller": user.username, "trips": [title async for title in titles]})


locks = {}


@known_answer("my_trips", breaks="does_the_same_beside_itself", says="none within")
async def behind_a_lock(request):
    async with locks.setdefault(asyncio.get_running_loop(), asyncio.Lock()):
        return await sync_to_async(page_in_a_thread)(request)


@known_answer("my_trips", breaks="shows_travellers_their_trips", says="trips")
async def only_what_is_on_sale(request):
    user = await request.auser()
    if user.is_anonymous:
        return nobody()
    bookings = user.bookings.select_related("trip").filter(trip__active=True)
    titles = [booking.trip.title async for booking in bookings]
    return JsonResponse({"traveller": user.username, "trips": titles})


@known_answer("my_trips", breaks="shows_travellers_their_trips", says="trips")
async def each_tour_once(request):
    user = await request.auser()
    if user.is_anonymous:
        return nobody()
    titles = [booking.trip.title async for booking in user.bookings.select_related("trip")]
    return JsonResponse({"traveller": user.username, "trips": list(dict.fromkeys(titles))})


def page_of(user, bookings, name="username"):
    titles = [booking.trip.title for booking in bookings]
    return JsonResponse({"traveller": getattr(user, name), "trips": titles})


@known_answer("my_trips", breaks="shows_travellers_their_trips", says="trips")
async def in_the_order_of_the_keys(request):
    user = await request.auser()
    if user.is_anonymous:
        return nobody()
    return page_of(user, [row async for row in user.bookings.select_related("trip").order_by("pk")])


@known_answer("my_trips", breaks="shows_travellers_their_trips", says='"traveller": "Ada"')
async def by_the_first_name(request):
    user = await request.auser()
    if user.is_anonymous:
        return nobody()
    return page_of(user, [row async for row in user.bookings.select_related("trip")], "first_name")


@known_answer("my_trips", breaks="bears_an_old_session", says="whose password was changed since")
async def believes_the_session(request):
    key = await request.session.aget(SESSION_KEY)
    user = await User.objects.filter(pk=key).afirst() if key else None
    if user is None:
        return nobody()
    return page_of(user, [row async for row in user.bookings.select_related("trip")])


@known_answer(
    "my_trips",
    breaks="shows_travellers_their_trips",
    says="SynchronousOnlyOperation",
    because="`request.user` was read in the event loop; with a session it is",
)
async def the_guard_switched_off(request):
    with mock.patch.dict("os.environ", {"DJANGO_ALLOW_ASYNC_" + "UNSAFE": "true"}):
        return page_in_a_thread(request)


@known_answer("my_trips", breaks="shows_travellers_their_trips", says="booked 11 trips")
async def ten_trips_at_most(request):
    user = await request.auser()
    if not user.is_authenticated:
        return nobody()
    titles = user.bookings.values_list("trip__title", flat=True)[:10]
    return JsonResponse({"traveller": user.username, "trips": [title async for title in titles]})
