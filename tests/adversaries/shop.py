"""A task of the adversaries' own, once with weak checks and once with strong ones, and a right answer to it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.http import HttpRequest, JsonResponse

from tutorial_project.classroom.watching.recording import record

from .checks import Refusal, Task, Trial

CITIES = ("Lisbon", "Kyoto")


class Shop:
    """Somebody else's shop: knows what costs what, and can be told to answer only when two are asking."""

    def __init__(self) -> None:
        self.prices: dict[str, list[int]] = {}
        self.new_prices()
        self.both = asyncio.Barrier(1)

    def new_prices(self) -> None:
        """Change what everything costs."""
        self.prices = {city: random.sample(range(100, 999), 3) for city in CITIES}

    async def ask(self, city: str) -> list[int]:
        """The prices of a city."""
        await asyncio.sleep(0)
        async with asyncio.timeout(0.5):
            await self.both.wait()
        return self.prices[city]

    @contextmanager
    def only_for_two(self) -> Iterator[None]:
        """Answer nobody before two are asking."""
        before, self.both = self.both, asyncio.Barrier(2)
        try:
            yield
        finally:
            self.both = before


shop = Shop()


async def offers(request: HttpRequest, city: str) -> JsonResponse:
    """What a city costs, for the visitor that the cookie names."""
    prices = await shop.ask(city)
    await asyncio.sleep(0)
    visitor = request.COOKIES.get("visitor", "nobody")
    return JsonResponse({"visitor": visitor, "offers": [{"price": price} for price in prices]})


def weak_task() -> Task:
    """Looks where all adversaries look right: at kinds of values, at statuses, and at one request at a time."""
    task = Task("offers", hints=(), praise="", routes=["offers/<str:city>/"])

    @task.requirement("answers with a list of offers, whoever asks")
    async def has_offers(trial: Trial) -> None:
        for visitor in ("ada", "alan"):
            trial.set_cookie("visitor", visitor)
            for city in CITIES:
                reply = await trial.get(f"/offers/{city}/")
                reply.expect_that(len(reply.json["offers"]) == 3, "three offers")

    @task.requirement("answers two at once")
    async def answers_two(trial: Trial) -> None:
        await trial.together(*(f"/offers/{city}/" for city in CITIES))

    return task


def strong_task() -> Task:
    """Asks before and after a change, for two cities and two visitors, two at once, and whether the loop is free."""
    task = Task("offers", hints=(), praise="", routes=["offers/<str:city>/"])

    @task.requirement("gives the prices of the moment, all of them, to whoever asks")
    async def gives_prices(trial: Trial) -> None:
        for _ in range(2):
            shop.new_prices()
            for visitor in ("ada", "alan"):
                trial.set_cookie("visitor", visitor)
                for city in CITIES:
                    (await trial.get(f"/offers/{city}/")).expect(200, json=right(city, visitor))

    @task.requirement("serves two at once, each with what it asked for")
    async def serves_two(trial: Trial) -> None:
        with shop.only_for_two():
            together = await trial.together(*(f"/offers/{city}/" for city in CITIES))
        for reply, city in zip(together.replies, CITIES, strict=True):
            reply.expect(200, json=right(city, "nobody"))

    @task.requirement("never holds the event loop")
    async def holds_nobody_up(trial: Trial) -> None:
        with record() as recording:
            reply = await trial.get("/offers/Kyoto/")
        if any(span.kind == "holds" for span in recording.spans):
            raise Refusal(sent=reply.sent, expected="a free loop", got="one that was held")

    return task


def right(city: str, visitor: str) -> dict[str, Any]:
    return {"visitor": visitor, "offers": [{"price": price} for price in shop.prices[city]]}
