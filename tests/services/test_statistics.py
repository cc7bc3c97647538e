import asyncio
import threading

import httpx
import pytest

from tutorial_project.services import ask, ask_blocking


def test_requests_are_recorded_in_the_order_of_their_arrival(services, client):
    client.get("/rates/EUR?wait=0")
    client.post("/echo", json={})
    assert [(r.order, r.method, r.path, r.query, r.status, r.connection) for r in services.requests] == [
        (1, "GET", "/rates/EUR", {"wait": "0"}, 200, 1),
        (2, "POST", "/echo", {}, 200, 1),
    ]


def test_one_client_opens_one_connection_and_a_client_each_opens_one_each(services, client):
    for _ in range(3):
        client.get("/echo")
    shared = services.connections_opened
    services.forget()
    for _ in range(3):
        ask_blocking("echo")
    assert (shared, services.connections_opened) == (1, 3)
    assert [request.connection for request in services.requests] == [1, 2, 3]


def test_a_connection_is_open_until_its_client_closes_it(services):
    with httpx.Client(verify=False, trust_env=False) as client:
        client.get(f"{services.url}/echo")
        open_meanwhile = services.connections_open
    services.closed().wait()
    assert (open_meanwhile, services.connections_opened, services.connections_open) == (1, 1, 0)


def test_a_connection_from_before_forget_is_not_counted_when_it_closes(services):
    with httpx.Client(verify=False, trust_env=False) as client:
        client.get(f"{services.url}/echo")
        before_forget = services.closed()
        services.forget()
    before_forget.wait()
    assert (services.connections_opened, services.connections_open) == (0, 0)


def test_the_most_requests_at_one_moment_are_counted(services):
    async def three():
        await asyncio.gather(*(ask("echo", together=3) for _ in range(3)))

    asyncio.run(three())
    ask_blocking("echo")
    assert (services.most_waiting, services.waiting) == (3, 0)


def test_a_request_without_an_answer_is_waiting(services):
    async def look_meanwhile():
        asking = asyncio.create_task(ask("hangs"))
        await services.arrived()
        seen = services.waiting, services.requests[0].status
        asking.cancel()
        await services.left()
        return seen, services.waiting, services.clients_left

    assert asyncio.run(look_meanwhile()) == ((1, None), 0, 1)


def test_a_client_that_leaves_in_the_middle_of_a_body_is_counted(services):
    with httpx.stream("GET", f"{services.url}/trickle?chunks=1000&wait=0.01", verify=False) as response:
        next(response.iter_raw())
    services.left().wait()
    assert (services.clients_left, services.requests[0].status) == (1, None)


def test_forget_starts_at_zero_and_does_not_count_what_is_under_way(services):
    async def forget_meanwhile():
        asking = asyncio.create_task(ask("echo", together=2))
        await services.arrived()
        services.forget()
        zero = services.requests, services.waiting, services.connections_opened
        await asyncio.gather(asking, ask("echo", together=2))
        return zero

    assert asyncio.run(forget_meanwhile()) == ([], 0, 0)
    assert (services.most_waiting, services.waiting, len(services.requests)) == (1, 0, 1)


def test_a_moment_can_be_waited_for_on_a_thread(services):
    asking = threading.Thread(target=ask_blocking, args=["echo"])
    asking.start()
    services.answered(1).wait()
    asking.join()
    assert services.requests[0].status == 200


def test_a_moment_that_has_come_already_does_not_wait(services):
    ask_blocking("echo")
    services.arrived(1, timeout=0.001).wait()


def test_a_moment_that_does_not_come_says_how_far_it_came(services):
    ask_blocking("echo")
    message = "1 of 3 requests had arrived after 0.01 seconds"
    with pytest.raises(TimeoutError, match=message):
        services.arrived(3, timeout=0.01).wait()

    async def wait():
        await services.arrived(3, timeout=0.01)

    with pytest.raises(TimeoutError, match=message):
        asyncio.run(wait())
