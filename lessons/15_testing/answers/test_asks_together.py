"""What is known to be right and wrong.  PYTEST_DONT_REWRITE: a learner's `assert` is not rewritten either."""

import asyncio
import json
import time
from contextlib import asynccontextmanager

from aiohttp import web
from django.test import AsyncClient

from tutorial_project.checks import known_answer

from ..shared import service

PATIENCE = 0.5


PRICES = {"atlas": 310, "nomad": 275, "orbit": 490}


ROUTE = "/prices/{supplier}/{city}"


def price_of(request):
    return web.json_response({"price": PRICES[request.match_info["supplier"]]})


@known_answer(
    "test_asks_together", when="Where what opens the door is another thing than a number of requests."
)
async def the_third_opens_the_door():
    came, door = [], asyncio.Event()

    async def supplier(request):
        came.append(request.path)
        if len(came) == 3:
            door.set()
        try:
            async with asyncio.timeout(PATIENCE):
                await door.wait()
        except TimeoutError:
            return web.Response(status=504)
        return price_of(request)

    async with service(ROUTE, supplier):
        response = await AsyncClient().get("/prices/Lisbon/")
    assert response.json()["prices"] == PRICES


@known_answer(
    "test_asks_together", breaks="passes_on_a_slow_machine", says="passes for the same view on a fast machine"
)
async def counts_who_is_inside():
    inside, most = set(), 0

    async def supplier(request):
        nonlocal most
        inside.add(request.path)
        most = max(most, len(inside))
        await asyncio.sleep(0.1)
        inside.discard(request.path)
        return price_of(request)

    async with service(ROUTE, supplier):
        response = await AsyncClient().get("/prices/Kyoto/")
    assert most == 3
    assert response.json() == {"prices": PRICES}


@asynccontextmanager
async def suppliers(parties, prices=PRICES, status=409):
    together = asyncio.Barrier(parties)

    async def supplier(request):
        try:
            async with asyncio.timeout(PATIENCE):
                await together.wait()
        except TimeoutError:
            return web.json_response({"price": 1}, status=status)
        return web.json_response({"price": prices[request.match_info["supplier"]]})

    async with service(ROUTE, supplier):
        yield


@known_answer("test_asks_together", breaks="passes_for_both_forms", says="your server answered 409")
async def waits_for_a_fourth():
    async with suppliers(4):
        assert (await AsyncClient().get("/prices/Kyoto/")).json() == {"prices": PRICES}


@known_answer("test_asks_together", breaks="passes_for_both_forms", says="it had not ended")
async def waits_for_a_fourth_for_ever():
    together = asyncio.Barrier(4)

    async def supplier(request):
        await together.wait()
        return price_of(request)

    async with service(ROUTE, supplier):
        assert (await AsyncClient().get("/prices/Kyoto/")).json() == {"prices": PRICES}


@known_answer("test_asks_together", breaks="passes_on_a_slow_machine", says="seconds decide in this test")
async def takes_the_time():
    async def supplier(request):
        await asyncio.sleep(0.25)
        return price_of(request)

    async with service(ROUTE, supplier):
        started = time.perf_counter()
        response = await AsyncClient().get("/prices/Kyoto/")
    assert time.perf_counter() - started < 0.7
    assert response.json() == {"prices": PRICES}


@known_answer("test_asks_together", breaks="passes_on_a_slow_machine", says="for `PATIENCE` seconds at most")
async def limits_the_whole_request():
    async with suppliers(3), asyncio.timeout(0.48):
        assert (await AsyncClient().get("/prices/Kyoto/")).json() == {"prices": PRICES}


@known_answer(
    "test_asks_together", breaks="fails_in_turn", says="answer nobody until three requests are there"
)
async def answers_at_once():
    async def supplier(request):
        return price_of(request)

    async with service(ROUTE, supplier):
        assert (await AsyncClient().get("/prices/Kyoto/")).json() == {"prices": PRICES}


@known_answer(
    "test_asks_together", breaks="fails_in_turn", says="answer nobody until three requests are there"
)
async def gives_up_with_a_status_of_200():
    async with suppliers(3, status=200):
        assert (await AsyncClient().get("/prices/Kyoto/")).status_code == 200


@known_answer("test_asks_together", breaks="fails_for_nulls", says="the status is 200: assert the prices")
async def asserts_the_status():
    async with suppliers(3):
        assert (await AsyncClient().get("/prices/Kyoto/")).status_code == 200


@known_answer(
    "test_asks_together", breaks="fails_for_two_and_one", says="two at the same time are not enough"
)
async def is_content_with_two():
    inside, most = set(), 0

    async def supplier(request):
        nonlocal most
        inside.add(request.path)
        most = max(most, len(inside))
        await asyncio.sleep(0.3)
        inside.discard(request.path)
        return price_of(request)

    async with service(ROUTE, supplier):
        response = await AsyncClient().get("/prices/Kyoto/")
    assert most > 1
    assert response.json() == {"prices": PRICES}


@known_answer("test_asks_together", breaks="fails_for_mixed_prices", says="a price of its own")
async def has_one_price_for_all():
    async with suppliers(3, dict.fromkeys(PRICES, 100)):
        response = await AsyncClient().get("/prices/Kyoto/")
    assert response.json() == {"prices": dict.fromkeys(PRICES, 100)}


@known_answer("test_asks_together", breaks="fails_for_mixed_prices", says="a price of its own")
async def asserts_that_there_are_prices():
    async with suppliers(3):
        response = await AsyncClient().get("/prices/Kyoto/")
    assert all(response.json()["prices"].values())


@known_answer("test_asks_together")
async def a_latch_of_three():
    waiting, together = 0, asyncio.Condition()

    async def supplier(request):
        nonlocal waiting
        async with together:
            waiting += 1
            together.notify_all()
            try:
                await asyncio.wait_for(together.wait_for(lambda: waiting == 3), PATIENCE)
            except TimeoutError:
                return web.Response(status=504)
        return price_of(request)

    async with service(ROUTE, supplier):
        response = await AsyncClient().get("/prices/Kyoto/")
    assert response.json() == {"prices": PRICES}


GIVEN_UP = "the view has no prices then, and the `assert` fails whatever the supplier says"


@known_answer("test_asks_together")
async def the_last_one_answers_for_all():
    waiting = {}

    async def supplier(request):
        mine = waiting[request.match_info["supplier"]] = asyncio.get_running_loop().create_future()
        if len(waiting) == 3:
            for name, future in waiting.items():
                future.set_result(PRICES[name])
        return web.json_response({"price": await asyncio.wait_for(mine, PATIENCE)})

    async with service(ROUTE, supplier):
        response = await AsyncClient().get("/prices/Oslo/")
    assert response.status_code == 200
    assert response.json() == {"prices": PRICES}


@known_answer(
    "test_asks_together", breaks="passes_for_both_forms", says="asks orbit first, and names it first"
)
async def insists_on_the_order_of_requests():
    came, all_three = [], asyncio.Barrier(3)

    async def supplier(request):
        came.append(request.match_info["supplier"])
        async with asyncio.timeout(PATIENCE):
            await all_three.wait()
        return price_of(request)

    async with service(ROUTE, supplier):
        response = await AsyncClient().get("/prices/Oslo/")
    assert came == list(PRICES)
    assert response.json() == {"prices": PRICES}


@known_answer(
    "test_asks_together", breaks="passes_for_both_forms", says="asks orbit first, and names it first"
)
async def compares_the_text_of_the_answer():
    async with suppliers(3):
        response = await AsyncClient().get("/prices/Oslo/")
    assert response.content == json.dumps({"prices": PRICES}).encode()


all_three = asyncio.Barrier(3)


@known_answer("test_asks_together", breaks="fails_in_turn", says="with the view above, after a broken one")
async def breaks_its_barrier_for_ever():
    async def supplier(request):
        try:
            async with asyncio.timeout(PATIENCE):
                await all_three.wait()
        except (TimeoutError, asyncio.BrokenBarrierError):
            await all_three.abort()
            return web.Response(status=409)
        return price_of(request)

    async with service(ROUTE, supplier):
        response = await AsyncClient().get("/prices/Oslo/")
    assert response.json() == {"prices": PRICES}


@known_answer(
    "test_asks_together",
    breaks="fails_in_turn",
    says="with a view that asks one after another",
    because="nothing in the test tells this view from one that is right",
)
async def looks_away_when_the_view_has_failed():
    async with suppliers(3):
        response = await AsyncClient(raise_request_exception=False).get("/prices/Oslo/")
    assert response.status_code == 500 or response.json() == {"prices": PRICES}


@known_answer(
    "test_asks_together",
    breaks="fails_for_two_and_one",
    says="a view that asks two together and then nomad",
    because="nothing in the test tells this view from one that is right",
)
async def orbit_opens_the_door():
    door = asyncio.Event()

    async def supplier(request):
        if request.match_info["supplier"] == "orbit":
            door.set()
        await asyncio.wait_for(door.wait(), PATIENCE)
        return price_of(request)

    async with service(ROUTE, supplier):
        response = await AsyncClient().get("/prices/Oslo/")
    assert response.json() == {"prices": PRICES}


EQUAL_MUTANTS = {
    "local as global: …": "a test runs alone",
    "number: told = …": "the prices are the test's own, as long as they differ",
    "one less: told = …": "the prices are the test's own, as long as they differ",
    "part of a try: …": "the server of the test answers 500 when its handler raises",
    "kind of error: …": "the server of the test answers 500 when its handler raises",
    "statement: await all_three.abort() → …": "the others give up by themselves, when their own patience is over",
    '…return web.json_response({"error": "you came alone"}, status=409) → …': GIVEN_UP,
}
