"""A view that is recorded behaves as one that is not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import iscoroutinefunction
from django.http import HttpResponse
from django.test import RequestFactory
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from tutorial_project.classroom.serving.handlers import recorded
from tutorial_project.classroom.watching.recording import Recording

REQUEST = RequestFactory().get("/")


async def waits(request: Any) -> HttpResponse:
    await asyncio.sleep(0)
    return HttpResponse("waited")


def answers(request: Any) -> HttpResponse:
    return HttpResponse("answered")


class Page(View):
    async def get(self, request: Any) -> HttpResponse:
        return HttpResponse("page")


@pytest.mark.parametrize("view", [waits, answers, Page.as_view(), csrf_exempt(waits)])
def test_a_view_stays_sync_or_async(view: Callable[..., Any]) -> None:
    assert iscoroutinefunction(recorded(view, Recording())) == iscoroutinefunction(view)


def test_each_stretch_between_two_waits_is_a_run() -> None:
    recording = Recording()
    response = asyncio.run(recorded(waits, recording)(REQUEST))
    assert response.content == b"waited"
    assert [span.kind for span in recording.spans] == ["runs", "runs", "view"]


def test_an_error_comes_through() -> None:
    async def breaks(request: Any) -> HttpResponse:
        await asyncio.sleep(0)
        raise LookupError("no such trip")

    with pytest.raises(LookupError, match="no such trip"):
        asyncio.run(recorded(breaks, Recording())(REQUEST))


def test_a_cancellation_reaches_the_view_and_its_clean_up_may_await() -> None:
    seen: list[str] = []

    async def cleans_up(request: Any) -> HttpResponse:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            seen.append("cleaned up")
            raise

    async def cancel_it() -> None:
        task = asyncio.create_task(recorded(cleans_up, Recording())(REQUEST))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel_it())
    assert seen == ["cleaned up"]
