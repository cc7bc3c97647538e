import asyncio
import random
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any
from unittest.mock import patch
from urllib.parse import unquote

from django.core.cache import CacheKeyWarning, cache
from django.core.cache.backends.locmem import LocMemCache

from tutorial_project.checks import Outcome, Reply, Task, Trial
from tutorial_project.checks.kinds.made_up import made_up_weather
from tutorial_project.checks.kinds.streams import OpenStream
from tutorial_project.checks.proofs.clock import held_clock
from tutorial_project.services.client import TIMEOUT
from tutorial_project.services.start import start_services
from tutorial_project.words import counted

from ..shared import expect, sent

forecast = Task(
    "forecast",
    excused={
        "beside itself": "who comes while a city is asked for waits on purpose: a requirement of its own asks for it"
    },
    routes=["forecast/<str:city>/"],
    hints=(
        "Ten visitors look into the empty cache. What do the other nine do while the first one asks, and what when it fails?",
        "They wait for the same question. So keep it where all find it, by its city: a task that asks and keeps the answer. "
        "Who leaves must not end it: `asyncio.shield`.",
        "`questions[name] = asyncio.create_task(asked_and_kept(name))` where there is none yet, "
        "`questions[name].add_done_callback(lambda _: questions.pop(name))`, and everybody: "
        "`found = await asyncio.shield(questions[name])`. In `asked_and_kept`: first `ask`, then `aset`",
    ),
    praise="Right: one asks, and all who came meanwhile have its answer, or its failure. A lock for each city would do too, if "
    "those who waited behind a failure do not ask again. Between processes, `cache.aadd` decides who asks.",
)


def on_the_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


@contextmanager
def watched_cache(may_store: threading.Event | None = None) -> Iterator[dict[str, Any]]:
    """Note how often the cache is read, what is called on an event loop, and how many calls are in threads.

    Args:
        may_store: holds each write until it is set.
    """
    seen: dict[str, Any] = {"reads": 0, "writes": 0, "visitors": set(), "on the loop": [], "in threads": 0}

    def watched(name: str) -> Any:
        real = getattr(LocMemCache, name)

        def method(self: Any, *args: Any, **kwargs: Any) -> Any:
            if on_the_loop():
                seen["on the loop"].append(name)
            elif name == "set" and may_store is not None:
                seen["writes"] += 1
                may_store.wait(2)
            result = real(self, *args, **kwargs)
            seen["reads"] += name == "get"
            seen["visitors"].add(visitor.get())
            return result

        return method

    methods = {name: watched(name) for name in ("get", "set", "add", "has_key", "delete", "touch", "incr")}
    with patch.multiple(LocMemCache, **methods), calls_in_threads_counted(seen):
        yield seen


@contextmanager
def calls_in_threads_counted(seen: dict[str, Any]) -> Iterator[None]:
    """Keep in `seen` how many calls are in threads, or did not tell their task yet that they are over."""
    loop = asyncio.get_running_loop()
    real = loop.run_in_executor

    def counted_call(*call: Any) -> Any:
        future = real(*call)
        seen["in threads"] += 1
        future.add_done_callback(is_over)
        return future

    def is_over(_: Any) -> None:
        seen["in threads"] -= 1

    with patch.object(loop, "run_in_executor", counted_call):
        yield


async def empty_cache() -> Any:
    """Empty the cache, and give back the services with their counts at zero."""
    await cache.aclear()
    services = start_services()
    services.forget()
    return services


@forecast.requirement(
    "answers `GET /forecast/Lisbon/` with what the weather service says, and leaves the event loop free"
)
async def tells_the_weather(trial: Trial) -> None:
    for city in ("Lisbon", "Kyoto"):
        services, report = await empty_cache(), made_up_weather(city)
        with services.saying(f"/weather/{city}", report):
            reply = await trial.leaves_the_loop_free(f"/forecast/{city}/")
        expect(reply, json=report)
    services, report = await empty_cache(), made_up_weather("Lisbon")
    with services.saying("/weather/Lisbon", report):
        reply, _ = await sent(trial, "/forecast/Lisbon/")
    reply.sent += "  once more, when the cache was emptied"
    words = {"because": "the answer was remembered somewhere else as well"} if not services.requests else {}
    expect(reply, json=report, **words)


@forecast.requirement("asks the service once for two visitors of one city, one after another")
async def asks_once_for_two(trial: Trial) -> None:
    services, report = await empty_cache(), made_up_weather("Lisbon")
    with services.saying("/weather/Lisbon", report):
        for _ in range(2):
            reply, words = await sent(trial, "/forecast/Lisbon/")
            expect(reply, json=report, **words)
    asked = len(services.requests)
    reply.expect_that(asked == 1, "1 question to the service", got=counted(asked, "question"), **words)


@forecast.requirement(
    "keeps the answer for each city in Django's cache, that for Lisbon under the key `forecast:Lisbon`, and asks again "
    "when it is gone from there"
)
async def keeps_it_in_the_cache(trial: Trial) -> None:
    services = await empty_cache()
    expect(first := await trial.get("/forecast/Lisbon/"))
    kept = await cache.aget("forecast:Lisbon")
    first.expect_that(
        kept == first.json, f"forecast:Lisbon in the cache: {first.json}", got=f"forecast:Lisbon: {kept}"
    )
    await cache.aclear()
    expect(again := await trial.get("/forecast/Lisbon/"))
    asked = len(services.requests)
    again.expect_that(
        asked == 2,
        "2 questions: the cache was emptied between them",
        got=f"{asked} question" + "s" * (asked != 1),
        because="the answer was remembered somewhere else as well" if asked == 1 else None,
    )
    expect(other := await trial.get("/forecast/Kyoto/"))
    one_for_all = other.json == again.json
    other.expect_that(
        other.json.get("city") == "Kyoto",
        "the weather in Kyoto",
        because="what is kept for Lisbon is given to every city" if one_for_all else None,
        next='a key for each city: `f"forecast:{…}"`' if one_for_all else None,
    )
    for city in LONG_NAMES:
        expect(last := await trial.get(f"/forecast/{city}/"))
        last.expect_that(
            last.json.get("city") == city,
            f"the weather in {city}",
            because="another city's name begins in the same way, and its answer was given",
            next="the whole name in the key",
        )


LONG_NAMES = [f"Taumata{'whakatangihangakoauau' * 4}{end}" for end in ("otamatea", "pokaiwhenua")]
"""Two cities whose names differ at their end."""


@forecast.requirement("keeps it for a minute, and asks again when that is over")
async def keeps_it_for_a_minute(trial: Trial) -> None:
    services, began = await empty_cache(), time.time()
    with clock_of_the_cache(began):
        expect(await trial.get("/forecast/Lisbon/"))
    for seconds, expected in ((59.5, 1), (60.5, 2)):
        with clock_of_the_cache(began + seconds):
            expect(reply := await trial.get("/forecast/Lisbon/"))
        asked = len(services.requests)
        reply.sent += f"  {seconds} seconds later"
        reply.expect_that(
            asked == expected,
            "the answer of the cache" if expected == 1 else "a new question to the service",
            got="a new question to the service" if asked > expected else "the old answer",
            next="`cache.aset(…, timeout=60)` when the service has answered; a look makes the minute no longer",
        )


@contextmanager
def clock_of_the_cache(now: float) -> Iterator[None]:
    """Let the clock by which the cache forgets stand still at this time."""
    with patch("time.time", lambda: now):
        yield


@forecast.requirement("awaits the cache, and never calls it on the event loop")
async def awaits_the_cache(trial: Trial) -> None:
    await empty_cache()
    with watched_cache() as seen:
        for _ in range(2):
            expect(reply := await trial.get("/forecast/Lisbon/"))
    calls = seen["on the loop"]
    reply.expect_that(
        not calls,
        "every call of the cache in a thread",
        got=f"`{calls[0]}` on the event loop" if calls else None,
        because="a cache behind a network would hold up the whole site, and nothing warns of it",
        next=f"`await cache.a{calls[0]}(…)`" if calls else None,
    )


@forecast.requirement(
    "asks the service once for ten visitors of one city who come together, and answers all ten"
)
async def survives_a_stampede(trial: Trial) -> None:
    services, report = await empty_cache(), made_up_weather("Lisbon")
    with (
        services.saying("/weather/Lisbon", report),
        services.held("/weather/Lisbon") as hold,
        watched_cache() as seen,
    ):
        pending = asyncio.ensure_future(trial.together(*["/forecast/Lisbon/"] * 10))
        with suppress(TimeoutError):
            await services.arrived(1, timeout=1)
        await until_all_have_looked(seen)
        hold.release()
        together = await pending
    for reply in together.replies:
        expect(reply, json=report)
    asked = len(services.requests)
    because = step = None
    if asked > 1:
        because = "visitors looked while the first answer was on its way, found nothing, and asked as well"
        step = "one task for each city, for which all of them wait; or a lock, and a second look behind it"
    together.replies[0].expect_that(
        asked == 1, "1 question to the service", got=f"{asked} questions", because=because, next=step
    )
    await comes_while_it_is_kept(trial)


async def comes_while_it_is_kept(trial: Trial) -> None:
    """Refuse when one who comes between the service's answer and the cache's asks once more."""
    services, report = await empty_cache(), made_up_weather("Lisbon")
    may_store = threading.Event()
    with services.saying("/weather/Lisbon", report), watched_cache(may_store) as seen:
        first = asyncio.ensure_future(visit(trial, 0))
        try:
            await few_turns_until(lambda: seen["writes"] or first.done())
            late = asyncio.ensure_future(visit(trial, 1))
            await until_each_has_looked(seen, {1})
        finally:
            may_store.set()
        replies = await asyncio.gather(first, late)
    for reply in replies:
        reply.sent += "  twice, the second time while the answer is written into the cache"
        expect(reply, json=report)
    expect_one_question(
        replies[1],
        len(services.requests),
        because="the question was forgotten before its answer was in the cache",
        next="forget it when `aset` is over: `add_done_callback` of a task that asks and keeps",
    )


def expect_one_question(reply: Reply, asked: int, **words: str) -> None:
    reply.expect_that(asked == 1, "1 question to the service", got=f"{asked} questions", **words)


async def few_turns_until(condition: Callable[[], Any]) -> None:
    """Wait until it holds, and no longer than what waits for others needs to show that it does."""
    for _ in range(60):
        if condition():
            return
        await asyncio.sleep(0.005)


async def until_all_have_looked(seen: dict[str, Any]) -> None:
    """Let the ten reach the cache; those that wait for others before they look are given a few turns."""
    await few_turns_until(lambda: seen["reads"] >= 10 and seen["in threads"] <= seen["writes"])


visitor: ContextVar[int | None] = ContextVar("visitor", default=None)
"""Which of several visitors the code serves that runs now, in a task or in a thread."""


async def visit(trial: Trial, number: int) -> Reply:
    visitor.set(number)
    return await trial.get("/forecast/Lisbon/")


async def until_each_has_looked(seen: dict[str, Any], numbers: set[int]) -> None:
    """Let each of these visitors reach the cache; those that wait for others before they look are given a few turns."""
    await few_turns_until(lambda: numbers <= seen["visitors"] and seen["in threads"] <= seen["writes"])


@forecast.requirement("asks for two cities at the same time: Kyoto does not wait for Lisbon")
async def two_cities_at_once(trial: Trial) -> None:
    await expect_both_at_once(trial, "Lisbon", "Kyoto")
    await expect_both_at_once(trial, *LONG_NAMES)


async def expect_both_at_once(trial: Trial, *cities: str) -> None:
    services = await empty_cache()
    with services.expect_together(2, ("/weather",), timeout=1) as barrier:
        together = await trial.together(*(f"/forecast/{city}/" for city in cities))
    reply = together.replies[1]
    words = {
        "because": "one city's question waits for the other's",
        "next": "a task, or a lock, for each city",
    }
    reply.expect_that(
        barrier.met,
        "both questions at the service at the same time",
        got="one question after the other",
        **(words if reply.error is None else {}),
    )
    mixed = "the answers were kept under one key, or under each other's"
    for city, reply in zip(cities, together.replies, strict=True):
        expect(again := await trial.get(f"/forecast/{city}/"))
        again.sent += "  once more, after both"
        for told, because in ((reply, None), (again, mixed)):
            expect(told)
            told.expect_that(told.json.get("city") == city, f"the weather in {city}", because=because)
    asked = len(services.requests)
    again.expect_that(asked == 2, "2 questions, one for each city", got=f"{asked} questions", because=mixed)


@forecast.requirement(
    'answers 502 `{"error": "no forecast"}` to everybody who comes while the service fails, keeps nothing, and asks '
    "again for the next visitor"
)
async def survives_a_failing_service(trial: Trial) -> None:
    services, report = await empty_cache(), made_up_weather("Lisbon")
    expect(await trial.get("/forecast/Lisbon/"))
    await cache.adelete("forecast:Lisbon")  # as after its minute, and what else is kept stays
    with services.replaced(
        "/weather", by=random.choice(["/failing?status=503", "/broken-json", "/failing?status=418"])
    ):
        together = await trial.together(*["/forecast/Lisbon/"] * 3)
    for reply in together.replies:
        uncaught = type(reply.error).__name__ == "ServiceError"
        expect(
            reply,
            502,
            json={"error": "no forecast"},
            because="nobody caught the service's error" if uncaught else None,
            next="`except ServiceError:`" if uncaught else None,
        )
    kept = await cache.aget("forecast:Lisbon")
    services.forget()
    with services.saying("/weather/Lisbon", report):
        after = await trial.get("/forecast/Lisbon/")
    after.sent += "  when the service is back"
    expect(
        after,
        json=report,
        because="the failure was kept in the cache" if kept is not None else None,
        next="`aset` only what the service said" if kept is not None else None,
    )


@forecast.requirement(
    "takes a city of any characters: quotes it in the service's URL, and in the key of the cache as well, which has no "
    "spaces then; and a long name is no 500, be it of 300 letters or of 100 emoji, though some caches refuse a key of "
    "more than 250 characters"
)
async def takes_odd_cities(trial: Trial) -> None:
    for name in (
        "Porto%3Fwait=0",
        f"S%C3%A3o%20Tom%C3%A9%20{random.randint(2, 99)}",
        "Berg%2565n",
        "%00",
        "a%23b",
    ):
        services = await empty_cache()
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always", CacheKeyWarning)
            reply = await trial.get(f"/forecast/{name}/")
        expect(reply)
        asked = [request.path + str(request.query or "") for request in services.requests]
        reply.expect_that(
            asked == [f"/weather/{unquote(name)}"],
            f"the service asked for {unquote(name)!r}",
            got=f"it was asked for {', '.join(asked) or 'nothing'}",
            next='`ask(f"weather/{quote(city, safe="")}")`' if len(asked) == 1 else None,
        )
        odd_keys = [str(warning.message) for warning in heard if warning.category is CacheKeyWarning]
        reply.expect_that(
            not odd_keys,
            "a key that every cache takes",
            got=odd_keys[0] if odd_keys else None,
            next='`quote(city, safe="")` in the key as well',
        )
    for name in ("x" * 300, "%F0%9F%98%80" * 100, "y" * 245, *(f"{'z' * 290}{end}" for end in "ab")):
        with warnings.catch_warnings():
            warnings.simplefilter("error", CacheKeyWarning)
            reply = await trial.get(f"/forecast/{name}/")
        reply.sent = f"GET /forecast/…/  with a name of {len(unquote(name))} characters"
        if isinstance(reply.error, CacheKeyWarning):
            reply.expect_that(False, "an answer that is no 500", got="a 500 with Memcached", **TOO_LONG)
        reply.expect_that(reply.status != 500, "an answer that is no 500")
        told = reply.json.get("city", unquote(name)) if reply.status == 200 else unquote(name)
        reply.expect_that(
            told == unquote(name),
            f"the weather in …{name[-3:]}",
            got=f"that in …{told[-3:]}, whose name begins in the same way",
        )


TOO_LONG = {
    "because": "the key is longer than 250 characters: Memcached refuses it, and other caches warn of that",
    "next": "`if len(name) > 200:` answer before the cache is asked",
}


@forecast.requirement(
    "when the service is silent, answers ten visitors who came together after one limit of `ask`, five seconds, and not "
    "one after another"
)
async def shares_a_silence(trial: Trial) -> None:
    services = await empty_cache()
    with services.held("/weather/Lisbon"), watched_cache() as seen:
        pending = [asyncio.ensure_future(visit(trial, number)) for number in range(10)]
        try:
            with suppress(TimeoutError):
                await services.arrived(1, timeout=1)
            await until_each_has_looked(seen, set(range(10)))
            with held_clock() as clock:
                # One limit, and then almost half of one in small steps: a busy machine gets its time to answer all.
                for seconds in [TIMEOUT / 20] * 21 + [TIMEOUT / 250] * 100:
                    if all(each.done() for each in pending):
                        break
                    await clock.advance(seconds)
                    await clock.pause(0.01)
            replies = [each.result() for each in pending if each.done()]
        finally:
            for each in pending:
                each.cancel()
            await asyncio.gather(*pending, return_exceptions=True)
    Outcome("ten times  GET /forecast/Lisbon/  while the service is silent").expect_that(
        len(replies) == 10,
        "ten answers after one limit of five seconds",
        got=f"{len(replies)} after one limit and a half",
    )
    for reply in replies:
        expect(reply, 502, json={"error": "no forecast"})


@forecast.requirement(
    "answers the others when the visitor who came first leaves while the service is asked, and forgets that question as ever"
)
async def survives_a_leaver(trial: Trial) -> None:
    services, report = await empty_cache(), made_up_weather("Lisbon")
    with (
        services.saying("/weather/Lisbon", report),
        services.held("/weather/Lisbon") as hold,
        watched_cache() as seen,
    ):
        async with OpenStream(Trial(trial.answer, trial.task), "/forecast/Lisbon/") as leaver:
            with suppress(TimeoutError):
                await services.arrived(1, timeout=1)
            pending = [asyncio.ensure_future(visit(trial, number)) for number in range(2)]
            await until_each_has_looked(seen, {0, 1})
            leaver.leave()
            await asyncio.wait([leaver.call])
            hold.release()
            replies: list[Reply] = await asyncio.gather(*pending)
    for reply in replies:
        reply.sent += "  when the one who came first has left"
        expect(reply, json=report)
    services, report = await empty_cache(), made_up_weather("Lisbon")
    with services.saying("/weather/Lisbon", report):
        reply = await trial.get("/forecast/Lisbon/")
    reply.sent += "  after that, when the answer is gone from the cache"
    expect(reply, json=report)
