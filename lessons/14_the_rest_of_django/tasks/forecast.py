import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from unittest.mock import patch

from django.core.cache import cache
from django.core.cache.backends.locmem import LocMemCache

import tutorial_project.services.client
from tutorial_project.checks import Task, Trial
from tutorial_project.services.start import start_services

from ..shared import expect, sent

forecast = Task(
    "forecast",
    excused={
        "beside itself": "who comes while a city is asked for waits on purpose: a requirement of its own asks for it"
    },
    routes=["forecast/<str:city>/"],
    hints=(
        "Ten visitors look into the empty cache. What do the other nine do while the first one asks?",
        "They wait for a lock, one for each city. When it is their turn, the answer may be there: they look again.",
        "`async with locks.setdefault(key, asyncio.Lock()):`, and in it `found = await cache.aget(key)` once more, "
        "and only then `ask` and `aset`",
    ),
    praise="Right: one asks, nine wait and look again, and a failure is nobody's answer but theirs who met it. "
    "A task for each city that all of them await would do too.",
)


def on_the_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


@contextmanager
def watched_cache(may_store: threading.Event | None = None) -> Iterator[dict[str, Any]]:
    """Note how often the cache is read, and what is called on an event loop; hold each write until the event."""
    seen: dict[str, Any] = {"reads": 0, "on the loop": []}

    def watched(name: str) -> Any:
        real = getattr(LocMemCache, name)

        def method(self: Any, *args: Any, **kwargs: Any) -> Any:
            if on_the_loop():
                seen["on the loop"].append(name)
            elif name == "set" and may_store is not None:
                may_store.wait(2)
            result = real(self, *args, **kwargs)
            seen["reads"] += name == "get"
            return result

        return method

    methods = {name: watched(name) for name in ("get", "set", "add", "has_key", "delete", "touch", "incr")}
    with patch.multiple(LocMemCache, **methods):
        yield seen


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
    await empty_cache()
    reply = await trial.leaves_the_loop_free("/forecast/Lisbon/")
    expected = await tutorial_project.services.client.ask("weather/Lisbon", wait=0)
    expect(reply, json=expected)


@forecast.requirement("asks the service once for two visitors of one city, one after another")
async def asks_once_for_two(trial: Trial) -> None:
    services = await empty_cache()
    for _ in range(2):
        reply, words = await sent(trial, "/forecast/Lisbon/")
        expect(reply, **words)
    asked = len(services.requests)
    reply.expect_that(asked == 1, "1 question to the service", got=f"{asked} questions", **words)


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
        next='a key for each city: `f"forecast:{city}"`' if one_for_all else None,
    )


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
    services = await empty_cache()
    may_store = threading.Event()
    with watched_cache(may_store) as seen:
        pending = asyncio.ensure_future(trial.together(*["/forecast/Lisbon/"] * 10))
        try:
            with suppress(TimeoutError):
                await services.arrived(1, timeout=1)
            await until_all_have_looked(seen)
        finally:
            may_store.set()
        together = await pending
    for reply in together.replies:
        expect(reply, json=together.replies[0].json if together.replies[0].error is None else {})
    asked = len(services.requests)
    because = step = None
    if asked > 1:
        because = "visitors looked while the first answer was on its way, found nothing, and asked as well"
        step = "a lock for each key, and a second look behind it"
    together.replies[0].expect_that(
        asked == 1, "1 question to the service", got=f"{asked} questions", because=because, next=step
    )


async def until_all_have_looked(seen: dict[str, Any]) -> None:
    """Let the ten reach the cache; those that wait for others before they look are given a few turns."""
    for _ in range(25):
        if seen["reads"] >= 10:
            return
        await asyncio.sleep(0.005)


@forecast.requirement("asks for two cities at the same time: Kyoto does not wait for Lisbon")
async def two_cities_at_once(trial: Trial) -> None:
    services = await empty_cache()
    with services.expect_together(2, ("/weather",), timeout=1) as barrier:
        together = await trial.together("/forecast/Lisbon/", "/forecast/Kyoto/")
    reply = together.replies[1]
    words = {
        "because": "one lock for all cities lets them ask one after another",
        "next": "a lock for each key: `locks.setdefault(key, asyncio.Lock())`",
    }
    reply.expect_that(
        barrier.met,
        "both questions at the service at the same time",
        got="one question after the other",
        **(words if reply.error is None else {}),
    )
    for city, reply in zip(("Lisbon", "Kyoto"), together.replies, strict=True):
        expect(reply)
        reply.expect_that(reply.json.get("city") == city, f"the weather in {city}")


@forecast.requirement(
    'answers 502 `{"error": "no forecast"}` to everybody who comes while the service fails, keeps nothing, and asks '
    "again for the next visitor"
)
async def survives_a_failing_service(trial: Trial) -> None:
    services = await empty_cache()
    with services.replaced("/weather", by="/failing?status=503"):
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
    after = await trial.get("/forecast/Lisbon/")
    kept = after.status == 502
    expect(
        after,
        because="the service is back, and the failure was kept" if kept else None,
        next="`aset` only what the service said" if kept else None,
    )
