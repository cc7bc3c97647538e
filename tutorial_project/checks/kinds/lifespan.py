"""A server's life, as an ASGI application hears of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from tutorial_project.checks.outcome import NotStarted, Outcome

from .asgi import awaitable
from .messages import Message


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
        self._waits = False

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
        """Say `lifespan.startup`; return the type of the answer."""
        return await self._tell("lifespan.startup")

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
        heard = len(self.messages)
        self._moved.clear()
        self._inbox.put_nowait({"type": kind})
        if not self._call.done():
            await self._moved.wait()
        if self.messages[heard:]:
            return Outcome(kind, self.messages[heard].get("type"))
        if not self._call.done():
            return Outcome(kind, "no answer: the application waits for the next message")
        if isinstance(error := self._call.exception(), NotImplementedError):
            raise NotStarted from error
        return Outcome(kind, "no answer: the application had returned", error)
