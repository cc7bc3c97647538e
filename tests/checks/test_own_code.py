"""Which code is a learner's own, and the line of it that is shown."""

from __future__ import annotations

import asyncio
import functools
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.views import View

from tutorial_project.checks.own_code import (
    OwnCode,
    function_of,
    names_of,
    shown_line,
)
from tutorial_project.classroom.watching.own_frames import frames_awaited


async def page(request: Any) -> HttpResponse:
    return HttpResponse()


class Page(View):
    name = "page"

    async def get(self, request: Any) -> HttpResponse:
        return HttpResponse()


class Callable_:
    async def __call__(self, request: Any) -> HttpResponse:
        return HttpResponse()


@pytest.mark.parametrize(
    ("answer", "function"),
    [
        (page, page),
        (functools.partial(page, None), page),
        (login_required(page), page),
        (functools.partial(login_required(page)), page),
        (Page, Page.get),
        (Page.as_view(), Page.get),
        (login_required(Page.as_view()), Page.get),
        (Page().get, Page.get),
        (Callable_(), Callable_.__call__),
        (len, None),
        (7, None),
    ],
)
def test_the_function_behind_an_answer_is_found(answer: Any, function: Callable[..., Any] | None) -> None:
    assert function_of(answer) is function


def test_the_names_of_an_answer_go_from_the_outside_to_the_inside() -> None:
    assert names_of(functools.partial(page)) == ["partial", "page"]
    assert names_of(Page.as_view())[-1] == "Page"


def test_code_of_another_module_is_not_the_learners_own() -> None:
    assert OwnCode(page).holds(sys._getframe())
    assert not OwnCode(asyncio.gather).holds(sys._getframe())
    assert not OwnCode(page, [test_code_of_another_module_is_not_the_learners_own]).holds(sys._getframe())


async def waits_in_a_call() -> None:
    await waits_in_a_loop()


async def waits_in_a_loop() -> None:
    async for _ in numbers():
        pass


async def numbers() -> AsyncIterator[int]:
    yield 1
    await asyncio.Event().wait()


def test_the_line_where_a_task_waits_is_found_inside_an_async_generator() -> None:
    async def where() -> str:
        task = asyncio.create_task(waits_in_a_call())
        await asyncio.sleep(0)
        frame = OwnCode(page).innermost(frames_awaited(task.get_coro()))
        task.cancel()
        return shown_line(frame)

    assert asyncio.run(where()) == "`await asyncio.Event().wait()`, in `numbers`"


def test_an_error_that_django_raised_is_not_the_learners() -> None:
    own = OwnCode(page)
    for raises, expected in ((lambda: 1 / 0, True), (lambda: HttpResponse(status="ten"), False)):
        with pytest.raises((ZeroDivisionError, TypeError)) as raised:
            raises()
        assert own.raised(raised.value) is expected


def catches_later() -> None:
    try:
        raise KeyError
    except TypeError:
        pass
    finally:
        number = 1
        del number


def test_the_line_of_an_error_is_where_it_came_from_and_not_where_its_function_went_on() -> None:
    with pytest.raises(KeyError) as raised:
        catches_later()
    assert OwnCode(page).line_passed_by(raised.value) == "`raise KeyError`, in `catches_later`"
