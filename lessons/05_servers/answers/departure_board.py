from django.http import Http404, HttpResponse

from tutorial_project.checks import known_answer

DEPARTURES = "07:10 Lisbon\n09:45 Québec\n"


PLAIN = [(b"content-type", b"text/plain; charset=utf-8")]


@known_answer(
    "departure_board", when="Where the body is long, or comes piece by piece: what is there goes out at once."
)
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


@known_answer(
    "departure_board",
    breaks="answers_with_the_departures",
    says="nothing was sent",
    because="an ASGI application answers with messages; what it returns is",
)
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


@known_answer("departure_board", breaks="answers_404_elsewhere", says="GET /departures ")
async def every_path_but_one_is_the_board(scope, receive, send):
    known = scope["path"] != "/"
    await send({"type": "http.response.start", "status": 200 if known else 404, "headers": PLAIN})
    await send({"type": "http.response.body", "body": DEPARTURES.encode() if known else b"no such page"})


@known_answer(
    "departure_board",
    breaks="refuses_other_connections",
    says="KeyError: 'path'",
    because='"lifespan" has messages of its own, and this answer took it for `http`',
)
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


@known_answer(
    "departure_board",
    breaks="refuses_other_connections",
    says="http.response.start",
    because='"lifespan" has messages of its own, and this answer took it for `http`',
)
async def a_page_for_everybody(scope, receive, send):
    await no_look_at_the_type({"path": "/", **scope}, receive, send)


@known_answer(
    "departure_board",
    when="Where the length is known, as for a file: the client can show how much is still to come.",
)
async def looks_up_what_to_say(scope, receive, send):
    pages = {"/departures/": (200, DEPARTURES)}
    if (kind := scope.get("type")) != "http":
        raise ValueError(f"{kind}?")
    status, text = pages.get(scope["path"], (404, "no such page"))
    headers = [
        (b"Content-Type", b"text/plain; charset=utf-8"),
        (b"content-length", b"%d" % len(text.encode())),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode()})


@known_answer("departure_board", breaks="answers_404_elsewhere", says="GET /departures ")
async def forgives_a_slash(scope, receive, send):
    await no_look_at_the_type(scope | {"path": scope["path"].rstrip("/") + "/"}, receive, send)


@known_answer("departure_board", breaks="answers_404_elsewhere", says="GET /old/departures/")
async def looks_at_the_end_of_the_path(scope, receive, send):
    known = "departures/" if scope["path"].endswith("/departures/") else "other"
    await no_look_at_the_type(scope | {"path": f"/{known}"}, receive, send)


@known_answer(
    "departure_board",
    breaks="refuses_other_connections",
    says='of the type "type-',
    because="has messages of its own, and this answer took it for",
)
async def knows_two_other_types(scope, receive, send):
    if scope["type"] in ("websocket", "lifespan"):
        raise ValueError(scope["type"])
    await no_look_at_the_type(scope, receive, send)


@known_answer(
    "departure_board",
    breaks="answers_with_the_departures",
    says="content-length: 26, and a body of 27 bytes",
    because="the length of a body is that of its bytes",
)
async def counts_letters(scope, receive, send):
    if scope["type"] != "http":
        raise ValueError(scope["type"])
    known = scope["path"] == "/departures/"
    text = DEPARTURES if known else "no such page"
    headers = [*PLAIN, (b"content-length", b"%d" % len(text))]
    await send({"type": "http.response.start", "status": 200 if known else 404, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode()})


asked_for = {}


@known_answer("departure_board", breaks="answers_404_elsewhere", says="while others ask for other pages")
async def keeps_the_path_in_the_module(scope, receive, send):
    if scope["type"] != "http":
        raise ValueError(scope["type"])
    asked_for["path"] = scope["path"]
    status = 200 if scope["path"] == "/departures/" else 404
    await send({"type": "http.response.start", "status": status, "headers": PLAIN})
    body = DEPARTURES if asked_for["path"] == "/departures/" else "no such page"
    await send({"type": "http.response.body", "body": body.encode()})


EQUAL_MUTANTS = {
    "order of two: await send(…": "the body is the same whether it is made before the start is sent or after it",
}


@known_answer(
    "departure_board",
    breaks="refuses_other_connections",
    says='of the type "http-',
    because="and this answer took it for `http`",
)
async def takes_what_begins_with_http(scope, receive, send):
    if not scope["type"].startswith("http"):
        raise ValueError(scope["type"])
    await no_look_at_the_type(scope, receive, send)


@known_answer("departure_board", breaks="refuses_other_connections", says="websocket.close")
async def closes_a_websocket_first(scope, receive, send):
    if scope["type"] == "websocket":
        await send({"type": "websocket.close"})
    if scope["type"] != "http":
        raise ValueError(scope["type"])
    await no_look_at_the_type(scope, receive, send)
