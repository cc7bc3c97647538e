from __future__ import annotations

import asyncio
import warnings

import httpx
from django.http import HttpResponse
from django.urls import path

from tutorial_project.checks import Outcome, Task, Trial
from tutorial_project.checks.kinds.asgi import application_from, exchange, http_scope
from tutorial_project.checks.kinds.lifespan import Lifespan
from tutorial_project.checks.trial import TrialHandler

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
