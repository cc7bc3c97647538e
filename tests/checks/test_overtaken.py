"""Two calls of an answer, the second one whole while the first waits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from tutorial_project.checks.beside import holdable
from tutorial_project.checks.kinds.overtaken import overtaken

Answer = Callable[[str], Awaitable[str]]

kept: dict[str, str] = {}


async def keeps_its_name_from_the_start(name: str) -> str:
    kept["name"] = name
    await asyncio.sleep(0.001)
    return kept["name"]


async def keeps_its_name_from_its_first_wait(name: str) -> str:
    await asyncio.sleep(0.001)
    return await keeps_its_name_from_the_start(name)


async def keeps_its_name(name: str) -> str:
    await asyncio.sleep(0.001)
    await asyncio.sleep(0.001)
    return name


async def waits_for_nothing(name: str) -> str:
    return name


lock = asyncio.Lock()


async def lets_in_one_at_a_time(name: str) -> str:
    async with lock:
        await asyncio.sleep(0.001)
        return name


def found(answer: Answer) -> list[tuple[str, str]]:
    """What two calls gave, for each wait of the first."""

    async def call(name: str) -> str:
        return await holdable(answer(name))

    async def both() -> list[tuple[str, str]]:
        return [pair async for pair in overtaken(lambda: call("ada"), lambda: call("grace"))]

    return asyncio.run(both())


OWN, MIXED = ("ada", "grace"), ("grace", "grace")


def test_the_second_writes_over_what_the_first_keeps_for_all() -> None:
    assert found(keeps_its_name_from_the_start) == [MIXED]


def test_the_first_is_held_at_each_of_its_waits() -> None:
    assert found(keeps_its_name_from_its_first_wait) == [OWN, MIXED]


def test_each_gets_its_own_where_nothing_is_shared() -> None:
    assert found(keeps_its_name) == [OWN, OWN]


def test_calls_that_wait_for_nothing_follow_each_other() -> None:
    assert found(waits_for_nothing) == [OWN]


def test_one_that_waits_for_the_other_is_let_go() -> None:
    assert found(lets_in_one_at_a_time) == [OWN]
