from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

from tutorial_project.checks import (
    NotStarted,
    Outcome,
    Task,
    Trial,
    blocking_calls_refused,
    run_without_a_loop,
)
from tutorial_project.checks.kinds.made_up import made_up_weather, mixed
from tutorial_project.checks.proofs.clock import held_clock
from tutorial_project.services import running_services
from tutorial_project.services.places import weather as weather_of
from tutorial_project.words import counted

from ..shared import (
    GOOD_LOOKING,
    IN_TIME,
    NO_OBJECTS,
    PATIENCE,
    SHORTLY,
    SOMETHING_MORE,
    TOO_LATE,
    TRICKLING,
    Kept,
    counting_anew,
    every_client_kept,
    expect_asked_for,
    expect_closed,
    expect_first_question_answered,
    keeping_every_client,
    odd_cities,
    pieces_sent,
    unclosed_words,
    words_about_memory,
)

LISBON, REYKJAVIK = weather_of("Lisbon"), weather_of("Reykjavik")


STILL_WAITING = "still waiting, and had to be stopped"


LIMIT_IT = "limit the whole call: `asyncio.timeout(LIMIT)`, or `aiohttp.ClientTimeout(total=LIMIT)`"


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
    'can be made where no event loop runs; then `await weather.ask("Lisbon")` gives what the service says at that moment, '
    'such as `{"city": "Lisbon", "celsius": 24, "sky": "sunny"}`, for a city of any characters'
)
@keeping_every_client
async def is_made_at_import_and_asks_later(trial: Trial) -> None:
    weather = await _made_at_import(trial)
    earlier = None
    for city in ("Lisbon", "Reykjavik", "Lisbon"):
        outcome = await _ask_for_news(weather, city, earlier)
        earlier = earlier or outcome.value
    for city in ("Lisbon?wait=0", *odd_cities(), f"Bergen/{random.randint(1, 9)}"):
        counting_anew()
        outcome = await _ask(weather, city)
        expect_asked_for(outcome, "weather", city)
        outcome.expect(weather_of(city))


@WeatherClient.requirement(
    "makes one client, which opens one connection, for six calls, one after another, on the same event loop"
)
async def keeps_its_connection(trial: Trial) -> None:
    services = counting_anew()
    async with every_client_kept() as kept:
        weather = await _made_at_import(trial)
        for city in ("Lisbon", "Reykjavik") * 3:
            await _ask_for_news(weather, city)
    number = services.connections_opened
    Outcome("six times  await weather.ask(…)", counted(number, "connection")).expect_that(
        number == 1,
        "1 connection, counted at the service",
        because="no call found a connection that was still open: a new client has none, and neither has one that keeps none",
        next="keep the client of this loop in `self.clients`, and take it from there",
    )
    Outcome("six times  await weather.ask(…)", counted(len(kept), "client")).expect_that(
        len(kept) <= 1,
        "1 client made",
        next="make a client only where the loop has none: the second argument of `setdefault` is made at each call",
    )


@WeatherClient.requirement(
    "leaves the event loop free: two calls at the same time reach the service together, and where one of them fails, "
    "the other one goes on"
)
@keeping_every_client
async def asks_two_at_once(trial: Trial) -> None:
    services = counting_anew()
    weather = await _made_at_import(trial)
    with (
        blocking_calls_refused(trial.answer),
        services.expect_together(2, ("/weather",), timeout=2) as barrier,
        held_clock(),  # on a busy machine LIMIT would be over before both are there
    ):
        outcomes = await asyncio.gather(_ask(weather, "Lisbon"), _ask(weather, "Reykjavik"))
    for outcome, expected in zip(outcomes, (LISBON, REYKJAVIK), strict=True):
        outcome.sent = f"two calls together, one of them  {outcome.sent}"
        outcome.expect(expected, **_words_about_turns(barrier.most_waiting))
    await _expect_to_go_on_beside_a_failure(weather)


@WeatherClient.requirement(
    "`ask` raises an error, which one is yours, when the service answers with an error or with no JSON object"
)
@keeping_every_client
async def raises_what_is_no_report(trial: Trial) -> None:
    weather, services = await _made_at_import(trial), counting_anew()
    (await _ask(weather, "Lisbon")).expect(LISBON)
    errors = {f"/failing?status={status}": str(status) for status in mixed([418, 404, 429, 500, 503])}
    errors["/failing?as=report"] = GOOD_LOOKING
    for by, named in (errors | NO_OBJECTS).items():
        with services.replaced("/weather", by=by):
            outcome = await _ask(weather, "Lisbon")
        outcome.sent += f"  while the service answers {named}"
        words = {"next": "`response.raise_for_status()`, or look at the status"} if by in errors else {}
        _expect_an_error(outcome, **words | words_about_memory(outcome, LISBON))


@WeatherClient.requirement(
    "`ask` takes an answer that comes shortly before `LIMIT` seconds are over, and raises an error when they are and it "
    "is not complete"
)
@keeping_every_client
async def limits_the_whole_call(trial: Trial) -> None:
    weather, report = await _made_at_import(trial), made_up_weather("Lisbon")
    (await _ask(weather, "Kyoto")).expect(weather_of("Kyoto"))
    services = counting_anew()
    with (
        services.saying("/weather/Lisbon", report),
        services.replaced("/weather/Bergen", by=TRICKLING),
        services.held("/weather/Lisbon") as lisbon,
        services.held("/weather/Bergen") as bergen,
        services.held("/weather/Kyoto"),
        pieces_sent() as pieces,
    ):
        asking = [asyncio.ensure_future(_ask(weather, city)) for city in ("Lisbon", "Kyoto", "Bergen")]
        try:
            with held_clock() as clock:
                await clock.until(lambda: len(services.requests) == 3 or all(ask.done() for ask in asking))
                await clock.advance(IN_TIME / 2)
                await clock.pause(SHORTLY)
                await clock.advance(IN_TIME / 2)
                given_up = services.clients_left
                lisbon.release()
                await clock.until(asking[0].done)
                bergen.release()
                await clock.until(lambda: len(pieces) > 1 or asking[2].done())
                await clock.pause(SHORTLY)
                await clock.advance(TOO_LATE - IN_TIME)
                await clock.until(lambda: all(ask.done() for ask in asking), PATIENCE)
        finally:
            for ask in asking:
                ask.cancel()
            await asyncio.wait(asking)
    taken, silent, trickle = (
        Outcome("await weather.ask(…)", STILL_WAITING) if ask.cancelled() else ask.result() for ask in asking
    )
    taken.sent += f"  while the service answers after {IN_TIME} seconds"
    taken.expect(report)
    expect_first_question_answered(taken, given_up)
    silent.sent += "  while the service says nothing"
    _expect_an_error(
        silent,
        because="nothing limits the call, or not to `LIMIT`"
        if silent.got == STILL_WAITING
        else "the call came back with no error, although the service had said nothing",
        next=LIMIT_IT,
    )
    trickle.sent += f"  while the service answers after {IN_TIME} seconds, in pieces, one every 0.02 seconds"
    because = "none of the pieces is late: a limit on the wait for the next one starts anew with each, and one on the wait for the headers is over with them, so that one for the body comes on top"
    _expect_an_error(trickle, because=because, next=LIMIT_IT)


@WeatherClient.requirement(
    "works on a second event loop while the first one still runs, over a connection of its own, and on a third one "
    "when the second has ended; the first one keeps its connection"
)
async def serves_a_second_loop(trial: Trial) -> None:
    services = counting_anew()
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
        again = await _ask(weather, "Reykjavik")
        again.sent = f"{again.sent}  on the first loop, when others have asked"
        again.expect(REYKJAVIK)
        again.expect_that(
            services.requests[-1].connection == connections[0],
            "the connection that the first loop had opened before",
            got="a new connection",
        )


@WeatherClient.requirement(
    "`await weather.close()` closes the connections of the running event loop's client"
)
async def closes_its_connection(trial: Trial) -> None:
    services = counting_anew()
    next_step = "`await client.aclose()` with httpx, `await session.close()` with aiohttp"
    async with every_client_kept() as kept:
        weather = await _made_at_import(trial)
        for _ in range(2):
            for outcome in await asyncio.gather(*(_ask(weather, city) for city in ("Lisbon", "Lisbon"))):
                outcome.expect(LISBON)
            for by in ("/failing?status=500", "/broken-json"):
                with services.replaced("/weather", by=by):
                    await _ask(weather, "Lisbon")
        closed, open_then = await _close(weather), kept.open()
        closed.expect_that(True, "no error", next=next_step)
        words = unclosed_words("after it") | {"next": next_step}
        await expect_closed(services, "await weather.close()", words, open_then)


@WeatherClient.requirement("closing on one event loop leaves the clients of the others as they are")
async def closes_no_other_client(trial: Trial) -> None:
    services = counting_anew()
    words = {
        "because": "after `close` on the second loop, the first one has lost its client, although its requests were still coming",
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


@WeatherClient.requirement("can be closed on an event loop that has asked for nothing, and closed twice")
@keeping_every_client
async def closes_when_there_is_nothing(trial: Trial) -> None:
    weather = await _made_at_import(trial)
    (await _close(weather)).expect_that(
        True,
        "no error",
        because="this loop has no client, and it was looked up as if it had",
        next="`self.clients.pop(loop, None)`, and close what is not None",
    )
    await _ask_and_close(weather)
    again = await _close(weather)
    again.sent += "  a second time"
    again.expect_that(True, "no error")


def _words_about_answers(outcome: Outcome) -> dict[str, str]:
    if "once it has been closed" in outcome.got or "Session is closed" in outcome.got:
        return {
            "because": "the client that is kept was closed when the call before had its answer",
            "next": "no `async with` around the kept client: `close` is what closes it",
        }
    if outcome.error is None and outcome.value is None:
        return {"because": "`ask` ended without a `return`"}
    return {}


def _words_about_turns(most_waiting: int) -> dict[str, str]:
    if most_waiting == 1:
        return {
            "because": "the second call was not sent before the first had its answer",
            "next": "let each call wait for itself: no lock around it, and more than one connection for the client",
        }
    return {}


def _expect_an_error(outcome: Outcome, **words: str) -> None:
    if outcome.error is None:
        outcome.refuse(expected="an error to be raised", **words)


async def _ask_for_news(weather: Any, city: str, earlier: Any = None) -> Outcome:
    """Ask while the service says something that nobody can know, and refuse another answer."""
    report = made_up_weather(city) | SOMETHING_MORE
    with running_services().saying(f"/weather/{city}", report):
        outcome = await _ask(weather, city)
    outcome.expect(report, **_words_about_answers(outcome), **words_about_memory(outcome, earlier))
    return outcome


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


async def _expect_to_go_on_beside_a_failure(weather: Any) -> None:
    services = counting_anew()
    with (
        services.replaced("/weather/Oslo", by="/failing?status=500"),
        services.held("/weather/Lisbon") as hold,
    ):
        waiting = asyncio.ensure_future(_ask(weather, "Lisbon"))
        try:
            with held_clock() as clock:
                await clock.until(lambda: hold.waiting or waiting.done())
                await _ask(weather, "Oslo")
                hold.release()
                await clock.until(waiting.done)
        finally:
            waiting.cancel()
            await asyncio.wait([waiting])
    sent = 'await weather.ask("Lisbon")  while another call fails'
    went_on = Outcome(sent, STILL_WAITING) if waiting.cancelled() else waiting.result()
    went_on.sent = sent
    went_on.expect(LISBON)


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
