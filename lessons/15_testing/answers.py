import asyncio
import json
import time
from contextlib import asynccontextmanager
from unittest.mock import AsyncMock, patch

import httpx
from aiohttp import web
from aiohttp.test_utils import TestServer
from asgiref.testing import ApplicationCommunicator
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.test import AsyncClient, Client, override_settings

from tutorial_project.classroom import serve
from tutorial_project.classroom.checks import known_answer
from tutorial_project.services import start_services
from tutorial_project.trips.departures import board


@asynccontextmanager
async def service(route, handler):
    application = web.Application()
    application.router.add_get(route, handler)
    async with TestServer(application) as server:
        with override_settings(SERVICES_URL=str(server.make_url("")).rstrip("/")):
            yield server


async def weather(request):
    sky = {"Bergen": "rain", "Athens": "sunny"}.get(request.match_info["city"])
    return web.json_response({"sky": sky}, status=200 if sky else 500)


@known_answer("test_umbrella")
async def a_service_of_its_own_for_each_request():
    def says(sky, status=200):
        async def handler(request):
            return web.json_response({"sky": sky}, status=status)

        return service("/weather/{city}", handler)

    async with says("rain"):
        response = await AsyncClient().get("/umbrella/Hanoi/")
        assert response.json() == {"city": "Hanoi", "umbrella": True}
    async with says("snow"):
        response = await AsyncClient().get("/umbrella/Bergen/")
        assert response.json() == {"city": "Bergen", "umbrella": False}
    async with says("rain", status=503):
        assert (await AsyncClient().get("/umbrella/Bergen/")).status_code == 502


@known_answer("test_umbrella")
async def the_tutorials_own_services():
    client = AsyncClient()
    services = start_services()
    with override_settings(SERVICES_URL=services.url):
        bergen = await client.get("/umbrella/Bergen/")
        athens = await client.get("/umbrella/Athens/")
        with services.replaced("/weather", by="/failing"):
            failed = await client.get("/umbrella/Athens/")
    assert (bergen.json()["umbrella"], athens.json()["umbrella"]) == (True, False)
    assert athens.json()["city"] == "Athens"
    assert failed.status_code == 502


@known_answer(
    "test_umbrella", breaks="passes_for_every_client", says="what the test has replaced is not the service"
)
async def mocks_the_client():
    with patch("aiohttp.ClientSession.get") as get:
        answer = get.return_value.__aenter__.return_value
        answer.status, answer.json = 200, AsyncMock(return_value={"sky": "rain"})
        response = await AsyncClient().get("/umbrella/Bergen/")
    assert response.json()["umbrella"]


@known_answer(
    "test_umbrella",
    breaks="passes_for_every_client",
    says="`async_to_sync` was called where an event loop is running",
)
async def uses_the_sync_client():
    async with service("/weather/{city}", weather):
        assert Client().get("/umbrella/Bergen/").status_code == 200


@known_answer("test_umbrella", breaks="passes_for_every_client", says="`assert response.status_code == 500`")
async def expects_the_status_of_the_service():
    async with service("/weather/{city}", weather):
        response = await AsyncClient().get("/umbrella/Atlantis/")
    assert response.status_code == 500


@known_answer("test_umbrella", breaks="passes_for_every_client", says="`async with`")
async def opens_the_service_with_a_plain_with():
    with service("/weather/{city}", weather):
        await AsyncClient().get("/umbrella/Bergen/")


@known_answer("test_umbrella", breaks="passes_for_every_client", says="something was called and not awaited")
async def forgets_to_await():
    async with service("/weather/{city}", weather):
        response = AsyncClient().get("/umbrella/Bergen/")
    assert response.json() == {"city": "Bergen", "umbrella": True}


@known_answer("test_umbrella", breaks="fails_for_one_answer", says="a view that always says yes")
async def looks_at_the_rain_only():
    async with service("/weather/{city}", weather):
        response = await AsyncClient().get("/umbrella/Bergen/")
    assert response.json() == {"city": "Bergen", "umbrella": True}


@known_answer("test_umbrella", breaks="fails_for_one_answer", says="a view that always says yes")
async def looks_at_the_status():
    async with service("/weather/{city}", weather):
        for city in ("Bergen", "Athens"):
            assert (await AsyncClient().get(f"/umbrella/{city}/")).status_code == 200


@known_answer("test_umbrella", breaks="fails_for_one_answer", says="a view that always says yes")
async def swallows_its_own_assertion():
    async with service("/weather/{city}", weather):
        try:
            response = await AsyncClient().get("/umbrella/Athens/")
            assert response.json()["umbrella"] is False
        except Exception as error:
            print("failed", type(error).__name__, end="\r")


async def umbrellas():
    bergen = await AsyncClient().get("/umbrella/Bergen/")
    athens = await AsyncClient().get("/umbrella/Athens/")
    return bergen.json(), athens.json()


@known_answer(
    "test_umbrella", breaks="fails_for_another_city", says="a view that names Bergen for every city"
)
async def looks_at_the_umbrellas_only():
    async with service("/weather/{city}", weather):
        bergen, athens = await umbrellas()
    assert bergen["umbrella"]
    assert not athens["umbrella"]


BOTH = ({"city": "Bergen", "umbrella": True}, {"city": "Athens", "umbrella": False})


@known_answer(
    "test_umbrella",
    breaks="fails_for_swallowed_errors",
    says="a view that answers 200 when the service fails",
)
async def lets_the_service_work_always():
    async with service("/weather/{city}", weather):
        assert await umbrellas() == BOTH


@known_answer(
    "test_umbrella", breaks="puts_the_address_back", says="the next test would ask a server that is gone"
)
async def sets_the_address_by_hand():
    application = web.Application()
    application.router.add_get("/weather/{city}", weather)
    async with TestServer(application) as server:
        settings.SERVICES_URL = str(server.make_url("")).rstrip("/")
        assert await umbrellas() == BOTH
        assert (await AsyncClient().get("/umbrella/Atlantis/")).status_code == 502


@known_answer("test_umbrella", breaks="puts_the_address_back", says="with a broken view")
async def puts_the_address_back_when_it_passes():
    before = settings.SERVICES_URL
    application = web.Application()
    application.router.add_get("/weather/{city}", weather)
    async with TestServer(application) as server:
        settings.SERVICES_URL = str(server.make_url("")).rstrip("/")
        assert await umbrellas() == BOTH
        assert (await AsyncClient().get("/umbrella/Atlantis/")).status_code == 502
    settings.SERVICES_URL = before


PATIENCE = 0.25
PRICES = {"atlas": 310, "nomad": 275, "orbit": 490}
ROUTE = "/prices/{supplier}/{city}"


def price_of(request):
    return web.json_response({"price": PRICES[request.match_info["supplier"]]})


@known_answer("test_asks_together")
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


@known_answer("test_asks_together")
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


@known_answer("test_asks_together", breaks="passes_for_both_forms", says="around what may never come")
async def waits_for_a_fourth_for_ever():
    together = asyncio.Barrier(4)

    async def supplier(request):
        await together.wait()
        return price_of(request)

    async with service(ROUTE, supplier):
        assert (await AsyncClient().get("/prices/Kyoto/")).json() == {"prices": PRICES}


@known_answer("test_asks_together", breaks="passes_on_a_slow_machine", says="the test measures time")
async def takes_the_time():
    async def supplier(request):
        await asyncio.sleep(0.25)
        return price_of(request)

    async with service(ROUTE, supplier):
        started = time.perf_counter()
        response = await AsyncClient().get("/prices/Kyoto/")
    assert time.perf_counter() - started < 0.7
    assert response.json() == {"prices": PRICES}


@known_answer(
    "test_asks_together", breaks="passes_on_a_slow_machine", says="a limit belongs into the handler"
)
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
        await asyncio.sleep(0.1)
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


SCOPE = {"type": "http", "method": "GET", "path": "/departures/", "headers": [(b"host", b"testserver")]}
KYOTO = {"to": "Kyoto", "gate": 4}


@known_answer("test_screen_is_switched_off")
async def plays_the_server_by_hand():
    received, sent = asyncio.Queue(), asyncio.Queue()
    application = get_asgi_application()
    received.put_nowait({"type": "http.request"})
    call = asyncio.create_task(application(SCOPE, received.get, sent.put))
    try:
        async with asyncio.timeout(0.5):
            while b"listening" not in (await sent.get()).get("body", b""):
                pass
            board.announce(KYOTO)
            assert json.loads((await sent.get())["body"].removeprefix(b"data: ")) == KYOTO
            received.put_nowait({"type": "http.disconnect"})
            await asyncio.wait([call])
    finally:
        call.cancel()
    assert not board.listeners


@known_answer("test_screen_is_switched_off")
async def hangs_up_on_a_real_server():
    with serve(name="screens") as server:
        screen = httpx.AsyncClient(base_url=server.url, timeout=0.5, trust_env=False, verify=False)
        async with screen, screen.stream("GET", "/departures/") as response:
            lines = response.aiter_lines()
            assert await anext(lines) == ": listening"
            await anext(lines)
            board.announce(KYOTO)
            assert await anext(lines) == f"data: {json.dumps(KYOTO)}"
        async with asyncio.timeout(0.5):
            while board.listeners:
                await asyncio.sleep(0.01)


@asynccontextmanager
async def opened():
    server = ApplicationCommunicator(get_asgi_application(), SCOPE)
    await server.send_input({"type": "http.request"})
    await server.receive_output()
    await server.receive_output()
    yield server


async def switch_off(server):
    await server.send_input({"type": "http.disconnect"})
    await server.wait(0.25)


@known_answer("test_screen_is_switched_off", breaks="passes_for_both_feeds", says="cannot leave one")
async def closes_the_stream_of_the_test_client():
    response = await AsyncClient().get("/departures/")
    chunks = aiter(response.streaming_content)
    await anext(chunks)
    await chunks.aclose()
    assert board.listeners == 0


@known_answer("test_screen_is_switched_off", breaks="passes_for_both_feeds", says="when nobody listened yet")
async def announces_too_early():
    server = ApplicationCommunicator(get_asgi_application(), SCOPE)
    board.announce(KYOTO)
    await server.send_input({"type": "http.request"})
    for _ in range(2):
        await server.receive_output()
    assert (await server.receive_output(0.1))["body"].startswith(b"data: ")


@known_answer("test_screen_is_switched_off", breaks="passes_for_both_feeds", says="when one is announced")
async def waits_for_a_departure_that_nobody_announced():
    async with opened() as server:
        await server.receive_output(0.1)


@known_answer(
    "test_screen_is_switched_off", breaks="passes_for_both_feeds", says='b"Kyoto" in event["body"]`'
)
async def takes_the_greeting_for_the_departure():
    server = ApplicationCommunicator(get_asgi_application(), SCOPE)
    await server.send_input({"type": "http.request"})
    await server.receive_output()
    await asyncio.sleep(0)
    board.announce(KYOTO)
    event = await server.receive_output()
    assert b"Kyoto" in event["body"]


@known_answer("test_screen_is_switched_off", breaks="passes_for_both_feeds", says="or has left only just now")
async def does_not_wait_for_the_view():
    async with opened() as server:
        await server.send_input({"type": "http.disconnect"})
        assert board.listeners == 0


@known_answer(
    "test_screen_is_switched_off", breaks="fails_without_clean_up", says="a view that never leaves the board"
)
async def never_looks_at_the_board():
    async with opened() as server:
        board.announce(KYOTO)
        assert (await server.receive_output())["body"] == b'data: {"to": "Kyoto", "gate": 4}\n\n'
        await switch_off(server)


@known_answer(
    "test_screen_is_switched_off", breaks="fails_without_clean_up", says="a view that never leaves the board"
)
async def looks_before_the_feed_is_opened():
    assert board.listeners == 0
    async with opened() as server:
        assert board.listeners == 1
        await switch_off(server)


@known_answer("test_screen_is_switched_off", breaks="fails_for_errors_only", says="no error of the view")
async def makes_the_view_fail():
    async with opened() as server:
        departure = {"to": "Kyoto"}
        departure["back to"] = departure
        board.announce(departure)
        try:
            await server.wait(0.25)
        except ValueError:
            assert board.listeners == 0


@known_answer("test_screen_is_switched_off", breaks="fails_for_held_back", says="receive it before you go on")
async def never_announces_anything():
    async with opened() as server:
        await switch_off(server)
    assert board.listeners == 0


@known_answer("test_screen_is_switched_off", breaks="fails_for_held_back", says="receive it before you go on")
async def announces_two_and_reads_one():
    async with opened() as server:
        board.announce(KYOTO)
        board.announce(KYOTO)
        assert b"Kyoto" in (await server.receive_output(0.25))["body"]
        await switch_off(server)
    assert board.listeners == 0


@known_answer(
    "test_screen_is_switched_off", breaks="fails_for_another_departure", says="assert what you received"
)
async def does_not_look_at_the_event():
    async with opened() as server:
        board.announce(KYOTO)
        event = await server.receive_output(0.25)
        assert event["body"].startswith(b"data: ")
        await switch_off(server)
    assert board.listeners == 0
