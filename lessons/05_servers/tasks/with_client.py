from __future__ import annotations

import asyncio
import random
import warnings
from uuid import uuid4

import httpx
from django.http import HttpResponse
from django.urls import path

from tutorial_project.checks import Outcome, Task, Trial
from tutorial_project.checks.kinds.asgi import application_from, exchange, http_scope
from tutorial_project.checks.kinds.lifespan import Lifespan, expect_two_requests_inside, some_turns
from tutorial_project.checks.trial import TrialHandler
from tutorial_project.words import counted

with_client = Task(
    "with_client",
    hints=(
        "When does the server say that it starts, and how long does that one call of the application live?",
        'In the `lifespan` call: receive, open, `scope["state"]["client"] = …`, send; receive again, close, send. Other calls go on to `application`.',
        "`try: client = open_client()` `except Exception as error:` send `lifespan.startup.failed` with the message and return. "
        'Else put it into `scope["state"]`, send `lifespan.startup.complete`, `await receive()`, `await client.aclose()`, send `lifespan.shutdown.complete`.',
    ),
    praise="Right: the client lives exactly as long as the server, on the server's loop, and the server hands `state` to every request. "
    "`async with` around the wait for the shutdown would close it as well.",
)


TALK = ("connect", "disconnect")
"""What a client of a WebSocket says that wants nothing."""


class OfficeClosed(Exception):
    """What a client may raise when it cannot be opened: of no type that an answer could name."""


NOWHERE = httpx.MockTransport(lambda request: httpx.Response(200))


class Office:
    """Opens clients, and knows them."""

    def __init__(self) -> None:
        self.clients: list[httpx.AsyncClient] = []

    def open_client(self) -> httpx.AsyncClient:
        # No request is sent: without a transport, the first client of a process would load what speaks TLS.
        self.clients.append(httpx.AsyncClient(transport=NOWHERE, trust_env=False))
        return self.clients[-1]

    def count(self) -> str:
        return _opened(len(self.clients))


def _opened(number: int) -> str:
    return f"{counted(number, 'client')} opened"


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
        await server.called()
        Outcome("the `lifespan` call, before `lifespan.startup` was received", office.count()).expect(
            "0 clients opened", because="the client was opened before `await receive()` had brought a message"
        )
        answer = await server.start()
        refused = "not lifespan" in str(answer.error)
        if answer.value == "lifespan.startup.failed":
            answer.value += f": {server.messages[-1].get('message')}"
        answer.expect(
            "lifespan.startup.complete",
            because="Django knows no `lifespan`: the layer has to answer it" if refused else None,
        )
        await server.called()
    later = office.clients and not opened[0]
    Outcome("the moment of `lifespan.startup.complete`", _opened(opened[0])).expect(
        "1 client opened",
        because="it was opened after the server had been told that all is ready: requests come at once"
        if later
        else None,
    )
    await _expect_a_client_of_each_start(trial)


async def _expect_a_client_of_each_start(trial: Trial) -> None:
    """A test suite starts the same application again and again."""
    office, found = Office(), list[str]()
    layer = application_from(trial, _no_page, office.open_client)
    for _ in range(2):
        async with Lifespan(layer) as server:
            answer = await server.start()
            answer.expect("lifespan.startup.complete")
            found.append(_described(server.state.get("client"), office))
            await server.stop()
    if found[0] == "an open client":
        Outcome("the second start of the same application", found[1]).expect("an open client")


@with_client.requirement(
    "from `lifespan.startup.complete` on lets every other connection, HTTP or WebSocket and several at once, reach "
    '`application`, which finds the open client at `scope["state"]["client"]`'
)
async def hands_it_to_requests(trial: Trial) -> None:
    office = Office()
    found: list[str] = []
    said = uuid4().hex[:8]

    async def rates(request):
        return HttpResponse(said)

    site = TrialHandler([path("rates/", rates)])

    async def application(scope, receive, send):
        found.append(_described(scope.get("state", {}).get("client"), office))
        if scope["type"] == "http":
            await site(scope, receive, send)
        else:
            await send({"type": "websocket.close", "reason": said})

    layer = application_from(trial, application, office.open_client)
    states: list[dict[str, object]] = []  # a server that is told of the start hands a copy on at once
    async with Lifespan(layer, on_message=lambda _: states.append(server.state.copy())) as server:
        (await server.start()).expect("lifespan.startup.complete")
        for kind in ("http", "websocket", "http"):
            before = len(found)
            messages = [] if kind == "http" else [{"type": f"{kind}.{what}"} for what in TALK]
            scope = http_scope("/rates/", type=kind, state=states[0].copy())
            reply = await exchange(layer, scope, *messages)
            reply.sent = f'a connection of the type "{kind}"'
            reply.expect_that(
                len(found) > before,
                "`application` called for it",
                got="it was not called",
                because=f"the layer does not pass `{kind}` on",
                next="`await application(scope, receive, send)` for every connection but `lifespan`",
            )
            if kind == "http":
                reply.expect_answer(200, said.encode())
            else:
                reply.expect_that(
                    said in str(reply.messages), "its messages passed on", got=f"{reply.messages!r}"
                )
    words = {}
    if server.scope["state"] is not server.state:
        words = {
            "because": "the layer put another dictionary into its scope: the server hands on what is in its own one",
            "next": '`scope["state"]["client"] = client`',
        }
    elif server.state and not states[0]:
        words = {
            "because": "the client was put there after the server had been told that all is ready: requests come at once",
            "next": "put it there before you send `lifespan.startup.complete`",
        }
    Outcome('three connections, each looking at scope["state"]["client"]', found).expect(
        ["an open client"] * 3, **words
    )
    Outcome("three connections", office.count()).expect("1 client opened")
    await expect_two_requests_inside(lambda inner: application_from(trial, inner, Office().open_client))


def _described(client: object, office: Office) -> str:
    if client not in office.clients:
        return f"{client!r}"
    return "a closed client" if getattr(client, "is_closed", False) else "an open client"


@with_client.requirement(
    "at `lifespan.shutdown` closes the client, and none of another layer, and then sends `lifespan.shutdown.complete`"
)
async def closes_at_shutdown(trial: Trial) -> None:
    office = Office()
    closed: dict[str, bool] = {}

    def note(message: dict[str, object]) -> None:
        closed[str(message["type"])] = bool(office.clients) and office.clients[0].is_closed

    async with Lifespan(application_from(trial, _no_page, office.open_client), on_message=note) as server:
        (await server.start()).expect("lifespan.startup.complete")
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always", RuntimeWarning)
            (await server.stop()).expect("lifespan.shutdown.complete")
        await some_turns()
        told = [message["type"] for message in server.messages]
    because = "the server may end the process as soon as it has heard of the end"
    if any("aclose' was never awaited" in str(warning.message) for warning in heard):
        because = "`aclose()` was called and not awaited, so it did nothing"
    state = "a closed client" if closed["lifespan.shutdown.complete"] else "a client that is open still"
    Outcome("lifespan.shutdown", f"lifespan.shutdown.complete, with {state}").expect(
        "lifespan.shutdown.complete, with a closed client", because=because
    )
    Outcome("lifespan.startup, and then lifespan.shutdown", told).expect(
        ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    )
    await _expect_the_client_of_another_server_open(trial)


async def _expect_the_client_of_another_server_open(trial: Trial) -> None:
    offices = Office(), Office()
    stops, stays = (Lifespan(application_from(trial, _no_page, office.open_client)) for office in offices)
    async with stops, stays:
        for server in (stops, stays):
            (await server.start()).expect("lifespan.startup.complete")
        (await stops.stop()).expect("lifespan.shutdown.complete")
        found = [_described(office.clients[0], office) for office in offices]
    Outcome("the end of the first of two servers, each with a layer of its own", found).expect(
        ["a closed client", "an open client"],
        because="the two layers keep their clients in one place" if found[1] == "a closed client" else None,
        next="keep the client inside of the call for `lifespan`" if found[1] == "a closed client" else None,
    )


@with_client.requirement(
    "sends `lifespan.startup.failed` with the error's text as `message`, and no more, when `open_client()` raises"
)
async def says_that_the_start_failed(trial: Trial) -> None:
    said = f"office {uuid4().hex[:6]} is closed"
    for error in (OfficeClosed(said), OSError(random.randrange(2, 30), said)):
        await _expect_a_failed_start(trial, error)
    await _expect_no_failed_start_at_the_end(trial, said)


async def _expect_a_failed_start(trial: Trial, error: Exception) -> None:
    def closed_office() -> httpx.AsyncClient:
        raise error

    happens = f"lifespan.startup, with an open_client() that raises {error!r}"
    right = {"type": "lifespan.startup.failed", "message": str(error)}
    async with Lifespan(application_from(trial, _no_page, closed_office)) as server:
        answer = await server.start()
        answer.sent = happens
        answer.expect("lifespan.startup.failed")
        await asyncio.sleep(0)
        Outcome(happens, [dict(message) for message in server.messages]).expect([right])
        await server.stop()
        Outcome(f"{happens}, and then lifespan.shutdown", server.messages).expect([right])


async def _expect_no_failed_start_at_the_end(trial: Trial, said: str) -> None:
    """Refuse an answer that tells of a failed start when it is the end that fails."""
    office = Office()

    async def stuck() -> None:
        raise OfficeClosed(said)

    async with Lifespan(application_from(trial, _no_page, office.open_client)) as server:
        (await server.start()).expect("lifespan.startup.complete")
        for client in office.clients:
            client.aclose = stuck  # type: ignore[method-assign]
        await server.stop()
        told = [message["type"] for message in server.messages]
    Outcome(
        f"lifespan.shutdown, with a client whose aclose() raises {OfficeClosed(said)!r}", told
    ).expect_that("lifespan.startup.failed" not in told, "no lifespan.startup.failed: the start was complete")
