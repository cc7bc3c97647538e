import asyncio
from typing import Any

import aiohttp
from django.conf import settings
from django.http import JsonResponse

from tutorial_project.checks import Task, Trial

from ..shared import Run, Words, expect_failure, expect_pass, expect_pass_again

# Task 2

APART = 0.12
"""Seconds between the requests of a slow machine; all of them come within PATIENCE."""
SUPPLIERS = ("atlas", "nomad", "orbit")


async def price(supplier: str, city: str) -> int:
    url = f"{settings.SERVICES_URL}/prices/{supplier}/{city}"
    async with aiohttp.ClientSession(raise_for_status=True) as session, session.get(url) as response:
        return (await response.json())["price"]


def priced(found: list[int | None]) -> JsonResponse:
    return JsonResponse({"prices": dict(zip(SUPPLIERS, found, strict=True))})


async def together(city: str) -> list[int]:
    return await asyncio.gather(*(price(supplier, city) for supplier in SUPPLIERS))


async def prices(request: Any, city: str) -> JsonResponse:
    return priced(await together(city))


async def prices_in_a_task_group(request: Any, city: str) -> JsonResponse:
    async with asyncio.TaskGroup() as group:
        tasks = {each: group.create_task(price(each, city)) for each in reversed(SUPPLIERS)}
    return JsonResponse({"prices": {supplier: task.result() for supplier, task in tasks.items()}})


async def prices_on_a_slow_machine(request: Any, city: str) -> JsonResponse:
    await asyncio.sleep(0.5)

    async def late(seconds: float, supplier: str) -> int:
        await asyncio.sleep(seconds)
        return await price(supplier, city)

    asking = (late(number * APART, supplier) for number, supplier in enumerate(SUPPLIERS))
    return priced(await asyncio.gather(*asking))


async def prices_in_turn(request: Any, city: str) -> JsonResponse:
    return priced([await price(supplier, city) for supplier in SUPPLIERS])


async def prices_or_nothing(request: Any, city: str) -> JsonResponse:
    found: list[int | None] = []
    for supplier in SUPPLIERS:
        try:
            found.append(await price(supplier, city))
        except aiohttp.ClientError:
            found.append(None)
    return priced(found)


async def prices_of_two_and_one(request: Any, city: str) -> JsonResponse:
    atlas, nomad = await asyncio.gather(price("atlas", city), price("nomad", city))
    return priced([atlas, nomad, await price("orbit", city)])


async def prices_of_two_and_nomad(request: Any, city: str) -> JsonResponse:
    atlas, orbit = await asyncio.gather(price("atlas", city), price("orbit", city))
    return priced([atlas, await price("nomad", city), orbit])


async def prices_of_others(request: Any, city: str) -> JsonResponse:
    return priced((await together(city))[::-1])


test_asks_together = Task(
    "test_asks_together",
    excused={"holder": "a test has its process for itself, and may start a server and wait for it"},
    hints=(
        "What can only happen when all three requests are there at the same time?",
        "Let the handler hold each request until three have come: that is what an `asyncio.Barrier` does. "
        "It gives up with an error status when its patience is over.",
        "all_three = asyncio.Barrier(3); in the handler async with asyncio.timeout(PATIENCE): await all_three.wait(); "
        "a status of 409 in except TimeoutError; three different prices; assert the whole answer",
    ),
    praise="Right: only a view that asks for all three together gets past the barrier, on a slow machine as on a fast one. "
    "An `asyncio.Event` that the third request sets would do too.",
)


PRICES = "prices/<str:city>/"


def about_the_suppliers(outcome: Run) -> Words:
    """The words about a fake that answers with an error although all three have come."""
    if isinstance(outcome.error, aiohttp.ClientResponseError):
        return {
            "because": f"your server answered {outcome.error.status}, although all three requests had come",
            "next": "let it wait for exactly three: `asyncio.Barrier(3)`, one for the whole test",
        }
    return {}


@test_asks_together.requirement(
    "passes for the view above, and for one that uses a `TaskGroup`, and asks and answers in another order"
)
async def passes_for_both_forms(trial: Trial) -> None:
    await expect_pass(trial, PRICES, prices, "the view above", about_the_suppliers)
    await expect_pass(
        trial,
        PRICES,
        prices_in_a_task_group,
        "a view that uses a TaskGroup, asks orbit first, and names it first",
        about_the_suppliers,
    )


@test_asks_together.requirement(
    "passes on a slow machine, where the view begins half a second late, and its three requests come within a quarter "
    "of a second"
)
async def passes_on_a_slow_machine(trial: Trial) -> None:
    await expect_pass(
        trial,
        PRICES,
        prices_on_a_slow_machine,
        "a view on a slow machine",
        lambda outcome: {
            "because": "seconds decide in this test: it passes for the same view on a fast machine",
            "next": "count no seconds; let requests wait for each other in the handler, for `PATIENCE` seconds at most",
        },
    )


@test_asks_together.requirement(
    "fails for a view that asks one after another, and passes again for the view above"
)
async def fails_in_turn(trial: Trial) -> None:
    next_step = "let your server answer nobody until three requests are there"
    await expect_failure(trial, PRICES, prices_in_turn, "a view that asks one after another", next_step)
    await expect_pass_again(trial, PRICES, prices)


@test_asks_together.requirement(
    "fails for a view that asks one after another, and answers `null` for suppliers that fail"
)
async def fails_for_nulls(trial: Trial) -> None:
    next_step = "the status is 200: assert the prices"
    await expect_failure(
        trial, PRICES, prices_or_nothing, "a view that answers null for suppliers that fail", next_step
    )


@test_asks_together.requirement("fails for a view that asks two together, and the third one after them")
async def fails_for_two_and_one(trial: Trial) -> None:
    next_step = "two at the same time are not enough: hold them until it is three"
    for view, third in ((prices_of_two_and_one, "orbit"), (prices_of_two_and_nomad, "nomad")):
        about = f"a view that asks two together and then {third}"
        await expect_failure(trial, PRICES, view, about, next_step)


@test_asks_together.requirement(
    "fails for a view that gives atlas the price of orbit, and orbit that of atlas"
)
async def fails_for_mixed_prices(trial: Trial) -> None:
    next_step = "let each supplier have a price of its own, and compare the whole answer"
    await expect_failure(trial, PRICES, prices_of_others, "a view that mixes up the prices", next_step)
