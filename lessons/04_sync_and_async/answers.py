import asyncio
from concurrent.futures import ThreadPoolExecutor

from asgiref.sync import sync_to_async
from django.db import connection
from django.http import Http404, HttpResponseNotFound, JsonResponse
from django.utils import translation
from django.utils.formats import date_format
from django.views import View

from tutorial_project.classroom.checks import known_answer
from tutorial_project.services.airline import NotFlownTo, cheapest_fare
from tutorial_project.services.client import ask_blocking
from tutorial_project.trips.models import Trip


@known_answer("fare")
async def asks_on_the_requests_thread(request, city):
    try:
        return JsonResponse({"city": city, "euros": await sync_to_async(cheapest_fare)(city)})
    except NotFlownTo:
        return HttpResponseNotFound("nobody flies there")


@known_answer("fare")
async def asks_in_a_thread_of_asyncio(request, city):
    try:
        euros = await asyncio.to_thread(cheapest_fare, city)
    except LookupError:
        raise Http404 from None
    return JsonResponse({"euros": euros, "city": city})


@sync_to_async
def fare_or_none(city):
    try:
        return cheapest_fare(city)
    except NotFlownTo:
        return None


@known_answer("fare")
class FareView(View):
    async def get(self, request, city):
        euros = await fare_or_none(city)
        if euros is None:
            raise Http404
        return JsonResponse({"city": city, "euros": euros})


@known_answer("fare", breaks="tells_the_fare", says="the result of a call, or it is async already")
async def wraps_the_result(request, city):
    try:
        return JsonResponse({"city": city, "euros": await sync_to_async(cheapest_fare(city))})
    except NotFlownTo:
        raise Http404 from None


@known_answer("fare", breaks="tells_the_fare", says="wrap, call, await")
async def awaits_the_wrapper(request, city):
    try:
        return JsonResponse({"city": city, "euros": await sync_to_async(cheapest_fare)})
    except NotFlownTo:
        raise Http404 from None


@known_answer("fare", breaks="tells_the_fare", says="something was called and not awaited")
async def forgets_the_await(request, city):
    try:
        return JsonResponse({"city": city, "euros": sync_to_async(cheapest_fare)(city)})
    except NotFlownTo:
        raise Http404 from None


@known_answer("fare", breaks="knows_where_nobody_flies", says="the error comes out where the call is awaited")
async def tries_the_wrong_line(request, city):
    try:
        question = sync_to_async(cheapest_fare)(city)
    except NotFlownTo:
        raise Http404 from None
    return JsonResponse({"city": city, "euros": await question})


@known_answer("fare", breaks="tells_the_fare", says="takes the function alone")
async def hands_the_city_to_the_wrapper(request, city):
    return JsonResponse({"city": city, "euros": await sync_to_async(cheapest_fare, city)})


@known_answer("fare", breaks="tells_the_fare", says="the thread was given its result")
async def calls_before_the_thread(request, city):
    return JsonResponse({"city": city, "euros": await asyncio.to_thread(cheapest_fare(city))})


@known_answer("fare", breaks="knows_where_nobody_flies", says="an exception was returned")
async def returns_the_exception(request, city):
    try:
        return JsonResponse({"city": city, "euros": await sync_to_async(cheapest_fare)(city)})
    except NotFlownTo:
        return Http404("nobody flies there")


@known_answer("fare", breaks="knows_where_nobody_flies", says='"euros": null')
async def answers_with_nothing(request, city):
    return JsonResponse({"city": city, "euros": await fare_or_none(city)})


@known_answer("fare", breaks="is_async", says="plain `def`")
def stays_sync(request, city):
    try:
        return JsonResponse({"city": city, "euros": cheapest_fare(city)})
    except NotFlownTo:
        raise Http404 from None


@known_answer("fare", breaks="leaves_the_loop_free", says="a blocking call holds the event loop")
async def calls_the_library_on_the_loop(request, city):
    try:
        return JsonResponse({"city": city, "euros": cheapest_fare(city)})
    except NotFlownTo:
        raise Http404 from None


def trips_below(euros):
    return Trip.objects.filter(price__lt=euros).order_by("price")


def described(trip):
    return f"{trip.title} ({trip.destination.country}): {trip.price} €"


@known_answer("cheap_trips")
async def goes_through_the_rows_on_the_loop(request, euros):
    trips = trips_below(euros).select_related("destination")
    return JsonResponse({"trips": [described(trip) async for trip in trips]})


@known_answer("cheap_trips")
async def makes_the_whole_response_in_the_thread(request, euros):
    def response():
        return JsonResponse({"trips": list(map(described, trips_below(euros)))})

    return await sync_to_async(response)()


@known_answer("cheap_trips")
async def closes_the_connection_of_the_pools_thread(request, euros):
    def descriptions():
        try:
            return [described(trip) for trip in trips_below(euros)]
        finally:
            connection.close()

    return JsonResponse({"trips": await asyncio.to_thread(descriptions)})


@known_answer("cheap_trips", breaks="describes_the_trips", says="something lazy was read on the event loop")
async def lets_the_queryset_escape(request, euros):
    trips = await sync_to_async(trips_below)(euros)
    return JsonResponse({"trips": [described(trip) for trip in trips]})


@known_answer("cheap_trips", breaks="describes_the_trips", says="something lazy was read on the event loop")
async def forgets_the_relation(request, euros):
    trips = await sync_to_async(list)(trips_below(euros))
    return JsonResponse({"trips": [described(trip) for trip in trips]})


@known_answer("cheap_trips", breaks="describes_the_trips", says="something lazy was read on the event loop")
async def hands_over_a_generator(request, euros):
    def descriptions():
        return (described(trip) for trip in trips_below(euros).all().iterator())

    return JsonResponse({"trips": list(await sync_to_async(descriptions)())})


@known_answer("cheap_trips", breaks="describes_the_trips", says="something lazy was read on the event loop")
async def maps_before_it_crosses(request, euros):
    return JsonResponse({"trips": await sync_to_async(list)(map(described, trips_below(euros)))})


@known_answer("cheap_trips", breaks="describes_the_trips", says="something lazy was read on the event loop")
async def reads_the_relation_of_each_row(request, euros):
    return JsonResponse({"trips": [described(trip) async for trip in trips_below(euros)]})


@known_answer("cheap_trips", breaks="describes_the_trips", says="only builds a query")
async def awaits_the_queryset(request, euros):
    return JsonResponse({"trips": [described(trip) for trip in await trips_below(euros)]})


@known_answer("cheap_trips", breaks="is_an_async_view", says="plain `def`")
def stays_a_sync_page(request, euros):
    return JsonResponse({"trips": [described(trip) for trip in trips_below(euros)]})


@known_answer("cheap_trips", breaks="crosses_once", says="there is a crossing for each trip")
async def crosses_for_each_row(request, euros):
    describe = sync_to_async(described)
    return JsonResponse({"trips": [await describe(trip) async for trip in trips_below(euros)]})


@known_answer("cheap_trips", breaks="crosses_once", says="there is a crossing for each trip")
async def gathers_the_rows(request, euros):
    trips = await sync_to_async(list)(trips_below(euros))
    texts = await asyncio.gather(*(sync_to_async(described)(trip) for trip in trips))
    return JsonResponse({"trips": texts})


@known_answer("cheap_trips", breaks="closes_what_it_opened", says="a query ran on a thread of the pool")
async def queries_in_a_thread_of_asyncio(request, euros):
    def descriptions():
        return [described(trip) for trip in trips_below(euros)]

    return JsonResponse({"trips": await asyncio.to_thread(descriptions)})


def forecast(city):
    answer = ask_blocking(f"weather/{city}")
    return f"{answer['celsius']} °C, {answer['sky']}"


def next_trip(city):
    trip = Trip.objects.filter(destination__name=city).first()
    pounds = float(trip.price) * ask_blocking("rates/GBP")["rate"]
    return f"{date_format(trip.departs, 'j F')}: {trip.title}, £{pounds:.0f}"


def offered(euros, sky, trip):
    return JsonResponse({"fare": euros, "forecast": sky, "trip": trip})


@known_answer("offer")
async def sends_two_to_threads_of_asyncio(request, city):
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


@known_answer("offer", breaks="asks_all_three_together", says="at most 1 of 3 questions")
async def crosses_once_with_all_three(request, city):
    def all_three():
        return cheapest_fare(city), forecast(city), next_trip(city)

    return offered(*await sync_to_async(all_three)())


@known_answer("offer", breaks="asks_all_three_together", says="at most 2 of 3 questions")
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


@known_answer("offer", breaks="asks_all_three_together", says="at most 1 of 3 questions")
async def awaits_one_after_the_other(request, city):
    ask_freely = sync_to_async(cheapest_fare, thread_sensitive=False)
    return offered(
        await ask_freely(city), await asyncio.to_thread(forecast, city), await sync_to_async(next_trip)(city)
    )


@known_answer("offer", breaks="leaves_no_connection", says="a query ran on a thread of the pool")
async def sends_all_to_the_pool(request, city):
    helpers = (cheapest_fare, forecast, next_trip)
    calls = (sync_to_async(helper, thread_sensitive=False)(city) for helper in helpers)
    return offered(*await asyncio.gather(*calls))
