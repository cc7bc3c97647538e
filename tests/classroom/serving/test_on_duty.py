"""What operations see of a server comes from its run."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
import warnings
from typing import Any

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import path

from tutorial_project.classroom.serving.on_duty import Duty, on_duty, percentile

gone_on = threading.Event()
MANY = 30
arrived: list[Any] = []
everybody = asyncio.Event()


async def quick(request: HttpRequest) -> HttpResponse:
    return HttpResponse("quick")


async def holds_the_loop(request: HttpRequest) -> HttpResponse:
    time.sleep(0.4)
    return HttpResponse("slow")


async def fails(request: HttpRequest) -> HttpResponse:
    logging.getLogger("agency").warning("low on seats")
    warnings.warn("old way", DeprecationWarning, stacklevel=1)
    raise ValueError("no such seat")


async def in_pieces(request: HttpRequest) -> StreamingHttpResponse:
    async def lines() -> Any:
        yield "one\n"
        await asyncio.to_thread(gone_on.wait, 5)
        yield "two\n"

    return StreamingHttpResponse(lines())


async def short_step(request: HttpRequest) -> HttpResponse:
    arrived.append(asyncio.current_task())
    if len(arrived) < MANY:
        await everybody.wait()
    everybody.set()  # all the others get their turn in one round of the loop
    time.sleep(0.02)
    return HttpResponse("short")


async def never(request: HttpRequest) -> HttpResponse:
    await asyncio.Event().wait()
    return HttpResponse()


VIEWS = [quick, holds_the_loop, fails, in_pieces, short_step, never]
urlpatterns = [path(f"{view.__name__}/", view) for view in VIEWS]


def seen(*paths: str, **options: Any) -> Duty:
    async def look() -> Duty:
        async with on_duty(urlpatterns) as duty:
            await duty.send(*paths, **options)
        return duty

    return asyncio.run(look())


def test_answers_are_counted_by_path_and_the_loop_turned() -> None:
    duty = seen("/quick/", times=3)
    assert duty.statuses("/quick/") == {200: 3}
    assert "3 × 200" in repr(duty)
    assert "nothing" in repr(duty)


def test_a_loop_that_stands_still_is_seen_with_its_line() -> None:
    duty = seen("/holds_the_loop/")
    assert duty.held[0] >= 0.3
    assert duty.held[1] == "`time.sleep(0.4)`, in `holds_the_loop`"
    assert "did not turn for" in repr(duty)


def test_many_visitors_with_a_short_step_each_are_no_loop_that_stands_still() -> None:
    duty = seen("/short_step/", times=MANY)
    assert duty.statuses("/short_step/") == {200: MANY}
    assert "turned all the time" in repr(duty)


def test_errors_records_and_warnings_are_in_the_log() -> None:
    log = seen("/fails/", times=2).log
    assert log["WARNING agency: low on seats"] == 2
    assert log["DeprecationWarning: old way"] == 2
    assert [line for line in log if "ValueError: no such seat, at `raise ValueError" in line]


def test_a_first_byte_is_earlier_than_the_last() -> None:
    async def look() -> Duty:
        gone_on.clear()
        async with on_duty(urlpatterns) as duty:
            reading = asyncio.ensure_future(duty.send("/in_pieces/"))
            asyncio.get_running_loop().call_later(0.5, gone_on.set)
            await reading
        return duty

    [visit] = asyncio.run(look()).visits
    assert (visit.pieces, visit.text) == (2, "one\ntwo\n")
    assert visit.first < visit.last


def test_a_visitor_goes_away_and_the_server_stops() -> None:
    duty = seen("/never/", leaves_after=0.1)
    assert duty.statuses("/never/") == {0: 1}
    assert "1 × left after 0.1 s" in repr(duty)
    assert not duty.server.running


def test_a_task_that_waits_is_seen_with_its_line() -> None:
    async def look() -> Any:
        async with on_duty(urlpatterns) as duty:
            visiting = asyncio.ensure_future(duty.send("/never/", times=2, leaves_after=2.0))
            while not (waiting := duty.waiting_tasks()) or waiting.total() < 2:
                await asyncio.sleep(0.01)
            visiting.cancel()
            while duty.waiting_tasks():  # a server that stops leaves what they have sent open
                await asyncio.sleep(0.01)
        return waiting

    assert asyncio.run(look()) == {"`await asyncio.Event().wait()`, in `never`": 2}


def test_a_percentile_is_one_of_the_times() -> None:
    assert [percentile([3.0, 1.0, 2.0, 4.0], share) for share in (50, 95, 100, 1)] == [2.0, 4.0, 4.0, 1.0]
