import asyncio
from concurrent.futures import ThreadPoolExecutor

from asgiref.sync import sync_to_async
from django.http import Http404, JsonResponse
from django.shortcuts import aget_object_or_404

from tutorial_project.checks import known_answer
from tutorial_project.services import ServiceError
from tutorial_project.services.airline import NotFlownTo, cheapest_fare
from tutorial_project.services.insurer import premium
from tutorial_project.trips.models import Trip

THREADS = ThreadPoolExecutor(2)


TRIPS = Trip.objects.select_related("destination")


def costs(trip, flight, insurance):
    return JsonResponse({"trip": trip.title, "flight": flight, "insurance": insurance})


def trouble():
    return JsonResponse({"error": "the prices cannot be had now"}, status=502)


def fare_or_none(city):
    try:
        return cheapest_fare(city)
    except NotFlownTo:
        return None


@known_answer("journey_costs", when="Where one failure shall end the wait for the other at once.")
async def in_a_task_group(request, pk):
    trip = await TRIPS.filter(pk=pk).afirst()
    if trip is None:
        raise Http404
    fare = insurance = None
    try:
        async with asyncio.TaskGroup() as group:
            fare = group.create_task(asyncio.to_thread(fare_or_none, trip.destination.name))
            insurance = group.create_task(asyncio.to_thread(premium, trip.nights))
    except* ServiceError:
        insurance = None
    return costs(trip, fare.result(), insurance.result()) if insurance else trouble()


@known_answer("journey_costs", when="Where each error is looked at after both have ended.")
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
    if isinstance(fare, ServiceError) or isinstance(insurance, ServiceError):
        return trouble()
    return costs(trip, None if isinstance(fare, NotFlownTo) else fare, insurance)


@known_answer("journey_costs", when="Where a package that hangs must not hold the threads of others.")
async def threads_of_its_own(request, pk):
    trip = await aget_object_or_404(TRIPS, pk=pk)
    loop = asyncio.get_running_loop()
    fare = loop.run_in_executor(THREADS, fare_or_none, trip.destination.name)
    insurance = loop.run_in_executor(THREADS, premium, trip.nights)
    try:
        return costs(trip, *await asyncio.gather(fare, insurance))
    except ServiceError:
        return trouble()


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


@known_answer("journey_costs", breaks="flies_nowhere", says="and out of the view as well")
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


@known_answer("journey_costs", breaks="flies_nowhere", says="the insurer was ready to give it")
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
    try:
        return costs(trip, fare_or_none(trip.destination.name), premium(trip.nights))
    except ServiceError:
        return trouble()


@known_answer("journey_costs", breaks="leaves_the_loop_free", says="a blocking call holds the event loop")
async def async_def_around_a_blocking_call(request, pk):
    async def insure(nights):
        return premium(nights)

    trip = await aget_object_or_404(TRIPS, pk=pk)
    fare = asyncio.to_thread(fare_or_none, trip.destination.name)
    try:
        return costs(trip, *await asyncio.gather(fare, insure(trip.nights)))
    except ServiceError:
        return trouble()


@known_answer("journey_costs", breaks="leaves_the_loop_free", says="`async def`")
def plain_sync_view(request, pk):
    trip = TRIPS.filter(pk=pk).first()
    if trip is None:
        raise Http404
    try:
        return costs(trip, fare_or_none(trip.destination.name), premium(trip.nights))
    except ServiceError:
        return trouble()


@known_answer("journey_costs", breaks="asks_both_at_once", says="not sent while the first one waited")
async def one_after_the_other(request, pk):
    trip = await aget_object_or_404(TRIPS, pk=pk)
    try:
        fare = await asyncio.to_thread(fare_or_none, trip.destination.name)
        return costs(trip, fare, await asyncio.to_thread(premium, trip.nights))
    except ServiceError:
        return trouble()


@known_answer("journey_costs", breaks="asks_both_at_once", says="one thread for the whole request")
async def both_on_the_requests_thread(request, pk):
    trip = await aget_object_or_404(TRIPS, pk=pk)
    fare = sync_to_async(fare_or_none)(trip.destination.name)
    try:
        return costs(trip, *await asyncio.gather(fare, sync_to_async(premium)(trip.nights)))
    except ServiceError:
        return trouble()


@known_answer("journey_costs", breaks="passes_trouble_on", says="and out of the view as well")
async def trouble_not_caught(request, pk):
    trip = await aget_object_or_404(TRIPS, pk=pk)
    fare = asyncio.to_thread(fare_or_none, trip.destination.name)
    return costs(trip, *await asyncio.gather(fare, asyncio.to_thread(premium, trip.nights)))


@known_answer("journey_costs", breaks="passes_trouble_on", says="`except* ServiceError:`")
async def except_around_a_task_group(request, pk):
    trip = await aget_object_or_404(TRIPS, pk=pk)
    try:
        async with asyncio.TaskGroup() as group:
            fare = group.create_task(asyncio.to_thread(fare_or_none, trip.destination.name))
            insurance = group.create_task(asyncio.to_thread(premium, trip.nights))
    except ServiceError:
        return trouble()
    return costs(trip, fare.result(), insurance.result())


@known_answer("journey_costs", breaks="passes_trouble_on", says="while the airlines cannot be asked")
async def takes_trouble_for_no_flight(request, pk):
    async def fare():
        try:
            return await asyncio.to_thread(cheapest_fare, trip.destination.name)
        except Exception:
            return None

    trip = await aget_object_or_404(TRIPS, pk=pk)
    try:
        return costs(trip, *await asyncio.gather(fare(), asyncio.to_thread(premium, trip.nights)))
    except ServiceError:
        return trouble()


SEEN = {}


@known_answer("journey_costs", breaks="tells_the_costs", says="expected 200")
async def keeps_what_it_heard(request, pk):
    if pk not in SEEN:
        trip = await aget_object_or_404(TRIPS, pk=pk)
        fare = asyncio.to_thread(fare_or_none, trip.destination.name)
        SEEN[pk] = await asyncio.gather(fare, asyncio.to_thread(premium, trip.nights))
    trip = await aget_object_or_404(TRIPS, pk=pk)
    return costs(trip, *SEEN[pk])


LOCK = asyncio.Lock()


@known_answer("journey_costs", breaks="does_the_same_beside_itself", says="while another one waits inside")
async def one_visitor_at_a_time(request, pk):
    async with LOCK:
        return await threads_of_its_own(request, pk)


@known_answer("journey_costs", breaks="tells_the_costs", says="while another traveller asks")
async def looks_for_trips_on_sale(request, pk):
    await aget_object_or_404(TRIPS, pk=pk, active=True)
    return await in_a_task_group(request, pk)


asked_for = {}


@known_answer("journey_costs", breaks="tells_the_costs", says="while another traveller asks")
async def keeps_the_trip_in_the_module(request, pk):
    asked_for["trip"] = pk
    await asyncio.sleep(0.02)
    return await in_a_task_group(request, asked_for["trip"])


@known_answer("journey_costs", breaks="passes_trouble_on", says="expected its error, or a 500")
async def takes_every_error_for_trouble(request, pk):
    trip = await aget_object_or_404(TRIPS, pk=pk)
    try:
        fare, insurance = await asyncio.gather(
            asyncio.to_thread(fare_or_none, trip.destination.name), asyncio.to_thread(premium, trip.nights)
        )
    except Exception:
        return trouble()
    return costs(trip, fare, insurance)


@known_answer(
    "journey_costs", breaks="knows_its_trips", says="is deleted when the view has asked for it once"
)
async def looks_whether_there_is_a_trip_first(request, pk):
    if not await Trip.objects.filter(pk=pk).aexists():
        raise Http404
    trip = await TRIPS.aget(pk=pk)
    try:
        fare, insurance = await asyncio.gather(
            asyncio.to_thread(fare_or_none, trip.destination.name), asyncio.to_thread(premium, trip.nights)
        )
    except ServiceError:
        return trouble()
    return costs(trip, fare, insurance)


@known_answer("journey_costs", breaks="passes_trouble_on", says="expected 502")
async def passes_the_status_of_a_package_on(request, pk):
    trip = await aget_object_or_404(TRIPS, pk=pk)
    try:
        fare, insurance = await asyncio.gather(
            asyncio.to_thread(fare_or_none, trip.destination.name), asyncio.to_thread(premium, trip.nights)
        )
    except ServiceError as error:
        return JsonResponse({"error": str(error)}, status=error.status or 502)
    return costs(trip, fare, insurance)


@known_answer("journey_costs", when="Where the page needs three columns and no row.")
async def three_columns_and_a_loop_over_outcomes(request, pk):
    trip = await Trip.objects.filter(pk=pk).values("title", "nights", "destination__name").afirst()
    if trip is None:
        raise Http404("no such trip")
    fare = asyncio.to_thread(cheapest_fare, trip["destination__name"])
    insurance = asyncio.to_thread(premium, trip["nights"])
    outcomes = await asyncio.gather(fare, insurance, return_exceptions=True)
    if any(isinstance(outcome, ServiceError) for outcome in outcomes):
        return trouble()
    fare, insurance = (None if isinstance(outcome, NotFlownTo) else outcome for outcome in outcomes)
    for outcome in (fare, insurance):
        if isinstance(outcome, Exception):
            raise outcome
    return JsonResponse({"trip": trip["title"], "flight": fare, "insurance": insurance})


async def costs_or_trouble(trip, no_flight, no_answer):
    """The costs, with the errors that mean no flight, and those that mean trouble."""

    async def fare():
        try:
            return await asyncio.to_thread(cheapest_fare, trip.destination.name)
        except no_flight:
            return None

    try:
        return costs(trip, *await asyncio.gather(fare(), asyncio.to_thread(premium, trip.nights)))
    except no_answer:
        return trouble()


@known_answer("journey_costs", breaks="passes_trouble_on", says="while `cheapest_fare` raises KeyError")
async def takes_every_lookup_error_for_no_flight(request, pk):
    return await costs_or_trouble(await aget_object_or_404(TRIPS, pk=pk), LookupError, ServiceError)


@known_answer(
    "journey_costs", breaks="passes_trouble_on", says="while `cheapest_fare` raises ConnectionResetError"
)
async def takes_every_error_of_a_socket_for_trouble(request, pk):
    trip = await aget_object_or_404(TRIPS, pk=pk)
    return await costs_or_trouble(trip, NotFlownTo, (ServiceError, OSError))


@known_answer("journey_costs", breaks="tells_the_costs", says='"flight": 0')
async def takes_a_free_flight_for_none(request, pk):
    trip = await aget_object_or_404(TRIPS, pk=pk)
    fare = asyncio.to_thread(fare_or_none, trip.destination.name)
    try:
        flight, insurance = await asyncio.gather(fare, asyncio.to_thread(premium, trip.nights))
    except ServiceError:
        return trouble()
    return costs(trip, flight or None, insurance)


@known_answer("journey_costs", breaks="passes_trouble_on", says="raises a kind of `ServiceError`")
async def compares_the_kind_of_error(request, pk):
    trip = await aget_object_or_404(TRIPS, pk=pk)
    fare = asyncio.to_thread(fare_or_none, trip.destination.name)
    try:
        return costs(trip, *await asyncio.gather(fare, asyncio.to_thread(premium, trip.nights)))
    except Exception as error:
        if type(error) is ServiceError:
            return trouble()
        raise


heard = {}


@known_answer("journey_costs", breaks="tells_the_costs", says="while another traveller asks")
async def keeps_the_flight_in_the_module(request, pk):
    trip = await aget_object_or_404(TRIPS, pk=pk)

    async def ask_for_the_flight():
        heard["flight"] = await asyncio.to_thread(fare_or_none, trip.destination.name)

    try:
        _, insurance = await asyncio.gather(ask_for_the_flight(), asyncio.to_thread(premium, trip.nights))
    except ServiceError:
        return trouble()
    return costs(trip, heard["flight"], insurance)


@known_answer(
    "journey_costs",
    breaks="flies_nowhere",
    says="on a day without a flight",
    because="`NotFlownTo` comes out where the call is awaited",
)
async def looks_for_the_words_of_the_error(request, pk):
    trip = await aget_object_or_404(TRIPS, pk=pk)

    async def fare():
        try:
            return await asyncio.to_thread(cheapest_fare, trip.destination.name)
        except Exception as error:
            if str(error) != f"no airline flies to {trip.destination.name}":
                raise

    try:
        return costs(trip, *await asyncio.gather(fare(), asyncio.to_thread(premium, trip.nights)))
    except ServiceError:
        return trouble()


EQUAL_MUTANTS = {
    "order of two: …": "the inner function reads the trip when it is called, and not when it is defined",
}
