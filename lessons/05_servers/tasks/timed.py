from __future__ import annotations

import asyncio
import inspect
import random
from copy import deepcopy
from uuid import uuid4

from django.http import HttpResponse
from django.urls import path

from tutorial_project.checks import Outcome, Refusal, Task, Trial
from tutorial_project.checks.kinds.asgi import application_from, awaitable, exchange, http_scope
from tutorial_project.checks.trial import TrialHandler

PATIENCE = 1.0
"""Real seconds after which a request is given up that should have its answer."""


class Clock:
    """A clock that the checks set, in seconds."""

    now = 0.0
    asked = 0

    def __call__(self) -> float:
        self.asked += 1
        return self.now


timed = Task(
    "timed",
    hints=(
        "Who calls `send`, and can you be the one who is called?",
        "Hand the inner application a `send` of your own. It looks for one type of message, and passes everything on.",
        'Inside: `if message["type"] == "http.response.start": message["headers"] = [*message.get("headers", ()), (b"x-milliseconds", …)]`, '
        "then `await send(message)`. The moment of the start belongs in the inner function, where each request has its own.",
    ),
    praise="Right: a layer around the application sees every message and needs nothing of Django. "
    "A class with `__init__` and `async def __call__` would do the same.",
)


@timed.requirement(
    "adds the header `x-milliseconds` to an answer, also to one that starts without `headers`: whole milliseconds of "
    "`clock()`, from the call to the start of the answer"
)
async def adds_the_header(trial: Trial) -> None:
    clock, took, rest = Clock(), _eighths(1, 16), _eighths(1, 16)

    async def takes_its_time(scope, receive, send):
        clock.now += took
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
        clock.now += rest
        await send({"type": "http.response.body", "body": b"stamped"})

    layer = application_from(trial, takes_its_time, clock)
    made = clock.now if clock.asked else None
    clock.now += _eighths(17, 32)
    called = clock.now
    found = await exchange(layer, http_scope("/stamp/"))
    found.sent = (
        f"a request that takes {took * 1000:g} milliseconds to the start of its answer, "
        f"and {rest * 1000:g} more to its end"
    )
    if found.error is None and not found.messages:
        found.refuse(
            expected="an answer", got="nothing was sent", **_what_was_not_awaited(clock.now > called)
        )
    words: dict[str, str] = {}
    said = dict(found.headers).get("x-milliseconds") if found.error is None else None
    if said == f"{(took + rest) * 1000:g}":
        words = {"because": "this is the time to the end of the answer, not to its start"}
    if said and "." in said:
        words = {"because": "these are no whole milliseconds"}
    if said and not clock.asked:
        words = {"because": "the layer has not called `clock()`: another clock was read"}
    if made is not None and said == f"{(called + took - made) * 1000:g}":
        words = {"because": "the clock was read when the layer was made, long before the request came"}
    found.expect_answer(200, b"stamped", [("x-milliseconds", f"{took * 1000:g}")], **words)
    await _expect_it_without_other_headers(trial)
    await _expect_the_wait_for_the_request(trial)


async def _expect_the_wait_for_the_request(trial: Trial) -> None:
    """Refuse a layer whose time begins only when the client has sent its request."""
    clock, upload = Clock(), _eighths(1, 16)
    heard: list[dict[str, object]] = []
    body = {"type": "http.request", "body": uuid4().hex.encode(), "more_body": False}

    async def hears_it_all(scope, receive, send):
        heard.append(await receive())
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"stamped"})

    layer = application_from(trial, hears_it_all, clock)

    async def from_a_slow_client(scope, receive, send):
        async def receive_slowly():
            clock.now += upload
            return await receive()

        await awaitable(layer(scope, receive_slowly, send), "a request")

    # Trap: without a last message an application whose body was taken away would wait for ever.
    gone = {"type": "http.disconnect"}
    found = await exchange(from_a_slow_client, http_scope("/stamp/", method="POST"), body, gone)
    if heard != [body]:
        return  # what becomes of a body is the next requirement's
    found.sent = f"a request whose body takes {upload * 1000:g} milliseconds to come"
    found.expect_answer(200, b"stamped", [("x-milliseconds", f"{upload * 1000:g}")])


async def _expect_it_without_other_headers(trial: Trial) -> None:
    async def has_no_headers(scope, receive, send):
        await send({"type": "http.response.start", "status": 204})
        await send({"type": "http.response.body"})

    found = await exchange(application_from(trial, has_no_headers, Clock()), http_scope("/stamp/"))
    found.sent = "a request whose answer starts without `headers`"
    failed = found.error is not None
    found.expect_that(
        not failed,
        "204 x-milliseconds: 0",
        because="a message that starts an answer may leave `headers` out" if failed else None,
        next='`message.get("headers", [])`' if failed else None,
    )
    found.expect_answer(204, b"", [("x-milliseconds", "0")])


def _eighths(least: int, most: int) -> float:
    """A number of seconds, an odd number of eighths: no clock and no unit has to round it."""
    return random.randrange(least | 1, most, 2) / 8


def _what_was_not_awaited(inner_ran: bool) -> dict[str, str]:
    if inner_ran:
        return {
            "because": "the inner application sent its messages, and none had been passed on when it returned",
            "next": "`await send(message)`",
        }
    return {"because": "the inner application did not run", "next": "`await application(scope, receive, …)`"}


async def _booking(request):
    response = HttpResponse("booked", status=201)
    response.set_cookie("trip", "7")
    response.set_cookie("seat", "12A")
    return response


@timed.requirement(
    "leaves the body of a request, and the status, the other headers and the body of Django's answers as they are"
)
async def leaves_the_answer_as_it_is(trial: Trial) -> None:
    await _expect_the_whole_request(trial)
    plain = await exchange(TrialHandler([path("booking/", _booking)]), http_scope("/booking/"))

    async def answers_as_django_did(scope, receive, send):
        for message in plain.messages:
            await send(deepcopy(message))

    found = await exchange(application_from(trial, answers_as_django_did, Clock()), http_scope("/booking/"))
    kept = [header for header in found.headers if header[0] != "x-milliseconds"]
    lost = [f"{name}: {value}" for name, value in plain.headers if (name, value) not in kept]
    found.expect_that(not lost, "every header of Django's answer", got=f"an answer without {', '.join(lost)}")
    found.expect_that(
        kept == plain.headers,
        f"the headers of Django's answer: {', '.join(name for name, _ in plain.headers)}",
        got=f"{', '.join(name for name, _ in kept)}",
    )
    found.expect_answer(201, b"booked")


async def _expect_the_whole_request(trial: Trial) -> None:
    parts = [f"seat={uuid4().hex[:6]}&".encode(), f"trip={random.randrange(100, 1000)}".encode()]
    heard: list[bytes] = []

    async def booking_desk(scope, receive, send):
        more = True
        while more:
            message = await receive()
            more = message.get("more_body", False)
            heard.append(message.get("body", b"the client has left"))
        await send({"type": "http.response.start", "status": 201, "headers": []})
        await send({"type": "http.response.body", "body": b"booked"})

    layer = application_from(trial, booking_desk, Clock())
    first, second = ({"type": "http.request", "body": part, "more_body": part is parts[0]} for part in parts)
    # Trap: without a last message an application whose body was taken away would wait for ever.
    gone = {"type": "http.disconnect"}
    found = await exchange(layer, http_scope("/booking/", method="POST"), first, second, gone)
    found.sent = "POST /booking/  with a body in two messages"
    words = {}
    if heard in (parts[1:], [b"the client has left"]):
        words = {
            "because": "the layer has taken what the client sent first: `receive` gives each message once",
            "next": "hand `receive` on, and leave the messages to the application",
        }
    found.expect_that(
        b"".join(heard) == b"".join(parts),
        f"the application reads {b''.join(parts)!r}",
        got=f"it reads {b''.join(heard)!r}",
        **words,
    )
    found.expect_answer(201, b"booked")


@timed.requirement("passes the start of a stream and each piece of it on at once")
async def passes_pieces_on_at_once(trial: Trial) -> None:
    arrived: list[bytes] = []
    started: list[bool] = []
    seen_by_the_client: list[list[bytes]] = []
    pieces = [f"{city} {uuid4().hex[:4]}".encode() for city in ("Lisbon", "Kyoto")]

    async def departures(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        started.append(bool(arrived))
        for piece in pieces:
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
        pieces[0] in seen_by_the_client[0],
        "the first piece at the client before the second is made",
        got="the first piece kept back",
        because="the layer collects what it should pass on",
    )
    found.expect_that(
        started == [True],
        "the start of the answer at the client before the first piece is made",
        got="the start kept back",
    )
    found.expect_answer(200, b"".join(pieces))


@timed.requirement("gives two requests that are under way together each its own time")
async def keeps_requests_apart(trial: Trial) -> None:
    clock, entered, go_on = Clock(), asyncio.Event(), asyncio.Event()
    before, quick_takes, slow_takes = _eighths(17, 32), _eighths(1, 8), _eighths(9, 16)

    async def ferry(scope, receive, send):
        slow = not entered.is_set()
        if slow:
            entered.set()
            await go_on.wait()
        clock.now += slow_takes if slow else quick_takes
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    layer = application_from(trial, ferry, clock)
    slow = asyncio.ensure_future(exchange(layer, http_scope("/ferry/")))
    done = asyncio.ensure_future(entered.wait())
    await asyncio.wait([slow, done], return_when=asyncio.FIRST_COMPLETED)
    clock.now += before
    asking = asyncio.ensure_future(exchange(layer, http_scope("/ferry/")))
    try:
        await asyncio.wait([asking], timeout=PATIENCE)
        Outcome(
            "a request that comes while another one is inside", "no answer before the other one has its own"
        ).expect_that(asking.done(), "an answer: nobody waits for another one")
        quick = await asking
    finally:
        go_on.set()
        done.cancel()
        asking.cancel()
        await asyncio.wait([asking, slow], timeout=PATIENCE)
    found = [dict(found.headers).get("x-milliseconds") for found in (await slow, quick)]
    after_quick_came = quick_takes + slow_takes
    shared = found == _milliseconds(after_quick_came, quick_takes)
    all_in_all = before + after_quick_came
    Outcome(
        f"a request of {all_in_all * 1000:g} milliseconds, and one of {quick_takes * 1000:g} that starts meanwhile",
        found,
    ).expect(
        _milliseconds(all_in_all, quick_takes),
        because="both times begin when the second request came: its start has replaced the first one's"
        if shared
        else None,
    )


def _milliseconds(*seconds: float) -> list[str]:
    return [f"{each * 1000:g}" for each in seconds]


@timed.requirement(
    "passes `lifespan` and `websocket` connections on, with nothing added or left out, and an error of the application, "
    "or that it was cancelled, to whoever called the layer"
)
async def leaves_other_connections_alone(trial: Trial) -> None:
    for kind, first, answer, more in (
        ("lifespan", "lifespan.startup", "lifespan.startup.complete", {}),
        ("websocket", "websocket.connect", "websocket.accept", {"headers": [(b"x-seat", b"12A")]}),
        ("websocket", "websocket.connect", "websocket.http.response.start", {"status": 403, "headers": []}),
    ):
        heard, inner = [], {}

        async def talks(scope, receive, send, heard=heard, answer=answer, more=more, inner=inner):
            inner |= scope
            heard.append((scope["type"], (await receive())["type"]))
            if "state" in scope:
                scope["state"]["client"] = answer
            await send({"type": answer, **more})

        state: dict[str, str] = {}
        scope = (
            {"type": kind, "state": state}
            if kind == "lifespan"
            else http_scope("/chat/", type=kind, state=state)
        )
        found = await exchange(application_from(trial, talks, Clock()), scope, {"type": first})
        found.sent = f'a connection of the type "{kind}"'
        inside = f"{first} inside, {answer} outside"
        found.expect_that(
            heard == [(kind, first)], inside, got="the inner application was not called with it"
        )
        found.expect_that(
            found.messages == [{"type": answer, **more}], inside, got=f"outside: {found.messages!r}"
        )
        found.expect_that(
            kind != "lifespan" or state == {"client": answer},
            'the same `scope["state"]` inside as outside',
            got="another one, or none: what the application puts into it does not reach the server",
        )
        changed = sorted(key for key in inner.keys() | scope.keys() if inner.get(key) != scope.get(key))
        found.expect_that(
            not changed, "the scope that the server gave", got=f"another {', '.join(changed)} inside"
        )
    await _expect_the_error_of_the_application(trial)
    await _expect_the_cancellation(trial)


async def _expect_the_cancellation(trial: Trial) -> None:
    """Cancel a request as a server does whose client has left."""
    inside = asyncio.Event()

    async def waits(scope, receive, send):
        inside.set()
        await asyncio.Event().wait()

    asking = asyncio.ensure_future(exchange(application_from(trial, waits, Clock()), http_scope("/ferry/")))
    entered = asyncio.ensure_future(inside.wait())
    await asyncio.wait([asking, entered], return_when=asyncio.FIRST_COMPLETED)
    for task in (asking, entered):
        task.cancel()
    await asyncio.wait([asking, entered], timeout=PATIENCE)
    Outcome("a request that is cancelled while the application waits", "the layer returned").expect_that(
        asking.cancelled() or not asking.done(), "CancelledError, out of the layer"
    )


async def _expect_the_error_of_the_application(trial: Trial) -> None:
    async def knows_no_such_connection(scope, receive, send):
        raise ValueError(f"no {scope['type']} here")

    for scope in ({"type": "lifespan"}, http_scope("/chat/", type="websocket"), http_scope("/stamp/")):
        found = await exchange(application_from(trial, knows_no_such_connection, Clock()), scope)
        found.sent = (
            f'a connection of the type "{scope["type"]}", which the application refuses with a `ValueError`'
        )
        found.expect_error(
            ValueError,
            because=None
            if found.error
            else "it stayed inside of the layer, and a server takes a quiet return for a connection that was served",
        )
