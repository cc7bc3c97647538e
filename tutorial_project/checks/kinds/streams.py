"""An answer that is read while the view still makes it, by a client that may be slow, or leave."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from json import dumps
from typing import Any

from tutorial_project.checks.outcome import NotStarted, Outcome
from tutorial_project.checks.trial import Trial

from .asgi import REQUEST, http_scope
from .messages import Message

PATIENCE = 1.0
"""Seconds in which what must come has to come."""


class OpenStream:
    """One request, played by hand: `async with OpenStream(trial, "/departures/") as stream`.

    Args:
        trial: the answer to call.
        path: where it is mounted, with the query string.
        json: the body of a POST; without one it is a GET.
        slow_at: told the text sent so far; from the message on at which it says True, the client takes no
            more, and the application waits in `send`, as over a slow connection.
    """

    def __init__(
        self,
        trial: Trial,
        path: str,
        slow_at: Callable[[str], bool] = lambda text: False,
        *,
        json: object = None,
    ) -> None:
        method = "GET" if json is None else "POST"
        self.sent = f"{method} {path}"
        self.messages: list[Message] = []
        self.held = False
        route, _, query = path.partition("?")
        self._scope = http_scope(route, query_string=query.encode(), method=method)
        self._request = REQUEST if json is None else {**REQUEST, "body": dumps(json).encode()}
        self._application, self._slow_at = trial.application, slow_at
        self._inbox: asyncio.Queue[Message] = asyncio.Queue()
        self._resumed, self._over = asyncio.Event(), asyncio.Event()

    @property
    def text(self) -> str:
        """The body so far."""
        return b"".join(message.get("body", b"") for message in self.messages).decode("utf-8", "replace")

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the answer, names in lower case; empty before it has started."""
        pairs = self.messages[0]["headers"] if self.messages else ()
        return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in pairs}

    @property
    def status(self) -> int | None:
        """The status, or None before the answer has started."""
        return self.messages[0]["status"] if self.messages else None

    @property
    def call(self) -> asyncio.Future[Any]:
        """The application's own call, which ends with the request."""
        return self._call

    @property
    def ended(self) -> bool:
        """Whether the application has returned: the request is over, and its tasks are too."""
        return self._call.done()

    async def until(
        self, condition: Callable[[], bool], expected: str, otherwise: Callable[[], dict[str, str | None]]
    ) -> None:
        """Wait until the condition holds; refuse when the application returns or fails first, or time runs out.

        Args:
            condition: asked again and again.
            expected: what the condition says, in words.
            otherwise: makes the other words of the refusal: `got`, and `because` and `next` where they are certain.

        Raises:
            NotStarted: when the answer is still the stub.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while not condition() and not self.ended:  # noqa: ASYNC110 - an answer has no event for it
                    await asyncio.sleep(0.002)
        if condition():
            return
        error = self._call.exception() if self.ended and not self._call.cancelled() else None
        if isinstance(error, NotImplementedError):
            raise NotStarted from error
        # An error explains itself; what else would be the cause no longer counts.
        Outcome(self.sent, error=error).refuse(expected=expected, **({} if error else otherwise()))

    def take_again(self) -> None:
        """Let a slow client take all the rest, as fast as it comes."""
        self._resumed.set()

    async def read_on(self) -> None:
        """Let a slow client take all the rest, and wait for the end of the answer."""
        self.take_again()
        await asyncio.wait([self._call])

    def leave(self) -> None:
        """Let the client go away: what a server says when the socket is closed."""
        self._inbox.put_nowait({"type": "http.disconnect"})

    async def __aenter__(self) -> OpenStream:
        self._inbox.put_nowait(self._request)
        self._call = asyncio.ensure_future(self._application(self._scope, self._inbox.get, self._send))
        self._call.add_done_callback(
            lambda call: call.cancelled() or call.exception()
        )  # is looked at in `until`
        return self

    async def __aexit__(self, *_: object) -> None:
        self.leave()
        await asyncio.wait([self._call], timeout=0.2)
        self._over.set()
        self._resumed.set()
        await asyncio.wait([self._call], timeout=0.2)
        self._call.cancel()
        # Trap: not `await self._call`, which would wait for ever on an answer that catches every cancellation.
        await asyncio.wait([self._call], timeout=0.2)

    async def _send(self, message: Message) -> None:
        if self._over.is_set():  # an answer that caught its cancellation ends here
            raise OSError("the connection is closed")
        self.messages.append(message)
        if not self._resumed.is_set() and self._slow_at(self.text):
            self.held = True
            await self._resumed.wait()
