import asyncio
import json
from contextlib import aclosing, asynccontextmanager, suppress

from django.http import StreamingHttpResponse

from tutorial_project.checks import known_answer
from tutorial_project.trips.departures import board

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


@known_answer("departures_feed", when="Where several feeds join and leave: the pair stands in one place.")
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


@known_answer(
    "departures_feed",
    when="Where what is awaited must not be cancelled: the same task waits on after a heartbeat.",
)
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


@known_answer("departures_feed", breaks="sends_heartbeats", says="1 heartbeat")
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


async def departures_or_none():
    """Departures, and None where nothing departs for a while."""
    queue = board.join()
    try:
        while True:
            try:
                departure = await asyncio.wait_for(queue.get(), HEARTBEAT)
            except TimeoutError:
                departure = None
            yield departure
    finally:
        board.leave(queue)


@known_answer("departures_feed")
async def closes_its_inner_generator(request):
    async def events():
        async with aclosing(departures_or_none()) as departures:
            async for departure in departures:
                yield event(departure) if departure else STILL_HERE

    return event_stream(events())


@known_answer("departures_feed", breaks="leaves_while_waiting", says="`board.leave(queue)` was not called")
async def expects_to_be_closed_only(request):
    async def events():
        queue = board.join()
        try:
            while True:
                yield await next_event(queue)
        except GeneratorExit:
            board.leave(queue)
            raise

    return event_stream(events())


newest = {}


@known_answer("departures_feed", breaks="serves_many_screens", says="expected 3 listeners")
async def one_queue_for_all_screens(request):
    async def events():
        if not board.listeners:
            newest["queue"] = board.join()
        queue = newest["queue"]
        try:
            while True:
                yield await next_event(queue)
        finally:
            board.leave(queue)

    return event_stream(events())


def feed_of(next_line):
    """A feed that sends what this function makes of its queue."""

    async def feed(request):
        async def events():
            queue = board.join()
            try:
                while True:
                    yield await next_line(queue)
            finally:
                board.leave(queue)

        return event_stream(events())

    feed.__name__ = next_line.__name__
    return feed


@known_answer("departures_feed", breaks="sends_events_one_by_one", says="announced in one moment")
@feed_of
async def the_latest_departure_alone(queue):
    try:
        departure = await asyncio.wait_for(queue.get(), HEARTBEAT)
    except TimeoutError:
        return STILL_HERE
    while not queue.empty():
        departure = queue.get_nowait()
    return event(departure)


@known_answer("departures_feed", breaks="sends_heartbeats", says="0.12 seconds after a departure")
@feed_of
async def a_heartbeat_after_twice_the_time(queue):
    try:
        return event(await asyncio.wait_for(queue.get(), 2 * HEARTBEAT))
    except TimeoutError:
        return STILL_HERE


@known_answer("departures_feed", breaks="sends_heartbeats", says="0.08 seconds after it began")
@feed_of
async def a_heartbeat_after_half_the_time(queue):
    try:
        return event(await asyncio.wait_for(queue.get(), HEARTBEAT / 2))
    except TimeoutError:
        return STILL_HERE


@known_answer("departures_feed", breaks="sends_events_one_by_one", says="announced in one moment")
async def ends_after_three_departures(request):
    async def events():
        queue = board.join()
        try:
            sent = 0
            while sent < 3:
                line = await next_event(queue)
                sent += line != STILL_HERE
                yield line
        finally:
            board.leave(queue)

    return event_stream(events())


@known_answer(
    "departures_feed",
    breaks="leaves_while_waiting",
    says="still waits for `queue.get()`",
    because="a task that the feed has started is still there, and nothing",
)
async def leaves_its_last_task_behind(request):
    async def events():
        queue, waiting = board.join(), None
        try:
            while True:
                waiting = waiting or asyncio.ensure_future(queue.get())
                done, _ = await asyncio.wait([waiting], timeout=HEARTBEAT)
                if done:
                    waiting = None
                yield event(done.pop().result()) if done else STILL_HERE
        finally:
            board.leave(queue)

    return event_stream(events())


def feed_of(told):
    """A feed that is right but for what it makes of each departure; None is left out."""

    async def events():
        queue, last = board.join(), None
        try:
            while True:
                try:
                    departure = await asyncio.wait_for(queue.get(), HEARTBEAT)
                except TimeoutError:
                    yield STILL_HERE
                    continue
                if (text := told(departure, last)) is not None:
                    yield text
                last = departure
        finally:
            board.leave(queue)

    return event_stream(events())


@known_answer("departures_feed", breaks="sends_events_one_by_one", says="all of them in their order")
async def leaves_out_what_it_sent_last(request):
    return feed_of(lambda departure, last: None if departure == last else event(departure))


@known_answer("departures_feed", breaks="sends_events_one_by_one", says="all of them in their order")
async def leaves_out_what_has_no_gate(request):
    return feed_of(lambda departure, last: event(departure) if departure["gate"] else None)


@known_answer("departures_feed", breaks="sends_events_one_by_one", says="all of them in their order")
async def writes_json_by_hand(request):
    return feed_of(
        lambda departure, _: f'data: {{"to": "{departure["to"]}", "gate": {departure["gate"]}}}\n\n'
    )


@known_answer("departures_feed", breaks="sends_events_one_by_one", says="all of them in their order")
async def ends_after_fifty_departures(request):
    async def events():
        queue = board.join()
        try:
            for _ in range(50):
                yield await next_event(queue)
        finally:
            board.leave(queue)

    return event_stream(events())


@known_answer(
    "departures_feed",
    breaks="leaves_while_sending",
    says="no task that goes on",
    because="a task that the feed has started is still there",
)
async def a_pulse_that_is_stopped_when_it_is_cancelled(request):
    async def events():
        queue, loop = board.join(), asyncio.get_running_loop()
        last = loop.time()

        async def beat():
            nonlocal last
            while True:
                await asyncio.sleep(max(0, last + HEARTBEAT - loop.time()))
                if loop.time() >= last + HEARTBEAT:
                    last = loop.time()
                    queue.put_nowait(None)

        beating = asyncio.create_task(beat())
        try:
            while True:
                departure = await queue.get()
                last = loop.time()
                yield STILL_HERE if departure is None else event(departure)
        except asyncio.CancelledError:
            beating.cancel()
            raise
        finally:
            board.leave(queue)

    return event_stream(events())


EQUAL_MUTANTS = {
    "kind of error: except TimeoutError: → except Exception:": "`queue.get()` raises nothing else"
}
