import asyncio
import logging

import httpx
import pytest

from tutorial_project.services import ServiceError, ask


@pytest.mark.parametrize(
    ("query", "status", "error"),
    [
        ("", 500, "Internal Server Error"),
        ("?status=503", 503, "Service Unavailable"),
        ("?status=599", 599, "Unknown Error"),
    ],
)
def test_failing_answers_the_status_it_is_asked_for(get, query, status, error):
    assert get(f"/failing{query}") == (status, {"error": error})


def test_failing_refuses_a_status_that_is_no_failure(get):
    assert get("/failing?status=200") == (
        400,
        {"error": "status must be a whole number from 400 to 599, not '200'"},
    )


def test_flaky_fails_first_and_then_works_for_each_key(get):
    first = [get("/flaky?key=a&fails=2")[0] for _ in range(4)]
    assert (first, get("/flaky?key=b&fails=1")[0]) == ([503, 503, 200, 200], 503)


def test_flaky_fails_anew_after_forget(services, get):
    answers = [get("/flaky?fails=1")[0] for _ in range(2)]
    services.forget()
    assert (answers, get("/flaky?fails=1")[0]) == ([503, 200], 503)


def test_busy_says_when_to_come_back(client):
    response = client.get("/busy?retry_after=7")
    assert (response.status_code, response.headers["Retry-After"]) == (429, "7")


def test_busy_may_name_a_moment(client):
    moment = "Fri, 27 Nov 2026 18:00:00 GMT"
    assert client.get("/busy", params={"at": moment}).headers["Retry-After"] == moment


def test_failing_may_answer_with_a_page_as_a_proxy_does(client):
    response = client.get("/failing?status=404&as=page")
    assert (response.status_code, response.headers["Content-Type"].split(";")[0]) == (404, "text/html")


def test_broken_json_says_json_and_is_none(client):
    response = client.get("/broken-json")
    assert response.headers["Content-Type"].startswith("application/json")
    with pytest.raises(ValueError, match="Expecting value"):
        response.json()


def test_half_an_answer_breaks_off(client):
    with client.stream("GET", "/half") as response:
        assert response.status_code == 200
        with pytest.raises(httpx.RemoteProtocolError, match="without sending complete message body"):
            response.read()


def test_trickle_sends_its_body_in_pieces(client):
    with client.stream("GET", "/trickle?chunks=3&wait=0.01") as response:
        assert list(response.iter_text()) == ['{"chunks": [1', ", 2", ", 3]}"]


def test_one_that_hangs_is_left_by_its_client(services):
    async def leave():
        asking = asyncio.create_task(ask("hangs"))
        await services.arrived()
        asking.cancel()
        await services.left()

    asyncio.run(leave())
    assert [(r.path, r.status, r.client_left) for r in services.requests] == [("/hangs", None, True)]


def test_a_service_is_replaced_behind_the_back_of_its_client(services, get):
    with services.replaced("/weather", by="/failing?status=503"):
        troubled = get("/weather/Lisbon")[0]
        others = get("/rates/EUR")[0]
    assert (troubled, others, get("/weather/Lisbon")[0]) == (503, 200, 200)
    assert services.requests[0].path == "/weather/Lisbon"


def test_a_service_is_replaced_by_a_half_answer_and_by_one_with_a_path_of_its_own(services, client, get):
    with services.replaced("/weather", by="/half"), pytest.raises(httpx.RemoteProtocolError):
        client.get("/weather/Lisbon")
    with services.replaced("/weather", by="/rates/JPY?wait=0"):
        assert get("/weather/Lisbon") == (200, {"currency": "JPY", "rate": 162.5})


def test_a_service_says_what_nobody_could_know(services, get):
    told = {"city": "Lisbon", "celsius": -40, "sky": "sunny & 100 % dry"}
    with services.saying("/weather/Lisbon", told):
        assert get("/weather/Lisbon") == (200, told)
        assert get("/weather/Kyoto")[1]["city"] == "Kyoto"
    assert get("/weather/Lisbon")[1]["celsius"] == 24


def test_a_service_is_slowed_and_answers_as_ever(services):
    """The one that is not slowed answers while the other one still waits."""

    async def both():
        slow = asyncio.create_task(ask("weather/Lisbon", wait=0))
        await services.arrived()
        others = await ask("rates/EUR", wait=0)
        paths = [request.path for request in services.requests if request.status is None]
        return await slow, others, paths

    with services.slowed("/weather", by=1):
        lisbon, euro, waiting = asyncio.run(both())
    assert (lisbon["celsius"], euro["rate"], waiting) == (24, 1.0, ["/weather/Lisbon"])


@pytest.mark.parametrize("trouble", ["busy", "broken-json", "flaky", "half", "failing"])
def test_trouble_comes_as_late_as_it_is_asked_to(services, trouble):
    """So that services can fail in an order that is neither that of the alphabet nor that of the questions."""

    async def first_status():
        late = asyncio.create_task(ask(trouble, wait=1))
        await services.arrived()
        with pytest.raises(ServiceError):
            await ask("failing")
        statuses = [request.status for request in services.requests]
        late.cancel()
        return statuses

    assert asyncio.run(first_status()) == [None, 500]


def test_a_service_that_is_replaced_by_one_that_hangs_is_left_by_its_client(services):
    async def leave():
        asking = asyncio.create_task(ask("weather/Lisbon"))
        await services.arrived()
        asking.cancel()
        await services.left()

    with services.replaced("/weather", by="/hangs"):
        asyncio.run(leave())


def test_trouble_leaves_no_trace_in_the_log(services, client, caplog):
    caplog.set_level(logging.INFO)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    test_one_that_hangs_is_left_by_its_client(services)
    test_half_an_answer_breaks_off(client)
    assert caplog.messages == []
