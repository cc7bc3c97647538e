"""What an answer gave to a call, kept so that it can be given again."""

from __future__ import annotations

import asyncio
import copy
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any

from asgiref.sync import sync_to_async
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from .taps import is_stream, tap

Message = dict[str, Any]
Send = Callable[[Message], Awaitable[None]]


class Kept:
    """A value, or the error that came instead."""

    def __init__(self, value: Any = None, error: Exception | None = None) -> None:
        self.value, self.error = value, error

    def live(self) -> Any:
        """What came, itself: for the caller that it was made for."""
        if self.error is not None:
            raise self.error
        return self.value

    async def settled(self) -> None:
        """Make it complete, where that takes a thread."""

    def again(self) -> Any:
        """A copy, for another caller."""
        if self.error is not None:
            raise self.error
        try:
            return copy.deepcopy(self.value)
        except Exception:  # locks, connections and the like are no data
            return self.value

    def drop(self) -> None:
        """Let go of it, unused."""


class KeptResponse(Kept):
    """A response that is there as a whole."""

    value: HttpResponse

    async def settled(self) -> None:
        if not getattr(self.value, "is_rendered", True):
            await sync_to_async(self.value.render)()

    def again(self) -> HttpResponse:
        return _with_cookies(
            HttpResponse(self.value.content, status=self.value.status_code, headers=_headers(self.value)),
            self.value.cookies,
        )

    def drop(self) -> None:
        self.value.close()


class KeptStream(Kept):
    """A response that was sent while it was made; its body is kept as far as it was sent."""

    def __init__(self, response: StreamingHttpResponse) -> None:
        super().__init__(response)
        self._status, self._headers = response.status_code, _headers(response)
        self._cookies, self._is_async = copy.deepcopy(response.cookies), response.is_async
        self.pieces: list[Any] = []
        self.ended = False
        tap(response, self._keep, self._end)

    def live(self) -> StreamingHttpResponse:
        # Trap: whoever holds the response holds the generator in it, which could not end with its client.
        response, self.value = self.value, None
        return response

    def again(self) -> StreamingHttpResponse:
        body = self._played() if self._is_async else iter(list(self.pieces))
        response = StreamingHttpResponse(body, status=self._status, headers=self._headers)
        return _with_cookies(response, self._cookies)

    def drop(self) -> None:
        self.live().close()

    def _keep(self, number: int, piece: Any) -> Any:
        self.pieces.append(piece)
        return piece

    def _end(self) -> None:
        self.ended = True

    async def _played(self) -> AsyncIterator[Any]:
        for piece in list(self.pieces):
            yield piece
            await asyncio.sleep(0.005)
        if not self.ended:
            await asyncio.Event().wait()  # as the client saw it: nothing more came


def _headers(response: HttpResponseBase) -> dict[str, str]:
    return {name: value for name, value in response.headers.items() if name.lower() != "content-length"}


def _with_cookies(response: Any, cookies: Any) -> Any:
    response.cookies = copy.deepcopy(cookies)
    return response


class KeptMessages(Kept):
    """What an ASGI application sent, and how its call ended."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[Message] = []

    async def play(self, send: Send) -> None:
        """Send the same messages again."""
        for message in list(self.messages):
            await send(copy.deepcopy(message))
        self.live()


def kept(value: Any) -> Kept:
    """What keeps this value."""
    if is_stream(value):
        return KeptStream(value)
    return KeptResponse(value) if isinstance(value, HttpResponseBase) else Kept(value)


def dropped(value: Any) -> None:
    """Let go of a call that shall not run."""
    if inspect.iscoroutine(value):
        with suppress(RuntimeError):
            value.close()
