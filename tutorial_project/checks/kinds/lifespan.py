"""A server's life, as an ASGI application hears of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from tutorial_project.checks.outcome import NotStarted, Outcome

from .asgi import awaitable, exchange, http_scope
from .messages import Message

MEET_WITHIN = 0.5
"""Seconds in which two requests meet that nobody keeps apart."""
TURNS = 20
"""Turns of the event loop in which an application that waits for nothing sends its next message."""


class Lifespan:
    """Plays the server that starts and stops: `async with Lifespan(application) as server`.

    `state` is the dictionary of the connection; a server hands a copy of it to every request. `scope` is what
    the application gets, and may change.

    Args:
        application: what a server would call.
        on_message: called with every message at the moment the application sends it.
    """

    def __init__(
        self, application: Callable[..., Any], on_message: Callable[[Message], Any] = lambda message: None
    ) -> None:
        self.application, self.on_message = application, on_message
        self.state: dict[str, Any] = {}
        self.scope = {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "state": self.state,
        }
        self.messages: list[Message] = []
        self._inbox: asyncio.Queue[Message] = asyncio.Queue()
        self._moved = asyncio.Event()
        self._waits, self._told = False, 0

    async def __aenter__(self) -> Lifespan:
        self._call = asyncio.ensure_future(self._run())
        self._call.add_done_callback(lambda _: self._moved.set())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._call.cancel()
        with suppress(BaseException):
            await self._call

    async def called(self) -> None:
        """Wait until the application waits for the next message, or has ended."""
        while not (self._waits or self._call.done()):
            self._moved.clear()
            await self._moved.wait()

    async def start(self) -> Outcome:
        """Say `lifespan.startup`, and let the application go on until it waits; return the type of the answer."""
        answer = await self._tell("lifespan.startup")
        await some_turns()
        return answer

    async def stop(self) -> Outcome:
        """Say `lifespan.shutdown`; return the type of the answer."""
        return await self._tell("lifespan.shutdown")

    async def _run(self) -> None:
        await awaitable(self.application(self.scope, self._receive, self._send), "lifespan")

    async def _receive(self) -> Message:
        if self._inbox.empty():
            self._waits = True
            self._moved.set()
        try:
            return await self._inbox.get()
        finally:
            self._waits = False

    async def _send(self, message: Message) -> None:
        self.messages.append(message)
        self.on_message(message)
        self._moved.set()

    async def _tell(self, kind: str) -> Outcome:
        await self._says_nothing_before(kind)
        heard = len(self.messages)
        self._moved.clear()
        self._inbox.put_nowait({"type": kind})
        if not self._call.done():
            await self._moved.wait()
        if self.messages[heard:]:
            return Outcome(kind, self.messages[heard].get("type"))
        if not self._call.done():
            return Outcome(kind, "no answer: the application waits for the next message")
        if self._call.cancelled():  # such as by a task that it waited for
            return Outcome(kind, "no answer: a CancelledError has ended the application")
        if isinstance(error := self._call.exception(), NotImplementedError):
            raise NotStarted from error
        return Outcome(kind, "no answer: the application had returned", error)

    async def _says_nothing_before(self, kind: str) -> None:
        """Refuse an application that answers what the server has not said yet."""
        await some_turns()
        if early := self.messages[self._told :]:
            Outcome(f"a server that has not said {kind} yet", early[0].get("type")).refuse(
                expected="no message before that",
                because="the server has to speak first: what comes before answers nothing",
                next="`await receive()` before the `await send(…)`",
            )
        self._told += 1


async def expect_two_requests_inside(layer_around: Callable[[Any], Any]) -> None:
    """Refuse a layer that lets in one request after the other, or mixes them up.

    Args:
        layer_around: makes the layer around an application.
    """
    paths, inside, together = ("/one/", "/two/"), set[str](), asyncio.Event()

    async def meeting_point(scope: Any, receive: Any, send: Any) -> None:
        inside.add(scope["path"])
        if inside == set(paths):
            together.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(MEET_WITHIN):
                await together.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": scope["path"].encode()})
        inside.discard(scope["path"])

    layer = layer_around(meeting_point)
    async with Lifespan(layer) as server:
        (await server.start()).expect("lifespan.startup.complete")
        scopes = [http_scope(path, state=server.state.copy()) for path in paths]
        replies = await asyncio.gather(*(exchange(layer, scope) for scope in scopes))
    Outcome("two requests at once", "one inside, the other one outside").expect_that(
        together.is_set(), "both inside `application` at the same time"
    )
    for path, reply in zip(paths, replies, strict=True):
        reply.sent += "  while another request is inside"
        reply.expect_answer(200, path.encode())


async def some_turns() -> None:
    """Give the event loop back for some turns."""
    for _ in range(TURNS):
        await asyncio.sleep(0)
