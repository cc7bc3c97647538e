"""The timeline: what its words say, and that its picture says the same."""

from __future__ import annotations

import asyncio
import gc
import re
import time
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import override_settings
from django.urls import path

from tutorial_project.classroom import send_together
from tutorial_project.classroom.watching.lane import Lane
from tutorial_project.classroom.watching.picture import MOST_LANES, timeline_html, timeline_svg
from tutorial_project.classroom.watching.recording import HOLDS_AFTER, Span, record
from tutorial_project.classroom.watching.timeline import Timeline

SVG = "{http://www.w3.org/2000/svg}"


def lane(*spans: tuple[str, str, float, float], number: int = 1, path: str = "/a/", **options: Any) -> Lane:
    """A lane that lasts one second, with spans of (kind, name, started, ended)."""
    thread = options.pop("thread", "loop")
    found = [Span(kind, name, number, thread, started, ended) for kind, name, started, ended in spans]
    response = SimpleNamespace(status_code=options.pop("status", 200))
    return Lane(number, path, response, 0.0, 1.0, found)


def waits(*asked: tuple[str, str, float, float], **options: Any) -> Lane:
    """A lane of an async view that gives way once."""
    runs = [("runs", "async", 0.1, 0.11), ("runs", "async", 0.89, 0.9)]
    return lane(("view", "async", 0.1, 0.9), *runs, *asked, **options)


def timeline(*lanes: Lane) -> Timeline:
    return Timeline(list(lanes), [span for lane in lanes for span in lane.spans])


def last_line(*lanes: Lane) -> str:
    return timeline(*lanes).text.splitlines()[-1].strip()


def test_a_view_that_waits_leaves_the_event_loop_free() -> None:
    assert last_line(waits()) == "1  /a/  200  async view: leaves the event loop free"


def test_a_view_that_has_nothing_to_wait_for_is_no_example_of_waiting() -> None:
    quick = lane(("view", "async", 0.1, 0.11), ("runs", "async", 0.1, 0.11))
    assert last_line(quick) == "1  /a/  200  async view: ends without a wait"


def test_questions_one_after_another_are_listed_in_turn() -> None:
    asked = [("asks", "weather", 0.1, 0.4), ("asks", "flights", 0.4, 0.8)]
    assert "asks weather, flights in turn" in last_line(waits(*asked))


def test_questions_at_the_same_time_are_listed_in_an_order_that_does_not_vary() -> None:
    asked = [("asks", "weather", 0.1, 0.4), ("asks", "flights", 0.11, 0.8)]
    assert "asks flights, weather together" in last_line(waits(*asked))


def test_many_questions_to_one_service_are_counted() -> None:
    asked = [("asks", "flights", 0.1, 0.4), ("asks", "flights", 0.1, 0.8), ("asks", "rates", 0.5, 0.8)]
    assert "asks flights ×2, rates, 2 together" in last_line(waits(*asked))


def test_a_request_that_needs_the_loop_stands_still_while_another_holds_it() -> None:
    holder = lane(("view", "async", 0.1, 0.9), ("holds", "event loop", 0.1, 0.9))
    text = timeline(holder, waits(number=2, path="/b/")).text
    assert "1  /a/  200  async view: holds the event loop\n" in text
    assert "2  /b/  200  async view: leaves the event loop free; stands still while 1 holds the loop" in text


def test_a_sync_view_does_not_stand_still_on_its_own_thread() -> None:
    holder = lane(("view", "async", 0.1, 0.9), ("holds", "event loop", 0.1, 0.9))
    sync = lane(("view", "sync", 0.1, 0.9), number=2, thread="worker")
    assert last_line(holder, sync) == "2  /a/  200  sync view: occupies a thread of its own"


def test_sync_views_on_one_thread_share_it() -> None:
    first, second = (lane(("view", "sync", n / 2, n / 2 + 0.4), number=n, thread="worker") for n in (1, 2))
    assert timeline(first, second).text.startswith("2 requests: one at a time, on 1 thread\n")
    assert last_line(first, second) == "1-2  /a/  200  sync view: shares its thread with others"


def test_a_request_without_a_view_says_so() -> None:
    assert last_line(lane(status=404)) == "1  /a/  404  never reached a view"


def test_equal_requests_are_one_line_and_the_words_hold_no_seconds() -> None:
    text = timeline(*(waits(number=n) for n in range(1, 51))).text
    assert text.splitlines()[0] == "50 requests: 50 in a view at the same time, on 1 thread"
    assert text.splitlines()[1].startswith("   1-50  /a/")
    assert not re.search(r"\d\.\d", text)


async def blocks_in_a_task(request: HttpRequest) -> HttpResponse:
    async def hidden() -> None:
        time.sleep(HOLDS_AFTER + 0.05)

    await asyncio.gather(hidden(), asyncio.sleep(0))
    return HttpResponse()


async def sleeps(request: HttpRequest) -> HttpResponse:
    await asyncio.sleep(HOLDS_AFTER + 0.05)
    return HttpResponse()


urlpatterns = [path("blocks/", blocks_in_a_task), path("sleeps/", sleeps)]


@pytest.mark.parametrize(("page", "held"), [("/blocks/", True), ("/sleeps/", False)])
def test_a_loop_that_is_held_by_a_task_of_the_view_is_held_by_the_view(page: str, held: bool) -> None:
    step = asyncio.Handle._run
    with override_settings(ROOT_URLCONF=__name__):
        found = asyncio.run(send_together(page))
    assert [lane.held for lane in found.lanes] == [held]
    assert asyncio.Handle._run is step


def test_no_collection_of_garbage_looks_like_a_held_loop() -> None:
    with record(), record():
        assert not gc.isenabled()
    assert gc.isenabled()


def picture(*lanes: Lane) -> ElementTree.Element:
    return ElementTree.fromstring(timeline_svg(timeline(*lanes)))


def of_class(svg: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    return [element for element in svg.iter() if element.get("class") == name]


def test_the_picture_is_drawn_to_scale() -> None:
    svg = picture(waits(("asks", "weather", 0.25, 0.75)))
    view, question = (float(of_class(svg, kind)[0].get("width")) for kind in ("view", "asks"))
    assert view / question == pytest.approx(0.8 / 0.5, abs=0.01)


def test_the_picture_tells_its_words_to_a_screen_reader() -> None:
    svg = picture(waits())
    assert svg.get("role") == "img"
    assert svg.find(f"{SVG}title").text == timeline(waits()).text


def test_a_held_loop_is_named_in_the_picture_and_not_by_colour_alone() -> None:
    svg = picture(lane(("view", "async", 0.1, 0.9), ("holds", "event loop", 0.1, 0.9)), waits(number=2))
    assert of_class(svg, "loud")[0].text == "holds the event loop"
    assert float(of_class(svg, "still")[0].get("height")) == 40


def test_the_colours_do_not_need_jupyterlab() -> None:
    style = picture(waits()).find(f"{SVG}style").text
    assert all("currentColor" in variable for variable in re.findall(r"var\([^)]*\)", style))


def test_a_long_timeline_stays_readable() -> None:
    svg = picture(*(waits(("asks", "weather", 0.1, 0.4), number=n) for n in range(1, 101)))
    assert len([bar for bar in of_class(svg, "view") if float(bar.get("x")) > 100]) <= MOST_LANES + 1
    assert int(svg.get("viewBox").split()[3]) < 600


def test_a_path_cannot_become_markup() -> None:
    html = timeline_html(timeline(waits(path="/?q=<script>")))
    assert "<script>" not in html
