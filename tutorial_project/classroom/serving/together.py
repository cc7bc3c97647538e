"""Sending requests together, through any of the three transports."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from time import perf_counter
from typing import Any

import httpx

from tutorial_project.classroom.watching.lane import Lane
from tutorial_project.classroom.watching.recording import Recording, record
from tutorial_project.classroom.watching.timeline import Timeline

from .handlers import REQUEST_NUMBER, RecordedAsyncClientHandler, asgi_application
from .server import Server

LIMIT = 60
"""Seconds after which requests that nobody answers are given up."""

Answer = tuple[int, str, Any, float, float]
"""Number and path of a request, its response, and the moments of both, in seconds of `time.perf_counter`."""


async def send_together(
    paths: str | Sequence[str],
    *,
    times: int = 1,
    through: str | Server = "asgi",
    method: str = "GET",
    **request: Any,
) -> Timeline:
    """Send requests at the same moment and return what happened to each.

    Args:
        paths: one path such as "/hello/", or several; all are sent at once.
        times: how often each is sent.
        through: "asgi" calls Django's ASGI application in this process, with one thread a request
            for sync work, as a server does; "test client" goes through `django.test.AsyncClient`,
            where all sync work shares one thread; a `Server` from `serve()` goes over a socket.
        method: the HTTP method of all of them.
        request: passed on to the client, for example `json={"trip": 7}` or `headers={…}`.

    Returns:
        A `Timeline`; its `responses` are in the order of the paths.

    Raises:
        TimeoutError: when a request is not answered within sixty seconds.
        ValueError: when `through` is none of the three.
    """
    chosen = [path for path in ([paths] if isinstance(paths, str) else paths) for _ in range(times)]
    async with AsyncExitStack() as stack:
        send = await _sender(through, stack)
        recording = stack.enter_context(record())
        async with asyncio.timeout(LIMIT):
            answers = await asyncio.gather(
                *(_timed(send, method, path, number, request) for number, path in enumerate(chosen, 1))
            )
    return Timeline([_lane(answer, recording) for answer in answers], recording.spans)


async def _sender(through: str | Server, stack: AsyncExitStack) -> Any:
    if through == "test client":
        return _test_client().generic_request
    if through == "asgi":
        application: Any = asgi_application()
        transport: httpx.AsyncBaseTransport = httpx.ASGITransport(application, raise_app_exceptions=False)
        base = "http://testserver"
    elif isinstance(through, Server):
        transport, base = httpx.AsyncHTTPTransport(limits=httpx.Limits()), through.url
    else:
        raise ValueError(f'through={through!r}: choose "asgi", "test client" or a server from serve()')
    client = httpx.AsyncClient(transport=transport, base_url=base, timeout=LIMIT, trust_env=False)
    return (await stack.enter_async_context(client)).request


async def _timed(send: Any, method: str, path: str, number: int, request: dict[str, Any]) -> Answer:
    headers = {**request.get("headers", {}), REQUEST_NUMBER: str(number)}
    sent = perf_counter()
    response = await send(method, path, **{**request, "headers": headers})
    return number, path, response, sent, perf_counter()


def _lane(answer: Answer, recording: Recording) -> Lane:
    number, path, response, sent, answered = answer
    spans = [span for span in recording.spans if span.request == number]
    return Lane(number, path, response, sent, answered, spans)


def _test_client() -> Any:
    from django.test import AsyncClient

    class RecordedAsyncClient(AsyncClient):
        def __init__(self) -> None:
            super().__init__(raise_request_exception=False)
            self.handler = RecordedAsyncClientHandler(enforce_csrf_checks=False)

        async def generic_request(self, method: str, path: str, *, json: Any = None, **extra: Any) -> Any:
            body = {} if json is None else {"data": json, "content_type": "application/json"}
            return await getattr(self, method.lower())(path, **body, **extra)

    return RecordedAsyncClient()
