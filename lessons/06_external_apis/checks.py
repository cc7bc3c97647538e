from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import wraps
from typing import Any
from unittest import mock

import aiohttp
import httpx

import tutorial_project.services.client  # noqa: F401 - what httpx loads at its first request, before a LIMIT counts
from tutorial_project.classroom.checks import (
    NotStarted,
    Outcome,
    Reply,
    Task,
    Trial,
    blocking_calls_refused,
    run_without_a_loop,
)
from tutorial_project.classroom.checks.proofs import first_moment
from tutorial_project.services import Services, running_services

SILENT = "/slow?wait=3"
"""In place of a service that never answers: a blocking client in a thread must come back some time."""
TRICKLING = "/trickle?chunks=25&wait=0.1"
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
        self._made.append((_running_loop(), client))

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


def _running_loop() -> asyncio.AbstractEventLoop | None:
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


city_weather = Task(
    "city_weather",
    routes=["weather/<str:city>/"],
    hints=(
        "Which limits of your client start anew with each piece of the answer, and which one is for the whole call?",
        "`aiohttp.ClientTimeout(total=…)` or `asyncio.timeout(…)` limit the whole call; `async with` closes the client "
        "on every way out.",
        "`try:` `async with httpx.AsyncClient() as client, asyncio.timeout(LIMIT):` `response = await client.get(…)`, "
        "then `except TimeoutError:` `return JsonResponse({…}, status=504)`",
    ),
    praise="Right: one limit for the whole call, and no connection left behind. "
    "`asyncio.timeout` and the `total` of aiohttp come to the same here.",
)


@city_weather.requirement(
    'answers `GET /weather/Lisbon/` with 200 and what the service says: `{"city": "Lisbon", "celsius": 24, "sky": "sunny"}`'
)
@keeping_every_client
async def tells_the_weather(trial: Trial) -> None:
    (await trial.get("/weather/Lisbon/")).expect(200, json=LISBON)
    (await trial.get("/weather/Reykjavik/")).expect(200, json=REYKJAVIK)


@city_weather.requirement("leaves the event loop free for others while it waits for the service")
@keeping_every_client
async def waits_without_blocking(trial: Trial) -> None:
    await trial.never_holds_the_loop("/weather/Lisbon/")


@city_weather.requirement("answers 504 when the service says nothing within `LIMIT` seconds, and hangs up")
@keeping_every_client
async def gives_up_on_silence(trial: Trial) -> None:
    with running_services().replaced("/weather", by=SILENT):
        reply = await _patient_get(
            trial,
            "/weather/Lisbon/",
            SAYS_NOTHING,
            because="nothing limits the call, or not to `LIMIT`: by itself aiohttp waits for five minutes, "
            "and httpx for five seconds",
            next="`async with asyncio.timeout(LIMIT):` around the call",
        )
        reply.expect(504, **_words_about_limits(reply))
        try:
            await running_services().left(timeout=0.5)
        except TimeoutError:
            reply.refuse(
                expected="504, and the call to the service given up",
                got="504, and the service is still working for a client that waits",
                because="the view stopped waiting, but what it waited for goes on: a task that nobody cancels, or a thread, "
                "which nobody can cancel",
                next="await the call of an async client in the view itself, with `asyncio.timeout(LIMIT)` around it",
            )


@city_weather.requirement(
    "answers 504 as well when the answer comes in small pieces, and is not complete after `LIMIT` seconds"
)
@keeping_every_client
async def gives_up_on_a_trickle(trial: Trial) -> None:
    with running_services().replaced("/weather", by=TRICKLING):
        reply = await _patient_get(
            trial,
            "/weather/Lisbon/",
            "while the service sends its answer in pieces",
            because="the service sends a piece every 0.1 seconds: a limit on the wait for the next piece starts anew "
            "with each of them",
            next="limit the whole call: `asyncio.timeout(LIMIT)`, or `aiohttp.ClientTimeout(total=LIMIT)`",
        )
    reply.expect(504, **_words_about_limits(reply))


@city_weather.requirement(
    "closes its connection to the service before it answers, also when the answer is no JSON"
)
@keeping_every_client
async def leaves_no_connection(trial: Trial) -> None:
    services = _counting_anew()
    (await trial.get("/weather/Lisbon/")).expect(200)
    await _expect_closed(services, "GET /weather/Lisbon/", _unclosed_words("when the view had answered"))
    with services.replaced("/weather", by="/broken-json"):
        await trial.get("/weather/Lisbon/")
    await _expect_closed(
        services,
        "GET /weather/Lisbon/  answered by the service with broken JSON",
        _unclosed_words("when the view had failed"),
    )


WeatherClient = Task(
    "WeatherClient",
    hints=(
        "Which event loop is running, and does it have a client already?",
        "`asyncio.get_running_loop()` is the key, also in `close`, where the client has to leave the dictionary.",
        "`if loop not in self.clients: self.clients[loop] = httpx.AsyncClient()`; in `close`: "
        "`client = self.clients.pop(loop, None)`, and `await client.aclose()` if there was one",
    ),
    praise="Right: a loop has one client, made inside of it and closed before it ends. "
    "Closing stays your task: a weak dictionary alone forgets nothing, because the client's connections hold their loop.",
)


@WeatherClient.requirement(
    'can be made where no event loop runs; then `await weather.ask("Lisbon")` gives '
    '`{"city": "Lisbon", "celsius": 24, "sky": "sunny"}`'
)
@keeping_every_client
async def is_made_at_import_and_asks_later(trial: Trial) -> None:
    weather = await _made_at_import(trial)
    for city, expected in (("Lisbon", LISBON), ("Reykjavik", REYKJAVIK)):
        outcome = await _ask(weather, city)
        outcome.expect(expected, **_words_about_answers(outcome))


@WeatherClient.requirement("opens one connection for ten calls, one after another, on the same event loop")
@keeping_every_client
async def keeps_its_connection(trial: Trial) -> None:
    services = _counting_anew()
    weather = await _made_at_import(trial)
    for _ in range(10):
        (await _ask(weather, "Lisbon")).expect(LISBON)
    number = services.connections_opened
    Outcome('ten times  await weather.ask("Lisbon")', f"{number} connections").expect_that(
        number == 1,
        "1 connection, counted at the service",
        because="a new client was made for each call, and a new client has no open connection",
        next="keep the client in `self.clients`, and take it from there",
    )


@WeatherClient.requirement(
    "leaves the event loop free: two calls at the same time reach the service together"
)
@keeping_every_client
async def asks_two_at_once(trial: Trial) -> None:
    services = _counting_anew()
    weather = await _made_at_import(trial)
    with blocking_calls_refused(trial.answer), services.expect_together(2, ("/weather",), timeout=1):
        outcomes = await asyncio.gather(_ask(weather, "Lisbon"), _ask(weather, "Reykjavik"))
    for outcome, expected in zip(outcomes, (LISBON, REYKJAVIK), strict=True):
        outcome.sent = f"two calls together, one of them  {outcome.sent}"
        outcome.expect(expected, **_words_about_turns(outcome))


@WeatherClient.requirement(
    "works on a second event loop while the first one still runs, over a connection of its own, and on a third one "
    "when the second has ended"
)
async def serves_a_second_loop(trial: Trial) -> None:
    services = _counting_anew()
    because = "a client belongs to the event loop that it first connected on, and this one was used on two"
    words = {"because": because, "next": "`asyncio.get_running_loop()` is the key of `self.clients`"}
    async with every_client_kept() as kept:
        weather = await _made_at_import(trial)
        (await _ask(weather, "Lisbon")).expect(LISBON)
        asking = lambda: _ask(weather, "Reykjavik")  # noqa: E731
        for other in await _on_other_loops([asking, asking], kept):
            other.sent = f"{other.sent}  on another event loop"
            other.expect(REYKJAVIK, **words)
        connections = [request.connection for request in services.requests]
        other.expect_that(
            len(connections) == len(set(connections)),
            "a connection for each loop",
            got="two loops used the same connection",
            **words,
        )


@WeatherClient.requirement("`await weather.close()` closes the connection of the running event loop's client")
@keeping_every_client
async def closes_its_connection(trial: Trial) -> None:
    services = _counting_anew()
    weather = await _made_at_import(trial)
    (await _ask(weather, "Lisbon")).expect(LISBON)
    closed, next_step = (
        await _close(weather),
        "`await client.aclose()` with httpx, `await session.close()` with aiohttp",
    )
    closed.expect_that(True, "no error", next=next_step)
    await _expect_closed(services, "await weather.close()", _unclosed_words("after it") | {"next": next_step})


@WeatherClient.requirement("closing on one event loop leaves the clients of the others as they are")
async def closes_no_other_client(trial: Trial) -> None:
    services = _counting_anew()
    words = {
        "because": "`close` on the second loop closed the client of the first one, whose requests were still coming",
        "next": "close one client: `self.clients.pop(asyncio.get_running_loop(), None)`",
    }
    async with every_client_kept() as kept:
        weather = await _made_at_import(trial)
        (await _ask(weather, "Lisbon")).expect(LISBON)
        await _on_other_loops([lambda: _ask_and_close(weather)], kept)
        again = await _ask(weather, "Reykjavik")
        again.sent = f"{again.sent}  on the first loop, after a close on a second one"
        again.expect(REYKJAVIK, **words)
        first, *_, last = [request.connection for request in services.requests]
        again.expect_that(
            first == last,
            "the connection that the first loop had opened before",
            got="a new connection",
            **words,
        )


@WeatherClient.requirement("can be asked again after it was closed")
@keeping_every_client
async def opens_again(trial: Trial) -> None:
    weather = await _made_at_import(trial)
    (await _ask(weather, "Lisbon")).expect(LISBON)
    await _close(weather)
    again = await _ask(weather, "Reykjavik")
    again.sent = f"{again.sent}  after  await weather.close()"
    again.expect(
        REYKJAVIK,
        because="the closed client is still kept as the client of this loop",
        next="take it out of the dictionary when you close it: `self.clients.pop(…)`",
    )


@WeatherClient.requirement("can be closed on an event loop that has asked for nothing")
@keeping_every_client
async def closes_when_there_is_nothing(trial: Trial) -> None:
    (await _close(await _made_at_import(trial))).expect_that(
        True,
        "no error",
        because="this loop has no client, and it was looked up as if it had",
        next="`self.clients.pop(loop, None)`, and close what is not None",
    )


flights = Task(
    "flights",
    routes=["flights/<str:city>/"],
    hints=(
        "Which of these troubles raises an error by itself in your library, and which only when you ask for the status?",
        "Look at the status first (404, 429, others); catch the library's base class and `ValueError` for 502; and let "
        "the `except` for the time come before the others.",
        "`except TimeoutError:` 504 (with httpx also `httpx.TimeoutException`), then `except (aiohttp.ClientError, "
        'ValueError):` 502; for 429 `JsonResponse({…}, status=503, headers={"Retry-After": …})`',
    ),
    praise="Right: every trouble of the partner has its status. Looking at `response.status` and catching what "
    "`raise_for_status()` raises come to the same.",
)

KYOTO = {
    "city": "Kyoto",
    "flights": [{"number": "NH 204", "price": 890}, {"number": "JL 408", "price": 935}],
}


@flights.requirement(
    "answers `GET /flights/Kyoto/` with 200 and what the service says: "
    '`{"city": "Kyoto", "flights": [{"number": "NH 204", "price": 890}, …]}`'
)
@keeping_every_client
async def lists_the_flights(trial: Trial) -> None:
    (await trial.get("/flights/Kyoto/")).expect(200, json=KYOTO)


@flights.requirement("leaves the event loop free for others while it waits for the service")
@keeping_every_client
async def waits_for_the_partner_without_blocking(trial: Trial) -> None:
    await trial.never_holds_the_loop("/flights/Kyoto/")


@flights.requirement("answers 404 when the service answers 404")
@keeping_every_client
async def passes_404_on(trial: Trial) -> None:
    reply = await _get_while(trial, "/failing?status=404", "404")
    reply.expect(404, **_words_about_status(reply))


@flights.requirement(
    "answers 503 when the service answers 429 (too many requests), with the service's `Retry-After`"
)
@keeping_every_client
async def says_when_to_come_back(trial: Trial) -> None:
    for seconds in ("7", "120"):
        reply = await _get_while(trial, f"/busy?retry_after={seconds}", f"429 and Retry-After: {seconds}")
        expected = f"503  Retry-After: {seconds}"
        reply.expect_that(reply.status == 503, expected, **_words_about_status(reply))
        header = reply.response.headers.get("Retry-After")
        reply.expect_that(
            header == seconds,
            expected,
            got=f"503  Retry-After: {header}" if header else "503 without Retry-After",
            because="the service said in how many seconds it can be asked again, and the visitor does not get to know",
            next='`JsonResponse({…}, status=503, headers={"Retry-After": …})`',
        )


@flights.requirement("answers 502 when the service answers any other error, such as 403, 500 or 503")
@keeping_every_client
async def calls_other_errors_502(trial: Trial) -> None:
    for status in (403, 500, 503):
        reply = await _get_while(trial, f"/failing?status={status}", str(status))
        reply.expect(502, **_words_about_status(reply, status))


@flights.requirement("answers 502 when the service's answer is broken JSON, or breaks off half-way")
@keeping_every_client
async def calls_broken_answers_502(trial: Trial) -> None:
    for trouble, named in (("/broken-json", "broken JSON"), ("/half", "half of its answer")):
        reply = await _get_while(trial, trouble, named)
        reply.expect(502, **_words_about_broken(reply))


@flights.requirement("answers 504 when the service has not answered within `LIMIT` seconds")
@keeping_every_client
async def calls_silence_504(trial: Trial) -> None:
    with running_services().replaced("/flights", by=SILENT):
        reply = await _patient_get(
            trial,
            "/flights/Kyoto/",
            SAYS_NOTHING,
            because="nothing limits the call, or not to `LIMIT`: by itself aiohttp waits for five minutes, "
            "and httpx for five seconds",
            next="`async with asyncio.timeout(LIMIT):` around the call",
        )
    reply.expect(504, **_words_about_limits(reply))


def _counting_anew() -> Services:
    services = running_services()
    services.forget()
    return services


async def _patient_get(trial: Trial, path: str, meanwhile: str, **words: str) -> Reply:
    """Send a request; refuse with these words when the view still waits `PATIENCE` seconds after it asked the service."""
    sent, services = f"GET {path}  {meanwhile}", _counting_anew()
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


async def _get_while(trial: Trial, trouble: str, named: str) -> Reply:
    with running_services().replaced("/flights", by=trouble):
        reply = await trial.get("/flights/Kyoto/")
    reply.sent = f"{reply.sent}  while the service answers {named}"
    return reply


async def _expect_closed(services: Services, sent: str, words: dict[str, str]) -> None:
    opened = services.connections_opened
    with suppress(TimeoutError):
        await services.closed(opened, timeout=0.5)
    still_open = services.connections_open
    Outcome(sent, f"{still_open} of {opened} connections still open").expect_that(
        still_open == 0, "no connection left open, as the service sees it", **words
    )


def _unclosed_words(moment: str) -> dict[str, str]:
    return {
        "because": f"the client was still open {moment}. aiohttp logs `Unclosed client session` for that, and httpx "
        "says nothing",
        "next": "`async with` closes it on every way out; else `await session.close()`, or `await client.aclose()`",
    }


def _words_about_limits(reply: Reply) -> dict[str, str]:
    if isinstance(reply.error, httpx.TimeoutException):
        return {
            "because": "the limit works, but what httpx raises is not a `TimeoutError`",
            "next": "`except httpx.TimeoutException`, or `except (TimeoutError, httpx.TimeoutException)`",
        }
    if isinstance(reply.error, TimeoutError):
        return {"because": "the limit works, and nobody makes an answer of the error"} | _next_504()
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


def _next_504() -> dict[str, str]:
    return {"next": "`except TimeoutError:` and `return JsonResponse({…}, status=504)`"}


def _words_about_status(reply: Reply, status: int | None = None) -> dict[str, str]:
    if isinstance(reply.error, aiohttp.ClientResponseError | httpx.HTTPStatusError):
        return {
            "because": "the error of `raise_for_status` left the view, which is a 500 for the visitor",
            "next": f"catch `{'httpx.HTTPStatusError' if isinstance(reply.error, httpx.HTTPError) else 'aiohttp.ClientResponseError'}`"
            " and look at the status",
        }
    if reply.status == 200:
        return {
            "because": "the status of the service was not looked at: for the client an error is an answer like any other",
            "next": "`response.raise_for_status()`, or look at the status",
        }
    if reply.status == 429:
        return {
            "because": "429 tells the visitor that they ask too often; it was your site that did",
            "next": "answer 503, with the `Retry-After` of the service",
        }
    if status is not None and reply.status == status:
        return {
            "because": f"{status} would tell the visitor something about your site; the trouble is the partner's",
            "next": "answer 502 for every status that has no rule of its own",
        }
    return {}


def _words_about_broken(reply: Reply) -> dict[str, str]:
    if isinstance(reply.error, ValueError):
        return {
            "because": "broken JSON is a `ValueError`, and no error of the HTTP library",
            "next": "`except (aiohttp.ClientError, ValueError)`, or `except (httpx.HTTPError, ValueError)`",
        }
    if isinstance(reply.error, aiohttp.ClientError | httpx.HTTPError):
        return {
            "because": "the connection broke while the answer was read, after its status had come",
            "next": "`except aiohttp.ClientError`, or `except httpx.HTTPError`, around the whole call",
        }
    return {}


def _words_about_answers(outcome: Outcome) -> dict[str, str]:
    if "once it has been closed" in outcome.got or "Session is closed" in outcome.got:
        return {
            "because": "the client that is kept was closed when the call before had its answer",
            "next": "no `async with` around the kept client: `close` is what closes it",
        }
    if outcome.error is None and outcome.value is None:
        return {"because": "`ask` ended without a `return`"}
    return {}


def _words_about_turns(outcome: Outcome) -> dict[str, str]:
    if outcome.error is None and "waiting together" in str(outcome.value):
        return {
            "because": "the second call was not sent before the first had its answer",
            "next": "let each call wait for itself: no lock around it",
        }
    return {}


async def _made_at_import(trial: Trial) -> Any:
    made = Outcome(f"weather = {trial.task.name}()  where no event loop runs")
    try:
        made.value = await run_without_a_loop(trial.answer)
    except NotImplementedError as error:
        raise NotStarted from error
    except Exception as error:
        made.error = error
    made.expect_that(
        True,
        "no error",
        because="a module is imported before any event loop runs, and something here needs one",
        next="make the client in `ask`, at the first call on a loop",
    )
    return made.value


async def _ask(weather: Any, city: str) -> Outcome:
    return await _outcome(f'await weather.ask("{city}")', lambda: weather.ask(city))


async def _close(weather: Any) -> Outcome:
    return await _outcome("await weather.close()", weather.close)


async def _outcome(sent: str, call: Callable[[], Awaitable[Any]]) -> Outcome:
    try:
        return Outcome(sent, await call())
    except NotImplementedError as error:
        raise NotStarted from error
    except Exception as error:
        return Outcome(sent, error=error)


async def _ask_and_close(weather: Any) -> None:
    (await _ask(weather, "Lisbon")).expect(LISBON)
    (await _close(weather)).expect_that(True, "no error")


async def _on_other_loops(works: list[Callable[[], Awaitable[Any]]], kept: Kept) -> list[Any]:
    """Await each on an event loop of its own, one after another in one thread, and close what was made there."""

    async def loop(work: Callable[[], Awaitable[Any]]) -> Any:
        try:
            return await work()
        finally:
            await kept.close()

    return await run_without_a_loop(lambda: [asyncio.run(loop(work)) for work in works])
