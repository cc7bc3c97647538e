import asyncio
import csv
import io
import json
import shutil
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.views.decorators.csrf import csrf_exempt

from tutorial_project.classroom.checks import known_answer
from tutorial_project.trips.departures import board
from tutorial_project.trips.models import Review

COLUMNS = ["id", "trip", "author", "rating", "text"]
ATTACHED = {"Content-Disposition": 'attachment; filename="reviews.csv"'}


def as_csv(*rows):
    buffer = io.StringIO()
    csv.writer(buffer).writerows(rows)
    return buffer.getvalue()


def csv_file(lines, headers=ATTACHED):
    return StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8", headers=headers)


def row(review):
    return [review.pk, review.trip.title, review.author.username, review.rating, review.text]


def reviews_with_relations():
    return Review.objects.order_by("pk").select_related("trip", "author")


class Echo:
    def write(self, line):
        return line


NAMES = ("pk", "trip__title", "author__username", "rating", "text")


@known_answer("reviews_csv")
async def values_through_an_echo(request):
    rows = Review.objects.order_by("pk").values(*NAMES)
    writer = csv.writer(Echo())

    async def lines():
        yield writer.writerow(COLUMNS)
        async for values in rows.aiterator(chunk_size=500):
            yield writer.writerow(values.values())

    return csv_file(lines())


@known_answer("reviews_csv", breaks="is_a_csv_file", says="`values_list(…).aiterator()` runs its query")
async def values_list_in_portions(request):
    async def lines():
        yield as_csv(COLUMNS)
        async for values in Review.objects.order_by("pk").values_list(*NAMES).aiterator():
            yield as_csv(values)

    return csv_file(lines())


@known_answer("reviews_csv")
async def a_hundred_lines_at_a_time(request):
    reviews = Review.objects.order_by("pk").prefetch_related("trip", "author")

    async def chunks():
        rows = [COLUMNS]
        async for review in reviews.aiterator(chunk_size=1000):
            rows.append(row(review))
            if len(rows) == 100:
                yield as_csv(*rows)
                rows.clear()
        yield as_csv(*rows)

    return csv_file(chunks())


@known_answer("reviews_csv")
async def one_page_of_the_table_after_another(request):
    def page(after):
        return [row(review) for review in reviews_with_relations().filter(pk__gt=after)[:1000]]

    async def chunks():
        yield as_csv(COLUMNS)
        after = 0
        while rows := await sync_to_async(page)(after):
            after = rows[-1][0]
            yield as_csv(*rows)

    return csv_file(chunks())


@known_answer("reviews_csv", breaks="is_a_csv_file", says="Content-Type: text/html")
async def no_content_type(request):
    async def lines():
        yield as_csv(COLUMNS)
        async for review in reviews_with_relations().aiterator():
            yield as_csv(row(review))

    return StreamingHttpResponse(lines(), headers=ATTACHED)


@known_answer("reviews_csv", breaks="is_a_csv_file", says="used directly in the event loop")
async def sync_loop_in_the_generator(request):
    async def lines():
        yield as_csv(COLUMNS)
        for review in reviews_with_relations().iterator():
            yield as_csv(row(review))

    return csv_file(lines())


@known_answer("reviews_csv", breaks="is_a_csv_file", says="used directly in the event loop")
async def lazy_relations(request):
    async def lines():
        yield as_csv(COLUMNS)
        async for review in Review.objects.order_by("pk").aiterator():
            yield as_csv(row(review))

    return csv_file(lines())


@known_answer("reviews_csv", breaks="is_a_csv_file", says="it was not called")
async def hands_over_the_function(request):
    async def lines():
        yield as_csv(COLUMNS)

    return csv_file(lines)


@known_answer("reviews_csv", breaks="has_all_reviews", says='expected ["id"')
async def no_head(request):
    async def lines():
        async for review in reviews_with_relations().aiterator():
            yield as_csv(row(review))

    return csv_file(lines())


@known_answer("reviews_csv", breaks="quotes_texts", says="was taken for the end of a field or of a line")
async def joined_with_commas(request):
    async def lines():
        yield ",".join(COLUMNS) + "\n"
        async for review in reviews_with_relations().aiterator():
            key, trip, author, rating, text = row(review)
            yield f'{key},"{trip}",{author},{rating},"{text}"\n'

    return csv_file(lines())


@known_answer("reviews_csv", breaks="reads_as_it_sends", says="reads a sync iterator to its end")
async def a_sync_generator(request):
    def lines():
        yield as_csv(COLUMNS)
        for review in reviews_with_relations().iterator():
            yield as_csv(row(review))

    return csv_file(lines())


@known_answer("reviews_csv", breaks="reads_as_it_sends", says="the answer came in one piece")
async def an_ordinary_response(request):
    rows = [row(review) async for review in reviews_with_relations().aiterator()]
    return HttpResponse(as_csv(COLUMNS, *rows), content_type="text/csv", headers=ATTACHED)


@known_answer("reviews_csv", breaks="reads_as_it_sends", says="a QuerySet keeps what it has read")
async def no_aiterator(request):
    async def lines():
        yield as_csv(COLUMNS)
        async for review in reviews_with_relations():
            yield as_csv(row(review))

    return csv_file(lines())


@known_answer("reviews_csv", breaks="sends_few_queries", says="a query is sent for each of the 210 reviews")
async def a_query_for_each_author(request):
    def row_with_author(review):
        return row(review)

    async def lines():
        yield as_csv(COLUMNS)
        async for review in Review.objects.order_by("pk").select_related("trip").aiterator():
            yield as_csv(await sync_to_async(row_with_author)(review))

    return csv_file(lines())


HEARTBEAT = 0.1
STILL_HERE = ": still here\n\n"


def event(departure):
    return f"data: {json.dumps(departure)}\n\n"


def event_stream(events, **headers):
    headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no", **headers}
    return StreamingHttpResponse(events, content_type="text/event-stream", headers=headers)


async def next_event(queue):
    try:
        return event(await asyncio.wait_for(queue.get(), HEARTBEAT))
    except TimeoutError:
        return STILL_HERE


@known_answer("departures_feed")
async def a_context_manager_of_its_own(request):
    @asynccontextmanager
    async def listening():
        queue = board.join()
        try:
            yield queue
        finally:
            board.leave(queue)

    async def events():
        async with listening() as queue:
            while True:
                yield await next_event(queue)

    return event_stream(events())


@known_answer("departures_feed")
async def a_task_that_waits_on(request):
    async def events():
        queue = board.join()
        waiting = asyncio.ensure_future(queue.get())
        try:
            while True:
                await asyncio.wait([waiting], timeout=HEARTBEAT)
                if not waiting.done():
                    yield STILL_HERE
                    continue
                departure, waiting = waiting.result(), asyncio.ensure_future(queue.get())
                yield event(departure)
        finally:
            waiting.cancel()
            board.leave(queue)

    return event_stream(events())


@known_answer("departures_feed")
async def ends_quietly_when_cancelled(request):
    async def events():
        queue = board.join()
        try:
            while True:
                yield "event: message\n" + await next_event(queue)
        except asyncio.CancelledError:
            return
        finally:
            board.leave(queue)

    response = event_stream(events())
    return response


@known_answer("departures_feed", breaks="starts_at_once", says="before it gives back the response")
async def waits_in_the_view(request):
    queue = board.join()
    try:
        departure = await queue.get()
    finally:
        board.leave(queue)

    async def events():
        yield event(departure)

    return event_stream(events())


@known_answer("departures_feed", breaks="starts_at_once", says="Content-Type: text/html")
async def no_event_stream(request):
    async def events():
        queue = board.join()
        try:
            while True:
                yield await next_event(queue)
        finally:
            board.leave(queue)

    return StreamingHttpResponse(events())


def wrong_events(breaks, says):
    """A feed that is right but for the function that writes a departure, whose name it takes."""

    def make(written):
        async def feed(request):
            async def events():
                queue = board.join()
                try:
                    while True:
                        yield written(await queue.get())
                finally:
                    board.leave(queue)

            return event_stream(events())

        feed.__name__ = written.__name__
        return known_answer("departures_feed", breaks=breaks, says=says)(feed)

    return make


@wrong_events("sends_events_one_by_one", "no line starts with `data:`")
def json_lines(departure):
    return json.dumps(departure) + "\n\n"


@wrong_events("sends_events_one_by_one", "the empty line is missing")
def no_empty_line(departure):
    return f"data: {json.dumps(departure)}\n"


@wrong_events("sends_events_one_by_one", "not the JSON of the departure")
def a_dictionary_as_text(departure):
    return f"data: {departure}\n\n"


@wrong_events("sends_heartbeats", "': still here\\n\\n")
def no_heartbeat(departure):
    return event(departure)


@known_answer("departures_feed", breaks="sends_events_one_by_one", says="join and leave inside the generator")
async def leaves_when_the_view_returns(request):
    queue = board.join()

    async def events():
        while True:
            yield await next_event(queue)

    try:
        return event_stream(events())
    finally:
        board.leave(queue)


@known_answer(
    "departures_feed", breaks="sends_events_one_by_one", says="unexpected keyword argument 'timeout'"
)
async def gives_the_queue_a_limit(request):
    async def events():
        queue = board.join()
        try:
            while True:
                yield event(await queue.get(timeout=HEARTBEAT))
        finally:
            board.leave(queue)

    return event_stream(events())


@known_answer("departures_feed", breaks="sends_events_one_by_one", says="looks into that when it wakes up")
async def looks_now_and_then(request):
    async def events():
        queue = board.join()
        try:
            while True:
                await asyncio.sleep(HEARTBEAT)
                yield STILL_HERE if queue.empty() else event(queue.get_nowait())
        finally:
            board.leave(queue)

    return event_stream(events())


@known_answer("departures_feed", breaks="leaves_while_waiting", says="1 task of the feed that goes on")
async def a_task_for_the_heartbeats(request):
    async def beat(queue):
        while True:
            await asyncio.sleep(HEARTBEAT)
            queue.put_nowait(None)

    async def events():
        queue = board.join()
        asyncio.create_task(beat(queue))
        try:
            while True:
                departure = await queue.get()
                yield event(departure) if departure else STILL_HERE
        finally:
            board.leave(queue)

    return event_stream(events())


@known_answer("departures_feed", breaks="sends_heartbeats", says="StopAsyncIteration")
async def a_limit_around_a_generator(request):
    async def departures():
        queue = board.join()
        try:
            while True:
                yield await queue.get()
        finally:
            board.leave(queue)

    async def events():
        source = departures()
        while True:
            try:
                yield event(await asyncio.wait_for(anext(source), HEARTBEAT))
            except TimeoutError:
                yield STILL_HERE

    return event_stream(events())


@known_answer("departures_feed", breaks="leaves_while_waiting", says="`board.leave(queue)` was not called")
async def never_leaves(request):
    async def events():
        queue = board.join()
        while True:
            yield await next_event(queue)

    return event_stream(events())


@known_answer("departures_feed", breaks="leaves_while_waiting", says="`board.leave(queue)` was not called")
async def except_exception(request):
    async def events():
        queue = board.join()
        try:
            while True:
                yield await next_event(queue)
        except Exception:
            board.leave(queue)

    return event_stream(events())


@known_answer("departures_feed", breaks="leaves_while_waiting", says="was caught, and not raised again")
async def swallows_the_cancellation(request):
    async def events():
        queue = board.join()
        try:
            while True:
                with suppress(asyncio.CancelledError):
                    yield await next_event(queue)
        finally:
            board.leave(queue)

    return event_stream(events())


@known_answer("departures_feed", breaks="leaves_while_sending", says="gets a GeneratorExit")
async def expects_a_cancellation_only(request):
    async def events():
        queue = board.join()
        try:
            while True:
                yield await next_event(queue)
        except asyncio.CancelledError:
            board.leave(queue)
            raise

    return event_stream(events())


def created(name, size):
    return JsonResponse({"name": name, "size": size}, status=201)


NO_PHOTO = {"error": "no photo"}


@known_answer("save_photo")
@csrf_exempt
def a_sync_view(request):
    if "photo" not in request.FILES:
        return JsonResponse(NO_PHOTO, status=400)
    photo = request.FILES["photo"]
    return created(default_storage.save(photo.name, photo), photo.size)


@known_answer("save_photo")
@csrf_exempt
async def chunk_by_chunk(request):
    photo = await asyncio.to_thread(lambda: request.FILES.get("photo"))
    if photo is None:
        return JsonResponse(NO_PHOTO, status=400)
    name = await asyncio.to_thread(default_storage.get_available_name, photo.name)
    file = await asyncio.to_thread(open, Path(settings.MEDIA_ROOT) / name, "xb")
    try:
        chunks = photo.chunks()
        while chunk := await asyncio.to_thread(next, chunks, b""):
            await asyncio.to_thread(file.write, chunk)
    finally:
        await asyncio.to_thread(file.close)
    return created(name, photo.size)


@known_answer("save_photo")
@csrf_exempt
async def three_crossings(request):
    files = await sync_to_async(lambda: request.FILES)()
    if not (photo := files.get("photo")):
        return JsonResponse(NO_PHOTO, status=400)
    name = await sync_to_async(default_storage.save)(photo.name, photo)
    return created(name, await sync_to_async(default_storage.size)(name))


def wrong_saving(breaks, says, *, where=asyncio.to_thread):
    """A view that is right but for the function that saves, whose name it takes, or where that runs."""

    def make(save):
        @csrf_exempt
        async def view(request):
            photo = await asyncio.to_thread(lambda: request.FILES.get("photo"))
            if photo is None:
                return JsonResponse(NO_PHOTO, status=400)
            return created(await where(save, photo), photo.size)

        view.__name__ = save.__name__
        return known_answer("save_photo", breaks=breaks, says=says)(view)

    return make


async def on_the_loop(save, photo):
    return save(photo)


def save_in_storage(photo):
    return default_storage.save(photo.name, photo)


@wrong_saving("saves_the_photo", "had been read to its end before it was saved")
def a_second_read(photo):
    photo.read()
    return default_storage.save(photo.name, ContentFile(photo.read()))


@wrong_saving("saves_the_photo", "temporary_file_path")
def a_path_that_only_large_files_have(photo):
    shutil.move(photo.temporary_file_path(), Path(settings.MEDIA_ROOT) / photo.name)
    return photo.name


@wrong_saving("keeps_both", "written over the first")
def overwrites(photo):
    Path(settings.MEDIA_ROOT, photo.name).write_bytes(photo.read())
    return photo.name


@wrong_saving("writes_in_a_thread", "a blocking call holds the event loop", where=on_the_loop)
def saves_on_the_loop(photo):
    return save_in_storage(photo)


@wrong_saving("writes_in_a_thread", "a blocking call holds the event loop", where=on_the_loop)
def writes_by_hand_on_the_loop(photo):
    name = default_storage.get_available_name(photo.name)
    with open(Path(settings.MEDIA_ROOT) / name, "xb") as file:
        for chunk in photo.chunks():
            file.write(chunk)
    return name


@known_answer("save_photo", breaks="saves_the_photo", says="something was called and not awaited")
@csrf_exempt
async def forgets_to_await(request):
    photo = await asyncio.to_thread(lambda: request.FILES["photo"])
    return created(asyncio.to_thread(save_in_storage, photo), photo.size)


@known_answer("save_photo", breaks="asks_for_a_photo", says="raises for a field that did not come")
@csrf_exempt
async def takes_the_field_for_granted(request):
    photo = await asyncio.to_thread(lambda: request.FILES["photo"])
    return created(await asyncio.to_thread(save_in_storage, photo), photo.size)


@known_answer("save_photo", breaks="parses_in_a_thread", says="the first look at `request.FILES`")
@csrf_exempt
async def parses_on_the_loop(request):
    photo = request.FILES.get("photo")
    if photo is None:
        return JsonResponse(NO_PHOTO, status=400)
    return created(await asyncio.to_thread(save_in_storage, photo), photo.size)
