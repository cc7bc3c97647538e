from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any
from uuid import uuid4

from tutorial_project.checks import Outcome, Task, Trial
from tutorial_project.checks.kinds.asgi import REQUEST, Exchange, application_from, exchange, http_scope
from tutorial_project.checks.kinds.lifespan import Lifespan
from tutorial_project.checks.proofs.clock import held_clock

TURNS = 50
"""Turns of the event loop in which what waits for nothing gets to its end."""

with_readiness = Task(
    "with_readiness",
    hints=(
        "Who knows that a request is over, however it ends: with an answer, an error, or a visitor who leaves?",
        "Count what you hand to `application`, in `try` and `finally`. At `lifespan.shutdown` wait until the count is zero, "
        "with an event that the last one sets.",
        "`under_way.add(request)`, `try: await application(scope, receive, send)`, `finally: under_way.discard(request)`, and "
        "`if not under_way: none_left.set()`; in the `lifespan` call: `await receive()`, send `startup.complete`, `await receive()`, "
        "`while under_way: none_left.clear(); await none_left.wait()`, send `shutdown.complete`.",
    ),
    praise="Right: the proxy hears no, and whoever is inside already gets an answer. "
    "An `asyncio.Condition` or a `TaskGroup` around the requests would wait as well.",
)


class Shop:
    """An application whose requests to `/slow/` stay inside until they are let go; it knows no readiness."""

    def __init__(self) -> None:
        self.word = uuid4().hex.encode()
        self.inside, self.go_on, self.breaks = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.number_inside = 0
        self.paths: list[str] = []
        self.scopes: list[dict[str, Any]] = []
        self.received: list[dict[str, Any]] = []

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        self.paths.append(scope.get("path", scope["type"]))
        self.scopes.append(scope.copy())
        if scope["type"] == "websocket":
            return await send({"type": "websocket.close"})
        if scope["type"] != "http":
            raise ValueError(f"Django can only handle ASGI/HTTP connections, not {scope['type']}.")
        self.received.append(await receive())
        self.number_inside += 1
        try:
            await self._answer(scope, send)
        finally:
            self.number_inside -= 1

    async def _answer(self, scope: dict[str, Any], send: Any) -> None:
        if scope["path"] == "/slow/breaks/":
            await self.breaks.wait()
            raise ConnectionError("the view has failed")
        if scope["path"] == "/slow/fails/":
            await self._wait()
            raise ConnectionError("the view has failed")
        await send({"type": "http.response.start", "status": 200, "headers": []})
        if scope["path"].startswith("/slow/"):
            await self._wait()
        await send({"type": "http.response.body", "body": self.word})
        if scope["path"] == "/closes/slowly/":  # as Django does, with signals and connections
            await self._wait()

    async def _wait(self) -> None:
        self.inside.set()
        await self.go_on.wait()


def opened(trial: Trial) -> tuple[Shop, asyncio.Event, Callable[..., Any]]:
    shop, stopping = Shop(), asyncio.Event()
    return shop, stopping, application_from(trial, shop, stopping)


async def readiness(layer: Callable[..., Any], when: str) -> Exchange:
    found = await exchange(layer, http_scope("/readiness/"))
    found.sent = f"GET /readiness/ {when}"
    return found


async def turns() -> None:
    for _ in range(TURNS):
        await asyncio.sleep(0)


@with_readiness.requirement(
    "answers `GET /readiness/` itself, with 200 and the text `ready`, and hands requests for other paths, and WebSockets, to "
    "`application`"
)
async def answers_ready(trial: Trial) -> None:
    shop, _, layer = opened(trial)
    (await readiness(layer, "")).expect_answer(200, b"ready", [("content-type", "text/plain")])
    Outcome("GET /readiness/", f"application was called for {shop.paths}").expect_that(
        not shop.paths,
        "an answer of the layer's own",
        because="the layer calls `application` for this path, too",
    )
    for path in ("/trips/", "/readiness", "/readiness/of/trips/", "/trips/readiness/"):
        await hands_on(shop, layer, http_scope(path, state={"letters": uuid4().hex}))
    await hands_on_what_is_no_request(shop, layer)
    shop.go_on.set()
    failing = await exchange(layer, http_scope("/slow/fails/"))
    got = "no error" if failing.error is None else type(failing.error).__name__
    Outcome("GET /slow/fails/  where `application` raises ConnectionError", got).expect(
        "ConnectionError", because="the server has to hear of it" if failing.error is None else None
    )


async def hands_on(shop: Shop, layer: Callable[..., Any], scope: dict[str, Any]) -> None:
    given = scope.copy()
    reply = await exchange(layer, scope)
    reply.expect_answer(200, shop.word)
    found = shop.scopes[-1]
    changed = sorted(key for key in found.keys() | given.keys() if found.get(key) != given.get(key))
    Outcome(reply.sent, f"another {', '.join(changed)} in the scope of the request").expect_that(
        not changed, "the scope that the server gave", because="the layer has changed it"
    )
    Outcome(f"{reply.sent}, and the request's body", shop.received[-1]).expect(REQUEST)


async def hands_on_what_is_no_request(shop: Shop, layer: Callable[..., Any]) -> None:
    for path in ("/chat/", "/readiness/"):
        shop.scopes.clear()
        scope = http_scope(path, type="websocket", scheme="ws")
        del scope["method"]  # a WebSocket has none
        await exchange(layer, scope)
        Outcome(f"a WebSocket to {path}", f"`application` was called {len(shop.scopes)} times").expect(
            "`application` was called 1 times",
            because="a WebSocket is no `GET`, and cannot be answered with a status"
            if path == "/readiness/"
            else "only `lifespan` and `/readiness/` belong to the layer",
        )


@with_readiness.requirement(
    "answers `GET /readiness/` with 503 and the text `stopping` as soon as `stopping` is set, open requests or not"
)
async def says_no_when_stopping(trial: Trial) -> None:
    shop, stopping, layer = opened(trial)
    request = asyncio.ensure_future(exchange(layer, http_scope("/slow/")))
    await shop.inside.wait()
    (await readiness(layer, "while a request is open")).expect_answer(200, b"ready")
    stopping.set()
    try:
        asking = asyncio.ensure_future(readiness(layer, "after `stopping` was set, while a request is open"))
        await asyncio.wait([asking], timeout=1)
        Outcome("GET /readiness/ after `stopping` was set", "no answer, while a request is open").expect_that(
            asking.done(), "503 'stopping', at once", because="the answer waits for the open request"
        )
        (await asking).expect_answer(503, b"stopping", [("content-type", "text/plain")])
    finally:
        shop.go_on.set()
        asking.cancel()
    (await request).expect_answer(200, shop.word)


@with_readiness.requirement(
    "goes on to hand requests to `application` after `stopping` is set: the proxy learns of it a moment later"
)
async def lets_late_requests_in(trial: Trial) -> None:
    shop, stopping, layer = opened(trial)
    stopping.set()
    late = await exchange(layer, http_scope("/trips/"))
    late.sent = "GET /trips/ after `stopping` was set"
    late.expect_answer(200, shop.word)


@with_readiness.requirement(
    "answers `lifespan.startup` with `lifespan.startup.complete`, and `lifespan.shutdown` with `lifespan.shutdown.complete`"
)
async def speaks_lifespan(trial: Trial) -> None:
    _, _, layer = opened(trial)
    async with Lifespan(layer) as server:
        for tell, kind in ((server.start, "lifespan.startup"), (server.stop, "lifespan.shutdown")):
            answer = await tell()
            refused = "not lifespan" in str(answer.error)
            answer.expect(
                f"{kind}.complete",
                because="Django knows no `lifespan`: the layer has to answer it" if refused else None,
            )


@with_readiness.requirement(
    "sends `lifespan.shutdown.complete` only when every open request is over: when `application` has returned, or raised an error"
)
async def waits_for_open_requests(trial: Trial) -> None:
    for paths in (["/slow/"], ["/slow/fails/"], ["/slow/", "/slow/fails/", "/slow/"], ["/closes/slowly/"]):
        await _ends_after(trial, paths)
    await _waits_for_the_last(trial, "/slow/", "is cancelled")
    await _waits_for_the_last(trial, "/slow/breaks/", "fails")
    await _waits_for_one_that_comes_late(trial)
    await _ends_after(trial, ["/slow/"], over=["/trips/"])
    await _waits_for_its_own_requests_alone(trial)


async def _waits_for_the_last(trial: Trial, path: str, what: str) -> None:
    """One request fails, or is cancelled, as some servers do when the visitor leaves; another stays open for long."""
    shop, stopping, layer = opened(trial)
    sent = f"lifespan.shutdown while two requests are open, one of which {what}"
    async with Lifespan(layer) as server:
        (await server.start()).expect("lifespan.startup.complete")
        leaving, staying = (asyncio.ensure_future(exchange(layer, http_scope(to))) for to in (path, "/slow/"))
        await turns()
        inside = shop.number_inside
        stopping.set()
        ending = asyncio.ensure_future(server.stop())
        try:
            await turns()
            shop.breaks.set() if path == "/slow/breaks/" else leaving.cancel()
            # Trap: a layer that looks at its count now and then sleeps by this clock, until its end.
            with held_clock() as clock:
                await clock.advance(20)
                _expect_one_inside(sent, inside, shop)
                early = [message["type"] for message in server.messages[1:]]
                Outcome(f"{sent}, and 20 seconds", early).expect(
                    [], because="the other request was still open"
                )
                shop.go_on.set()
                await clock.advance(1)
            await _expect_the_end(f"{sent}, and then the other is over", ending, **_why_it_waits(path))
        finally:
            shop.go_on.set()
            for task in (leaving, staying, ending):
                task.cancel()
            await asyncio.wait([leaving, staying, ending], timeout=1)


def _expect_one_inside(sent: str, before: int, shop: Shop) -> None:
    Outcome("two requests at once", f"{before} inside `application`").expect(
        "2 inside `application`", because="the layer lets them in one after the other"
    )
    Outcome(sent, f"{shop.number_inside} inside `application`").expect_that(
        shop.number_inside <= 1,
        "1 inside `application`",
        because="`application` does not hear that a request was cancelled, and goes on",
        next="await `application(…)` in the task of the request",
    )


def _why_it_waits(path: str) -> dict[str, str]:
    if path == "/slow/breaks/":
        return {}
    return {
        "because": "a request that was cancelled still counts as open: `CancelledError` is no `Exception`",
        "next": "the end of the count in `finally:`",
    }


async def _expect_the_end(sent: str, ending: asyncio.Future[Outcome], **words: str) -> None:
    Outcome(sent, "nothing within a second").expect_that(ending.done(), "lifespan.shutdown.complete", **words)
    answer = await ending
    answer.sent = sent
    answer.expect("lifespan.shutdown.complete")


async def _waits_for_its_own_requests_alone(trial: Trial) -> None:
    shop, _, other = opened(trial)
    _, stopping, layer = opened(trial)
    request = asyncio.ensure_future(exchange(other, http_scope("/slow/")))
    await turns()
    async with Lifespan(layer) as server:
        (await server.start()).expect("lifespan.startup.complete")
        stopping.set()
        ending = asyncio.ensure_future(server.stop())
        try:
            await asyncio.wait([ending], timeout=1)
            await _expect_the_end(
                "lifespan.shutdown without a request, while another layer in this process has one",
                ending,
                because="two layers count in one place",
            )
        finally:
            shop.go_on.set()
            ending.cancel()
            await asyncio.wait([request, ending], timeout=1)


async def _waits_for_one_that_comes_late(trial: Trial) -> None:
    """The proxy sends one more, while the end waits for another."""
    shop, stopping, layer = opened(trial)
    sent = "lifespan.shutdown while a request is open, another one comes, and the first is over"
    async with Lifespan(layer) as server:
        (await server.start()).expect("lifespan.startup.complete")
        first = asyncio.ensure_future(exchange(layer, http_scope("/slow/")))
        await turns()
        stopping.set()
        ending = asyncio.ensure_future(server.stop())
        await turns()
        late = asyncio.ensure_future(exchange(layer, http_scope("/slow/")))
        try:
            await turns()
            Outcome(f"{sent.rpartition(',')[0]}", f"{shop.number_inside} inside `application`").expect(
                "2 inside `application`"
            )
            first.cancel()
            await turns()
            Outcome(sent, [message["type"] for message in server.messages[1:]]).expect(
                [], because="the request that came later was still open"
            )
            shop.go_on.set()
            await asyncio.wait([late, ending], timeout=1)
            await _expect_the_end(f"{sent}, and then the other, too", ending)
        finally:
            shop.go_on.set()
            for task in (first, late, ending):
                task.cancel()
            await asyncio.wait([first, late, ending], timeout=1)


async def _ends_after(trial: Trial, paths: list[str], over: Sequence[str] = ()) -> None:
    """The end waits for requests to these paths, and not for those that are `over` long before."""
    shop, stopping, layer = opened(trial)
    sent = f"lifespan.shutdown while {' and '.join(paths)} {'is' if len(paths) == 1 else 'are'} open"
    async with Lifespan(layer) as server:
        (await server.start()).expect("lifespan.startup.complete")
        for path in over:
            await exchange(layer, http_scope(path))
        requests = [asyncio.ensure_future(exchange(layer, http_scope(path))) for path in paths]
        await turns()
        stopping.set()
        ending = asyncio.ensure_future(server.stop())
        try:
            await turns()
            early = [message["type"] for message in server.messages[1:]]
            Outcome(sent, f"{' and '.join(early)} while they are open").expect_that(
                not early,
                "nothing yet",
                because="the server may end the process as soon as it has heard of the end",
            )
            shop.go_on.set()
            await asyncio.wait(requests, timeout=1)
            await asyncio.wait([ending], timeout=1)
            Outcome(f"{sent}, and then all are over", "nothing within a second").expect_that(
                ending.done(), "lifespan.shutdown.complete", **_why_not(paths)
            )
            (await ending).expect("lifespan.shutdown.complete")
        finally:
            shop.go_on.set()
            ending.cancel()
            for request in requests:
                request.cancel()
            await asyncio.wait([ending, *requests], timeout=1)


def _why_not(paths: list[str]) -> dict[str, str]:
    if paths != ["/slow/fails/"]:
        return {}
    return {
        "because": "a request that failed still counts as open; one that was answered does not",
        "next": "`try: await application(…)` and the end of the count in `finally:`",
    }
