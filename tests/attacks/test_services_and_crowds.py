"""What a learner copies meets strange services and many visitors at once with no 500, and leaves nothing behind."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from tutorial_project.services import running_services

from .odd_requests import OddRequest, likely_path
from .site import Site, everything_stored
from .views import each_view

CROWD, PATIENCE = 50, 60.0
"""Visitors at once, and seconds that each of them may wait."""
METHODS = ("GET", "POST")
STRANGE = {
    "nothing": {},
    "null": None,
    "a list": [],
    "a text": "sunny",
    "a number": 17,
    "other keys": {"a": 1},
    "keys without values": dict.fromkeys(
        ("city", "celsius", "sky", "flights", "price", "code", "currency", "rate", "to", "seats", "supplier")
    ),
}
"""What a service may say with status 200, although nobody expects it."""
FAILING = {"500": "/failing?status=500", "404": "/failing?status=404", "418": "/failing?status=418"}


@pytest.fixture
def site(lesson_name: str, task_name: str, sample_database: Any) -> Site:
    return Site(lesson_name, task_name, sample_database)


def likely(site: Site, method: str) -> list[OddRequest]:
    """A request of a member to each route."""
    return [OddRequest(method, likely_path(route), "", b"", "", "ada") for route in site.task.routes]


def in_a_loop(site: Site, visits: Coroutine[Any, Any, Any]) -> Any:
    """What the visits return, in a loop of their own in which nothing may be left.

    Trap: threads that answer requests put the end of a task off by a step or two.
    """

    async def visited() -> Any:
        await site.visitors_come()
        found = await visits
        for _ in range(100):
            if len(asyncio.all_tasks()) == 1:
                return found
            await asyncio.sleep(0.02)
        raise AssertionError(f"left behind: {asyncio.all_tasks()}")

    return asyncio.run(visited())


@each_view
def test_whatever_a_service_says_is_no_500(site: Site) -> None:
    services, found = running_services(), {}
    strange = {name: services.saying("/", content) for name, content in STRANGE.items()}
    strange |= {name: services.replaced("/", by=path) for name, path in FAILING.items()}

    async def visits() -> None:
        for name, said in strange.items():
            with said:
                for request in likely(site, "GET"):
                    before = await everything_stored()
                    found[name, request.path] = await site.status(request)
                    assert await everything_stored() == before, (name, request.path)

    with site.open():
        in_a_loop(site, visits())
    assert {visit: status for visit, status in found.items() if status == 500} == {}


@each_view
@pytest.mark.parametrize("method", METHODS)
def test_a_crowd_is_answered_and_leaves_nothing_behind(site: Site, method: str) -> None:
    async def visits() -> list[int]:
        asked = [request for request in likely(site, method) for _ in range(CROWD)]
        return await asyncio.gather(*(site.status(request, PATIENCE) for request in asked))

    with site.open():
        statuses = in_a_loop(site, visits())
    assert 500 not in statuses
