from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import wraps
from typing import Any
from unittest import mock

import aiohttp
import httpx
from django.http import JsonResponse

import tutorial_project.services.client  # noqa: F401 - what httpx loads at its first request, before a LIMIT counts
from tutorial_project.checks import (
    Outcome,
    Reply,
    Trial,
    blocking_calls_refused,
)
from tutorial_project.checks.proofs.event_loop import first_moment
from tutorial_project.services import Services, running_services

SILENT = "/slow?wait=3"
"""In place of a service that never answers: a blocking client in a thread must come back some time."""


SAYS_NOTHING = "while the service says nothing"


PATIENCE = 1.0
"""Seconds, from the request at the service on, after which a view is given up that should have given up by itself."""


LISBON = {"city": "Lisbon", "celsius": 24, "sky": "sunny"}


REYKJAVIK = {"city": "Reykjavik", "celsius": 4, "sky": "snow"}


class Kept:
    """The HTTP clients that were made, each with the event loop it was made on."""

    def __init__(self) -> None:
        self._made: list[tuple[asyncio.AbstractEventLoop | None, Any]] = []

    def add(self, client: Any) -> None:
        """Keep a client that has just been made."""
        self._made.append((running_loop(), client))

    async def close(self) -> None:
        """Close those that were made on the running event loop."""
        for loop, client in self._made:
            if loop is asyncio.get_running_loop():
                with suppress(Exception):
                    await (client.aclose if isinstance(client, httpx.AsyncClient) else client.close)()


@asynccontextmanager
async def every_client_kept() -> AsyncIterator[Kept]:
    """Keep every HTTP client that is made in the block, so that none is closed by being thrown away.

    Those that nobody closed are closed at the end of the block.
    """
    kept = Kept()

    def keeping(kind: type) -> Any:
        really_init = kind.__init__

        def init(self: Any, *args: Any, **options: Any) -> None:
            really_init(self, *args, **options)
            kept.add(self)

        return mock.patch.object(kind, "__init__", init)

    with keeping(httpx.AsyncClient), keeping(aiohttp.ClientSession):
        try:
            yield kept
        finally:
            await kept.close()


def running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def keeping_every_client(proof: Callable[[Trial], Awaitable[None]]) -> Callable[[Trial], Awaitable[None]]:
    """Decorate a proof: each HTTP client that its answer makes is kept, and closed at the end."""

    @wraps(proof)
    async def kept_proof(trial: Trial) -> None:
        async with every_client_kept():
            await proof(trial)

    return kept_proof


def counting_anew() -> Services:
    services = running_services()
    services.forget()
    return services


async def patient_get(trial: Trial, path: str, meanwhile: str, **words: str) -> Reply:
    """Send a request; refuse with these words when the view still waits `PATIENCE` seconds after it asked the service."""
    sent, services = f"GET {path}  {meanwhile}", counting_anew()
    with blocking_calls_refused(trial.answer):
        asking = asyncio.ensure_future(trial.get(path))
        try:
            await first_moment(lambda: services.waiting > 0, asking)
            done, _ = await asyncio.wait({asking}, timeout=PATIENCE)
        finally:
            asking.cancel()
            await asyncio.wait({asking})
    if not done:
        waiting = "no answer: the view was still waiting for the service, and had to be stopped"
        Reply(sent).refuse(expected="504", got=waiting, **words)
    reply = asking.result()
    reply.sent = sent
    return reply


async def expect_closed(services: Services, sent: str, words: dict[str, str]) -> None:
    opened = services.connections_opened
    with suppress(TimeoutError):
        await services.closed(opened, timeout=0.5)
    still_open = services.connections_open
    Outcome(sent, f"{still_open} of {opened} connections still open").expect_that(
        still_open == 0, "no connection left open, as the service sees it", **words
    )


def unclosed_words(moment: str) -> dict[str, str]:
    return {
        "because": f"the client was still open {moment}. aiohttp logs `Unclosed client session` for that, and httpx "
        "says nothing",
        "next": "`async with` closes it on every way out; else `await session.close()`, or `await client.aclose()`",
    }


def words_about_limits(reply: Reply) -> dict[str, str]:
    if isinstance(reply.error, httpx.TimeoutException):
        return {
            "because": "the limit works, but what httpx raises is not a `TimeoutError`",
            "next": "`except httpx.TimeoutException`, or `except (TimeoutError, httpx.TimeoutException)`",
        }
    if isinstance(reply.error, TimeoutError):
        return {"because": "the limit works, and nobody makes an answer of the error"} | next_504()
    if reply.status == 200:
        return {
            "because": "the answer may say that something went wrong, but 200 says that all went well",
            "next": "`JsonResponse({…}, status=504)`",
        }
    if reply.status == 502:
        return {
            "because": "the `except` for other errors caught it: what ends the wait belongs to their family too",
            "next": "an `except` for the time, before the others",
        }
    return {}


def next_504() -> dict[str, str]:
    return {"next": "`except TimeoutError:` and `return JsonResponse({…}, status=504)`"}


LIMIT = 0.5


TOTAL = aiohttp.ClientTimeout(total=LIMIT)


def weather_url(city):
    return f"{running_services().url}/weather/{city}"


def too_slow():
    return JsonResponse({"error": "the service does not answer"}, status=504)
