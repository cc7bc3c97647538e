"""The views that the bench asks: one that answers at once, and one that waits as in the course's outline."""

from __future__ import annotations

import asyncio

from django.http import HttpRequest, JsonResponse
from django.urls import path

SECONDS = 2
"""How long the second view waits."""


async def hello(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"message": "hello"})


async def two_seconds(request: HttpRequest) -> JsonResponse:
    await asyncio.sleep(SECONDS)
    return JsonResponse({"message": "This is an async view!"})


urlpatterns = [path("hello/", hello), path("two-seconds/", two_seconds)]
