import asyncio
import json
from contextlib import suppress

from asgiref.sync import sync_to_async
from django.db import close_old_connections, connection, connections
from django.http import StreamingHttpResponse

from tutorial_project.checks import known_answer
from tutorial_project.trips.models import Review

RETRY = "retry: 500\n\n"


def event(review):
    return f"id: {review.pk}\ndata: {json.dumps({'trip': review.trip_id, 'rating': review.rating})}\n\n"


def stream(events):
    return StreamingHttpResponse(events, content_type="text/event-stream")


def brought(request):
    try:
        return int(request.headers.get("Last-Event-ID", ""))
    except ValueError:
        return None


async def newest():
    review = await Review.objects.order_by("-pk").afirst()
    return review.pk if review else 0


async def begin(request):
    seen = brought(request)
    return await newest() if seen is None else seen


def after(seen):
    return Review.objects.filter(pk__gt=seen).order_by("pk")


def listening(request):
    return request.scope["state"]["listening"]()


@sync_to_async
def give_back():
    connection.close()


def feed(request, begin=begin, look=after, give_back=give_back):
    """The feed as it should be, but for what is handed in."""

    async def events():
        with listening(request) as news:
            seen = await begin(request)
            yield RETRY
            while True:
                news.clear()
                async for review in look(seen):
                    yield event(review)
                    seen = review.pk
                await give_back()
                await news.wait()

    return stream(events())


@known_answer(
    "review_feed", when="Where a proxy closes what is silent: a comment every fifteen seconds keeps it open."
)
async def with_a_heartbeat(request):
    async def events():
        with listening(request) as news:
            seen = await begin(request)
            yield RETRY
            while True:
                news.clear()
                async for review in after(seen):
                    yield event(review)
                    seen = review.pk
                await sync_to_async(connections.close_all)()
                try:
                    await asyncio.wait_for(news.wait(), 15)
                except TimeoutError:
                    yield ": still here\n\n"

    return stream(events())


@known_answer("review_feed", when="Where a look is one plain function, which also gives the connection back.")
async def looks_in_one_thread(request):
    @sync_to_async
    def look(seen):
        try:
            return list(after(seen))
        finally:
            close_old_connections()

    async def events():
        with listening(request) as news:
            seen = await begin(request)
            yield RETRY
            while True:
                for review in await look(seen):
                    seen = review.pk
                    yield event(review)
                await news.wait()
                news.clear()

    return stream(events())


@known_answer("review_feed")
async def begins_before_it_listens(request):
    seen = await begin(request)  # what comes between this and `listening()` is found by the first look

    async def events():
        last = seen
        yield RETRY
        with listening(request) as news:
            while True:
                news.clear()
                async for review in after(last).values("pk", "trip_id", "rating"):
                    last = review["pk"]
                    data = json.dumps({"trip": review["trip_id"], "rating": review["rating"]})
                    yield f"id: {last}\ndata: {data}\n\n"
                await give_back()
                await news.wait()

    return stream(events())


@known_answer("review_feed", breaks="misses_nothing", says="what set `news` after the look was cleared")
async def clears_after_the_look(request):
    async def events():
        with listening(request) as news:
            seen = await begin(request)
            yield RETRY
            while True:
                async for review in after(seen):
                    yield event(review)
                    seen = review.pk
                await give_back()
                news.clear()
                await news.wait()

    return stream(events())


@known_answer("review_feed", breaks="misses_nothing", says="only when the client had taken the first line")
async def looks_where_to_begin_after_the_first_line(request):
    async def events():
        with listening(request) as news:
            yield RETRY
            seen = await begin(request)
            while True:
                news.clear()
                async for review in after(seen):
                    yield event(review)
                    seen = review.pk
                await give_back()
                await news.wait()

    return stream(events())


@known_answer("review_feed", breaks="goes_on_after_the_last_one", says="no event")
async def waits_before_it_looks(request):
    async def events():
        seen = await begin(request)
        with listening(request) as news:
            yield RETRY
            while True:
                await give_back()
                await news.wait()
                news.clear()
                async for review in after(seen):
                    yield event(review)
                    seen = review.pk

    return stream(events())


@known_answer("review_feed", breaks="waits_without_the_database", says="within five seconds")
async def asks_again_and_again(request):
    async def events():
        with listening(request):
            seen = await begin(request)
            yield RETRY
            while True:
                async for review in after(seen):
                    yield event(review)
                    seen = review.pk
                await give_back()
                await asyncio.sleep(0.05)

    return stream(events())


never_left = []


@known_answer("review_feed", breaks="leaves_nothing", says="1 listener")
async def listens_for_ever(request):
    never_left.append(listening(request))
    news = never_left[-1].__enter__()
    seen = await begin(request)

    async def events():
        last = seen
        yield RETRY
        while True:
            news.clear()
            async for review in after(last):
                yield event(review)
                last = review.pk
            await give_back()
            await news.wait()

    return stream(events())


kept = set()


@known_answer("review_feed", breaks="leaves_nothing", says="1 listener, 1 task")
async def reads_in_a_task_of_its_own(request):
    queue = asyncio.Queue()

    async def read(seen):
        with listening(request) as news:
            while True:
                news.clear()
                async for review in after(seen):
                    queue.put_nowait(review)
                    seen = review.pk
                await give_back()
                await news.wait()

    async def events():
        kept.add(asyncio.create_task(read(await begin(request))))
        yield RETRY
        while True:
            yield event(await queue.get())

    return stream(events())


@known_answer("review_feed", breaks="sends_each_review", says="no event")
async def listens_when_it_was_told(request):
    with listening(request) as news:
        seen = await begin(request)

    async def events():
        last = seen
        yield RETRY
        while True:
            await give_back()
            await news.wait()
            news.clear()
            async for review in after(last):
                yield event(review)
                last = review.pk

    return stream(events())


@known_answer("review_feed", breaks="sends_each_review", says="got 2 events")
async def one_review_for_each_piece_of_news(request):
    return feed(request, look=lambda seen: after(seen)[:1])


@known_answer("review_feed", breaks="sends_each_review", says="with the id")
async def everything_from_the_beginning(request):
    async def from_the_beginning(request):
        return brought(request) or 0

    return feed(request, from_the_beginning)


@known_answer("review_feed", breaks="sends_each_review", says="the content type text/event-stream")
async def plain_text(request):
    response = feed(request)
    response.headers["Content-Type"] = "text/plain"
    return response


@known_answer("review_feed", breaks="goes_on_after_the_last_one", says="100 events")
async def a_hundred_at_most(request):
    return feed(request, look=lambda seen: after(seen)[:100])


@known_answer("review_feed", breaks="goes_on_after_the_last_one", says="no event")
async def forgets_who_comes_back(request):
    return feed(request, lambda request: newest())


@known_answer("review_feed", breaks="goes_on_after_the_last_one", says="no event")
async def takes_zero_for_none(request):
    async def brought_or_newest(request):
        return brought(request) or await newest()

    return feed(request, brought_or_newest)


@known_answer("review_feed", breaks="goes_on_after_the_last_one", says="ValueError")
async def believes_the_header(request):
    async def believed(request):
        header = request.headers.get("Last-Event-ID")
        return await newest() if header is None else int(header)

    return feed(request, believed)


@known_answer("review_feed", breaks="goes_on_after_the_last_one", says="AttributeError")
async def needs_a_review(request):
    async def needed(request):
        seen = brought(request)
        return (await Review.objects.alast()).pk if seen is None else seen

    return feed(request, needed)


@known_answer("review_feed", breaks="goes_on_after_the_last_one", says="DoesNotExist")
async def asks_for_the_last_one(request):
    async def asked(request):
        seen = brought(request)
        return await newest() if seen is None else (await Review.objects.aget(pk=seen)).pk

    return feed(request, asked)


@known_answer("review_feed", breaks="goes_on_after_the_last_one", says="the last with the id")
async def sends_the_last_one_again(request):
    async def again(request):
        seen = brought(request)
        return await newest() if seen is None else seen - 1

    return feed(request, again)


@known_answer(
    "review_feed",
    breaks="waits_without_the_database",
    says="2 connections",
    because="Django gives a connection back when the request is over, and a",
)
async def keeps_its_connection(request):
    return feed(request, give_back=sync_to_async(lambda: None))


@known_answer("review_feed", breaks="sends_each_review", says="can only be used in that same thread")
async def closes_the_connection_of_the_loops_thread(request):
    return feed(request, give_back=sync_to_async(connection.close))


@known_answer(
    "review_feed",
    breaks="waits_without_the_database",
    says="2 connections",
    because="Django gives a connection back when the request is over, and a",
)
async def closes_on_the_loops_thread(request):
    async def close():
        connection.close_if_unusable_or_obsolete()

    return feed(request, give_back=close)


sent_last = []


@known_answer("review_feed", breaks="misses_nothing", says="while the client takes the first")
async def one_place_for_all_clients(request):
    async def events():
        with listening(request) as news:
            sent_last[:] = [await begin(request)]
            yield RETRY
            while True:
                news.clear()
                async for review in after(sent_last[0]):
                    sent_last[:] = [review.pk]
                    yield event(review)
                await give_back()
                await news.wait()

    return stream(events())


@known_answer("review_feed", breaks="waits_without_the_database", says="within five seconds")
async def looks_every_second(request):
    async def events():
        with listening(request) as news:
            seen = await begin(request)
            yield RETRY
            while True:
                news.clear()
                async for review in after(seen):
                    yield event(review)
                    seen = review.pk
                await give_back()
                with suppress(TimeoutError):
                    await asyncio.wait_for(news.wait(), 1)

    return stream(events())


@known_answer(
    "review_feed",
    breaks="waits_without_the_database",
    says="before there is any news",
    because="Django gives a connection back when the request is over, and a",
)
async def gives_back_after_a_review(request):
    async def events():
        with listening(request) as news:
            seen = await begin(request)
            yield RETRY
            while True:
                news.clear()
                found = [review async for review in after(seen)]
                for review in found:
                    yield event(review)
                    seen = review.pk
                if found:
                    await give_back()
                await news.wait()

    return stream(events())


TO_A_PROXY = "these headers tell a proxy and a cache, and there is none between the check and the view"
BELOW_ALL = "an id that no review has, below all that come"
EQUAL_MUTANTS = {
    "assignment: headers = …": TO_A_PROXY,
    "text: headers = …": TO_A_PROXY,
    'arg removal: return StreamingHttpResponse(events(), content_type="text/event-stream", headers=headers) → '
    'return StreamingHttpResponse(events(), content_type="text/event-stream", …)': TO_A_PROXY,
    'call in a chain: …Review.objects.filter(pk__gt=seen).order_by("pk"): → …': "the model says that reviews come in this order",
    "text: brought = … → …": "any text that is no number says that nothing was brought",
    "number: return newest.pk if newest else 0 → …": BELOW_ALL,
    "one less: return newest.pk if newest else 0 → …": BELOW_ALL,
}


@known_answer("review_feed", breaks="leaves_nothing", says="1 task")
async def leaves_its_wait_behind(request):
    async def events():
        with listening(request) as news:
            seen = await begin(request)
            await give_back()
            yield RETRY
            while True:
                news.clear()
                async for review in after(seen):
                    yield event(review)
                    seen = review.pk
                await give_back()
                await asyncio.wait([asyncio.ensure_future(news.wait())])

    return stream(events())


@known_answer("review_feed", breaks="sends_each_review", says="4 events")
async def orders_by_trip(request):
    return feed(request, look=lambda seen: Review.objects.filter(pk__gt=seen).order_by("trip_id", "pk"))
