import asyncio
from concurrent.futures import ThreadPoolExecutor

from asgiref.sync import sync_to_async
from django.http import Http404, JsonResponse
from django.shortcuts import aget_object_or_404

from tutorial_project.checks import known_answer
from tutorial_project.services.airline import NotFlownTo, cheapest_fare
from tutorial_project.services.insurer import premium
from tutorial_project.trips.models import Trip

THREADS = ThreadPoolExecutor(2)


TRIPS = Trip.objects.select_related("destination")


def costs(trip, flight, insurance):
    return JsonResponse({"trip": trip.title, "flight": flight, "insurance": insurance})


def fare_or_none(city):
    try:
        return cheapest_fare(city)
    except NotFlownTo:
        return None


@known_answer("journey_costs")
async def in_a_task_group(request, pk):
    trip = await TRIPS.filter(pk=pk).afirst()
    if trip is None:
        raise Http404
    async with asyncio.TaskGroup() as group:
        fare = group.create_task(asyncio.to_thread(fare_or_none, trip.destination.name))
        insurance = group.create_task(asyncio.to_thread(premium, trip.nights))
    return costs(trip, fare.result(), insurance.result())


@known_answer("journey_costs")
async def errors_from_gather(request, pk):
    try:
        trip = await TRIPS.aget(pk=pk)
    except Trip.DoesNotExist:
        return JsonResponse({"error": "no such trip"}, status=404)
    ask_fare = sync_to_async(cheapest_fare, thread_sensitive=False)
    ask_premium = sync_to_async(premium, thread_sensitive=False)
    fare, insurance = await asyncio.gather(
        ask_fare(trip.destination.name), ask_premium(trip.nights), return_exceptions=True
    )
    if isinstance(insurance, Exception):
        raise insurance
    return costs(trip, None if isinstance(fare, NotFlownTo) else fare, insurance)


@known_answer("journey_costs")
async def threads_of_its_own(request, pk):
    trip = await aget_object_or_404(TRIPS, pk=pk)
    loop = asyncio.get_running_loop()
    fare = loop.run_in_executor(THREADS, fare_or_none, trip.destination.name)
    insurance = loop.run_in_executor(THREADS, premium, trip.nights)
    return costs(trip, await fare, await insurance)


@known_answer("journey_costs", breaks="tells_the_costs", says="used directly in the event loop")
async def destination_not_fetched(request, pk):
    trip = await aget_object_or_404(Trip, pk=pk)
    fare = await asyncio.to_thread(fare_or_none, trip.destination.name)
    return costs(trip, fare, await asyncio.to_thread(premium, trip.nights))


@known_answer("journey_costs", breaks="tells_the_costs", says="something was called and not awaited")
async def thread_not_awaited(request, pk):
    trip = await aget_object_or_404(TRIPS, pk=pk)
    insurance = asyncio.to_thread(premium, trip.nights)
    return costs(trip, await asyncio.to_thread(fare_or_none, trip.destination.name), insurance)


@known_answer("journey_costs", breaks="flies_nowhere", says="nothing catches it there")
async def not_flown_to_not_caught(request, pk):
    trip = await aget_object_or_404(TRIPS, pk=pk)
    fare, insurance = await asyncio.gather(
        asyncio.to_thread(cheapest_fare, trip.destination.name), asyncio.to_thread(premium, trip.nights)
    )
    return costs(trip, fare, insurance)


@known_answer("journey_costs", breaks="flies_nowhere", says="stands in the place of the fare")
async def error_in_the_place_of_the_fare(request, pk):
    trip = await aget_object_or_404(TRIPS, pk=pk)
    fare = asyncio.to_thread(cheapest_fare, trip.destination.name)
    insurance = asyncio.to_thread(premium, trip.nights)
    return costs(trip, *await asyncio.gather(fare, insurance, return_exceptions=True))


@known_answer("journey_costs", breaks="flies_nowhere", says="one `try` is around both")
async def one_try_around_both(request, pk):
    trip = await aget_object_or_404(TRIPS, pk=pk)
    fare = asyncio.to_thread(cheapest_fare, trip.destination.name)
    try:
        return costs(trip, *await asyncio.gather(fare, asyncio.to_thread(premium, trip.nights)))
    except NotFlownTo:
        return costs(trip, None, None)


@known_answer("journey_costs", breaks="knows_its_trips", says="`aget` raises when there is no such row")
async def missing_trip_not_caught(request, pk):
    trip = await TRIPS.aget(pk=pk)
    fare, insurance = await asyncio.gather(
        asyncio.to_thread(fare_or_none, trip.destination.name), asyncio.to_thread(premium, trip.nights)
    )
    return costs(trip, fare, insurance)


@known_answer("journey_costs", breaks="leaves_the_loop_free", says="a blocking call holds the event loop")
async def blocks_twice(request, pk):
    trip = await aget_object_or_404(TRIPS, pk=pk)
    return costs(trip, fare_or_none(trip.destination.name), premium(trip.nights))


@known_answer("journey_costs", breaks="leaves_the_loop_free", says="a blocking call holds the event loop")
async def async_def_around_a_blocking_call(request, pk):
    async def insure(nights):
        return premium(nights)

    trip = await aget_object_or_404(TRIPS, pk=pk)
    fare, insurance = await asyncio.gather(
        asyncio.to_thread(fare_or_none, trip.destination.name), insure(trip.nights)
    )
    return costs(trip, fare, insurance)


@known_answer("journey_costs", breaks="leaves_the_loop_free", says="`async def`")
def plain_sync_view(request, pk):
    trip = TRIPS.filter(pk=pk).first()
    if trip is None:
        raise Http404
    return costs(trip, fare_or_none(trip.destination.name), premium(trip.nights))


@known_answer("journey_costs", breaks="asks_both_at_once", says="sent when the first is answered")
async def one_after_the_other(request, pk):
    trip = await aget_object_or_404(TRIPS, pk=pk)
    fare = await asyncio.to_thread(fare_or_none, trip.destination.name)
    return costs(trip, fare, await asyncio.to_thread(premium, trip.nights))


@known_answer("journey_costs", breaks="asks_both_at_once", says="one thread for the whole request")
async def both_on_the_requests_thread(request, pk):
    trip = await aget_object_or_404(TRIPS, pk=pk)
    fare, insurance = await asyncio.gather(
        sync_to_async(fare_or_none)(trip.destination.name), sync_to_async(premium)(trip.nights)
    )
    return costs(trip, fare, insurance)
