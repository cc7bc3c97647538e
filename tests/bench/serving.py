"""What `serve()` costs beside a bare uvicorn, and what Django itself takes for a request."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from functools import partial
from io import StringIO
from time import perf_counter, process_time
from typing import Any, NamedTuple

import uvicorn
from django.core.asgi import get_asgi_application

from tutorial_project.classroom import open_lesson, serve

from .child import in_new_process
from .figure import Figure, in_turn

LEAST, MOST = 0.95, 1.05
"""Bounds of the ratios of `serve()` to a bare uvicorn."""
LIMIT = 120.0
"""Seconds that one load may take."""
OPEN_FILES = 4096
"""What a thousand connections need with room to spare; some systems start with 256."""


def figures() -> Iterator[Figure]:
    """All figures of this module; about three minutes."""
    allow_open_files()
    with redirect_stdout(StringIO()):
        open_lesson(ROOT_URLCONF="bench.views")
    django = get_asgi_application()
    yield Figure("Django's own time for a request, ms", asyncio.run(milliseconds_in(django)))
    with serve(name="bench") as classroom, bare_uvicorn(django) as bare, bare_uvicorn(django) as other:
        yield from rates(classroom.port, bare, other)
        yield from waits(classroom.port, bare, requests=100, rounds=7)
        yield from waits(classroom.port, bare, requests=1000, rounds=5)


def allow_open_files() -> None:
    """Let this process and its children have a thousand connections; Windows has no such limit."""
    try:
        import resource
    except ImportError:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < OPEN_FILES:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(OPEN_FILES, hard), hard))


async def milliseconds_in(application: Any, rounds: int = 7, requests: int = 200) -> list[float]:
    """Milliseconds that an ASGI application takes for a request, without a server; one value a round."""
    values = []
    for _ in range(rounds + 1):
        started = perf_counter()
        for _ in range(requests):
            await called(application)
        values.append(1000 * (perf_counter() - started) / requests)
    return values[1:]


async def called(application: Any) -> None:
    """Send one request to an ASGI application, as a server would.

    Raises:
        RuntimeError: when it does not answer 200.
    """
    received = iter([{"type": "http.request", "body": b"", "more_body": False}])
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if (event := next(received, None)) is not None:
            return event
        return await asyncio.Future()  # the client stays

    async def send(event: dict[str, Any]) -> None:
        sent.append(event)

    await application(scope("/hello/"), receive, send)
    if sent[0]["status"] != 200:
        raise RuntimeError(f"the application answered {sent}")


def scope(path: str) -> dict[str, Any]:
    """What uvicorn says of a request."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"127.0.0.1")],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8000),
    }


def listening_socket() -> socket.socket:
    """A socket on a free port of 127.0.0.1."""
    # Trap: asyncio switches off Nagle's delay for sockets of this protocol number only. Without it the bare
    # server answers 40 ms late on a kept connection, and whatever stands beside it looks fast.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    listening.listen(2048)
    return listening


@contextmanager
def bare_uvicorn(application: Any) -> Iterator[int]:
    """uvicorn on a thread with nothing around it; yields its port."""
    with listening_socket() as listening:
        config = uvicorn.Config(application, lifespan="off", log_config=None, access_log=False)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()


class Answered(NamedTuple):
    """A load that was answered: requests a second, and processor seconds of this process meanwhile."""

    rate: float
    processor: float


def rates(classroom: int, bare: int, other: int) -> Iterator[Figure]:
    """Requests a second to the ports of `serve()`, of a bare uvicorn, and of one more for the noise."""
    loads = [partial(answered, port) for port in (classroom, bare, other)]
    in_turn(1, *loads)  # to warm up
    rounds = in_turn(11, *loads)
    named = "serve() / bare uvicorn: requests a second"
    yield Figure("serve(): requests a second", [mine.rate for mine, _, _ in rounds])
    yield Figure(named, [mine.rate / its.rate for mine, its, _ in rounds], LEAST, MOST)
    yield Figure(
        "the noise in it: bare uvicorn / bare uvicorn", [one.rate / its.rate for _, its, one in rounds]
    )
    yield Figure(
        "serve() / bare uvicorn: processor seconds of a request",
        [mine.processor / its.processor for mine, its, _ in rounds],
    )


def answered(port: int, requests: int = 400, at_once: int = 8) -> Answered:
    """Let a process of its own send requests to a server of this process."""
    before = process_time()
    rate = in_new_process("load", "rate", port, "/hello/", requests, at_once, limit=LIMIT)
    return Answered(rate, process_time() - before)


def waits(classroom: int, bare: int, requests: int, rounds: int) -> Iterator[Figure]:
    """Seconds until requests that wait at the same time in the two-second view are all answered."""
    pairs = in_turn(rounds, partial(wait, classroom, requests), partial(wait, bare, requests))
    named = f"{requests} waiting in the two-second view"
    yield Figure(f"serve(): {named}, s", [mine for mine, _ in pairs])
    yield Figure(f"serve() / bare uvicorn: {named}", [mine / its for mine, its in pairs], LEAST, MOST)


def wait(port: int, requests: int) -> float:
    return in_new_process("load", "together", port, "/two-seconds/", requests, limit=LIMIT)
