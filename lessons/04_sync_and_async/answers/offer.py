import asyncio
from concurrent.futures import ThreadPoolExecutor

from asgiref.sync import sync_to_async
from django.db import connection
from django.http import Http404, HttpResponse, JsonResponse
from django.utils import translation
from django.utils.formats import date_format

from tutorial_project.checks import known_answer
from tutorial_project.services.airline import cheapest_fare
from tutorial_project.services.client import ServiceError, ask_blocking
from tutorial_project.trips.models import Trip


def forecast(city):
    answer = ask_blocking(f"weather/{city}")
    return f"{answer['celsius']} °C, {answer['sky']}"


def next_trip(city):
    trip = Trip.objects.filter(destination__name=city).first()
    if trip is None:
        raise Http404(f"no trip to {city}")
    pounds = float(trip.price) * ask_blocking("rates/GBP")["rate"]
    return f"{date_format(trip.departs, 'j F')}: {trip.title}, £{pounds:.0f}"


def offered(euros, sky, trip):
    return JsonResponse({"fare": euros, "forecast": sky, "trip": trip})


@known_answer(
    "offer",
    when="Where the two helpers know nothing of Django, as no query and no translated text is in them.",
)
async def sends_two_to_threads_of_asyncio(request, city):
    threads = asyncio.to_thread(cheapest_fare, city), asyncio.to_thread(forecast, city)
    euros, sky, trip = await asyncio.gather(*threads, sync_to_async(next_trip)(city))
    return offered(euros, sky, trip)


@known_answer(
    "offer", when="Where nothing shall go on behind a page that is lost: what still waits is cancelled."
)
async def takes_the_404_out_of_its_group(request, city):
    try:
        async with asyncio.TaskGroup() as group:
            euros = group.create_task(asyncio.to_thread(cheapest_fare, city))
            sky = group.create_task(asyncio.to_thread(forecast, city))
            trip = group.create_task(sync_to_async(next_trip)(city))
    except* Http404:
        found = None
    else:
        found = offered(euros.result(), sky.result(), trip.result())
    if found is None:
        raise Http404
    return found


@known_answer("offer", breaks="makes_the_offer", says="inside an `ExceptionGroup`")
async def leaves_the_404_in_its_group(request, city):
    async with asyncio.TaskGroup() as group:
        euros = group.create_task(asyncio.to_thread(cheapest_fare, city))
        sky = group.create_task(asyncio.to_thread(forecast, city))
        trip = group.create_task(sync_to_async(next_trip)(city))
    return offered(euros.result(), sky.result(), trip.result())


def closing(function):
    def wrapper(*arguments):
        try:
            return function(*arguments)
        finally:
            connection.close()

    return wrapper


@known_answer("offer")
async def closes_the_connection_in_each_thread(request, city):
    helpers = (cheapest_fare, forecast, next_trip)
    calls = (sync_to_async(closing(helper), thread_sensitive=False)(city) for helper in helpers)
    return offered(*await asyncio.gather(*calls))


@known_answer("offer")
async def activates_the_language_anew(request, city):
    language = translation.get_language()

    def trip_in_language():
        with translation.override(language):
            return closing(next_trip)(city)

    return offered(
        *await asyncio.gather(
            asyncio.to_thread(cheapest_fare, city),
            asyncio.to_thread(forecast, city),
            asyncio.to_thread(trip_in_language),
        )
    )


@known_answer("offer", breaks="makes_the_offer", says="`next_trip` was called on the event loop")
async def gathers_results(request, city):
    return offered(*await asyncio.gather(cheapest_fare(city), forecast(city), next_trip(city)))


@known_answer("offer", breaks="makes_the_offer", says="`thread_sensitive` belongs to `sync_to_async`")
async def hands_the_option_to_the_call(request, city):
    helpers = (cheapest_fare, forecast)
    calls = (sync_to_async(helper)(city, thread_sensitive=False) for helper in helpers)
    return offered(*await asyncio.gather(*calls, sync_to_async(next_trip)(city)))


@known_answer("offer", breaks="makes_the_offer", says="something that is no awaitable")
async def gathers_functions(request, city):
    return offered(*await asyncio.gather(*map(sync_to_async, (cheapest_fare, forecast, next_trip))))


@known_answer(
    "offer",
    breaks="asks_all_three_together",
    says="at most 1 of 3 questions",
    because="a question is sent only when another one is answered: the calls",
)
async def crosses_once_with_all_three(request, city):
    def all_three():
        return cheapest_fare(city), forecast(city), next_trip(city)

    return offered(*await sync_to_async(all_three)())


@known_answer(
    "offer",
    breaks="asks_all_three_together",
    says="at most 2 of 3 questions",
    because="a question is sent only when another one is answered: the calls",
)
async def leaves_two_on_one_thread(request, city):
    sky = sync_to_async(forecast, thread_sensitive=False)(city)
    calls = (sync_to_async(cheapest_fare)(city), sky, sync_to_async(next_trip)(city))
    return offered(*await asyncio.gather(*calls))


@known_answer("offer", breaks="speaks_the_language", says="the language did not come along")
async def sends_all_to_threads_of_asyncio(request, city):
    helpers = (cheapest_fare, forecast, next_trip)
    return offered(*await asyncio.gather(*(asyncio.to_thread(helper, city) for helper in helpers)))


@known_answer("offer", breaks="speaks_the_language", says="a pool of your own")
def maps_over_a_pool(request, city):
    with ThreadPoolExecutor() as pool:
        calls = [pool.submit(helper, city) for helper in (cheapest_fare, forecast, closing(next_trip))]
        return offered(*(call.result() for call in calls))


@known_answer("offer", breaks="does_not_hold_the_loop", says="a blocking call holds the event loop")
async def wraps_only_the_query(request, city):
    trip = sync_to_async(next_trip)(city)
    return offered(cheapest_fare(city), forecast(city), await trip)


@known_answer("offer", breaks="asks_all_three_together", says="share one thread")
async def gathers_thread_sensitive_calls(request, city):
    helpers = (cheapest_fare, forecast, next_trip)
    return offered(*await asyncio.gather(*(sync_to_async(helper)(city) for helper in helpers)))


@known_answer(
    "offer",
    breaks="asks_all_three_together",
    says="at most 1 of 3 questions",
    because="a question is sent only when another one is answered: the calls",
)
async def awaits_one_after_the_other(request, city):
    ask_freely = sync_to_async(cheapest_fare, thread_sensitive=False)
    return offered(
        await ask_freely(city), await asyncio.to_thread(forecast, city), await sync_to_async(next_trip)(city)
    )


@known_answer("offer", breaks="leaves_no_connection", says="a query ran on a thread of a pool")
async def sends_all_to_the_pool(request, city):
    helpers = (cheapest_fare, forecast, next_trip)
    calls = (sync_to_async(helper, thread_sensitive=False)(city) for helper in helpers)
    return offered(*await asyncio.gather(*calls))


said_before = {}


@known_answer("offer", breaks="follows_the_services", says="got")
async def remembers_the_first_offer(request, city):
    if (city, request.headers.get("Accept-Language")) not in said_before:
        offers = await sends_two_to_threads_of_asyncio(request, city)
        said_before[city, request.headers.get("Accept-Language")] = offers.content
    remembered = said_before[city, request.headers.get("Accept-Language")]
    return HttpResponse(remembered, content_type="application/json")


@known_answer("offer", breaks="makes_the_offer", says="got 200")
async def shows_a_page_without_a_trip(request, city):
    async def trip_or_none():
        try:
            return await sync_to_async(next_trip)(city)
        except Http404:
            return None

    threads = asyncio.to_thread(cheapest_fare, city), asyncio.to_thread(forecast, city)
    return offered(*await asyncio.gather(*threads, trip_or_none()))


@known_answer("offer", breaks="leaves_no_connection", says="a query ran on a thread of a pool")
async def closes_only_after_a_trip(request, city):
    def trip_and_close():
        trip = next_trip(city)
        connection.close()
        return trip

    questions = (cheapest_fare, city), (forecast, city), (trip_and_close,)
    in_the_pool = (sync_to_async(ask, thread_sensitive=False)(*args) for ask, *args in questions)
    return offered(*await asyncio.gather(*in_the_pool))


@known_answer("offer", breaks="speaks_the_language", says='expected "trip": "12 März')
async def knows_french_only(request, city):
    def trip():
        with translation.override("fr" if request.headers.get("Accept-Language") == "fr" else "en"):
            try:
                return next_trip(city)
            finally:
                connection.close()

    threads = [asyncio.to_thread(ask, city) for ask in (cheapest_fare, forecast)]
    return offered(*await asyncio.gather(*threads, asyncio.to_thread(trip)))


@known_answer(
    "offer",
    breaks="leaves_no_connection",
    says="while rates/GBP fails",
    because="a query ran on a thread of a pool: it opened a connection there,",
)
async def closes_after_a_trip_and_after_none(request, city):
    def trip_and_close():
        try:
            trip = next_trip(city)
        except Http404:
            connection.close()
            raise
        connection.close()
        return trip

    questions = (cheapest_fare, city), (forecast, city), (trip_and_close,)
    in_the_pool = (sync_to_async(ask, thread_sensitive=False)(*args) for ask, *args in questions)
    return offered(*await asyncio.gather(*in_the_pool))


def closing_what_was_asked(city):
    try:
        return next_trip(city)
    except (Http404, ServiceError):
        connection.close()
        raise


@known_answer("offer", breaks="leaves_no_connection", says="a query ran on a thread of a pool")
async def closes_after_errors_alone(request, city):
    questions = (cheapest_fare, forecast, closing_what_was_asked)
    in_the_pool = (sync_to_async(ask, thread_sensitive=False)(city) for ask in questions)
    return offered(*await asyncio.gather(*in_the_pool))


@known_answer("offer")
async def starts_two_tasks_and_awaits_the_trip(request, city):
    euros = asyncio.create_task(asyncio.to_thread(cheapest_fare, city))
    sky = asyncio.create_task(asyncio.to_thread(forecast, city))
    try:
        trip = await sync_to_async(next_trip)(city)
        return offered(await euros, await sky, trip)
    finally:
        await asyncio.gather(euros, sky, return_exceptions=True)


_days = {}


@known_answer("offer", breaks="follows_the_services", says="got")
async def remembers_the_day_of_a_trip(request, city):
    def trip_on_its_day():
        trip = Trip.objects.filter(destination__name=city).first()
        if trip is None:
            raise Http404
        day = _days.setdefault((trip.pk, request.LANGUAGE_CODE), date_format(trip.departs, "j F"))
        return f"{day}: {trip.title}, £{float(trip.price) * ask_blocking('rates/GBP')['rate']:.0f}"

    threads = [asyncio.to_thread(ask, city) for ask in (cheapest_fare, forecast)]
    return offered(*await asyncio.gather(*threads, sync_to_async(trip_on_its_day)()))


TROUBLE = "what becomes of a helper that fails is left open, but for the 404 of `next_trip`"

EQUAL_MUTANTS = {
    "part of a try: …": TROUBLE,
    "kind of error: …": TROUBLE,
    "statement: raise Http404 from error → pass": TROUBLE,
    '…: return JsonResponse({"error": "a service is in trouble"}, status=502) → …': TROUBLE,
    "arg removal: sync_to_async(…, thread_sensitive=False)(city), → …, thread_sensitive=None)(city),": "None is as "
    "false as False",
}


@known_answer("offer", breaks="follows_the_services", says="takes a failure for a city without a trip")
async def says_404_to_every_error(request, city):
    try:
        euros, sky, trip = await asyncio.gather(
            asyncio.to_thread(cheapest_fare, city),
            asyncio.to_thread(forecast, city),
            sync_to_async(next_trip)(city),
        )
    except Exception:
        raise Http404 from None
    return offered(euros, sky, trip)


@known_answer("offer", breaks="speaks_the_language", says='expected "trip": "12 mars')
async def reads_the_first_letters_of_the_header(request, city):
    def in_language():
        translation.activate(request.headers.get("Accept-Language", "en")[:2])
        return next_trip(city)

    euros, sky, trip = await asyncio.gather(
        asyncio.to_thread(cheapest_fare, city),
        asyncio.to_thread(forecast, city),
        sync_to_async(in_language)(),
    )
    return offered(euros, sky, trip)
