"""What is known to be right and wrong.  PYTEST_DONT_REWRITE: a learner's `assert` is not rewritten either."""

import asyncio
import json
from contextlib import asynccontextmanager

import httpx
from asgiref.testing import ApplicationCommunicator
from django.core.asgi import get_asgi_application
from django.test import AsyncClient

from tutorial_project.checks import known_answer
from tutorial_project.classroom import serve
from tutorial_project.trips.departures import board

SCOPE = {"type": "http", "method": "GET", "path": "/departures/", "headers": [(b"host", b"testserver")]}


KYOTO = {"to": "Kyoto", "gate": 4}


@known_answer(
    "test_screen_is_switched_off",
    when="Where the test has to send messages that the communicator has no method for.",
)
async def plays_the_server_by_hand():
    received, sent = asyncio.Queue(), asyncio.Queue()
    application = get_asgi_application()
    received.put_nowait({"type": "http.request"})
    call = asyncio.create_task(application(SCOPE, received.get, sent.put))
    try:
        async with asyncio.timeout(2):
            while b"listening" not in (await sent.get()).get("body", b""):
                pass
            board.announce(KYOTO)
            assert json.loads((await sent.get())["body"].removeprefix(b"data: ")) == KYOTO
            received.put_nowait({"type": "http.disconnect"})
            await asyncio.wait([call])
    finally:
        call.cancel()
    assert not board.listeners


@known_answer(
    "test_screen_is_switched_off", when="Where the server itself is under test, too: a real socket is closed."
)
async def hangs_up_on_a_real_server():
    with serve(name="screens") as server:
        screen = httpx.AsyncClient(base_url=server.url, timeout=2, trust_env=False, verify=False)
        async with screen, screen.stream("GET", "/departures/") as response:
            lines = response.aiter_lines()
            assert await anext(lines) == ": listening"
            await anext(lines)
            board.announce(KYOTO)
            assert await anext(lines) == f"data: {json.dumps(KYOTO)}"
        async with asyncio.timeout(2):
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
    await server.wait(1)


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
    "test_screen_is_switched_off",
    breaks="fails_without_clean_up",
    says="a view that never leaves the board",
    because="nothing in the test tells this view from one that is right",
)
async def never_looks_at_the_board():
    async with opened() as server:
        board.announce(KYOTO)
        assert (await server.receive_output())["body"] == b'data: {"to": "Kyoto", "gate": 4}\n\n'
        await switch_off(server)


@known_answer(
    "test_screen_is_switched_off",
    breaks="fails_without_clean_up",
    says="a view that never leaves the board",
    because="nothing in the test tells this view from one that is right",
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
            await server.wait(1)
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
    "test_screen_is_switched_off", breaks="fails_for_another_departure", says="assert all that you received"
)
async def does_not_look_at_the_event():
    async with opened() as server:
        board.announce(KYOTO)
        event = await server.receive_output(0.25)
        assert event["body"].startswith(b"data: ")
        await switch_off(server)
    assert board.listeners == 0


@known_answer("test_screen_is_switched_off")
async def has_patience():
    async with opened() as server:
        board.announce(KYOTO)
        event = await server.receive_output(timeout=3)
        assert event["body"] == b'data: {"to": "Kyoto", "gate": 4}\n\n'
        await server.send_input({"type": "http.disconnect"})
        await server.wait(timeout=3)
    assert board.listeners == 0


@known_answer(
    "test_screen_is_switched_off",
    breaks="fails_for_another_departure",
    says="another gate",
    because="nothing in the test tells this view from one that is right",
)
async def looks_for_the_city_alone():
    async with opened() as server:
        board.announce(KYOTO)
        assert b"Kyoto" in (await server.receive_output())["body"]
        await switch_off(server)
    assert board.listeners == 0


IN_TIME = "the answers come at once or never, and a test that waits for longer has three seconds in all"


@known_answer(
    "test_screen_is_switched_off",
    breaks="fails_for_another_departure",
    says="tells another city",
    because="nothing in the test tells this view from one that is right",
)
async def looks_at_the_gate_alone():
    async with opened() as server:
        board.announce(KYOTO)
        event = await server.receive_output()
        assert json.loads(event["body"].removeprefix(b"data: "))["gate"] == KYOTO["gate"]
        await switch_off(server)
    assert board.listeners == 0


@known_answer("test_screen_is_switched_off")
async def bergen_at_gate_one():
    async with opened() as server:
        board.announce({"to": "Bergen", "gate": 1})
        told = json.loads((await server.receive_output())["body"].removeprefix(b"data: "))
        await switch_off(server)
    assert told == {"to": "Bergen", "gate": 1}
    assert not board.listeners


screens = []


@known_answer(
    "test_screen_is_switched_off", breaks="fails_without_clean_up", says="the view above, after a broken one"
)
async def never_forgets_a_screen():
    async with opened() as server:
        screens.append(server)
        assert board.listeners == len(screens)
        board.announce(KYOTO)
        assert (await server.receive_output())["body"] == b'data: {"to": "Kyoto", "gate": 4}\n\n'
        await switch_off(server)
    assert board.listeners == 0
    screens.remove(server)


EQUAL_MUTANTS = {
    "local as global: …": "a test runs alone",
    "order of two: await server.receive_output(timeout=2)  # status and headers ⏎ …": "both lines are the same call",
    'order of two: await server.receive_output(timeout=2)  # ": listening" ⏎ …': "the view joins the board before it sends its start",
    'text: await server.send_input({"type": "http.request"}) → …': "Django takes whatever is no `http.disconnect` for the body",
    "arg removal: await server.…": IN_TIME,
    "only keyword: …": IN_TIME,
    "number: …timeout=…": IN_TIME,
    "one less: …timeout=…": IN_TIME,
}
