import asyncio
import functools
import time
from contextlib import suppress
from copy import deepcopy

from tutorial_project.checks import known_answer


@known_answer("timed", when="Where the layer has settings, or keeps something: its attributes have a place.")
class AsAClass:
    def __init__(self, application, clock=time.perf_counter):
        self.application, self.clock = application, clock

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return await self.application(scope, receive, send)
        started = self.clock()

        async def send_with_time(message):
            if message["type"] == "http.response.start":
                took = f"{(self.clock() - started) * 1000:.0f}"
                message["headers"] = [*message.get("headers", []), (b"X-Milliseconds", took.encode("ascii"))]
            await send(message)

        await self.application(scope, receive, send_with_time)


@known_answer("timed", when="Where nobody else keeps the message; else make a new one.")
def changes_the_message_in_place(application, clock=time.perf_counter):
    async def layer(scope, receive, send):
        start = clock()

        def stamp(message):
            if "status" in message:
                message.setdefault("headers", []).append(
                    (b"x-milliseconds", b"%d" % ((clock() - start) * 1000))
                )
            return send(message)

        await application(scope, receive, stamp)

    return layer


@known_answer("timed", breaks="adds_the_header", says="ASGI headers are bytes")
def a_header_of_text(application, clock=time.perf_counter):
    async def layer(scope, receive, send):
        start = clock()

        async def stamp(message):
            if message["type"] == "http.response.start":
                message.setdefault("headers", []).append(
                    ("x-milliseconds", str(round((clock() - start) * 1000)))
                )
            await send(message)

        await application(scope, receive, stamp)

    return layer


@known_answer("timed", breaks="adds_the_header", says="got 200 'stamped'")
def after_the_answer(application, clock=time.perf_counter):
    async def layer(scope, receive, send):
        start = clock()
        await application(scope, receive, send)
        scope["headers"].append((b"x-milliseconds", str(round((clock() - start) * 1000)).encode()))

    return layer


@known_answer("timed", breaks="adds_the_header", says="this is the time to the end of the answer")
def the_whole_answer_timed(application, clock=time.perf_counter):
    async def layer(scope, receive, send):
        start, messages = clock(), []

        async def keep(message):
            messages.append(message)

        await application(scope, receive, keep)
        messages[0]["headers"].append((b"x-milliseconds", str(round((clock() - start) * 1000)).encode()))
        for message in messages:
            await send(message)

    return layer


@known_answer("timed", breaks="leaves_other_connections_alone", says="'lifespan.startup.complete', 'headers'")
def a_header_on_every_message(application, clock=time.perf_counter):
    async def layer(scope, receive, send):
        start = clock()

        async def stamp(message):
            message.setdefault("headers", []).append(
                (b"x-milliseconds", str(round((clock() - start) * 1000)).encode())
            )
            await send(message)

        await application(scope, receive, stamp)

    return layer


@known_answer("timed", breaks="adds_the_header", says="called, and not awaited")
async def an_async_maker(application, clock=time.perf_counter):
    return changes_the_message_in_place(application, clock)


@known_answer("timed", breaks="adds_the_header", says="another clock was read")
def its_own_clock(application, clock=time.perf_counter):
    return changes_the_message_in_place(application)


@known_answer("timed", breaks="adds_the_header", says="no whole milliseconds")
def parts_of_milliseconds(application, clock=time.perf_counter):
    async def layer(scope, receive, send):
        start = clock()

        async def stamp(message):
            if message["type"] == "http.response.start":
                message.setdefault("headers", []).append(
                    (b"x-milliseconds", str((clock() - start) * 1000).encode())
                )
            await send(message)

        await application(scope, receive, stamp)

    return layer


@known_answer("timed", breaks="adds_the_header", says="hands to the inner application is a plain function")
def a_plain_send(application, clock=time.perf_counter):
    async def layer(scope, receive, send):
        start = clock()

        def stamp(message):
            if message["type"] == "http.response.start":
                message.setdefault("headers", []).append(
                    (b"x-milliseconds", str(round((clock() - start) * 1000)).encode())
                )
            send(message)

        await application(scope, receive, stamp)

    return layer


@known_answer("timed", breaks="adds_the_header", says="none had been passed on when it returned")
def a_send_that_awaits_nothing(application, clock=time.perf_counter):
    async def layer(scope, receive, send):
        async def stamp(message):
            send(message)

        await application(scope, receive, stamp)

    return layer


@known_answer("timed", breaks="adds_the_header", says="the inner application did not run")
def an_application_not_awaited(application, clock=time.perf_counter):
    async def layer(scope, receive, send):
        application(scope, receive, send)

    return layer


@known_answer("timed", breaks="leaves_other_connections_alone", says="ValueError: only http")
def refuses_what_is_not_http(application, clock=time.perf_counter):
    inner = changes_the_message_in_place(application, clock)

    async def layer(scope, receive, send):
        if scope["type"] != "http":
            raise ValueError("only http")
        await inner(scope, receive, send)

    return layer


@known_answer("timed", breaks="leaves_the_answer_as_it_is", says="without set-cookie: trip=7")
def headers_through_a_dictionary(application, clock=time.perf_counter):
    async def layer(scope, receive, send):
        start = clock()

        async def stamp(message):
            if message["type"] == "http.response.start":
                took = str(round((clock() - start) * 1000)).encode()
                headers = dict(message.get("headers", [])) | {b"x-milliseconds": took}
                message = message | {"headers": list(headers.items())}
            await send(message)

        await application(scope, receive, stamp)

    return layer


@known_answer("timed", breaks="passes_pieces_on_at_once", says="the layer collects what it should pass on")
def sent_when_all_is_there(application, clock=time.perf_counter):
    async def layer(scope, receive, send):
        start, messages = clock(), []

        async def keep(message):
            if message["type"] == "http.response.start":
                message.setdefault("headers", []).append(
                    (b"x-milliseconds", str(round((clock() - start) * 1000)).encode())
                )
            messages.append(message)

        await application(scope, receive, keep)
        for message in messages:
            await send(message)

    return layer


@known_answer("timed", breaks="keeps_requests_apart", says="its start has replaced the first one's")
def one_start_for_all(application, clock=time.perf_counter):
    start = 0.0

    async def layer(scope, receive, send):
        nonlocal start
        start = clock()

        async def stamp(message):
            if message["type"] == "http.response.start":
                took = str(round((clock() - start) * 1000)).encode()
                message = message | {"headers": [*message.get("headers", []), (b"x-milliseconds", took)]}
            await send(message)

        await application(scope, receive, stamp)

    return layer


@known_answer("timed", breaks="leaves_other_connections_alone", says="was not called with it")
def http_or_nothing(application, clock=time.perf_counter):
    inner = changes_the_message_in_place(application, clock)

    async def layer(scope, receive, send):
        if scope["type"] == "http":
            await inner(scope, receive, send)

    return layer


@known_answer("timed")
def with_a_function_that_is_bound(application, clock=time.perf_counter):
    async def layer(scope, receive, send):
        await application(scope, receive, functools.partial(_stamped, send, clock, clock()))

    return layer


async def _stamped(send, clock, start, message):
    if message["type"] != "http.response.start":
        return await send(message)
    took = (b"x-milliseconds", str(int((clock() - start) * 1000)).encode())
    await send(message | {"headers": [*(message.get("headers") or []), took]})


@known_answer("timed")
def receives_through_a_function(application, clock=time.perf_counter):
    inner = changes_the_message_in_place(application, clock)

    async def layer(scope, receive, send):
        async def next_message():
            return await receive()

        await inner(dict(scope), next_message, send)

    return layer


@known_answer("timed", breaks="adds_the_header", says="read when the layer was made")
def a_clock_read_with_the_layer(application, clock=time.perf_counter):
    start = clock()

    async def layer(scope, receive, send):
        async def stamp(message):
            if message["type"] == "http.response.start":
                took = str(round((clock() - start) * 1000)).encode()
                message = message | {"headers": [*message.get("headers", []), (b"x-milliseconds", took)]}
            await send(message)

        await application(scope, receive, stamp)

    return layer


@known_answer("timed", breaks="leaves_the_answer_as_it_is", says="`receive` gives each message once")
def waits_for_the_request_first(application, clock=time.perf_counter):
    inner = changes_the_message_in_place(application, clock)

    async def layer(scope, receive, send):
        if scope["type"] == "http":
            await receive()
        await inner(scope, receive, send)

    return layer


@known_answer("timed", breaks="leaves_the_answer_as_it_is", says="it reads b''")
def an_empty_request_for_everybody(application, clock=time.perf_counter):
    inner = changes_the_message_in_place(application, clock)

    async def layer(scope, receive, send):
        async def nothing():
            return {"type": "http.request", "body": b"", "more_body": False}

        await inner(scope, nothing if scope["type"] == "http" else receive, send)

    return layer


@known_answer("timed", breaks="keeps_requests_apart", says="its start has replaced the first one's")
class KeptByTheLayer:
    def __init__(self, application, clock=time.perf_counter):
        self.application, self.clock = application, clock

    async def __call__(self, scope, receive, send):
        self.started, self.send = self.clock(), send

        async def stamp(message):
            if message["type"] == "http.response.start":
                took = str(round((self.clock() - self.started) * 1000)).encode()
                message = message | {"headers": [*message.get("headers", []), (b"x-milliseconds", took)]}
            await send(message)

        await self.application(scope, receive, stamp)


@known_answer("timed", breaks="adds_the_header", says="got 200 'stamped'")
def passes_everything_on(application, clock=time.perf_counter):
    async def layer(scope, receive, send):
        await application(scope, receive, send)

    return layer


@known_answer("timed", breaks="leaves_other_connections_alone", says="it stayed inside of the layer")
def catches_what_goes_wrong(application, clock=time.perf_counter):
    inner = changes_the_message_in_place(application, clock)

    async def layer(scope, receive, send):
        with suppress(Exception):
            await inner(scope, receive, send)

    return layer


@known_answer("timed", breaks="leaves_other_connections_alone", says="does not reach the server")
def hands_on_a_copy_of_the_state(application, clock=time.perf_counter):
    inner = changes_the_message_in_place(application, clock)

    async def layer(scope, receive, send):
        await inner(deepcopy(scope), receive, send)

    return layer


@known_answer("timed", breaks="adds_the_header", says="may leave `headers` out")
def expects_headers(application, clock=time.perf_counter):
    async def layer(scope, receive, send):
        start = clock()

        async def stamp(message):
            if message["type"] == "http.response.start":
                took = str(round((clock() - start) * 1000)).encode()
                message = {**message, "headers": [*message["headers"], (b"x-milliseconds", took)]}
            await send(message)

        await application(scope, receive, stamp)

    return layer


@known_answer("timed", breaks="adds_the_header", says="milliseconds to come")
def begins_when_the_request_is_there(application, clock=time.perf_counter):
    async def layer(scope, receive, send):
        if scope["type"] != "http":
            return await application(scope, receive, send)
        first = [await receive()]
        started = clock()

        async def receive_again():
            return first.pop() if first else await receive()

        async def stamp(message):
            if message["type"] == "http.response.start":
                took = b"%d" % ((clock() - started) * 1000)
                message = {**message, "headers": [*message.get("headers", ()), (b"x-milliseconds", took)]}
            await send(message)

        await application(scope, receive_again, stamp)

    return layer


@known_answer("timed", breaks="keeps_requests_apart", says="its start has replaced the first one's")
def one_start_for_each_path(application, clock=time.perf_counter):
    called = {}

    async def layer(scope, receive, send):
        called[scope.get("path")] = clock()

        async def stamp(message):
            if message["type"] == "http.response.start":
                took = int((clock() - called[scope["path"]]) * 1000)
                header = (b"x-milliseconds", str(took).encode())
                message = message | {"headers": [*message.get("headers", []), header]}
            await send(message)

        await application(scope, receive, stamp)

    return layer


def around(application, clock, errors_of):
    async def layer(scope, receive, send):
        called = clock()

        async def stamp(message):
            if message["type"] == "http.response.start":
                header = (b"x-milliseconds", str(round((clock() - called) * 1000)).encode())
                message = message | {"headers": [*message.get("headers", []), header]}
            await send(message)

        try:
            await application(scope, receive, stamp)
        except Exception:
            if scope["type"] not in errors_of:
                raise

    return layer


@known_answer(
    "timed",
    breaks="leaves_other_connections_alone",
    says='of the type "websocket", which',
    because="it stayed inside of the layer, and a server takes a quiet return for a",
)
def swallows_the_errors_of_websockets(application, clock=time.perf_counter):
    return around(application, clock, errors_of=["websocket"])


@known_answer(
    "timed",
    breaks="leaves_other_connections_alone",
    says='of the type "http", which',
    because="it stayed inside of the layer, and a server takes a quiet return for a",
)
def swallows_the_errors_of_requests(application, clock=time.perf_counter):
    return around(application, clock, errors_of=["http"])


@known_answer("timed", breaks="keeps_requests_apart", says="no answer before the other one has its own")
def lets_one_request_in_at_a_time(application, clock=time.perf_counter):
    inner, door = around(application, clock, errors_of=[]), asyncio.Lock()

    async def layer(scope, receive, send):
        async with door:
            await inner(scope, receive, send)

    return layer


def stamping(application, clock, stamp):
    """The layer, but for what it does with a message: most wrong answers below differ there."""

    async def layer(scope, receive, send):
        began = clock()

        def header():
            return (b"x-milliseconds", b"%d" % round((clock() - began) * 1000))

        await application(scope, receive, stamp(send, header))

    return layer


def with_header(message, header):
    return {**message, "headers": [*message.get("headers", ()), header()]}


@known_answer("timed", breaks="passes_pieces_on_at_once", says="the start kept back")
def keeps_the_start_until_the_body(application, clock=time.perf_counter):
    def stamp(send, header):
        kept = []

        async def passed(message):
            if message["type"] == "http.response.start":
                kept.append(with_header(message, header))
                return
            while kept:
                await send(kept.pop())
            await send(message)

        return passed

    return stamping(application, clock, stamp)


@known_answer("timed", breaks="leaves_the_answer_as_it_is", says="the headers of Django's answer")
def sorts_the_headers(application, clock=time.perf_counter):
    def stamp(send, header):
        async def passed(message):
            if message["type"] == "http.response.start":
                message = with_header(message, header)
                message["headers"].sort()
            await send(message)

        return passed

    return stamping(application, clock, stamp)


@known_answer("timed", breaks="leaves_other_connections_alone", says="websocket.http.response.start")
def every_message_that_starts_an_answer(application, clock=time.perf_counter):
    def stamp(send, header):
        async def passed(message):
            starts = message["type"].endswith("http.response.start")
            await send(with_header(message, header) if starts else message)

        return passed

    return stamping(application, clock, stamp)


@known_answer("timed", breaks="leaves_other_connections_alone", says="websocket.accept")
def every_message_with_headers(application, clock=time.perf_counter):
    def stamp(send, header):
        async def passed(message):
            starts = message["type"] == "http.response.start" or "headers" in message
            await send(with_header(message, header) if starts else message)

        return passed

    return stamping(application, clock, stamp)


@known_answer("timed", breaks="leaves_other_connections_alone", says="another timed inside")
def notes_it_in_every_scope(application, clock=time.perf_counter):
    inner = with_a_function_that_is_bound(application, clock)

    async def layer(scope, receive, send):
        await inner({**scope, "timed": True}, receive, send)

    return layer


@known_answer("timed", breaks="leaves_other_connections_alone", says="CancelledError, out of the layer")
def swallows_the_cancellation(application, clock=time.perf_counter):
    inner = with_a_function_that_is_bound(application, clock)

    async def layer(scope, receive, send):
        with suppress(asyncio.CancelledError):
            await inner(scope, receive, send)

    return layer
