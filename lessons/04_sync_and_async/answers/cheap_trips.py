import asyncio
import functools
from concurrent.futures import ThreadPoolExecutor

from asgiref.sync import sync_to_async
from django.db import DatabaseError, connection
from django.http import JsonResponse

from tutorial_project.checks import known_answer
from tutorial_project.trips.models import Destination, Trip


def trips_below(euros):
    return Trip.objects.filter(price__lt=euros).order_by("price")


def described(trip):
    return f"{trip.title} ({trip.destination.country}): {trip.price} €"


@known_answer(
    "cheap_trips",
    when="Where the loop shall have its turn between the rows, as with `aiterator` over very many.",
)
async def goes_through_the_rows_on_the_loop(request, euros):
    trips = trips_below(euros).select_related("destination")
    return JsonResponse({"trips": [described(trip) async for trip in trips]})


@known_answer(
    "cheap_trips",
    when="Where a sync view is there already: the async one hands the whole answer to the thread.",
)
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


@known_answer("cheap_trips", breaks="closes_what_it_opened", says="a query ran on a thread of a pool")
async def queries_in_a_thread_of_asyncio(request, euros):
    def descriptions():
        return [described(trip) for trip in trips_below(euros)]

    return JsonResponse({"trips": await asyncio.to_thread(descriptions)})


@known_answer("cheap_trips", breaks="crosses_once", says="crossings more for")
async def crosses_for_each_chunk(request, euros):
    trips = trips_below(euros).select_related("destination").aiterator(chunk_size=10)
    return JsonResponse({"trips": [described(trip) async for trip in trips]})


@known_answer(
    "cheap_trips",
    breaks="describes_the_trips",
    says="SynchronousOnlyOperation",
    because="the database (or something else that is sync only) was used",
)
async def closes_on_the_loop(request, euros):
    def descriptions():
        return [described(trip) for trip in trips_below(euros)]

    try:
        return JsonResponse({"trips": await sync_to_async(descriptions)()})
    finally:
        connection.close()


@known_answer("cheap_trips", breaks="describes_the_trips", says="Fado")
async def sorts_by_title(request, euros):
    def descriptions():
        return [described(trip) for trip in trips_below(euros).order_by("title")]

    return JsonResponse({"trips": await sync_to_async(descriptions)()})


seen = {}


@known_answer("cheap_trips", breaks="follows_the_database", says="the trips as they were before")
async def keeps_the_list(request, euros):
    def descriptions():
        return [described(trip) for trip in trips_below(euros)]

    if euros not in seen:
        seen[euros] = await sync_to_async(descriptions)()
    return JsonResponse({"trips": seen[euros]})


@known_answer("cheap_trips", breaks="follows_the_database", says="got")
async def lists_each_line_once(request, euros):
    def descriptions():
        return list(dict.fromkeys(map(described, trips_below(euros))))

    return JsonResponse({"trips": await sync_to_async(descriptions)()})


@functools.cache
def country_of(destination_id):
    return Destination.objects.get(pk=destination_id).country


@known_answer("cheap_trips", breaks="follows_the_database", says="got")
async def remembers_the_countries(request, euros):
    def descriptions():
        return [f"{t.title} ({country_of(t.destination_id)}): {t.price} €" for t in trips_below(euros)]

    return JsonResponse({"trips": await sync_to_async(descriptions)()})


@known_answer(
    "cheap_trips",
    breaks="closes_what_it_opened",
    says="while each query fails",
    because="a query ran on a thread of a pool: it opened a connection there,",
)
async def closes_only_after_success(request, euros):
    def descriptions():
        found = [described(trip) for trip in trips_below(euros)]
        connection.close()
        return found

    return JsonResponse({"trips": await sync_to_async(descriptions, thread_sensitive=False)()})


@known_answer("cheap_trips")
async def describes_prefetched_trips(request, euros):
    trips = await sync_to_async(list)(trips_below(euros).prefetch_related("destination"))
    return JsonResponse({"trips": [described(trip) for trip in trips]})


@known_answer(
    "cheap_trips",
    breaks="closes_what_it_opened",
    says="while all queries but the first fail",
    because="a query ran on a thread of a pool: it opened a connection there,",
)
async def closes_when_the_first_query_fails(request, euros):
    def descriptions():
        try:
            trips = list(trips_below(euros))
        except DatabaseError:
            connection.close()
            raise
        found = [described(trip) for trip in trips]
        connection.close()
        return found

    return JsonResponse({"trips": await asyncio.to_thread(descriptions)})


@known_answer("cheap_trips", breaks="closes_what_it_opened", says='got 200 {"trips": []}')
async def no_trips_where_a_query_fails(request, euros):
    def descriptions():
        try:
            return [described(trip) for trip in trips_below(euros)]
        except DatabaseError:
            return []

    return JsonResponse({"trips": await sync_to_async(descriptions)()})


@known_answer("cheap_trips", breaks="closes_what_it_opened", says="no 200: not all trips could be read")
async def the_trips_read_so_far(request, euros):
    def descriptions():
        found = []
        try:
            for trip in trips_below(euros):
                found.append(described(trip))
        except DatabaseError:
            pass
        return found

    return JsonResponse({"trips": await sync_to_async(descriptions)()})


@known_answer("cheap_trips", breaks="follows_the_database", says="got")
async def sorts_by_the_price_in_the_line(request, euros):
    def descriptions():
        lines = [described(trip) for trip in trips_below(euros)]
        return sorted(lines, key=lambda line: float(line.split(": ")[1].removesuffix(" €")))

    return JsonResponse({"trips": await sync_to_async(descriptions)()})


_lines = {}


@known_answer("cheap_trips", breaks="follows_the_database", says="got")
async def keeps_a_line_until_the_price_changes(request, euros):
    trips = trips_below(euros).select_related("destination")
    lines = [_lines.setdefault((trip.pk, trip.price), described(trip)) async for trip in trips]
    return JsonResponse({"trips": lines})


def described_and_closed(trip):
    try:
        return described(trip)
    finally:
        connection.close()


@known_answer("cheap_trips", breaks="crosses_once", says="there is a crossing for each trip")
async def submits_each_row_to_its_own_pool(request, euros):
    trips = [trip async for trip in trips_below(euros)]
    with ThreadPoolExecutor(4) as pool:
        futures = [asyncio.wrap_future(pool.submit(described_and_closed, trip)) for trip in trips]
        return JsonResponse({"trips": await asyncio.gather(*futures)})


EQUAL_MUTANTS = {
    '…select_related("destination")] → …': "it saves queries, and the crossing is one without it",
}
