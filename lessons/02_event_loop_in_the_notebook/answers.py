import asyncio
import contextlib
import io
import threading
from concurrent.futures import ThreadPoolExecutor

from asgiref.sync import async_to_sync, sync_to_async
from django.core.management import call_command
from django.db import connection, connections

from tutorial_project.classroom.checks import known_answer
from tutorial_project.trips.models import Destination, Trip


@known_answer("count_and_list")
async def two_awaited_queries(city):
    trips = Trip.objects.filter(destination__name=city, active=True).order_by("departs")
    return await trips.acount(), [title async for title in trips.values_list("title", flat=True)]


@known_answer("count_and_list")
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


@known_answer("count_and_list", breaks="returns_number_and_titles", says="SynchronousOnlyOperation")
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


@known_answer("count_and_list", breaks="returns_number_and_titles", says="SynchronousOnlyOperation")
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


@known_answer("reload_agency")
async def another_thread_with_its_own_connection():
    text = io.StringIO()

    def run():
        try:
            call_command("load_sample_data", stdout=text)
        finally:
            connection.close()

    await asyncio.to_thread(run)
    return text.getvalue().strip()


@known_answer("reload_agency")
async def redirected_output():
    with contextlib.redirect_stdout(io.StringIO()) as text:
        await sync_to_async(call_command)("load_sample_data")
    return text.getvalue()


@known_answer("reload_agency")
async def a_pool_that_is_awaited():
    text = io.StringIO()

    def run():
        try:
            call_command("load_sample_data", stdout=text)
            return text.getvalue()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        return await asyncio.get_running_loop().run_in_executor(pool, run)


@known_answer("reload_agency", breaks="returns_what_the_command_printed", says="SynchronousOnlyOperation")
async def command_on_the_loop():
    text = io.StringIO()
    call_command("load_sample_data", stdout=text)
    return text.getvalue()


@known_answer("reload_agency", breaks="returns_what_the_command_printed", says="SynchronousOnlyOperation")
async def called_before_it_is_wrapped():
    text = io.StringIO()
    await sync_to_async(call_command("load_sample_data", stdout=text))
    return text.getvalue()


@known_answer("reload_agency", breaks="returns_what_the_command_printed", says="the call was not awaited")
async def not_awaited():
    text = io.StringIO()
    sync_to_async(call_command)("load_sample_data", stdout=text)
    return text.getvalue()


@known_answer(
    "reload_agency", breaks="returns_what_the_command_printed", says="`call_command` does not return it"
)
async def what_call_command_returns():
    return await sync_to_async(call_command)("load_sample_data")


@known_answer("reload_agency", breaks="returns_what_the_command_printed", says="not the text in it")
async def the_stringio_itself():
    text = io.StringIO()
    await sync_to_async(call_command)("load_sample_data", stdout=text)
    return text


@known_answer("reload_agency", breaks="returns_what_the_command_printed", says="takes the function alone")
async def arguments_to_the_wrapper():
    text = io.StringIO()
    await sync_to_async(call_command, "load_sample_data")
    return text.getvalue()


@known_answer("reload_agency", breaks="returns_what_the_command_printed", says="it was not called")
async def awaits_the_wrapper():
    text = io.StringIO()
    await sync_to_async(call_command)
    return text.getvalue()


@known_answer("reload_agency", breaks="returns_what_the_command_printed", says="an empty text")
async def reads_on_from_the_end():
    text = io.StringIO()
    await sync_to_async(call_command)("load_sample_data", stdout=text)
    return text.read()


@known_answer("reload_agency", breaks="brings_back_what_was_deleted", says="has not run on this database")
async def loads_only_once():
    if not hasattr(loads_only_once, "text"):
        text = io.StringIO()
        await sync_to_async(call_command)("load_sample_data", stdout=text)
        loads_only_once.text = text.getvalue()
    return loads_only_once.text


@known_answer("reload_agency", breaks="lets_the_loop_run", says="waits for the thread without `await`")
async def blocks_until_the_thread_is_done():
    text = io.StringIO()

    def run():
        try:
            call_command("load_sample_data", stdout=text)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(run).result()
    return text.getvalue()


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


@known_answer("cheapest_trip")
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


@known_answer("cheapest_trip")
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


@known_answer("cheapest_trip", breaks="works_in_a_cell", says="SynchronousOnlyOperation")
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


@known_answer("cheapest_trip", breaks="works_in_a_cell", says="SynchronousOnlyOperation")
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


@known_answer(
    "cheapest_trip", breaks="works_in_a_cell", says="waits for something that only this thread could do"
)
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
