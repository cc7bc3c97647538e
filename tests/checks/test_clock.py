"""A proof moves the event loop's clock itself."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import wraps

import httpx
import pytest

from tutorial_project.checks.proofs.clock import held_clock
from tutorial_project.services import Services


def on_a_loop(test: Callable[[], Awaitable[None]]) -> Callable[[], None]:
    @wraps(test)
    def run() -> None:
        asyncio.run(test())

    return run


@on_a_loop
async def test_a_limit_ends_when_the_clock_has_moved_so_far_and_no_sooner() -> None:
    async def limited() -> None:
        async with asyncio.timeout(10):
            await asyncio.Event().wait()

    with held_clock() as clock:
        waiting = asyncio.ensure_future(limited())
        await clock.advance(9.9)
        assert not waiting.done()
        await clock.advance(0.2)
        assert isinstance(waiting.exception(), TimeoutError)


@on_a_loop
async def test_what_is_due_on_the_way_is_done_in_its_order() -> None:
    done = []

    async def three_naps() -> None:
        for number in range(3):
            await asyncio.sleep(1)
            done.append(number)

    with held_clock() as clock:
        napping = asyncio.ensure_future(three_naps())
        await clock.advance(2.5)
        assert done == [0, 1]
        await clock.advance(1)
        await napping


@on_a_loop
async def test_the_limits_of_httpx_follow_the_clock() -> None:
    with Services(0, 5) as services, services.held("/echo"), held_clock() as clock:
        async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
            asking = asyncio.ensure_future(client.get(f"{services.url}/echo"))
            await clock.until(lambda: services.waiting)
            await clock.advance(61)
            with pytest.raises(httpx.ReadTimeout):
                await asking


@on_a_loop
async def test_after_the_block_the_clock_shows_the_real_time() -> None:
    loop = asyncio.get_running_loop()
    with held_clock() as clock:
        await clock.advance(1000)
    assert loop.time() < clock.now


@on_a_loop
async def test_waiting_for_what_never_comes_ends() -> None:
    with held_clock() as clock:
        assert not await clock.until(lambda: False, patience=0.01)


def test_two_proofs_side_by_side_may_hold_the_clock_and_it_goes_on_after_both() -> None:
    async def both() -> bool:
        loop = asyncio.get_running_loop()
        first, second = held_clock(), held_clock()
        first.__enter__()
        second.__enter__()
        for clock in (first, second):  # whichever ends first
            clock.__exit__(None, None, None)
        return "time" not in vars(loop)

    assert asyncio.run(both())  # or the loop would wait for ever
