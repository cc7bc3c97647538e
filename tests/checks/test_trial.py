"""What a trial asks of an answer, whatever its task."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from django.http import HttpResponse
from django.views.decorators.http import require_http_methods

from tutorial_project.checks import Refusal, Task, Trial

OTHERS = ("GET", "HEAD", "PUT", "PATCH", "DELETE")


def view_that_answers_to(*methods: str) -> Any:
    @require_http_methods(list(methods))
    async def view(request: Any) -> HttpResponse:
        return HttpResponse(status=201)

    return view


def ask(view: Any) -> None:
    trial = Trial(view, Task("view", routes=["seats/"], hints=(), praise=""))
    asyncio.run(trial.answers_only_to_post("/seats/", json={"seats": 1}))


def test_a_view_that_answers_to_post_alone_passes() -> None:
    ask(view_that_answers_to("POST"))


@pytest.mark.parametrize("other", OTHERS)
def test_each_other_method_is_refused_every_time(other: str) -> None:
    for _ in range(3):
        with pytest.raises(Refusal) as refused:
            ask(view_that_answers_to("POST", other))
        assert refused.value.sent.startswith(other)
