import asyncio
from urllib.parse import quote
from weakref import WeakKeyDictionary

from asgiref.sync import sync_to_async
from django.http import Http404, JsonResponse
from django.shortcuts import aget_object_or_404

from tutorial_project.checks import known_answer
from tutorial_project.services import ServiceError, ask, ask_blocking
from tutorial_project.trips.models import Trip

gates = WeakKeyDictionary()


def gate(places=4):
    return gates.setdefault(asyncio.get_running_loop(), {}).setdefault(places, asyncio.Semaphore(places))


async def told(service, city):
    try:
        return await ask(f"{service}/{quote(city, safe='')}")
    except ServiceError:
        return None


async def gated_weather(city):
    async with gate():
        return await told("weather", city)


async def trip_with(pk):
    return await aget_object_or_404(Trip.objects.select_related("destination"), pk=pk)


def shown(trip, weather, flights):
    return JsonResponse({"title": trip.title, "weather": weather, "flights": flights})


@known_answer(
    "trip_page",
    when="Where a part may raise: the group cancels the other question, and leaves none behind.",
)
async def with_a_task_group(request, pk):
    trip = await trip_with(pk)
    async with asyncio.TaskGroup() as group:
        weather = group.create_task(gated_weather(trip.destination.name))
        flights = group.create_task(told("flights", trip.destination.name))
    return shown(trip, weather.result(), flights.result())


@known_answer(
    "trip_page",
    when="Where one question is begun long before its answer is needed: the view does other things in between.",
)
async def begins_the_flights_first(request, pk):
    try:
        trip = await Trip.objects.select_related("destination").aget(pk=pk)
    except Trip.DoesNotExist:
        raise Http404 from None
    flights = asyncio.ensure_future(told("flights", trip.destination.name))
    try:
        weather = await gated_weather(trip.destination.name)
        return shown(trip, weather, await flights)
    finally:
        flights.cancel()


@known_answer("trip_page", breaks="asks_for_all_flights", says="hold the gate meanwhile")
async def gates_everything(request, pk):
    async with gate():
        trip = await trip_with(pk)
        city = trip.destination.name
        return shown(trip, *await asyncio.gather(told("weather", city), told("flights", city)))


@known_answer(
    "trip_page", breaks="asks_for_all_flights", says="is asked only when the weather service has answered"
)
async def asks_one_after_another(request, pk):
    trip = await trip_with(pk)
    weather = await gated_weather(trip.destination.name)
    return shown(trip, weather, await told("flights", trip.destination.name))


@known_answer(
    "trip_page", breaks="lets_go_of_the_gate", says="is asked only when the flights service has answered"
)
async def asks_for_flights_first(request, pk):
    trip = await trip_with(pk)
    flights = await told("flights", trip.destination.name)
    return shown(trip, await gated_weather(trip.destination.name), flights)


@known_answer("trip_page", breaks="lets_go_of_the_gate", says="hold the gate meanwhile")
async def waits_for_flights_inside_of_the_gate(request, pk):
    trip = await trip_with(pk)
    flights = asyncio.ensure_future(told("flights", trip.destination.name))
    async with gate():
        weather = await told("weather", trip.destination.name)
        return shown(trip, weather, await flights)


@known_answer("trip_page", breaks="keeps_the_gate", says="the agency may ask four at once")
async def takes_the_gate_away(request, pk):
    trip = await trip_with(pk)
    city = trip.destination.name
    return shown(trip, *await asyncio.gather(told("weather", city), told("flights", city)))


@known_answer("trip_page", breaks="keeps_the_gate", says="the agency may ask four at once")
async def makes_a_gate_for_each_visitor(request, pk):
    trip = await trip_with(pk)
    city, own = trip.destination.name, asyncio.Semaphore(4)

    async def weather():
        async with own:
            return await told("weather", city)

    return shown(trip, *await asyncio.gather(weather(), told("flights", city)))


@known_answer("trip_page", breaks="keeps_the_gate", says="got 1 questions at the weather service")
async def lets_one_in_at_a_time(request, pk):
    trip = await trip_with(pk)
    city = trip.destination.name

    async def weather():
        async with gate(1):
            return await told("weather", city)

    return shown(trip, *await asyncio.gather(weather(), told("flights", city)))


@known_answer("trip_page", breaks="says_what_is_not_known", says="503")
async def lets_errors_out(request, pk):
    trip = await trip_with(pk)
    city = trip.destination.name

    async def weather():
        async with gate():
            return await ask(f"weather/{quote(city, safe='')}")

    return shown(trip, *await asyncio.gather(weather(), ask(f"flights/{quote(city, safe='')}")))


@known_answer(
    "trip_page",
    breaks="shows_what_is_known",
    says="SynchronousOnlyOperation",
    because="the database was used directly in the event loop: an attribute",
)
async def loads_the_destination_lazily(request, pk):
    trip = await aget_object_or_404(Trip, pk=pk)
    city = trip.destination.name
    return shown(trip, *await asyncio.gather(gated_weather(city), told("flights", city)))


@known_answer("trip_page", breaks="shows_what_is_known", says="a blocking call holds the event loop")
async def asks_blocking(request, pk):
    trip = await trip_with(pk)
    try:
        city = quote(trip.destination.name, safe="")
        answers = [ask_blocking(f"{service}/{city}") for service in ("weather", "flights")]
    except ServiceError:
        return await with_a_task_group(request, pk)
    return shown(trip, *answers)


@known_answer("trip_page", breaks="says_what_is_not_known", says="DoesNotExist")
async def does_not_expect_that_a_trip_is_gone(request, pk):
    trip = await sync_to_async(Trip.objects.select_related("destination").get)(pk=pk)
    city = trip.destination.name
    return shown(trip, *await asyncio.gather(gated_weather(city), told("flights", city)))


async def a_place_that_is_lost(city):
    await gate().acquire()
    weather = await told("weather", city)
    gate().release()
    return weather


@known_answer("trip_page", breaks="keeps_the_gate", says="has kept a place at the gate for good")
async def loses_the_place_of_whoever_leaves(request, pk):
    trip = await trip_with(pk)
    city = trip.destination.name
    return shown(trip, *await asyncio.gather(a_place_that_is_lost(city), told("flights", city)))


asked_for = {}


@known_answer("trip_page", breaks="shows_what_is_known", says="while another visitor asks for another trip")
async def keeps_the_trip_in_the_module(request, pk):
    asked_for["trip"] = await trip_with(pk)
    city = asked_for["trip"].destination.name
    weather, flights = await asyncio.gather(gated_weather(city), told("flights", city))
    return shown(asked_for["trip"], weather, flights)


@known_answer("trip_page")
async def reads_two_columns(request, pk):
    row = await Trip.objects.filter(pk=pk).values("title", "destination__name").afirst()
    if row is None:
        raise Http404("no such trip")
    city = row["destination__name"]
    weather, flights = await asyncio.gather(gated_weather(city), told("flights", city))
    return JsonResponse({"title": row["title"], "weather": weather, "flights": flights})


@known_answer("trip_page", breaks="shows_what_is_known", says="expected 200")
async def asks_for_the_name_as_it_is(request, pk):
    trip = await trip_with(pk)

    async def as_it_is(service):
        try:
            return await ask(f"{service}/{trip.destination.name}")
        except ServiceError:
            return None

    async def weather_there():
        async with gate():
            return await as_it_is("weather")

    return shown(trip, *await asyncio.gather(weather_there(), as_it_is("flights")))


@known_answer("trip_page", breaks="shows_what_is_known", says="got 404")
async def knows_trips_on_sale_alone(request, pk):
    on_sale = Trip.objects.select_related("destination").filter(active=True)
    trip = await aget_object_or_404(on_sale, pk=pk)
    city = trip.destination.name
    return shown(trip, *await asyncio.gather(gated_weather(city), told("flights", city)))


@known_answer("trip_page", breaks="keeps_the_gate", says="got 0 questions")
async def says_nothing_at_a_full_gate(request, pk):
    trip = await trip_with(pk)
    city = trip.destination.name

    async def weather_there():
        return None if gate().locked() else await gated_weather(city)

    return shown(trip, *await asyncio.gather(weather_there(), told("flights", city)))


@known_answer(
    "trip_page", breaks="keeps_the_gate", says="and 4 questions fail", because="the agency may ask four"
)
async def asks_once_more_without_the_gate(request, pk):
    trip = await trip_with(pk)
    city = trip.destination.name

    async def weather_there():
        return await gated_weather(city) or await told("weather", city)

    return shown(trip, *await asyncio.gather(weather_there(), told("flights", city)))


gates_of_cities = WeakKeyDictionary()


@known_answer(
    "trip_page", breaks="keeps_the_gate", says="each for another trip", because="the agency may ask four"
)
async def makes_a_gate_for_each_city(request, pk):
    trip = await trip_with(pk)
    city = trip.destination.name
    own = gates_of_cities.setdefault(asyncio.get_running_loop(), {}).setdefault(city, asyncio.Semaphore(4))

    async def weather_there():
        async with own:
            return await told("weather", city)

    return shown(trip, *await asyncio.gather(weather_there(), told("flights", city)))


@known_answer("trip_page", breaks="keeps_the_gate", says="the agency may ask four at once")
async def gives_its_place_back_twice(request, pk):
    trip = await trip_with(pk)
    city = trip.destination.name

    async def weather_there():
        await gate().acquire()
        try:
            weather = await told("weather", city)
            gate().release()
            return weather
        finally:
            gate().release()

    return shown(trip, *await asyncio.gather(weather_there(), told("flights", city)))


@known_answer("trip_page", breaks="shows_what_is_known", says="expected 200")
async def takes_an_empty_answer_for_none(request, pk):
    trip = await trip_with(pk)
    city = trip.destination.name
    weather, flights = await asyncio.gather(gated_weather(city), told("flights", city))
    return shown(trip, weather or None, flights or None)


trips_seen = {}


@known_answer("trip_page", breaks="shows_what_is_known", says="part 2")
async def remembers_the_trip(request, pk):
    trip = trips_seen[pk] = trips_seen.get(pk) or await trip_with(pk)
    city = trip.destination.name
    return shown(trip, *await asyncio.gather(gated_weather(city), told("flights", city)))


@known_answer("trip_page", breaks="lets_go_of_the_gate", says="hold the gate meanwhile")
async def waits_in_the_gate_when_the_weather_fails(request, pk):
    trip = await trip_with(pk)
    flights = asyncio.ensure_future(told("flights", trip.destination.name))
    async with gate():
        weather = await told("weather", trip.destination.name)
        if weather is None:
            return shown(trip, None, await flights)
    return shown(trip, weather, await flights)
