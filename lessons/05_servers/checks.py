from __future__ import annotations

import asyncio
import inspect
import warnings
from copy import deepcopy

import httpx
from django.http import Http404, HttpResponse
from django.urls import path

from tutorial_project.classroom.checks import NotStarted, Outcome, Refusal, Task, Trial
from tutorial_project.classroom.checks.asgi import Exchange, application_from, exchange, http_scope
from tutorial_project.classroom.checks.lifespan import Lifespan
from tutorial_project.classroom.checks.trial import TrialHandler

DEPARTURES = "07:10 Lisbon\n09:45 Québec\n"

departure_board = Task(
    "departure_board",
    limit=2.0,
    hints=(
        "Which two messages make an answer, and which of their values are bytes?",
        "Look at `scope` first: its type says whether you can answer at all, its path says what. Then send twice.",
        'Send `{"type": "http.response.start", "status": …, "headers": [(b"content-type", …)]}`, then '
        '`{"type": "http.response.body", "body": ….encode()}`; before both: `if scope["type"] != "http": raise …`',
    ),
    praise="Right: this is all that a server asks of Django, too. "
    "The body could as well go out in several messages, each but the last with `more_body`.",
)


@departure_board.requirement(
    "answers `GET /departures/` with 200, `content-type: text/plain; charset=utf-8` and the text `DEPARTURES`"
)
async def answers_with_the_departures(trial: Trial) -> None:
    found = await exchange(trial.answer, http_scope("/departures/"))
    content_type = ("content-type", "text/plain; charset=utf-8")
    found.expect_answer(200, DEPARTURES.encode(), [content_type])


@departure_board.requirement("answers any other path with 404 and the text `no such page`")
async def answers_404_elsewhere(trial: Trial) -> None:
    for other in ("/", "/arrivals/", "/departures/today/"):
        found = await exchange(trial.answer, http_scope(other))
        words = {}
        if isinstance(found.error, Http404):
            words = {"because": "no Django is around this application, to make an answer of `Http404`"}
        found.expect_that(found.error is None, "an answer of two messages", **words)
        found.expect_answer(404, b"no such page")


@departure_board.requirement(
    "raises `ValueError` for a connection that is not `http`, and sends nothing to it"
)
async def refuses_other_connections(trial: Trial) -> None:
    websocket = http_scope("/departures/", type="websocket")
    for scope, kind in (({"type": "lifespan"}, "lifespan.startup"), (websocket, "websocket.connect")):
        try:
            found = await exchange(trial.answer, scope, {"type": kind})
        except NotStarted as other_error:  # no stub: it has answered requests
            found = Exchange(kind, error=other_error.__cause__)
        found.sent = f'a connection of the type "{scope["type"]}"'
        if found.messages:
            found.value, found.error = f"the message {found.messages[0]!r}", None
        found.expect_error(ValueError, because=_why_not_refused(found, scope["type"]))


def _why_not_refused(found: Exchange, kind: str) -> str | None:
    if found.messages or isinstance(found.error, KeyError):
        return f'"{kind}" has messages of its own, and this answer did not look at `scope["type"]`'
    if found.error is None:
        return "a server takes a quiet return for a connection that was served; an error tells it that this type is unknown"
    return None


class Clock:
    """A clock that the checks set, in seconds."""

    now = 0.0
    asked = 0

    def __call__(self) -> float:
        self.asked += 1
        return self.now


timed = Task(
    "timed",
    limit=2.0,
    hints=(
        "Who calls `send`, and can you be the one who is called?",
        "Hand the inner application a `send` of your own. It looks for one type of message, and passes everything on.",
        'Inside: `if message["type"] == "http.response.start": message["headers"] = [*message["headers"], (b"x-milliseconds", …)]`, '
        "then `await send(message)`. The moment of the start belongs in the inner function, where each request has its own.",
    ),
    praise="Right: a layer around the application sees every message and needs nothing of Django. "
    "A class with `__init__` and `async def __call__` would do the same.",
)


@timed.requirement(
    "adds the header `x-milliseconds` to an answer: whole milliseconds of `clock()`, from the call to the start of the answer"
)
async def adds_the_header(trial: Trial) -> None:
    clock = Clock()

    async def takes_a_quarter_second(scope, receive, send):
        clock.now += 0.25
        started = send({"type": "http.response.start", "status": 200, "headers": []})
        if not inspect.isawaitable(started):
            raise Refusal(
                sent="the first message of the inner application",
                expected="a `send` that can be awaited",
                got=f"{started!r} at once",
                because="the `send` that the layer hands to the inner application is a plain function",
                next="`async def`",
            )
        await started
        clock.now += 1
        await send({"type": "http.response.body", "body": b"stamped"})

    found = await exchange(application_from(trial, takes_a_quarter_second, clock), http_scope("/stamp/"))
    found.sent = (
        "a request that takes 250 milliseconds to the start of its answer, and a second more to its end"
    )
    if found.error is None and not found.messages:
        found.refuse(expected="an answer", got="nothing was sent", **_what_was_not_awaited(clock.now > 0))
    words = {} if clock.asked else {"because": "the layer has not called `clock()`: another clock was read"}
    found.expect_answer(200, b"stamped", [("x-milliseconds", "250")], **words)


def _what_was_not_awaited(inner_ran: bool) -> dict[str, str]:
    if inner_ran:
        return {
            "because": "the inner application sent its messages, and the layer's own `send` passed none of them on",
            "next": "`await send(message)`",
        }
    return {"because": "the inner application did not run", "next": "`await application(scope, receive, …)`"}


async def _booking(request):
    response = HttpResponse("booked", status=201)
    response.set_cookie("trip", "7")
    response.set_cookie("seat", "12A")
    return response


@timed.requirement("leaves the status, the other headers and the body of Django's answers as they are")
async def leaves_the_answer_as_it_is(trial: Trial) -> None:
    plain = await exchange(TrialHandler([path("booking/", _booking)]), http_scope("/booking/"))

    async def answers_as_django_did(scope, receive, send):
        for message in plain.messages:
            await send(deepcopy(message))

    found = await exchange(application_from(trial, answers_as_django_did, Clock()), http_scope("/booking/"))
    kept = [header for header in found.headers if header[0] != "x-milliseconds"]
    lost = [f"{name}: {value}" for name, value in plain.headers if (name, value) not in kept]
    found.expect_that(not lost, "every header of Django's answer", got=f"an answer without {', '.join(lost)}")
    found.expect_answer(201, b"booked")


@timed.requirement("passes each piece of a stream on at once")
async def passes_pieces_on_at_once(trial: Trial) -> None:
    arrived: list[bytes] = []
    seen_by_the_client: list[list[bytes]] = []

    async def departures(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for piece in (b"Lisbon", b"Kyoto"):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            seen_by_the_client.append(arrived.copy())
        await send({"type": "http.response.body", "body": b""})

    layer = application_from(trial, departures, Clock())
    found = await exchange(
        layer, http_scope("/departures/"), on_message=lambda message: arrived.append(message.get("body", b""))
    )
    found.expect_that(True, "an answer")
    found.sent = "a stream of two pieces"
    found.expect_that(
        b"Lisbon" in seen_by_the_client[0],
        "the first piece at the client before the second is made",
        got="the first piece kept back",
        because="the layer collects what it should pass on",
    )
    found.expect_answer(200, b"LisbonKyoto")


@timed.requirement("gives two requests that are under way together each its own time")
async def keeps_requests_apart(trial: Trial) -> None:
    clock, entered, go_on = Clock(), asyncio.Event(), asyncio.Event()

    async def ferry(scope, receive, send):
        if scope["path"] == "/slow/":
            entered.set()
            await go_on.wait()
        clock.now += 1
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    layer = application_from(trial, ferry, clock)
    slow = asyncio.ensure_future(exchange(layer, http_scope("/slow/")))
    done = asyncio.ensure_future(entered.wait())
    await asyncio.wait([slow, done], return_when=asyncio.FIRST_COMPLETED)
    clock.now = 10
    try:
        quick = await exchange(layer, http_scope("/quick/"))
    finally:
        go_on.set()
        done.cancel()
    times = [dict(found.headers).get("x-milliseconds") for found in (await slow, quick)]
    Outcome("a request of 12 seconds, and one of 1 second that starts 10 seconds later", times).expect(
        ["12000", "1000"], because="the moment of the start is kept where both requests write it"
    )


@timed.requirement("passes `lifespan` and `websocket` connections on, with nothing added or left out")
async def leaves_other_connections_alone(trial: Trial) -> None:
    for kind, first, answer in (
        ("lifespan", "lifespan.startup", "lifespan.startup.complete"),
        ("websocket", "websocket.connect", "websocket.accept"),
    ):
        heard = []

        async def talks(scope, receive, send, heard=heard, answer=answer):
            heard.append((scope["type"], (await receive())["type"]))
            await send({"type": answer})

        scope = {"type": kind} if kind == "lifespan" else http_scope("/chat/", type=kind)
        found = await exchange(application_from(trial, talks, Clock()), scope, {"type": first})
        found.sent = f'a connection of the type "{kind}"'
        inside = f"{first} inside, {answer} outside"
        found.expect_that(
            heard == [(kind, first)], inside, got="the inner application was not called with it"
        )
        found.expect_that(found.messages == [{"type": answer}], inside, got=f"outside: {found.messages!r}")


with_client = Task(
    "with_client",
    limit=2.0,
    hints=(
        "When does the server say that it starts, and how long does that one call of the application live?",
        'In the `lifespan` call: receive, open, `scope["state"]["client"] = …`, send; receive again, close, send. Other calls go on to `application`.',
        "`try: client = open_client()` `except Exception as error:` send `lifespan.startup.failed` with the message and return. "
        'Else put it into `scope["state"]`, send `lifespan.startup.complete`, `await receive()`, `await client.aclose()`, send `lifespan.shutdown.complete`.',
    ),
    praise="Right: the client lives exactly as long as the server, on the server's loop, and the server hands `state` to every request. "
    "`async with` around the wait for the shutdown would close it as well.",
)


class Office:
    """Opens clients, and knows them."""

    def __init__(self) -> None:
        self.clients: list[httpx.AsyncClient] = []

    def open_client(self) -> httpx.AsyncClient:
        self.clients.append(httpx.AsyncClient(verify=False, trust_env=False))
        return self.clients[-1]

    def count(self) -> str:
        return _opened(len(self.clients))


def _opened(number: int) -> str:
    return f"{number} client{'' if number == 1 else 's'} opened"


async def _no_page(scope, receive, send):
    raise ValueError(f"Django can only handle ASGI/HTTP connections, not {scope['type']}.")


@with_client.requirement(
    "opens one client with `open_client()` at `lifespan.startup`, not earlier, and then sends `lifespan.startup.complete`"
)
async def opens_at_startup(trial: Trial) -> None:
    office = Office()
    opened: list[int] = []
    layer = application_from(trial, _no_page, office.open_client)
    Outcome("with_client(…), before the server starts", office.count()).expect(
        "0 clients opened",
        because="the client was opened when the layer was made: no loop runs then, and no server has started",
    )
    async with Lifespan(layer, on_message=lambda message: opened.append(len(office.clients))) as server:
        answer = await server.start()
        refused = "not lifespan" in str(answer.error)
        if answer.value == "lifespan.startup.failed":
            answer.value += f": {server.messages[-1].get('message')}"
        answer.expect(
            "lifespan.startup.complete",
            because="Django knows no `lifespan`: the layer has to answer it" if refused else None,
        )
    Outcome("lifespan.startup", _opened(opened[0])).expect("1 client opened")


@with_client.requirement(
    'lets every request reach `application`, which finds the open client at `scope["state"]["client"]`'
)
async def hands_it_to_requests(trial: Trial) -> None:
    office = Office()
    found: list[object] = []

    async def rates(request):
        client = request.scope.get("state", {}).get("client")
        found.append("an open client" if client in office.clients and not client.is_closed else client)
        return HttpResponse("rates")

    layer = application_from(trial, TrialHandler([path("rates/", rates)]), office.open_client)
    async with Lifespan(layer) as server:
        (await server.start()).expect("lifespan.startup.complete")
        for _ in range(2):
            scope = http_scope("/rates/", state=server.state.copy())
            reply = await exchange(layer, scope)
            reply.expect_that(
                bool(found),
                "`application` called for the request",
                got="it was not called",
                because="the layer answers `lifespan` alone",
                next="`await application(scope, receive, send)` for every other connection",
            )
            reply.expect_answer(200, b"rates")
        shown = [client if isinstance(client, str) else _described(client) for client in found]
        Outcome('two requests, each looking at scope["state"]["client"]', shown).expect(
            ["an open client"] * 2
        )
        Outcome("two requests", office.count()).expect("1 client opened")


def _described(client: object) -> str:
    return "a closed client" if getattr(client, "is_closed", False) else f"{client!r}"


@with_client.requirement(
    "at `lifespan.shutdown` closes the client, and then sends `lifespan.shutdown.complete`"
)
async def closes_at_shutdown(trial: Trial) -> None:
    office = Office()
    closed: dict[str, bool] = {}
    note = lambda message: closed.setdefault(message["type"], office.clients[0].is_closed)  # noqa: E731
    async with Lifespan(application_from(trial, _no_page, office.open_client), on_message=note) as server:
        (await server.start()).expect("lifespan.startup.complete")
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always", RuntimeWarning)
            (await server.stop()).expect("lifespan.shutdown.complete")
    because = "the server may end the process as soon as it has heard of the end"
    if any("aclose' was never awaited" in str(warning.message) for warning in heard):
        because = "`aclose()` was called and not awaited, so it did nothing"
    state = "a closed client" if closed["lifespan.shutdown.complete"] else "a client that is open still"
    Outcome("lifespan.shutdown", f"lifespan.shutdown.complete, with {state}").expect(
        "lifespan.shutdown.complete, with a closed client", because=because
    )


@with_client.requirement(
    "sends `lifespan.startup.failed` with the error's text as `message`, and no more, when `open_client()` raises"
)
async def says_that_the_start_failed(trial: Trial) -> None:
    def closed_office() -> httpx.AsyncClient:
        raise OSError("the rates office is closed")

    async with Lifespan(application_from(trial, _no_page, closed_office)) as server:
        answer = await server.start()
        answer.sent = "lifespan.startup, with an open_client() that raises OSError"
        answer.expect("lifespan.startup.failed")
        await asyncio.sleep(0)
        sent = [dict(message) for message in server.messages]
    right = {"type": "lifespan.startup.failed", "message": "the rates office is closed"}
    Outcome("lifespan.startup, with an open_client() that raises OSError", sent).expect([right])
