import time
from contextlib import AsyncExitStack

from django.http import Http404, HttpResponse

from tutorial_project.classroom.checks import known_answer

DEPARTURES = "07:10 Lisbon\n09:45 Québec\n"
PLAIN = [(b"content-type", b"text/plain; charset=utf-8")]


@known_answer("departure_board")
async def in_several_messages(scope, receive, send):
    if scope["type"] != "http":
        raise ValueError(scope["type"])
    await receive()
    if scope["path"] != "/departures/":
        await send({"type": "http.response.start", "status": 404})
        await send({"type": "http.response.body", "body": b"no such page", "more_body": False})
        return
    await send({"type": "http.response.start", "status": 200, "headers": PLAIN})
    for line in DEPARTURES.splitlines(keepends=True):
        await send({"type": "http.response.body", "body": line.encode(), "more_body": True})
    await send({"type": "http.response.body"})


class Board:
    async def __call__(self, scope, receive, send):
        match scope:
            case {"type": "http", "path": "/departures/"}:
                status, body = 200, DEPARTURES
            case {"type": "http"}:
                status, body = 404, "no such page"
            case {"type": other}:
                raise ValueError(f"no {other} here")
        await send({"type": "http.response.start", "status": status, "headers": PLAIN})
        await send({"type": "http.response.body", "body": body.encode("utf-8")})


an_object_that_is_called = known_answer("departure_board")(
    type("an_object_that_is_called", (Board,), {"__name__": "an_object_that_is_called"})()
)


@known_answer(
    "departure_board", breaks="answers_with_the_departures", says="what it returns is not looked at"
)
async def returns_a_response(scope, receive, send):
    return HttpResponse(DEPARTURES, content_type="text/plain; charset=utf-8")


@known_answer("departure_board", breaks="answers_with_the_departures", says="a body is bytes")
async def a_body_of_text(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": PLAIN})
    await send({"type": "http.response.body", "body": DEPARTURES})


@known_answer("departure_board", breaks="answers_with_the_departures", says="ASGI headers are bytes")
async def headers_of_text(scope, receive, send):
    headers = [("content-type", "text/plain; charset=utf-8")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": DEPARTURES.encode()})


@known_answer("departure_board", breaks="answers_with_the_departures", says="an answer starts once")
async def a_body_without_a_start(scope, receive, send):
    await send({"type": "http.response.body", "body": DEPARTURES.encode()})


@known_answer("departure_board", breaks="answers_with_the_departures", says="has no `more_body`")
async def a_start_without_a_body(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": PLAIN})


@known_answer("departure_board", breaks="answers_with_the_departures", says="nothing was sent")
async def send_without_await(scope, receive, send):
    send({"type": "http.response.start", "status": 200, "headers": PLAIN})
    send({"type": "http.response.body", "body": DEPARTURES.encode()})


@known_answer("departure_board", breaks="answers_with_the_departures", says="this one is a plain function")
def no_coroutine_function(scope, receive, send):
    send({"type": "http.response.start", "status": 200, "headers": PLAIN})
    send({"type": "http.response.body", "body": DEPARTURES.encode()})


@known_answer("departure_board", breaks="answers_with_the_departures", says="a list of pairs")
async def headers_in_a_dictionary(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": dict(PLAIN)})
    await send({"type": "http.response.body", "body": DEPARTURES.encode()})


@known_answer("departure_board", breaks="answers_with_the_departures", says="a status is a number")
async def a_status_as_in_wsgi(scope, receive, send):
    await send({"type": "http.response.start", "status": "200 OK", "headers": PLAIN})
    await send({"type": "http.response.body", "body": DEPARTURES.encode()})


@known_answer("departure_board", breaks="answers_with_the_departures", says="Qu\\\\xe9bec")
async def another_encoding(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": PLAIN})
    await send({"type": "http.response.body", "body": DEPARTURES.encode("latin-1")})


@known_answer("departure_board", breaks="answers_404_elsewhere", says="no Django is around this application")
async def raises_the_404_of_django(scope, receive, send):
    if scope["path"] != "/departures/":
        raise Http404("no such page")
    await send({"type": "http.response.start", "status": 200, "headers": PLAIN})
    await send({"type": "http.response.body", "body": DEPARTURES.encode()})


@known_answer("departure_board", breaks="answers_404_elsewhere", says="GET /arrivals/")
async def every_path_but_one_is_the_board(scope, receive, send):
    known = scope["path"] != "/"
    await send({"type": "http.response.start", "status": 200 if known else 404, "headers": PLAIN})
    await send({"type": "http.response.body", "body": DEPARTURES.encode() if known else b"no such page"})


@known_answer("departure_board", breaks="refuses_other_connections", says="KeyError: 'path'")
async def no_look_at_the_type(scope, receive, send):
    known = scope["path"] == "/departures/"
    await send({"type": "http.response.start", "status": 200 if known else 404, "headers": PLAIN})
    await send({"type": "http.response.body", "body": DEPARTURES.encode() if known else b"no such page"})


@known_answer("departure_board", breaks="refuses_other_connections", says="a quiet return")
async def silent_for_other_types(scope, receive, send):
    if scope["type"] == "http":
        await no_look_at_the_type(scope, receive, send)


@known_answer("departure_board", breaks="refuses_other_connections", says="NotImplementedError: lifespan")
async def another_error(scope, receive, send):
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    await no_look_at_the_type(scope, receive, send)


@known_answer("departure_board", breaks="refuses_other_connections", says="http.response.start")
async def a_page_for_everybody(scope, receive, send):
    await no_look_at_the_type({"path": "/", **scope}, receive, send)


@known_answer("timed")
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
                message["headers"] = [*message["headers"], (b"X-Milliseconds", took.encode("ascii"))]
            await send(message)

        await self.application(scope, receive, send_with_time)


@known_answer("timed")
def changes_the_message_in_place(application, clock=time.perf_counter):
    async def layer(scope, receive, send):
        start = clock()

        def stamp(message):
            if "status" in message:
                message["headers"].append((b"x-milliseconds", b"%d" % ((clock() - start) * 1000)))
            return send(message)

        await application(scope, receive, stamp)

    return layer


@known_answer("timed", breaks="adds_the_header", says="ASGI headers are bytes")
def a_header_of_text(application, clock=time.perf_counter):
    async def layer(scope, receive, send):
        start = clock()

        async def stamp(message):
            if message["type"] == "http.response.start":
                message["headers"].append(("x-milliseconds", str(round((clock() - start) * 1000))))
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


@known_answer("timed", breaks="adds_the_header", says="x-milliseconds: 1250")
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


@known_answer("timed", breaks="adds_the_header", says="KeyError: 'headers'")
def a_header_on_every_message(application, clock=time.perf_counter):
    async def layer(scope, receive, send):
        start = clock()

        async def stamp(message):
            message["headers"].append((b"x-milliseconds", str(round((clock() - start) * 1000)).encode()))
            await send(message)

        await application(scope, receive, stamp)

    return layer


@known_answer("timed", breaks="adds_the_header", says="called, and not awaited")
async def an_async_maker(application, clock=time.perf_counter):
    return changes_the_message_in_place(application, clock)


@known_answer("timed", breaks="adds_the_header", says="another clock was read")
def its_own_clock(application, clock=time.perf_counter):
    return changes_the_message_in_place(application)


@known_answer("timed", breaks="adds_the_header", says="x-milliseconds: 250.0")
def parts_of_milliseconds(application, clock=time.perf_counter):
    async def layer(scope, receive, send):
        start = clock()

        async def stamp(message):
            if message["type"] == "http.response.start":
                message["headers"].append((b"x-milliseconds", str((clock() - start) * 1000).encode()))
            await send(message)

        await application(scope, receive, stamp)

    return layer


@known_answer("timed", breaks="adds_the_header", says="hands to the inner application is a plain function")
def a_plain_send(application, clock=time.perf_counter):
    async def layer(scope, receive, send):
        start = clock()

        def stamp(message):
            if message["type"] == "http.response.start":
                message["headers"].append((b"x-milliseconds", str(round((clock() - start) * 1000)).encode()))
            send(message)

        await application(scope, receive, stamp)

    return layer


@known_answer("timed", breaks="adds_the_header", says="the layer's own `send` passed none of them on")
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
                headers = dict(message["headers"]) | {b"x-milliseconds": took}
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
                message["headers"].append((b"x-milliseconds", str(round((clock() - start) * 1000)).encode()))
            messages.append(message)

        await application(scope, receive, keep)
        for message in messages:
            await send(message)

    return layer


@known_answer("timed", breaks="keeps_requests_apart", says="where both requests write it")
def one_start_for_all(application, clock=time.perf_counter):
    start = 0.0

    async def layer(scope, receive, send):
        nonlocal start
        start = clock()

        async def stamp(message):
            if message["type"] == "http.response.start":
                took = str(round((clock() - start) * 1000)).encode()
                message = message | {"headers": [*message["headers"], (b"x-milliseconds", took)]}
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


@known_answer("with_client")
def an_exit_stack(application, open_client):
    async def layer(scope, receive, send):
        if scope["type"] != "lifespan":
            await application(scope, receive, send)
            return
        assert (await receive())["type"] == "lifespan.startup"
        async with AsyncExitStack() as stack:
            try:
                scope["state"]["client"] = await stack.enter_async_context(open_client())
            except Exception as error:
                await send({"type": "lifespan.startup.failed", "message": str(error)})
                return
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})

    return layer


@known_answer("with_client")
class RememberedByTheLayer:
    def __init__(self, application, open_client):
        self.application, self.open_client, self.client = application, open_client, None

    async def __call__(self, scope, receive, send):
        if scope["type"] == "lifespan":
            await self.live(receive, send)
        else:
            await self.application(scope | {"state": {"client": self.client}}, receive, send)

    async def live(self, receive, send):
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                try:
                    self.client = self.open_client()
                except OSError as error:
                    await send({"type": "lifespan.startup.failed", "message": f"{error}"})
                else:
                    await send({"type": "lifespan.startup.complete"})
            else:
                await self.client.aclose()
                await send({"type": "lifespan.shutdown.complete"})
                return


@known_answer("with_client", breaks="opens_at_startup", says="no server has started")
def opened_with_the_layer(application, open_client):
    client = open_client()

    async def layer(scope, receive, send):
        if scope["type"] != "lifespan":
            return await application(scope, receive, send)
        await receive()
        scope["state"]["client"] = client
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await client.aclose()
        await send({"type": "lifespan.shutdown.complete"})

    return layer


@known_answer("with_client", breaks="opens_at_startup", says="Django knows no `lifespan`")
def everything_goes_to_django(application, open_client):
    async def layer(scope, receive, send):
        scope.setdefault("state", {})["client"] = open_client()
        await application(scope, receive, send)

    return layer


@known_answer("with_client", breaks="opens_at_startup", says="waits for the next message")
def never_says_complete(application, open_client):
    async def layer(scope, receive, send):
        if scope["type"] != "lifespan":
            return await application(scope, receive, send)
        await receive()
        scope["state"]["client"] = client = open_client()
        await receive()
        await client.aclose()

    return layer


@known_answer("with_client", breaks="opens_at_startup", says="can't be")
def awaits_the_opening(application, open_client):
    async def layer(scope, receive, send):
        await receive()
        try:
            scope["state"]["client"] = await open_client()
        except Exception as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})

    return layer


@known_answer("with_client", breaks="hands_it_to_requests", says="the layer answers `lifespan` alone")
def leaves_the_requests_out(application, open_client):
    async def layer(scope, receive, send):
        if scope["type"] == "lifespan":
            await receive()
            scope["state"]["client"] = open_client()
            await send({"type": "lifespan.startup.complete"})

    return layer


@known_answer("with_client", breaks="closes_at_shutdown", says="`aclose()` was called and not awaited")
def closes_without_await(application, open_client):
    async def layer(scope, receive, send):
        if scope["type"] != "lifespan":
            return await application(scope, receive, send)
        await receive()
        scope["state"]["client"] = client = open_client()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        client.aclose()
        await send({"type": "lifespan.shutdown.complete"})

    return layer


@known_answer(
    "with_client", breaks="says_that_the_start_failed", says="OSError('the rates office is closed')"
)
def sends_the_error_itself(application, open_client):
    async def layer(scope, receive, send):
        if scope["type"] != "lifespan":
            return await application(scope, receive, send)
        await receive()
        try:
            scope["state"]["client"] = client = open_client()
        except OSError as error:
            return await send({"type": "lifespan.startup.failed", "message": error})
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await client.aclose()
        await send({"type": "lifespan.shutdown.complete"})

    return layer


@known_answer("with_client", breaks="hands_it_to_requests", says="a closed client")
def closed_too_early(application, open_client):
    async def layer(scope, receive, send):
        if scope["type"] != "lifespan":
            return await application(scope, receive, send)
        await receive()
        async with open_client() as client:
            scope["state"]["client"] = client
            await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})

    return layer


@known_answer("with_client", breaks="hands_it_to_requests", says="None")
def kept_in_a_variable_only(application, open_client):
    async def layer(scope, receive, send):
        if scope["type"] != "lifespan":
            return await application(scope, receive, send)
        await receive()
        client = open_client()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await client.aclose()
        await send({"type": "lifespan.shutdown.complete"})

    return layer


@known_answer("with_client", breaks="hands_it_to_requests", says="None")
def a_new_dictionary_for_the_state(application, open_client):
    async def layer(scope, receive, send):
        if scope["type"] != "lifespan":
            return await application(scope, receive, send)
        await receive()
        scope["state"] = {"client": open_client()}
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await scope["state"]["client"].aclose()
        await send({"type": "lifespan.shutdown.complete"})

    return layer


@known_answer("with_client", breaks="closes_at_shutdown", says="the application had returned")
def returns_after_the_start(application, open_client):
    async def layer(scope, receive, send):
        if scope["type"] != "lifespan":
            return await application(scope, receive, send)
        await receive()
        scope["state"]["client"] = open_client()
        await send({"type": "lifespan.startup.complete"})

    return layer


@known_answer("with_client", breaks="closes_at_shutdown", says="a client that is open still")
def closed_after_the_last_word(application, open_client):
    async def layer(scope, receive, send):
        if scope["type"] != "lifespan":
            return await application(scope, receive, send)
        await receive()
        scope["state"]["client"] = client = open_client()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        await client.aclose()

    return layer


@known_answer("with_client", breaks="says_that_the_start_failed", says="OSError: the rates office is closed")
def a_failed_start_raises(application, open_client):
    async def layer(scope, receive, send):
        if scope["type"] != "lifespan":
            return await application(scope, receive, send)
        await receive()
        scope["state"]["client"] = client = open_client()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await client.aclose()
        await send({"type": "lifespan.shutdown.complete"})

    return layer


@known_answer("with_client", breaks="says_that_the_start_failed", says="lifespan.startup.complete")
def starts_without_a_client(application, open_client):
    async def layer(scope, receive, send):
        if scope["type"] != "lifespan":
            return await application(scope, receive, send)
        await receive()
        try:
            scope["state"]["client"] = open_client()
        except OSError:
            scope["state"]["client"] = None
        await send({"type": "lifespan.startup.complete"})
        await receive()
        if scope["state"]["client"]:
            await scope["state"]["client"].aclose()
        await send({"type": "lifespan.shutdown.complete"})

    return layer
