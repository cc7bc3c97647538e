"""A view that takes something else than Django passes is told what that is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from django.http import HttpResponse
from django.views import View
from django.views.decorators.http import require_GET

from tutorial_project.checks import Task, Trial
from tutorial_project.checks.judge import judge


async def another_name(request: Any, town: str, nights: int) -> HttpResponse:
    return HttpResponse()


def one_too_few(request: Any, city: str) -> HttpResponse:
    return HttpResponse()


async def no_request(city: str, nights: int) -> HttpResponse:
    return HttpResponse()


@require_GET
async def decorated(request: Any, town: str) -> HttpResponse:
    return HttpResponse()


class Page(View):
    async def get(self, request: Any, town: str) -> HttpResponse:
        return HttpResponse()


class Object:
    async def __call__(self, request: Any, town: str) -> HttpResponse:
        return HttpResponse()


def evidence(answer: Any, route: str = "trips/<str:city>/<int:nights>/") -> dict[str, str]:
    task = Task("page", (), "", routes=[route])

    @task.requirement("answers")
    async def answers(trial: Trial) -> None:
        (await trial.get("/trips/Lisbon/7/" if "<" in route else "/trips/")).expect(200)

    return asyncio.run(judge(task, answer)).evidence


@pytest.mark.parametrize(
    ("answer", "next"),
    [
        (another_name, "`async def another_name(request, city, nights)`"),
        (one_too_few, "`def one_too_few(request, city, nights)`"),
        (no_request, "`async def no_request(request, city, nights)`"),
        (decorated, "`async def decorated(request, city, nights)`"),
        (Page, "`async def get(self, request, city, nights)`"),
        (Page.as_view(), "`async def get(self, request, city, nights)`"),
    ],
)
def test_a_wrong_signature_is_told_the_names_that_django_passes(
    answer: Callable[..., Any], next: str
) -> None:
    found = evidence(answer)
    assert found["because"] == "Django passes URL parameters by name: city, nights"
    assert found["next"] == next


def test_a_url_without_parameters_passes_the_request_alone() -> None:
    found = evidence(one_too_few, "trips/")
    assert found["because"] == "Django passes the request alone: this URL has no parameters"


async def calls_another_wrongly(request: Any, city: str, nights: int) -> HttpResponse:
    return one_too_few(request, town=city)


async def calls_itself_wrongly(request: Any, city: str, nights: int) -> HttpResponse:
    return await calls_itself_wrongly(request, town=city)


@pytest.mark.parametrize("answer", [calls_another_wrongly, calls_itself_wrongly])
def test_a_wrong_call_inside_of_a_view_is_not_blamed_on_its_signature(answer: Callable[..., Any]) -> None:
    assert "because" not in evidence(answer)
