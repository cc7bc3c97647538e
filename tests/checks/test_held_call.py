"""A call that is held beside another one stays held until it is released."""

from __future__ import annotations

import asyncio

import pytest

from tutorial_project.checks.beside import Hold, holdable


async def waits_once() -> None:
    await asyncio.to_thread(int)


async def awaited(hold: Hold) -> None:
    with hold:
        call = holdable(waits_once())
    await call


def test_a_held_call_that_is_cancelled_goes_on_only_when_it_is_released() -> None:
    async def cancelled_while_it_is_held() -> None:
        hold = Hold()
        task = asyncio.ensure_future(awaited(hold))
        await hold.inside.wait()
        task.cancel()
        for _ in range(10):
            await asyncio.sleep(0)
        assert not task.done()
        hold.released.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled_while_it_is_held())
