import asyncio
import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor

from asgiref.sync import async_to_sync, sync_to_async
from django.core.exceptions import SynchronousOnlyOperation
from django.db import connection, connections
from django.db.models import Min

from tutorial_project.checks import known_answer
from tutorial_project.trips.models import Destination, Trip


def _query(city):
    try:
        return Destination.objects.get(name=city).trips.earliest("price").title
    finally:
        connection.close()


async def _async_query(city):
    try:
        destination = await Destination.objects.aget(name=city)
        return (await destination.trips.order_by("price").afirst()).title
    finally:
        await sync_to_async(connections.close_all)()


@known_answer("cheapest_trip", when="Where scripts call it often: they pay for no thread.")
def a_thread_only_where_a_loop_runs(city):
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return _query(city)
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(_query, city).result()


@known_answer("cheapest_trip")
def a_new_loop_in_a_thread(city):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: asyncio.run(_async_query(city))).result()


@known_answer("cheapest_trip", when="Where the code is async already, and plain code calls it.")
def the_bridge_in_a_thread(city):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(async_to_sync(_async_query), city).result()


@known_answer("cheapest_trip")
def a_plain_thread_that_keeps_the_error(city):
    found = {}

    def run():
        try:
            found["title"] = _query(city)
        except Exception as error:
            found["error"] = error

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if "error" in found:
        raise found["error"]
    return found["title"]


@known_answer(
    "cheapest_trip", breaks="works_in_a_script", says="a coroutine, which somebody would have to await"
)
async def async_def(city):
    return await _async_query(city)


@known_answer("cheapest_trip", breaks="works_in_a_script", says="`submit` gives back a Future")
def the_future_itself(city):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(_query, city)


@known_answer("cheapest_trip", breaks="works_in_a_script", says="the thread was given its result")
def called_before_it_is_submitted(city):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(_query(city)).result()


@known_answer(
    "cheapest_trip",
    breaks="works_in_a_cell",
    says="SynchronousOnlyOperation",
    because="the database (or something else that is sync only) was used",
)
def the_lazy_queryset_comes_back(city):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(Trip.objects.filter(destination__name=city).order_by, "price").result()[0].title


@known_answer("cheapest_trip", breaks="works_in_a_cell", says="no second one can run inside it")
def a_new_loop_without_a_thread(city):
    loop, coroutine = asyncio.new_event_loop(), _async_query(city)
    try:
        return loop.run_until_complete(coroutine)
    finally:
        coroutine.close()
        loop.close()


@known_answer("cheapest_trip", breaks="raises_for_an_unknown_city", says="gives None where there is no row")
def the_first_or_none(city):
    def query():
        try:
            return Destination.objects.filter(name=city).first().trips.earliest("price").title
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(query).result()


@known_answer("cheapest_trip", breaks="works_in_a_cell", says="no second one can run inside it")
def runs_the_running_loop(city):
    coroutine = _async_query(city)
    try:
        return asyncio.get_event_loop().run_until_complete(coroutine)
    finally:
        coroutine.close()


@known_answer(
    "cheapest_trip",
    breaks="works_in_a_cell",
    says="SynchronousOnlyOperation",
    because="the database (or something else that is sync only) was used",
)
def plain_query(city):
    return _query(city)


@known_answer(
    "cheapest_trip", breaks="works_in_a_cell", says="`asyncio.run` starts an event loop, and one is running"
)
def a_second_loop(city):
    return asyncio.run(_async_query(city))


@known_answer(
    "cheapest_trip",
    breaks="works_in_a_cell",
    says="`async_to_sync` was called where an event loop is running",
)
def the_bridge_without_a_thread(city):
    return async_to_sync(_async_query)(city)


@known_answer("cheapest_trip", breaks="works_in_a_cell", says="a Task, which somebody would have to await")
def a_task_in_a_cell(city):
    try:
        return asyncio.get_running_loop().create_task(_async_query(city))
    except RuntimeError:
        return _query(city)


@known_answer("cheapest_trip", breaks="works_in_a_cell", says="asyncio.run_coroutine_threadsafe(")
def waits_for_its_own_loop(city):
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return _query(city)
    return asyncio.run_coroutine_threadsafe(_async_query(city), loop).result()


@known_answer("cheapest_trip", breaks="raises_for_an_unknown_city", says="the thread ended with DoesNotExist")
def a_plain_thread_that_loses_the_error(city):
    found = []
    thread = threading.Thread(target=lambda: found.append(_query(city)))
    thread.start()
    thread.join()
    return found[0] if found else None


@known_answer("cheapest_trip", breaks="raises_for_an_unknown_city", says="got None")
def a_swallowed_error(city):
    with ThreadPoolExecutor(1) as pool, contextlib.suppress(Destination.DoesNotExist):
        return pool.submit(_query, city).result()


@known_answer("cheapest_trip", breaks="stays_off_the_loops_thread", says="the guard against sync queries")
def hides_the_running_loop(city):
    loop = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    try:
        return Destination.objects.get(name=city).trips.earliest("price").title
    finally:
        asyncio._set_running_loop(loop)


@known_answer("cheapest_trip")
def a_pool_without_a_with(city):
    pool = ThreadPoolExecutor(1)
    try:
        return next(iter(pool.map(_query, [city])))
    finally:
        pool.shutdown()


@known_answer("cheapest_trip", breaks="works_in_a_script", says="got Fado, sardines")
def lisbon_for_everybody(city):
    with ThreadPoolExecutor(1) as pool:
        pool.submit(_query, city).result()
        return pool.submit(_query, "Lisbon").result()


_remembered = {}


@known_answer("cheapest_trip", breaks="works_in_a_script", says="got Trip")
def the_first_answer_kept(city):
    with ThreadPoolExecutor(1) as pool:
        if city not in _remembered:
            _remembered[city] = pool.submit(_query, city).result()
        return _remembered[city]


@known_answer("cheapest_trip", breaks="works_in_a_script", says="got Trip")
def the_first_of_the_city(city):
    def query():
        try:
            destination = Destination.objects.get(name=city)
            if city == "Lisbon":
                return destination.trips.earliest("price").title
            return destination.trips.order_by("pk").first().title
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(query).result()


def _in_a_thread(query):
    def query_and_close():
        try:
            return query()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(query_and_close).result()


@known_answer("cheapest_trip")
def the_least_of_all_rows(city):
    def query():
        return min(Destination.objects.get(name=city).trips.all(), key=lambda trip: trip.price).title

    return _in_a_thread(query)


@known_answer("cheapest_trip", breaks="works_in_a_script", says="MultipleObjectsReturned")
def a_city_in_any_letters(city):
    return _in_a_thread(lambda: Destination.objects.get(name__iexact=city).trips.earliest("price").title)


@known_answer("cheapest_trip", breaks="works_in_a_script", says="MultipleObjectsReturned")
def a_city_that_holds_the_name(city):
    return _in_a_thread(lambda: Destination.objects.get(name__contains=city).trips.earliest("price").title)


@known_answer("cheapest_trip", breaks="works_in_a_script", says="got Trip")
def whole_euros_only(city):
    def query():
        trips = Destination.objects.get(name=city).trips.order_by("pk")
        return min(trips, key=lambda trip: int(trip.price)).title

    return _in_a_thread(query)


@known_answer("cheapest_trip", breaks="stays_off_the_loops_thread", says="the call has set it")
def sets_a_loop_where_one_runs(city):
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        return _in_a_thread(lambda: _query(city))
    finally:
        loop.close()


@known_answer("cheapest_trip", breaks="raises_for_an_unknown_city", says="let a thread of your own do it")
def tries_again_after_every_error(city):
    try:
        asyncio.get_running_loop()
        return _in_a_thread(lambda: _query(city))
    except Exception:
        return _query(city)


@known_answer("cheapest_trip")
def asks_and_lets_the_guard_refuse(city):
    try:
        return _query(city)
    except SynchronousOnlyOperation:
        return _in_a_thread(lambda: _query(city))


@known_answer("cheapest_trip", breaks="works_in_a_script", says="got Trip")
def a_trip_of_any_city_at_this_price(city):
    def query():
        trips = Destination.objects.get(name=city).trips
        return Trip.objects.filter(price=trips.aggregate(Min("price"))["price__min"]).first().title

    return _in_a_thread(query)


@known_answer("cheapest_trip", breaks="works_in_a_script", says="MultipleObjectsReturned")
def the_only_trip_at_this_price(city):
    def query():
        trips = Destination.objects.get(name=city).trips
        return trips.get(price=trips.aggregate(Min("price"))["price__min"]).title

    return _in_a_thread(query)


_destinations = {}


@known_answer("cheapest_trip", breaks="works_in_a_script", says="got Trip")
def remembers_the_destination(city):
    def query():
        if city not in _destinations:
            _destinations[city] = Destination.objects.get(name=city)
        return _destinations[city].trips.earliest("price").title

    return _in_a_thread(query)


_unknown = set()


@known_answer("cheapest_trip", breaks="raises_for_an_unknown_city", says="and now there is")
def remembers_who_was_unknown(city):
    try:
        if city not in _unknown:
            return _in_a_thread(lambda: _query(city))
    except Destination.DoesNotExist:
        _unknown.add(city)
    raise Destination.DoesNotExist(city)


@known_answer("cheapest_trip", breaks="stays_off_the_loops_thread", says="the call has set it")
def shows_the_loop_again_only_after_success(city):
    loop = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    title = _in_a_thread(lambda: _query(city))
    asyncio._set_running_loop(loop)
    return title


@known_answer("cheapest_trip", breaks="works_in_a_script", says="DatabaseError")
def closes_the_connection_of_who_calls(city):
    with ThreadPoolExecutor(1) as pool:
        try:
            return pool.submit(
                lambda: Destination.objects.get(name=city).trips.earliest("price").title
            ).result()
        finally:
            pool.submit(connection.close).result()


_LEFT_TO_THE_COLLECTOR = (
    "the exercise does not ask for it: the connection of a thread that ended is closed when Python collects it, later "
    "than by `close()`, which the lesson advises"
)

EQUAL_MUTANTS = {
    "…: with ThreadPoolExecutor(max_workers=1) as pool: → with ThreadPoolExecutor(…) as pool:": "the pool is given one "
    "call, and starts one thread for it",
    "part of a try: try: ⏎ finally: ⏎ connection.close() → if True:": _LEFT_TO_THE_COLLECTOR,
    "statement: connection.close() → pass": _LEFT_TO_THE_COLLECTOR,
}
