import asyncio

import pytest

from tutorial_project.services import ServiceError, ask, ask_blocking
from tutorial_project.services.barrier import Barrier


def together(*asked, **query):
    """Ask several services at once; errors stand for the answers of those that fail."""

    async def ask_all():
        return await asyncio.gather(*(ask(service, **query) for service in asked), return_exceptions=True)

    return [str(a) if isinstance(a, Exception) else a for a in asyncio.run(ask_all())]


def one_by_one(*asked):
    async def ask_each():
        return [await ask(service, wait=0) for service in asked]

    return asyncio.run(ask_each())


def statuses(services):
    return [request.status for request in services.requests]


def test_requests_that_overlap_pass_the_barrier_on_any_endpoint(services):
    together("weather/Lisbon", "echo", "failing", together=3, barrier="any", wait=0)
    assert sorted(statuses(services)) == [200, 200, 500]


def test_a_request_that_comes_alone_is_told_how_many_were_missing(services):
    services.barrier_timeout = 0.02
    error = "rates/USD answered 409: only 1 of 3 requests were waiting together"
    assert together("rates/USD", together=3) == [error]


def test_everybody_who_waited_in_vain_is_told_the_same():
    async def two():
        barrier = Barrier(3, timeout=0.01)
        return await asyncio.gather(barrier.hold(), barrier.hold(), return_exceptions=True)

    assert [str(e) for e in asyncio.run(two())] == ["only 2 of 3 requests were waiting together"] * 2


def test_a_barrier_serves_one_group_after_the_other(services):
    together(*["weather/Lisbon"] * 6, together=3, wait=0)
    assert statuses(services) == [200] * 6


def test_a_barrier_that_was_missed_can_be_met_afterwards(services):
    services.barrier_timeout = 0.02
    assert "409" in together("echo", together=2)[0]
    services.barrier_timeout = 5
    together("echo", "echo", together=2)
    assert statuses(services) == [409, 200, 200]


def test_barriers_with_different_names_do_not_meet(services):
    async def ask_both():
        calls = [ask("echo", together=2, barrier=name) for name in ("one", "two")]
        return await asyncio.gather(*calls, return_exceptions=True)

    services.barrier_timeout = 0.02
    assert ["only 1 of 2" in str(answer) for answer in asyncio.run(ask_both())] == [True, True]


def test_a_client_that_leaves_does_not_count_any_more(services):
    async def leave_and_come_back():
        left = asyncio.create_task(ask("echo", together=2))
        await services.arrived()
        left.cancel()
        await services.left()
        await asyncio.gather(ask("echo", together=2), ask("echo", together=2))

    asyncio.run(leave_and_come_back())
    assert statuses(services) == [None, 200, 200]


def test_together_must_be_a_number(services):
    assert together("echo", together="all") == [
        "echo answered 400: together must be a whole number from 1 to 1000, not 'all'"
    ]


def test_an_expected_barrier_is_met_by_requests_that_do_not_know_of_it(services):
    with services.expect_together(3, path_prefixes=("/weather", "/flights", "/rates")) as barrier:
        ask_blocking("echo")
        together("weather/Lisbon", "flights/Lisbon", "rates/EUR", wait=0)
    assert (barrier.met, barrier.most_waiting) == (True, 3)


def test_an_expected_barrier_is_not_met_one_by_one(services):
    refused = pytest.raises(ServiceError, match="weather/Lisbon answered 409: only 1 of 2")
    with services.expect_together(2, path_prefixes=("/weather",), timeout=0.02) as barrier, refused:
        one_by_one("weather/Lisbon", "weather/Kyoto")
    assert (barrier.met, barrier.most_waiting) == (False, 1)
    assert repr(barrier) == "<Barrier for 2 requests: not met, at most 1 waited together>"


def test_an_expected_barrier_holds_nobody_once_it_is_over(services):
    with services.expect_together(2, timeout=0.02) as barrier:
        together("echo")
        one_by_one("weather/Lisbon", "weather/Kyoto")
    assert (barrier.met, statuses(services)) == (False, [409, 200, 200])


def test_the_end_of_the_block_frees_those_still_held(services):
    async def end_the_block():
        with services.expect_together(2):
            held = asyncio.create_task(ask("echo"))
            await services.arrived()
        return await asyncio.gather(held, return_exceptions=True)

    assert "only 1 of 2" in str(asyncio.run(end_the_block()))


def test_held_requests_are_answered_when_they_are_released(services):
    async def ask_and_release():
        with services.held("/weather") as hold:
            asking = asyncio.ensure_future(ask("weather/Lisbon", wait=0))
            await services.arrived(1)
            while not hold.waiting:  # noqa: ASYNC110 - it is counted in another thread
                await asyncio.sleep(0)
            assert not asking.done()
            hold.release()
            return await asking

    assert asyncio.run(ask_and_release())["city"] == "Lisbon"


def test_a_hold_that_ends_without_a_release_refuses_those_who_wait(services):
    async def ask_and_end():
        with services.held("/weather") as hold:
            asking = asyncio.ensure_future(ask("weather/Lisbon", wait=0))
            while not hold.waiting:  # noqa: ASYNC110 - it is counted in another thread
                await asyncio.sleep(0)
        with pytest.raises(ServiceError):
            await asking
        return (await ask("weather/Lisbon", wait=0))["city"], hold.most_waiting

    assert asyncio.run(ask_and_end()) == ("Lisbon", 1)


def test_a_barrier_that_is_renewed_does_not_give_up():
    async def renewed():
        barrier, loop = Barrier(2, timeout=5), asyncio.get_running_loop()
        held = asyncio.ensure_future(barrier.hold())
        await asyncio.sleep(0)
        real, late = loop.time, 0.0
        loop.time = lambda: real() + late
        late = 4.0
        barrier.renew()
        late = 8.0  # later than the first five seconds, and earlier than the second
        for _ in range(3):
            await asyncio.sleep(0)
        return held.done(), await asyncio.gather(held, barrier.hold())

    assert asyncio.run(renewed()) == (False, [None, None])
