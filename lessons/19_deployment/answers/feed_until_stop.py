import asyncio
import json
from contextlib import suppress

from django.http import StreamingHttpResponse

from tutorial_project.checks import known_answer
from tutorial_project.trips.departures import board

WELCOME, RETRY = ": welcome\n\n", "retry: 500\n\n"


def event(departure):
    return f"id: {departure['id']}\ndata: {json.dumps(departure)}\n\n"


def stream(events):
    return StreamingHttpResponse(events, content_type="text/event-stream")


def state(request):
    return request.scope["state"]["stopping"]


@known_answer(
    "feed_until_stop",
    when="Where the queue is not yours to put a mark into: two tasks wait, and the first that is done wins.",
)
async def waits_for_both_and_empties_the_queue(request):
    stopping = state(request)

    async def events():
        queue, stop = board.join(), asyncio.ensure_future(stopping.wait())
        coming = asyncio.ensure_future(queue.get())
        try:
            yield WELCOME
            while not stop.done() or coming.done():
                await asyncio.wait({coming, stop}, return_when=asyncio.FIRST_COMPLETED)
                if coming.done():
                    yield event(coming.result())
                    coming = asyncio.ensure_future(queue.get())
                    await asyncio.sleep(0)
            yield RETRY
        finally:
            coming.cancel()
            stop.cancel()
            board.leave(queue)

    return stream(events())


@known_answer(
    "feed_until_stop",
    when="Where a heartbeat is sent anyway: the same time-out looks at the stop, and no second task is needed.",
)
async def looks_every_tenth_of_a_second(request):
    stopping = state(request)

    async def events():
        queue = board.join()
        try:
            yield WELCOME
            while True:
                try:
                    async with asyncio.timeout(0.1):
                        departure = await queue.get()
                except TimeoutError:
                    if stopping.is_set() and queue.empty():
                        break
                else:
                    yield event(departure)
            yield RETRY
        finally:
            board.leave(queue)

    return stream(events())


@known_answer("feed_until_stop", breaks="ends_at_stop", says="it goes on")
async def the_feed_of_lesson_10(request):
    async def events():
        queue = board.join()
        try:
            yield WELCOME
            while True:
                yield event(await queue.get())
        finally:
            board.leave(queue)

    return stream(events())


@known_answer("feed_until_stop", breaks="ends_at_stop", says="it goes on")
async def looks_between_two_departures(request):
    stopping = state(request)

    async def events():
        queue = board.join()
        try:
            yield WELCOME
            while not stopping.is_set():
                yield event(await queue.get())
            yield RETRY
        finally:
            board.leave(queue)

    return stream(events())


@known_answer("feed_until_stop", breaks="ends_at_stop", says="retry: 500")
async def ends_without_a_word(request):
    stopping = state(request)

    async def events():
        queue = board.join()

        async def close():
            await stopping.wait()
            queue.put_nowait(None)

        closing = asyncio.ensure_future(close())
        try:
            yield WELCOME
            while departure := await queue.get():
                yield event(departure)
        finally:
            closing.cancel()
            board.leave(queue)

    return stream(events())


@known_answer("feed_until_stop", breaks="loses_nothing", says="the feed ended with departures in its queue")
async def forgets_what_is_in_the_queue(request):
    stopping = state(request)

    async def events():
        queue, stop = board.join(), asyncio.ensure_future(stopping.wait())
        try:
            yield WELCOME
            while not stop.done():
                coming = asyncio.ensure_future(queue.get())
                await asyncio.wait({coming, stop}, return_when=asyncio.FIRST_COMPLETED)
                if coming.done():
                    yield event(coming.result())
                else:
                    coming.cancel()
            yield RETRY
        finally:
            stop.cancel()
            board.leave(queue)

    return stream(events())


@known_answer("feed_until_stop", breaks="loses_nothing", says="was not sent any more")
async def sends_three_more_at_the_stop(request):
    stopping = state(request)

    async def events():
        queue, stop = board.join(), asyncio.ensure_future(stopping.wait())
        coming = asyncio.ensure_future(queue.get())
        try:
            yield WELCOME
            while not stop.done():
                await asyncio.wait({coming, stop}, return_when=asyncio.FIRST_COMPLETED)
                if coming.done():
                    yield event(coming.result())
                    coming = asyncio.ensure_future(queue.get())
                    await asyncio.sleep(0)
            if coming.done():
                yield event(coming.result())
            for _ in range(min(queue.qsize(), 3)):
                yield event(queue.get_nowait())
            yield RETRY
        finally:
            coming.cancel()
            stop.cancel()
            board.leave(queue)

    return stream(events())


@known_answer("feed_until_stop", breaks="loses_nothing", says="was not sent any more")
async def takes_what_is_there_and_looks_at_the_stop(request):
    stopping = state(request)

    async def events():
        queue, stop = board.join(), asyncio.ensure_future(stopping.wait())
        coming = asyncio.ensure_future(queue.get())
        try:
            yield WELCOME
            while not stop.done():
                await asyncio.wait({coming, stop}, return_when=asyncio.FIRST_COMPLETED)
                if coming.done():
                    there = [coming.result(), *(queue.get_nowait() for _ in range(queue.qsize()))]
                    coming = asyncio.ensure_future(queue.get())
                    for departure in there:
                        yield event(departure)
            yield RETRY
        finally:
            coming.cancel()
            stop.cancel()
            board.leave(queue)

    return stream(events())


@known_answer("feed_until_stop", breaks="loses_nothing", says="the feed ended with departures in its queue")
async def looks_at_the_stop_between_two(request):
    stopping = state(request)

    async def events():
        queue = board.join()
        try:
            yield WELCOME
            while not stopping.is_set():
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.1):
                        departure = await queue.get()
                    yield event(departure)
            yield RETRY
        finally:
            board.leave(queue)

    return stream(events())


@known_answer(
    "feed_until_stop",
    breaks="leaves_nothing",
    says="task of the feed that goes on",
    because="a task that the feed has started is still there, and nothing",
)
async def leaves_its_task_behind(request):
    stopping = state(request)

    async def events():
        queue = board.join()

        async def close():
            await stopping.wait()
            queue.put_nowait(None)

        closing = asyncio.ensure_future(close())
        try:
            yield WELCOME
            while departure := await queue.get():
                yield event(departure)
            yield RETRY
            await closing
        finally:
            board.leave(queue)

    return stream(events())


@known_answer("feed_until_stop", breaks="leaves_nothing", says="1 listener of `board`")
async def never_leaves(request):
    stopping = state(request)

    async def events():
        queue = board.join()

        async def close():
            await stopping.wait()
            queue.put_nowait(None)

        closing = asyncio.ensure_future(close())
        try:
            yield WELCOME
            while departure := await queue.get():
                yield event(departure)
            yield RETRY
        finally:
            closing.cancel()

    return stream(events())


@known_answer("feed_until_stop", breaks="sends_events", says="the board was joined and left again")
async def joins_in_the_view(request):
    stopping = state(request)
    queue = board.join()

    async def events():
        yield WELCOME
        while not stopping.is_set():
            yield event(await queue.get())

    try:
        return stream(events())
    finally:
        board.leave(queue)


def marked(request, most=None, join_first=True):
    """The feed with a mark for the end in its queue; the wrong answers below differ in one part."""
    stopping = state(request)

    async def close(queue):
        await stopping.wait()
        queue.put_nowait(None)

    async def events():
        if not join_first:
            yield WELCOME
        queue, sent = board.join(), 0
        closing = asyncio.ensure_future(close(queue))
        try:
            if join_first:
                yield WELCOME
            while (departure := await queue.get()) is not None:
                yield event(departure)
                sent += 1
                if sent == most:
                    return
            yield RETRY
        finally:
            closing.cancel()
            board.leave(queue)

    return stream(events())


@known_answer("feed_until_stop", breaks="loses_nothing", says="the board was joined only when")
async def joins_after_the_welcome(request):
    return marked(request, join_first=False)


@known_answer("feed_until_stop", breaks="sends_events", says="id: ")
async def ends_after_ten(request):
    return marked(request, most=10)


@known_answer("feed_until_stop", breaks="sends_events", says="id: ")
async def leaves_a_get_that_takes_the_next(request):
    stopping = state(request)

    async def events():
        queue = board.join()
        try:
            yield WELCOME
            while not stopping.is_set():
                coming = asyncio.ensure_future(queue.get())
                if (await asyncio.wait([coming], timeout=0.05))[0]:
                    yield event(coming.result())
            yield RETRY
        finally:
            board.leave(queue)

    return stream(events())


endings = []


@known_answer("feed_until_stop", breaks="leaves_nothing", says="another client goes")
async def ends_the_wait_of_all(request):
    stopping = state(request)

    async def events():
        queue = board.join()
        endings.append(asyncio.ensure_future(mark_at(stopping, queue)))
        try:
            yield WELCOME
            while (departure := await queue.get()) is not None:
                yield event(departure)
            yield RETRY
        finally:
            while endings:
                endings.pop().cancel()
            board.leave(queue)

    return stream(events())


async def mark_at(stopping, queue):
    await stopping.wait()
    queue.put_nowait(None)


@known_answer("feed_until_stop", breaks="sends_events", says="expected")
async def quotes_the_city_by_hand(request):
    stopping = state(request)

    async def events():
        queue = board.join()
        ending = asyncio.create_task(mark_the_end(queue, stopping))
        try:
            yield WELCOME
            while (departure := await queue.get()) is not None:
                number, city = departure["id"], departure["to"]
                yield f'id: {number}\ndata: {{"id": {number}, "to": "{city}"}}\n\n'
            yield RETRY
        finally:
            ending.cancel()
            board.leave(queue)

    return stream(events())


async def mark_the_end(queue, stopping):
    await stopping.wait()
    queue.put_nowait(None)


@known_answer(
    "feed_until_stop",
    breaks="leaves_nothing",
    says="1 task of the feed that goes on",
    because="a task that the feed has started is still there, and nothing",
)
async def leaves_the_wait_for_the_stop(request):
    stopping = state(request)

    async def events():
        queue, stop = board.join(), asyncio.ensure_future(stopping.wait())
        coming = asyncio.ensure_future(queue.get())
        try:
            yield WELCOME
            while not stop.done() or coming.done():
                await asyncio.wait({coming, stop}, return_when=asyncio.FIRST_COMPLETED)
                if coming.done():
                    yield event(coming.result())
                    coming = asyncio.ensure_future(queue.get())
                    await asyncio.sleep(0)
            yield RETRY
        finally:
            coming.cancel()
            board.leave(queue)

    return stream(events())


TO_A_PROXY = "what the headers say to a proxy is free: the task has none in front of it"

EQUAL_MUTANTS = {
    "assignment: headers = …": TO_A_PROXY,
    "text: headers = …": TO_A_PROXY,
    'arg removal: return StreamingHttpResponse(events(), content_type="text/event-stream", headers=headers) → '
    'return StreamingHttpResponse(events(), content_type="text/event-stream", …)': TO_A_PROXY,
}


def emptied(request, at_the_end, *, begin=None):
    """Waits for both, then `at_the_end` gives what of the queue is sent; the wrong answers below differ in one part."""
    stopping = state(request)

    async def events():
        queue = board.join()
        if begin is not None:
            yield begin
        stop = asyncio.ensure_future(stopping.wait())
        try:
            if begin is None:
                yield WELCOME
            while not stopping.is_set():
                get = asyncio.ensure_future(queue.get())
                try:
                    await asyncio.wait([get, stop], return_when=asyncio.FIRST_COMPLETED)
                    if get.done():
                        yield event(get.result())
                finally:
                    get.cancel()
            for departure in at_the_end(queue, stopping):
                yield event(departure)
            yield RETRY
        finally:
            stop.cancel()
            board.leave(queue)

    return stream(events())


def all_there(queue, stopping):
    while not queue.empty():
        yield queue.get_nowait()


def within_five_seconds(queue, stopping):
    clock = asyncio.get_running_loop().time
    deadline = clock() + 5
    while not queue.empty() and clock() < deadline:
        yield queue.get_nowait()


def and_begins_anew(queue, stopping):
    stopping.clear()
    return all_there(queue, stopping)


@known_answer("feed_until_stop")
async def waits_while_it_is_not_to_stop(request):
    return emptied(request, all_there)


@known_answer(
    "feed_until_stop",
    breaks="loses_nothing",
    says="the client takes a minute for each",
    because="the feed ended with departures in its queue",
)
async def ends_five_seconds_later(request):
    return emptied(request, within_five_seconds)


@known_answer("feed_until_stop", breaks="ends_at_stop", says="others look at it, too")
async def clears_the_stop(request):
    return emptied(request, and_begins_anew)


@known_answer(
    "feed_until_stop",
    breaks="leaves_nothing",
    says="the client goes while `: welcome` is on its way",
)
async def begins_to_clean_up_after_the_welcome(request):
    return emptied(request, all_there, begin=WELCOME)


@known_answer("feed_until_stop", breaks="sends_events", says="id: ")
async def sends_a_city_once(request):
    stopping, told = state(request), set()

    async def events():
        queue = board.join()
        closing = asyncio.ensure_future(mark_at(stopping, queue))
        try:
            yield WELCOME
            while (departure := await queue.get()) is not None:
                if departure["to"] not in told:
                    yield event(departure)
                told.add(departure["to"])
            yield RETRY
        finally:
            closing.cancel()
            board.leave(queue)

    return stream(events())


@known_answer("feed_until_stop", breaks="leaves_nothing", says="nothing cancels a task but its own")
async def leaves_its_get_behind(request):
    stopping = state(request)

    async def events():
        queue = board.join()
        try:
            yield WELCOME
            while True:
                get = asyncio.ensure_future(queue.get())
                stop = asyncio.ensure_future(stopping.wait())
                try:
                    done, _ = await asyncio.wait([get, stop], return_when=asyncio.FIRST_COMPLETED)
                finally:
                    stop.cancel()
                if get not in done:
                    break
                yield event(get.result())
            for departure in all_there(queue, stopping):
                yield event(departure)
            yield RETRY
        finally:
            board.leave(queue)

    return stream(events())


@known_answer("feed_until_stop", breaks="loses_nothing", says="taken out of the queue, and not sent")
async def loses_the_one_in_its_hand(request):
    stopping = state(request)

    async def events():
        queue = board.join()
        get, stop = asyncio.ensure_future(queue.get()), asyncio.ensure_future(stopping.wait())
        try:
            yield WELCOME
            while True:
                await asyncio.wait([get, stop], return_when=asyncio.FIRST_COMPLETED)
                if stop.done():
                    break
                yield event(get.result())
                get = asyncio.ensure_future(queue.get())
            for departure in all_there(queue, stopping):
                yield event(departure)
            yield RETRY
        finally:
            get.cancel()
            stop.cancel()
            board.leave(queue)

    return stream(events())
