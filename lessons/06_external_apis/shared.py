from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import wraps
from typing import Any
from unittest import mock
from urllib.parse import quote, unquote

import aiohttp
import httpx
from aiohttp import web
from asgiref.sync import iscoroutinefunction
from django.http import JsonResponse

import tutorial_project.services.client  # noqa: F401 - what httpx loads at its first request, before a LIMIT counts
from tutorial_project.checks import (
    Outcome,
    Reply,
    Trial,
)
from tutorial_project.checks.kinds.visits import Visits, visits
from tutorial_project.services import Services, running_services
from tutorial_project.words import counted

IN_TIME, TOO_LATE = 0.4, 0.6
"""Seconds after which a service answers: with a LIMIT of half a second, the first is taken and the second is not."""


SHORTLY = 0.15
"""Real seconds that pass too, for a limit in a thread, which does not follow the event loop's clock."""


PATIENCE = 1.0
"""Real seconds after which a view is given up that should have given up by itself."""


TRICKLING = "/trickle?chunks=500&wait=0.02"
"""An answer whose pieces are not late at all, and that takes ten seconds."""


NO_OBJECTS = {
    "/broken-json": "broken JSON",
    "/broken-json?as=bytes": "bytes that are no text",
    "/half": "half of its answer",
    "/says?json=[17]": "a JSON list",
    "/says?json=null": "`null`",
    '/says?json=[["city","Lisbon"]]': "a JSON list of pairs",
    "/broken-json?as=packed": "something that calls itself packed, and is not",
}
"""What a service can say with status 200 that is no JSON object, in words."""


GOOD_LOOKING = "500 with the JSON of a good answer"
"""What a service says with `/failing?as=report`, in words."""


SOMETHING_MORE = {"asked_at": "07:10"}
"""What a service adds to its answers one day, and no example shows."""


def odd_cities() -> list[str]:
    """Names whose characters mean something in a URL, different each time."""
    names = ["Porto?seat={}", "São Tomé #{}", "100 %41 {}"]
    return [name.format(random.randint(1, 9)) for name in random.sample(names, len(names))]


class Kept:
    """The HTTP clients that were made, each with the event loop it was made on."""

    def __init__(self) -> None:
        self._made: list[tuple[asyncio.AbstractEventLoop | None, Any]] = []

    def add(self, client: Any) -> None:
        """Keep a client that has just been made."""
        self._made.append((running_loop(), client))

    def __len__(self) -> int:
        return len(self._made)

    def open(self, after: int = 0) -> list[Any]:
        """Those that are not closed, and that were made when `after` others had been."""
        return [client for _, client in self._made[after:] if not is_closed(client)]

    async def close(self) -> None:
        """Close those that were made on the running event loop."""
        for loop, client in self._made:
            if loop is asyncio.get_running_loop():
                with suppress(Exception):
                    await (client.aclose if isinstance(client, httpx.AsyncClient) else client.close)()


def is_closed(client: Any) -> bool:
    """Whether an HTTP client of either library is closed."""
    return bool(client.is_closed if isinstance(client, httpx.AsyncClient) else client.closed)


def noting_open_clients(trial: Trial, kept: Kept) -> tuple[Trial, list[Any]]:
    """The same answer, and the clients that were open at the moment when its view had answered last."""
    open_then: list[Any] = []

    async def noting(*args: Any, **kwargs: Any) -> Any:
        before = len(kept)  # the client that sends the request among them
        try:
            return await trial.answer(*args, **kwargs)
        finally:
            open_then[:] = kept.open(after=before)

    return (Trial(noting, trial.task) if iscoroutinefunction(trial.answer) else trial), open_then


@asynccontextmanager
async def every_client_kept() -> AsyncIterator[Kept]:
    """Keep every HTTP client that is made in the block, so that none is closed by being thrown away.

    Those that nobody closed are closed at the end of the block.
    """
    kept = Kept()
    with added_to(kept):
        try:
            yield kept
        finally:
            await kept.close()


@contextmanager
def added_to(kept: Kept) -> Iterator[None]:
    """Keep every HTTP client that is made in the block."""

    def keeping(kind: type) -> Any:
        really_init = kind.__init__

        def init(self: Any, *args: Any, **options: Any) -> None:
            really_init(self, *args, **options)
            kept.add(self)

        return mock.patch.object(kind, "__init__", init)

    with keeping(httpx.AsyncClient), keeping(aiohttp.ClientSession):
        yield


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


_judged: list[tuple[Any, Kept]] = []
"""The answer that was asked last by a proof that leaves clients open, and its clients."""


def leaving_clients_open(proof: Callable[[Trial], Awaitable[None]]) -> Callable[[Trial], Awaitable[None]]:
    """Decorate a proof: the HTTP clients that its answer makes stay open until another answer is asked.

    An answer may keep one client for each event loop, and use it in the next proof.
    """

    @wraps(proof)
    async def kept_proof(trial: Trial) -> None:
        if not _judged or _judged[0][0] is not trial.answer:
            before = [kept for _, kept in _judged]
            _judged[:] = [(trial.answer, Kept())]
            for kept in before:
                await kept.close()
        with added_to(_judged[0][1]):
            await proof(trial)

    return kept_proof


@contextmanager
def httpx_timeouts() -> Iterator[list[httpx.TimeoutException]]:
    """The time-outs that httpx raises in the block, whoever catches them."""
    raised: list[httpx.TimeoutException] = []
    really_init = httpx.TimeoutException.__init__

    def init(self: httpx.TimeoutException, *args: Any, **options: Any) -> None:
        really_init(self, *args, **options)
        raised.append(self)

    with mock.patch.object(httpx.TimeoutException, "__init__", init):
        yield raised


def counting_anew() -> Services:
    services = running_services()
    services.forget()
    return services


# The city in the URL


def expect_asked_for(outcome: Outcome, service: str, city: str) -> None:
    """Refuse unless the latest request at the service was for this city, with no query."""
    requests = running_services().requests
    seen = f"/{service}/{city}"
    if requests:
        seen = requests[-1].path + "".join(f"  with {k}={v}" for k, v in requests[-1].query.items())
    cut = unquote(city.partition("?")[0].partition("#")[0])
    words = {}
    if requests and requests[-1].path == f"/{service}/{cut}":
        words = {
            "because": "`?`, `#` and `%` mean something there, and one of them did not stay part of the name",
            "next": '`urllib.parse.quote(city, safe="")` makes the name that the view was given one piece of a path',
        }
    outcome.expect_that(
        seen == f"/{service}/{city}",
        f"the service to be asked for  /{service}/{city}",
        got=f"asked for  {seen}",
        **words,
    )


def words_about_memory(reply: Outcome, earlier: Any) -> dict[str, str]:
    """Words for an answer that the service gave to an earlier request."""
    value = reply.value.json() if isinstance(reply, Reply) and reply.status == 200 else reply.value
    if earlier is not None and value == earlier:
        return {
            "because": "that is what the service said when it was asked before; now it says something else"
        }
    return {}


# Others go on


async def expect_two_visitors_together(
    trial: Trial, service: str, made_up: Callable[[str], dict[str, Any]]
) -> None:
    """Refuse unless the questions of two visitors wait at the service at the same time, each with its answer."""
    services, said = counting_anew(), {city: made_up(city) for city in ("Lisbon", "Kyoto")}
    paths = [f"/{service}/{city}" for city in said]
    sent = f"2 requests together, {' and '.join(f'GET {path}/' for path in paths)}"
    with (
        services.saying(paths[0], said["Lisbon"]),
        services.saying(paths[1], said["Kyoto"]),
        services.held(f"/{service}/") as hold,
    ):
        async with visits(trial, *(f"{path}/" for path in paths)) as two:
            await two.until(lambda: hold.waiting == 2)
            waiting = hold.waiting
            hold.release()
            replies = await two.replies()
    words = {}
    if waiting == 1:
        words = {"because": "the second visitor's question was not sent before the first had its answer"}
    Outcome(sent, f"{waiting} of 2 questions waiting at the service").expect_that(
        waiting == 2, "both questions waiting at the service at the same time", **words
    )
    for reply, expected in zip(replies, said.values(), strict=True):
        reply.sent += "  together with another one"
        reply.expect(200, json=expected)


# Limits


async def late_reply(visit: Visits, sent: str, **too_long: str) -> Reply:
    """The reply; refuse a view that still waits, with the words `too_long`."""
    for reply in await visit.replies(PATIENCE):
        reply.sent = sent
        return reply
    waiting = "no answer: the view was still waiting for the service, and had to be stopped"
    Reply(sent).refuse(expected="504", got=waiting, **too_long)


async def arrival(visit: Visits) -> None:
    """Wait until the view's question is at the service."""
    await visit.until(lambda: running_services().waiting)


async def expect_taken(trial: Trial, service: str, made_up: Callable[[str], dict[str, Any]]) -> None:
    """Refuse unless an answer that comes after `IN_TIME` is taken."""
    said, path, services = made_up("Lisbon"), f"/{service}/Lisbon", counting_anew()
    with services.saying(path, said), services.held(path) as hold:
        async with visits(trial, f"{path}/") as visit:
            await arrival(visit)
            await visit.clock.advance(IN_TIME)
            await visit.clock.pause(SHORTLY)
            given_up = services.clients_left
            hold.release()
            reply = await late_reply(visit, f"GET {path}/  while the service answers after {IN_TIME} seconds")
    if reply.status == 200:
        expect_first_question_answered(reply, given_up)
    early = {"because": "the view gave up before `LIMIT` seconds were over"} if reply.status == 504 else {}
    reply.expect(200, json=said, **early)


def expect_first_question_answered(outcome: Outcome, given_up: int) -> None:
    """Refuse an answer that gave up `given_up` questions before the service had answered in time."""
    outcome.expect_that(
        not given_up,
        "one question to the service, and its answer",
        got="a question that was given up, and another one",
        because="a question was given up before `LIMIT` seconds were over",
    )


async def expect_504(trial: Trial, service: str, *, hangs_up: bool = False) -> None:
    """Refuse unless the view has answered 504 after `TOO_LATE`, and has given the call up where `hangs_up`."""
    path, services = f"/{service}/Kyoto", counting_anew()
    with services.held(path), httpx_timeouts() as timeouts:
        async with visits(trial, f"{path}/") as visit:
            await arrival(visit)
            await visit.clock.advance(TOO_LATE)
            reply = await late_reply(
                visit,
                f"GET {path}/  while the service says nothing",
                because="nothing limits the call, or not to `LIMIT`: by itself aiohttp waits for five minutes, "
                "and httpx for five seconds",
                next="`async with asyncio.timeout(LIMIT):` around the call",
            )
            reply.expect(504, **words_about_limits(reply, timeouts))
            if hangs_up:
                await visit.clock.until(lambda: not services.waiting, PATIENCE)
                expect_given_up(reply)


async def expect_504_for_a_trickle(trial: Trial, service: str) -> None:
    """Refuse unless the view has answered 504 after `TOO_LATE` although no piece of the answer was late."""
    path, services = f"/{service}/Kyoto", counting_anew()
    with (
        services.replaced(path, by=TRICKLING),
        services.held(path) as hold,
        pieces_sent() as pieces,
        httpx_timeouts() as timeouts,
    ):
        async with visits(trial, f"{path}/") as visit:
            await arrival(visit)
            await visit.clock.advance(IN_TIME)
            hold.release()
            await visit.until(lambda: len(pieces) > 1)
            for _ in range(4):
                await visit.clock.pause(0.01)  # in which what was sent is read
                await visit.clock.advance((TOO_LATE - IN_TIME) / 4)
            reply = await late_reply(
                visit,
                f"GET {path}/  while the service answers after {IN_TIME} seconds, in pieces, one every 0.02 seconds",
                because="none of the pieces is late. A limit on the wait for the next one starts anew with each, and a "
                "limit around `session.get(…)` ends with the headers: another one for the body comes on top",
                next="limit the whole call: `asyncio.timeout(LIMIT)`, or `aiohttp.ClientTimeout(total=LIMIT)`",
            )
    reply.expect(504, **words_about_limits(reply, timeouts))


@contextmanager
def pieces_sent() -> Iterator[list[None]]:
    """The pieces of answers that the service sends in the block."""
    sent: list[None] = []
    really_write = web.StreamResponse.write

    async def write(self: web.StreamResponse, data: Any) -> None:
        await really_write(self, data)
        sent.append(None)

    with mock.patch.object(web.StreamResponse, "write", write):
        yield sent


def expect_given_up(reply: Reply) -> None:
    """Refuse when the service still works for a view that has answered 504."""
    reply.expect_that(
        not running_services().waiting,
        "504, and the call to the service given up",
        got="504, and the service still works for a client that waits",
        because="the view stopped waiting, but what it waited for goes on: a task that nobody cancels, or a thread, "
        "which nobody can cancel",
        next="await the call of an async client in the view itself, with `asyncio.timeout(LIMIT)` around it",
    )


def words_about_limits(reply: Reply, timeouts: list[httpx.TimeoutException]) -> dict[str, str]:
    """Words for an answer to silence that is no 504; `timeouts` is what httpx raised meanwhile."""
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
    if reply.status == 502 and timeouts:
        return {
            "because": f"httpx raised `{type(timeouts[0]).__name__}`: that is an `httpx.HTTPError`, and no `TimeoutError`",
            "next": "`except (TimeoutError, httpx.TimeoutException)`, before the `except` for other errors",
        }
    if reply.status == 502:
        return {
            "because": "502 says that what the service gave was no good, and it gave nothing in time",
            "next": "answer 504 for the error of the limit: its `except` comes before the others",
        }
    return {}


def next_504() -> dict[str, str]:
    return {"next": "`except TimeoutError:` and `return JsonResponse({…}, status=504)`"}


# Answers that are no good


async def get_while(trial: Trial, path: str, by: str, named: str) -> Reply:
    """Send a request while the service answers as another endpoint does."""
    with running_services().replaced("/" + path.split("/")[1], by=by):
        reply = await get(trial, path)
    reply.sent += f"  while the service answers {named}"
    return reply


async def get(trial: Trial, path: str) -> Reply:
    """Send a request for which no time passes: a limit cannot end it, however busy the machine is."""
    async with visits(trial, path, may_block=True) as visit:
        replies = await visit.replies()
    if not replies:
        waiting = "none: the view was still waiting, and had to be stopped"
        Reply(f"GET {path}").refuse(expected="an answer", got=waiting)
    return replies[0]


def words_about_broken(reply: Reply) -> dict[str, str]:
    if isinstance(reply.error, ValueError):
        return {
            "because": "what was no JSON raised a `ValueError`, which is no error of the HTTP library",
            "next": "`except (aiohttp.ClientError, ValueError)`, or `except (httpx.HTTPError, ValueError)`",
        }
    if isinstance(reply.error, aiohttp.ClientResponseError | httpx.HTTPStatusError):
        return {
            "because": "the error of `raise_for_status` left the view, which is a 500 for the visitor",
            "next": f"catch `{'httpx.HTTPStatusError' if isinstance(reply.error, httpx.HTTPError) else 'aiohttp.ClientResponseError'}`"
            " and look at the status",
        }
    if isinstance(reply.error, httpx.DecodingError) or "content-encoding" in str(reply.error):
        return {"next": "`except aiohttp.ClientError`, or `except httpx.HTTPError`, around the whole call"}
    if isinstance(reply.error, aiohttp.ClientError | httpx.HTTPError):
        return {
            "because": "the connection broke while the answer was read, after its status had come",
            "next": "`except aiohttp.ClientError`, or `except httpx.HTTPError`, around the whole call",
        }
    if reply.status == 200:
        return {
            "because": "what is no JSON object went on to the visitor, as if all were well",
            "next": "`json_object(…)` around what the service said, and `except ValueError`",
        }
    return {}


# Connections


async def expect_closed(
    services: Services, sent: str, words: dict[str, str], open_then: Sequence[Any] = ()
) -> None:
    """Refuse connections that stay open, and a client of `open_then` that was closed meanwhile: too late."""
    opened = services.connections_opened
    with suppress(TimeoutError):
        await services.closed(opened, timeout=0.5)
    still_open = services.connections_open
    Outcome(sent, f"{still_open} of {counted(opened, 'connection')} still open").expect_that(
        still_open == 0, "no connection left open, as the service sees it", **words
    )
    Outcome(sent, "a client that is closed only afterwards").expect_that(
        not any(map(is_closed, open_then)),
        "every client closed at that moment",
        because="something closes it that nobody waits for",
        next="`async with`, or await its `close` or `aclose`",
    )


def unclosed_words(moment: str) -> dict[str, str]:
    return {
        "because": f"the client was still open {moment}. aiohttp logs `Unclosed client session` for that, and httpx "
        "says nothing",
        "next": "`async with` closes it on every way out; else `await session.close()`, or `await client.aclose()`",
    }


# What the known answers share

LIMIT = 0.5


TOTAL = aiohttp.ClientTimeout(total=LIMIT)


def weather_url(city):
    return f"{running_services().url}/weather/{quote(city, safe='')}"


def json_object(content):
    if not isinstance(content, dict):
        raise ValueError(f"no JSON object: {content!r:.80}")
    return content


def too_slow():
    return JsonResponse({"error": "the service does not answer"}, status=504)


def no_good():
    return JsonResponse({"error": "the service is in trouble"}, status=502)
