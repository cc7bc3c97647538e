import asyncio
import sys
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from blockbuster import blockbuster_ctx

from tutorial_project.services import ServiceError, ask, ask_blocking, client, running_services

LISBON = {"city": "Lisbon", "celsius": 24, "sky": "sunny"}


def ask_both_ways(service, **query):
    return [ask_blocking(service, **query), asyncio.run(ask(service, **query))]


def errors_both_ways(service, **query):
    errors = []
    for asked in (lambda: ask_blocking(service, **query), lambda: asyncio.run(ask(service, **query))):
        with pytest.raises(ServiceError) as caught:
            asked()
        errors.append((str(caught.value), caught.value.status))
    return errors


def test_ask_returns_the_answer(services):
    assert ask_both_ways("weather/Lisbon", wait=0) == [LISBON] * 2
    assert ask_both_ways("/weather/Cape Town", wait=0)[0]["city"] == "Cape Town"


def test_an_error_says_service_status_and_reason(services):
    assert errors_both_ways("failing", status=503) == [("failing answered 503: Service Unavailable", 503)] * 2


def test_an_answer_that_is_no_json_is_an_error(services):
    assert (
        errors_both_ways("broken-json")
        == [("broken-json answered 200 with a body that is not JSON", 200)] * 2
    )


def test_json_that_is_no_object_is_an_error(services):
    error = ("says answered with JSON that is no object", 200)
    assert errors_both_ways("says", json="[17]") == [error] * 2


def test_a_busy_service_says_when_to_come_back(services):
    with pytest.raises(ServiceError) as caught:
        ask_blocking("busy", retry_after=7)
    assert caught.value.retry_after == "7"


def test_an_answer_that_breaks_off_is_an_error(services):
    (blocking, status), (awaited, _) = errors_both_ways("half")
    assert blocking == awaited
    assert (blocking.split(":")[0], status) == ("half broke off", None)


def test_no_answer_in_time_is_an_error(services, monkeypatch):
    monkeypatch.setattr(client, "TIMEOUT", 0.02)
    monkeypatch.setitem(client._OPTIONS, "timeout", 0.02)
    assert errors_both_ways("hangs") == [("hangs did not answer within 0.02 seconds", None)] * 2


@pytest.mark.parametrize("asking", [lambda service: asyncio.run(ask(service)), ask_blocking])
def test_a_name_that_no_url_can_hold_is_an_error(services, asking):
    with pytest.raises(ServiceError, match="cannot be asked: URL too long"):
        asking(f"weather/{'x' * 70_000}")


def test_ask_starts_the_services_when_they_do_not_run(services):
    services.stop()
    assert asyncio.run(ask("weather/Lisbon", wait=0)) == LISBON
    assert running_services().requests[0].path == "/weather/Lisbon"


def test_ask_leaves_the_counts_alone(services):
    ask_both_ways("echo")
    assert len(services.requests) == 2


def test_ask_ignores_proxies_of_the_environment(services, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert len(ask_both_ways("echo")) == 2


def test_ask_does_not_block_the_event_loop(services):
    async def watched():
        with blockbuster_ctx():
            return await asyncio.gather(*(ask("weather/Lisbon", together=5, wait=0) for _ in range(5)))

    assert asyncio.run(watched()) == [LISBON] * 5


def test_ask_reports_its_wait_to_the_timeline(services, monkeypatch):
    reported = []

    @contextmanager
    def span(name):
        reported.append(name)
        yield

    monkeypatch.setitem(
        sys.modules, "tutorial_project.classroom.watching.recording", SimpleNamespace(span=span)
    )
    ask_both_ways("weather/Lisbon", wait=0)
    assert reported == ["weather", "weather"]


@pytest.mark.parametrize("said", [{}, [], None, {"error": None}])
def test_an_error_that_says_something_else_than_ever_is_a_service_error(services, said):
    refused = SimpleNamespace(status_code=500, headers={}, json=lambda: said)
    with pytest.raises(ServiceError, match="rates/USD answered 500"):
        client._content("rates/USD", refused)
