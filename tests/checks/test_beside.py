"""The call that is held inside an answer: the first that waits, whichever that is."""

from __future__ import annotations

import asyncio

from tutorial_project.checks.beside import Hold, holdable


async def at_once(done: list[str]) -> None:
    done.append("at once")


async def waits(done: list[str], name: str) -> None:
    await asyncio.get_running_loop().run_in_executor(None, int)
    done.append(name)


async def calls(done: list[str]) -> None:
    await holdable(at_once(done))
    await holdable(waits(done, "first that waits"))
    await holdable(waits(done, "second that waits"))


def test_a_call_that_waits_for_nothing_is_not_the_one_that_is_held() -> None:
    async def beside() -> list[list[str]]:
        done: list[str] = []
        with Hold() as hold:
            calling = asyncio.ensure_future(calls(done))
        await hold.inside.wait()
        meanwhile = done.copy()
        hold.released.set()
        await calling
        return [meanwhile, done]

    assert asyncio.run(beside()) == [["at once"], ["at once", "first that waits", "second that waits"]]


def test_where_nothing_waits_nothing_is_held() -> None:
    async def beside() -> bool:
        with Hold() as hold:
            await asyncio.ensure_future(holdable(at_once([])))
        return hold.inside.is_set()

    assert not asyncio.run(beside())
