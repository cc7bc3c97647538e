"""Sending requests together through the three transports."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from django.http import HttpRequest, JsonResponse
from django.test import override_settings
from django.urls import path

from tutorial_project.classroom import send_together, serve

waiting = asyncio.Barrier(3)
waiting_threads = threading.Barrier(3)


async def meets_the_others(request: HttpRequest) -> JsonResponse:
    async with asyncio.timeout(5):
        await waiting.wait()
    return JsonResponse({"number": request.GET.get("n")})


def meets_the_others_on_threads(request: HttpRequest) -> JsonResponse:
    try:
        waiting_threads.wait(timeout=1)
    except threading.BrokenBarrierError:
        return JsonResponse({"alone": True}, status=409)
    return JsonResponse({})


async def echo(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"method": request.method, "body": request.body.decode()})


urlpatterns = [
    path("meet/", meets_the_others),
    path("threads/", meets_the_others_on_threads),
    path("echo/", echo),
]


def send(*args: Any, through: str = "asgi", **kwargs: Any) -> Any:
    async def sending() -> Any:
        if through == "server":
            with serve(name="together") as server:
                return await send_together(*args, through=server, **kwargs)
        return await send_together(*args, through=through, **kwargs)

    global waiting
    waiting = asyncio.Barrier(3)
    waiting_threads.reset()
    with override_settings(ROOT_URLCONF=__name__):
        return asyncio.run(sending())


@pytest.mark.parametrize("through", ["asgi", "test client", "server"])
def test_async_views_wait_together_through_every_transport(through: str) -> None:
    timeline = send([f"/meet/?n={n}" for n in range(3)], through=through)
    assert [response.status_code for response in timeline.responses] == [200] * 3
    assert [response.json()["number"] for response in timeline.responses] == ["0", "1", "2"]
    assert (timeline.together, timeline.threads) == (3, 1)


@pytest.mark.parametrize("through", ["asgi", "server"])
def test_sync_views_have_a_thread_each_where_the_asgi_handler_runs_them(through: str) -> None:
    timeline = send("/threads/", times=3, through=through)
    assert [response.status_code for response in timeline.responses] == [200] * 3
    assert (timeline.together, timeline.threads) == (3, 3)


def test_sync_views_share_one_thread_behind_the_test_client() -> None:
    timeline = send("/threads/", times=3, through="test client")
    assert [response.status_code for response in timeline.responses] == [409] * 3
    assert (timeline.together, timeline.threads) == (1, 1)


@pytest.mark.parametrize("through", ["asgi", "test client", "server"])
def test_a_body_is_sent_with_the_method_asked_for(through: str) -> None:
    (response,) = send("/echo/", method="PUT", json={"trip": 7}, through=through).responses
    assert response.status_code in (200, 403)
    if through == "test client":
        assert response.json()["method"] == "PUT"


def test_an_unknown_transport_is_refused_with_the_three_that_exist() -> None:
    with pytest.raises(ValueError, match='choose "asgi", "test client" or a server'):
        send("/echo/", through="carrier pigeon")
