"""What a learner copies answers no odd request with a 500, and writes nothing on GET."""

from __future__ import annotations

import asyncio
import itertools
import os
from typing import Any

from hypothesis import HealthCheck, given, settings
from solved import source_of

from .odd_requests import VISITORS, OddRequest, likely_path, odd_requests, words_in
from .site import Site, everything_stored
from .views import each_view

EXAMPLES = int(os.environ.get("ODD_REQUESTS", 40))
"""Requests for each solution. More of them:  ODD_REQUESTS=5000 make test ARGS="tests/attacks"."""


@each_view
def test_no_odd_request_is_a_500_and_no_get_writes(
    lesson_name: str, task_name: str, sample_database: Any
) -> None:
    site = Site(lesson_name, task_name, sample_database)
    requests = odd_requests(site.task.routes, words_in(source_of(lesson_name, task_name)))

    async def answered(request: OddRequest) -> tuple[int, bool]:
        if not stored:  # nobody was here yet, or the last visitor wrote something
            await site.visitors_come()
            stored.append(await everything_stored())
        status, before = await site.status(request), stored.pop()
        if (now := await everything_stored()) == before:
            stored.append(now)
        return status, now != before

    stored: list[Any] = []
    with site.open(), asyncio.Runner() as runner:

        @settings(max_examples=EXAMPLES, deadline=None, derandomize=EXAMPLES < 100, database=None, suppress_health_check=list(HealthCheck))  # fmt: skip
        @given(requests)
        def holds(request: OddRequest) -> None:
            status, wrote = runner.run(answered(request))
            assert status != 500
            assert not (wrote and request.method in {"GET", "HEAD", "OPTIONS"})

        holds()


@each_view
def test_no_visitor_writes_by_looking(lesson_name: str, task_name: str, sample_database: Any) -> None:
    site = Site(lesson_name, task_name, sample_database)

    async def look() -> dict[OddRequest, int]:
        await site.visitors_come()
        before, found = await everything_stored(), {}
        for method, route, visitor in itertools.product(
            ("GET", "HEAD", "OPTIONS"), site.task.routes, VISITORS
        ):
            request = OddRequest(method, likely_path(route), "", b"", "", visitor)
            found[request] = await site.status(request)
            assert await everything_stored() == before, request
        return found

    with site.open():
        statuses = asyncio.run(look())
    assert [request for request, status in statuses.items() if status == 500] == []
