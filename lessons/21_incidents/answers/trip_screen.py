import asyncio

from asgiref.sync import sync_to_async
from django.db import close_old_connections, connection, connections
from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.shortcuts import aget_object_or_404, get_object_or_404
from django.utils.html import escape

from tutorial_project.checks.known_answers import known_answer
from tutorial_project.trips.departures import board
from tutorial_project.trips.models import Trip

BROKEN = "keeps_no_connection"


async def lines(title):
    departures = board.join()
    try:
        yield f"{title}\n"
        while True:
            departure = await departures.get()
            yield f"{departure['to']}, gate {departure['gate']}\n"
    finally:
        board.leave(departures)


def stream(generator):
    return StreamingHttpResponse(generator, content_type="text/plain; charset=utf-8")


@known_answer(
    "trip_screen",
    when="Where there is more to read: one crossing reads all of it, and gives the connection back.",
)
async def read_and_close(request, pk):
    @sync_to_async
    def title():
        try:
            return get_object_or_404(Trip, pk=pk).title
        finally:
            connection.close()

    return stream(lines(await title()))


@known_answer(
    "trip_screen",
    when="Where connections may live longer than a request: it closes those alone whose time is over.",
)
async def as_django_does_after_a_request(request, pk):
    trip = await aget_object_or_404(Trip, pk=pk)
    await sync_to_async(close_old_connections)()
    return stream(lines(trip.title))


@known_answer("trip_screen")
async def in_the_generator(request, pk):
    trip = await aget_object_or_404(Trip, pk=pk)

    async def closing():
        await sync_to_async(connections.close_all)()
        departures = board.join()
        try:
            yield f"{trip.title}\n"
            while True:
                departure = await departures.get()
                yield f"{departure['to']}, gate {departure['gate']}\n"
        finally:
            board.leave(departures)

    return stream(closing())


@known_answer("trip_screen", breaks="keeps_no_connection", says="as soon as the title is read")
async def closes_when_it_is_over(request, pk):
    trip = await aget_object_or_404(Trip, pk=pk)

    async def closing():
        departures = board.join()
        try:
            yield f"{trip.title}\n"
            while True:
                departure = await departures.get()
                yield f"{departure['to']}, gate {departure['gate']}\n"
        finally:
            board.leave(departures)
            await sync_to_async(connections.close_all)()

    return stream(closing())


@known_answer("trip_screen", breaks="keeps_no_connection", says="that a thread of the pool opened")
async def closes_on_another_thread(request, pk):
    trip = await aget_object_or_404(Trip, pk=pk)
    await asyncio.to_thread(connections.close_all)
    return stream(lines(trip.title))


@known_answer(
    "trip_screen", breaks="shows_the_trip_and_departures", says="can only be used in that same thread"
)
async def takes_the_method_on_the_loop(request, pk):
    trip = await aget_object_or_404(Trip, pk=pk)
    await sync_to_async(connection.close)()
    return stream(lines(trip.title))


@known_answer(
    "trip_screen",
    breaks="shows_the_trip_and_departures",
    says="SynchronousOnlyOperation",
    because="the database (or something else that is sync only) was used",
)
async def closes_on_the_loop(request, pk):
    trip = await aget_object_or_404(Trip, pk=pk)
    connection.close()
    return stream(lines(trip.title))


titles = {}


@known_answer("trip_screen", breaks="shows_the_trip_and_departures", says="expected trip-")
async def remembers_the_titles(request, pk):
    if pk not in titles:
        titles[pk] = (await aget_object_or_404(Trip, pk=pk)).title
        await sync_to_async(connections.close_all)()
    return stream(lines(titles[pk]))


@known_answer("trip_screen", breaks="shows_the_trip_and_departures", says="expected")
async def ends_after_the_first(request, pk):
    trip = await aget_object_or_404(Trip, pk=pk)

    async def one():
        departures = board.join()
        try:
            yield f"{trip.title}\n"
            departure = await departures.get()
            yield f"{departure['to']}, gate {departure['gate']}\n"
        finally:
            board.leave(departures)

    return stream(one())


@known_answer("trip_screen", breaks="shows_the_trip_and_departures", says="expected trip-")
async def no_stream_any_more(request, pk):
    if not await Trip.objects.filter(pk=pk).aexists():
        raise Http404
    return HttpResponse("The screen is out of order.\n", content_type="text/plain")


rooms = {}


@known_answer("trip_screen", breaks="serves_many_screens", says="nothing")
async def two_screens_at_a_time(request, pk):
    trip = await aget_object_or_404(Trip, pk=pk)

    async def limited():
        async with rooms.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(2)):
            async for line in lines(trip.title):
                yield line

    return stream(limited())


@known_answer("trip_screen", breaks="leaves_the_board", says="1 listener")
async def never_leaves(request, pk):
    trip = await aget_object_or_404(Trip, pk=pk)
    await sync_to_async(connections.close_all)()

    async def staying():
        departures = board.join()
        yield f"{trip.title}\n"
        while True:
            departure = await departures.get()
            yield f"{departure['to']}, gate {departure['gate']}\n"

    return stream(staying())


@known_answer("trip_screen", breaks="leaves_the_board", says="departs for an hour")
async def ends_after_a_quiet_minute(request, pk):
    trip = await aget_object_or_404(Trip, pk=pk)
    await sync_to_async(connections.close_all)()

    async def until_it_is_quiet():
        departures = board.join()
        try:
            yield f"{trip.title}\n"
            while True:
                departure = await asyncio.wait_for(departures.get(), 60)
                yield f"{departure['to']}, gate {departure['gate']}\n"
        except TimeoutError:
            return
        finally:
            board.leave(departures)

    return stream(until_it_is_quiet())


@known_answer("trip_screen", breaks="shows_the_trip_and_departures", says="expected 404")
async def a_screen_for_no_trip(request, pk):
    trip = await Trip.objects.filter(pk=pk).afirst()
    await sync_to_async(connections.close_all)()
    return stream(lines(trip.title if trip else "no such trip"))


@known_answer("trip_screen", breaks="serves_many_screens", says="The screen is out of order")
async def no_more_than_three(request, pk):
    if board.listeners >= 3:
        return HttpResponse("The screen is out of order.", status=503)
    trip = await aget_object_or_404(Trip, pk=pk)
    await sync_to_async(connections.close_all)()
    return stream(lines(trip.title))


@known_answer(
    "trip_screen",
    breaks="keeps_no_connection",
    says="after a departure",
    because="a connection that was opened for a screen stays open with it:",
)
async def looks_again_at_each_departure(request, pk):
    trip = await aget_object_or_404(Trip, pk=pk)
    await sync_to_async(connections.close_all)()

    async def as_long_as_there_is_a_trip():
        async for line in lines(trip.title):
            yield line
            if not line.startswith(trip.title):
                await Trip.objects.filter(pk=pk).aexists()

    return stream(as_long_as_there_is_a_trip())


@known_answer("trip_screen", breaks="shows_the_trip_and_departures", says="gate")
async def each_departure_but_once(request, pk):
    trip = await aget_object_or_404(Trip, pk=pk)
    await sync_to_async(connections.close_all)()

    async def news():
        last = None
        async for line in lines(trip.title):
            if line != last:
                yield line
            last = line

    return stream(news())


@known_answer("trip_screen", breaks="shows_the_trip_and_departures", says="&amp; back")
async def a_title_for_a_browser(request, pk):
    trip = await aget_object_or_404(Trip, pk=pk)
    await sync_to_async(connections.close_all)()
    return stream(lines(escape(trip.title)))


@known_answer("trip_screen", breaks="shows_the_trip_and_departures", says="gate")
async def the_latest_departure_alone(request, pk):
    trip = await aget_object_or_404(Trip, pk=pk)
    await sync_to_async(connections.close_all)()

    async def news():
        departures = board.join()
        try:
            yield f"{trip.title}\n"
            while departure := await departures.get():
                while not departures.empty():
                    departure = departures.get_nowait()
                yield f"{departure['to']}, gate {departure['gate']}\n"
        finally:
            board.leave(departures)

    return stream(news())


async def shared(pk, title, leaves):
    """Screens of one trip hear from one task; the one that leaves tells `leaves` of it."""
    if pk not in hearing:
        queues = set()
        hearing[pk] = queues, asyncio.create_task(hear_for(queues, board.join()))
    queues, task = hearing[pk]
    queues.add(departures := asyncio.Queue())
    try:
        yield f"{title}\n"
        while True:
            departure = await departures.get()
            yield f"{departure['to']}, gate {departure['gate']}\n"
    finally:
        queues.discard(departures)
        leaves(pk, queues, task)


async def hear_for(queues, departures):
    try:
        while True:
            departure = await departures.get()
            for queue in queues:
                queue.put_nowait(departure)
    finally:
        board.leave(departures)


hearing = {}


@known_answer("trip_screen")
async def one_listener_for_the_screens_of_a_trip(request, pk):
    trip = await aget_object_or_404(Trip, pk=pk)
    await sync_to_async(connections.close_all)()

    def leaves(pk, queues, task):
        if not queues:
            del hearing[pk]
            task.cancel()

    return stream(shared(pk, trip.title, leaves))


@known_answer("trip_screen", breaks="serves_many_screens", says="one of them is switched off")
async def who_leaves_first_ends_it_for_all(request, pk):
    trip = await aget_object_or_404(Trip, pk=pk)
    await sync_to_async(connections.close_all)()

    def leaves(pk, queues, task):
        hearing.pop(pk, None)
        task.cancel()

    return stream(shared(pk, trip.title, leaves))


queue_of = {}


@known_answer("trip_screen", breaks="serves_many_screens", says="4 other screens are on")
async def one_queue_for_a_trip(request, pk):
    trip = await aget_object_or_404(Trip, pk=pk)
    await sync_to_async(connections.close_all)()

    async def queued():
        queue_of[pk] = board.join()
        try:
            yield f"{trip.title}\n"
            while departure := await queue_of[pk].get():
                yield f"{departure['to']}, gate {departure['gate']}\n"
        finally:
            board.leave(queue_of[pk])

    return stream(queued())


EQUAL_MUTANTS = {
    "order of two: await sync_to_async(connections.close_all)()…": "the stream is only made there, and begins later",
}


@known_answer("trip_screen", breaks="leaves_the_board", says="while the title is sent")
async def leaves_when_it_is_cancelled(request, pk):
    trip = await aget_object_or_404(Trip, pk=pk)

    async def until_cancelled():
        departures = board.join()
        yield f"{trip.title}\n"
        try:
            while True:
                departure = await departures.get()
                yield f"{departure['to']}, gate {departure['gate']}\n"
        except asyncio.CancelledError:
            board.leave(departures)
            raise

    await sync_to_async(connections.close_all)()
    return stream(until_cancelled())
