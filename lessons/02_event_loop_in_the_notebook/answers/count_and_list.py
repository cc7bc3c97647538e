from concurrent.futures import ThreadPoolExecutor
from datetime import date

from asgiref.sync import sync_to_async
from django.db import connection

from tutorial_project.checks import known_answer
from tutorial_project.trips.models import Destination, Trip


@known_answer("count_and_list", when="Where the database shall count, as for a number without its rows.")
async def two_awaited_queries(city):
    trips = Trip.objects.filter(destination__name=city, active=True).order_by("departs")
    return await trips.acount(), [title async for title in trips.values_list("title", flat=True)]


@known_answer(
    "count_and_list", when="Where there are several queries, or a transaction: one crossing for all of them."
)
async def one_sync_function_in_a_thread(city):
    def query():
        trips = Trip.objects.filter(destination__name=city, active=True)
        return trips.count(), list(trips.values_list("title", flat=True))

    return await sync_to_async(query)()


@known_answer("count_and_list")
def a_thread_of_its_own(city):
    def query():
        try:
            titles = [trip.title for trip in Trip.objects.filter(destination__name=city, active=True)]
            return len(titles), titles
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(query).result()


@known_answer(
    "count_and_list",
    breaks="returns_number_and_titles",
    says="SynchronousOnlyOperation",
    because="the database (or something else that is sync only) was used",
)
async def sync_query(city):
    trips = Trip.objects.filter(destination__name=city, active=True)
    return trips.count(), [trip.title for trip in trips]


@known_answer("count_and_list", breaks="returns_number_and_titles", says="called and not awaited")
async def count_not_awaited(city):
    trips = Trip.objects.filter(destination__name=city, active=True)
    return trips.acount(), [trip.title async for trip in trips]


@known_answer("count_and_list", breaks="returns_number_and_titles", says="has not asked the database yet")
async def a_queryset_of_titles(city):
    trips = Trip.objects.filter(destination__name=city, active=True)
    return await trips.acount(), trips.values_list("title", flat=True)


@known_answer(
    "count_and_list",
    breaks="returns_number_and_titles",
    says="SynchronousOnlyOperation",
    because="the database (or something else that is sync only) was used",
)
async def the_lazy_queryset_leaves_the_thread(city):
    trips = await sync_to_async(Trip.objects.filter)(destination__name=city, active=True)
    return len(trips), [trip.title for trip in trips]


@known_answer("count_and_list", breaks="returns_number_and_titles", says="makes an async generator")
async def round_brackets(city):
    trips = Trip.objects.filter(destination__name=city, active=True)
    return await trips.acount(), (trip.title async for trip in trips)


@known_answer("count_and_list", breaks="returns_number_and_titles", says="in another order")
async def titles_by_the_alphabet(city):
    trips = Trip.objects.filter(destination__name=city, active=True).order_by("title")
    titles = [trip.title async for trip in trips]
    return len(titles), titles


@known_answer("count_and_list", breaks="returns_number_and_titles", says="these are trips, not their titles")
async def trips_in_place_of_titles(city):
    trips = [trip async for trip in Trip.objects.filter(destination__name=city, active=True)]
    return len(trips), trips


@known_answer("count_and_list", breaks="returns_number_and_titles", says="only builds a query")
async def awaits_the_queryset(city):
    trips = await Trip.objects.filter(destination__name=city, active=True)
    return len(trips), [trip.title for trip in trips]


@known_answer("count_and_list", breaks="returns_number_and_titles", says="there is no such method")
async def invents_a_method(city):
    titles = await Trip.objects.filter(destination__name=city).values_list("title", flat=True).alist()
    return len(titles), titles


@known_answer("count_and_list", breaks="returns_number_and_titles", says="('Trams and tiles of Alfama',)")
async def titles_in_tuples(city):
    trips = Trip.objects.filter(destination__name=city, active=True)
    titles = [title async for title in trips.values_list("title")]
    return len(titles), titles


@known_answer("count_and_list", breaks="leaves_out_what_is_not_on_sale", says="was taken off sale before")
async def counts_what_is_not_on_sale(city):
    titles = [trip.title async for trip in Trip.objects.filter(destination__name=city)]
    return len(titles), titles


@known_answer("count_and_list", breaks="returns_zero_for_a_city_without_trips", says="DoesNotExist")
async def asks_for_the_destination_first(city):
    destination = await Destination.objects.aget(name=city)
    titles = [trip.title async for trip in destination.trips.filter(active=True)]
    return len(titles), titles


@known_answer("count_and_list")
async def from_the_other_side(city):
    rows = await sync_to_async(lambda: list(Trip.objects.select_related("destination").filter(active=True)))()
    titles = [trip.title for trip in rows if trip.destination.name == city]
    return len(titles), titles


@known_answer("count_and_list", breaks="returns_number_and_titles", says="`list(…)` is called first")
async def calls_before_it_wraps(city):
    trips = Trip.objects.filter(destination__name=city, active=True)
    rows = await sync_to_async(list(trips))()
    return len(rows), [trip.title for trip in rows]


@known_answer("count_and_list", breaks="returns_number_and_titles", says="in another order")
async def titles_by_their_number(city):
    trips = Trip.objects.filter(destination__name=city, active=True).order_by("pk")
    titles = [trip.title async for trip in trips]
    return len(titles), titles


_remembered = {}


@known_answer("count_and_list", breaks="returns_number_and_titles", says="expected (6")
async def the_first_result_kept(city):
    if city not in _remembered:
        trips = Trip.objects.filter(destination__name=city, active=True)
        titles = [trip.title async for trip in trips]
        _remembered[city] = len(titles), titles
    return _remembered[city]


@known_answer("count_and_list", breaks="returns_number_and_titles", says="got (")
async def every_city_with_this_in_its_name(city):
    trips = Trip.objects.filter(destination__name__contains=city, active=True).order_by("departs")
    titles = [trip.title async for trip in trips]
    return len(titles), titles


@known_answer("count_and_list", breaks="returns_number_and_titles", says="got (")
async def each_title_once(city):
    trips = Trip.objects.filter(destination__name=city, active=True).order_by("departs")
    titles = list(dict.fromkeys([trip.title async for trip in trips]))
    return len(titles), titles


@known_answer("count_and_list", breaks="returns_number_and_titles", says="got (")
async def only_trips_to_come(city):
    trips = Trip.objects.filter(destination__name=city, active=True, departs__gte=date.today())
    titles = [trip.title async for trip in trips.order_by("departs")]
    return len(titles), titles


@known_answer("count_and_list", breaks="leaves_out_what_is_not_on_sale", says="got (0, [])")
async def asks_the_first_trip_alone(city):
    first = await Trip.objects.filter(destination__name=city).order_by("pk").afirst()
    if first is None or not first.active:
        return 0, []
    trips = Trip.objects.filter(destination=first.destination_id, active=True).order_by("departs")
    titles = [trip.title async for trip in trips]
    return len(titles), titles


@known_answer("count_and_list")
async def asks_for_the_city_first(city):
    try:
        destination = await Destination.objects.aget(name=city)
    except Destination.DoesNotExist:
        return 0, []
    on_sale = destination.trips.filter(active=True).order_by("departs").values_list("title", flat=True)
    return await on_sale.acount(), [title async for title in on_sale]


_numbers = {}


@known_answer("count_and_list", breaks="returns_number_and_titles", says="expected (1, ['Trip")
async def remembers_the_number_of_the_city(city):
    if city not in _numbers:
        destination = await Destination.objects.filter(name=city).afirst()
        _numbers[city] = destination.pk if destination else None
    trips = Trip.objects.filter(destination_id=_numbers[city], active=True).order_by("departs")
    titles = [trip.title async for trip in trips]
    return len(titles), titles


@known_answer("count_and_list", breaks="returns_number_and_titles", says="got 100 and a list of 100 titles")
async def a_hundred_at_most(city):
    trips = Trip.objects.filter(destination__name=city, active=True).order_by("departs")[:100]
    titles = [trip.title async for trip in trips]
    return len(titles), titles


@known_answer("count_and_list", breaks="returns_number_and_titles", says="in another order")
async def titles_by_the_day_of_any_year(city):
    trips = [trip async for trip in Trip.objects.filter(destination__name=city, active=True)]
    trips.sort(key=lambda trip: (trip.departs.month, trip.departs.day))
    return len(trips), [trip.title for trip in trips]


@known_answer("count_and_list", breaks="returns_number_and_titles", says="expected (3, ['Trip")
async def one_trip_a_day(city):
    trips = Trip.objects.filter(destination__name=city, active=True).order_by("departs")
    by_day = {trip.departs: trip.title async for trip in trips}
    return len(by_day), list(by_day.values())


_without_trips = set()


@known_answer("count_and_list", breaks="returns_zero_for_a_city_without_trips", says="expected (1, ['Trip")
async def remembers_where_nothing_was(city):
    if city in _without_trips:
        return 0, []
    trips = Trip.objects.filter(destination__name=city, active=True).order_by("departs")
    titles = [trip.title async for trip in trips]
    if not titles:
        _without_trips.add(city)
    return len(titles), titles


@known_answer("count_and_list")
async def trips_fetched_with_their_city(city):
    destination = await Destination.objects.prefetch_related("trips").filter(name=city).afirst()
    trips = destination.trips.all() if destination else []
    titles = [trip.title for trip in trips if trip.active]
    return len(titles), titles


EQUAL_MUTANTS = {
    'call in a chain: titles = [trip.title async for trip in trips.order_by("departs")] → …': "the model is ordered by its "
    "departures",
}
