"""The proofs that checks use, each shown to be able to fail."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from time import sleep
from typing import Any

import pytest
from blockbuster import BlockingError
from django.db.backends.signals import connection_created
from django.http import HttpResponse, JsonResponse
from django.test import override_settings

from tutorial_project.checks import (
    Refusal,
    Task,
    Trial,
    blocking_calls_refused,
    run_without_a_loop,
)
from tutorial_project.checks.proofs.event_loop import joins_allowed, tasks_of
from tutorial_project.classroom import queries
from tutorial_project.trips.models import Trip


@pytest.fixture(autouse=True)
def errors_come_through_as_they_do_for_a_judge() -> Iterator[None]:
    with override_settings(DEBUG_PROPAGATE_EXCEPTIONS=True):
        yield


TASK = Task("page", hints=(), praise="", routes=["page/"])


async def sleeps(request: Any) -> HttpResponse:
    time.sleep(0.01)
    return HttpResponse()


async def sleeps_by_an_imported_name(request: Any) -> HttpResponse:
    sleep(0.01)
    return HttpResponse()


async def never_gives_way(request: Any) -> HttpResponse:
    return HttpResponse()


def sync_view(request: Any) -> HttpResponse:
    return HttpResponse()


async def waits(request: Any) -> HttpResponse:
    await asyncio.sleep(0.01)
    return HttpResponse()


def loop_check(view: Callable[..., Any]) -> Any:
    return asyncio.run(Trial(view, TASK).leaves_the_loop_free("/page/"))


def test_a_view_that_waits_leaves_the_loop_free() -> None:
    assert loop_check(waits).status == 200


@pytest.mark.parametrize("view", [sleeps, sleeps_by_an_imported_name])
def test_a_blocking_view_is_refused_and_its_call_named(view: Callable[..., Any]) -> None:
    with pytest.raises(Refusal, match=r"Blocking call to time\.sleep") as refusal:
        loop_check(view)
    assert "holds the event loop" in refusal.value.because


@pytest.mark.parametrize("view", [never_gives_way, sync_view])
def test_a_view_that_awaits_nothing_is_refused(view: Callable[..., Any]) -> None:
    with pytest.raises(Refusal) as refusal:
        loop_check(view)
    assert "nothing in the view is awaited" in refusal.value.because


def test_blocking_calls_from_other_files_are_let_through() -> None:
    async def elsewhere() -> None:
        with blocking_calls_refused(asyncio.sleep):
            time.sleep(0)

    asyncio.run(elsewhere())


async def joins_a_thread() -> None:
    thread = threading.Thread(target=time.sleep, args=[0])
    thread.start()
    thread.join()


async def waits_for_a_lock() -> None:
    lock = threading.Lock()
    lock.acquire()
    lock.acquire(timeout=0.01)


def test_threads_may_be_joined_where_a_check_says_so_and_nothing_else_may_wait() -> None:
    async def guarded() -> None:
        with blocking_calls_refused(joins_a_thread, but_joins=True):
            await joins_a_thread()
            with pytest.raises(BlockingError):
                await waits_for_a_lock()

    asyncio.run(guarded())


def test_threads_may_be_joined_in_a_block_that_allows_it() -> None:
    async def guarded() -> None:
        with joins_allowed(), blocking_calls_refused(joins_a_thread):
            await joins_a_thread()
            with pytest.raises(BlockingError):
                await waits_for_a_lock()

    asyncio.run(guarded())


def test_the_guard_is_gone_after_its_block() -> None:
    async def inside_and_after() -> None:
        with blocking_calls_refused(sleeps), pytest.raises(BlockingError):
            await sleeps(None)
        await sleeps(None)
        await sleeps_by_an_imported_name(None)

    asyncio.run(inside_and_after())


def test_all_inside_holds_for_views_that_wait_and_not_for_views_that_block() -> None:
    everybody = asyncio.Barrier(3)

    async def waits_for_everybody(request: Any) -> HttpResponse:
        await everybody.wait()
        return HttpResponse()

    async def three(view: Callable[..., Any]) -> None:
        (await Trial(view, TASK).together(*["/page/"] * 3)).expect_all_inside()

    asyncio.run(three(waits_for_everybody))
    with pytest.raises(Refusal, match="at most 1 of them at the same time"):
        asyncio.run(three(sleeps))


def test_queries_are_counted_on_the_requests_thread_and_on_the_shared_one() -> None:
    async def counts(request: Any) -> JsonResponse:
        return JsonResponse({"trips": await Trip.objects.acount()})

    async def asking() -> tuple[int, int]:
        with queries() as in_a_request:
            await Trial(counts, TASK).get("/page/")
        with queries() as in_a_cell:
            await Trip.objects.acount()
            await Trip.objects.afirst()
        return len(in_a_request), len(in_a_cell)

    assert asyncio.run(asking()) == (1, 2)


def test_a_function_without_a_loop_finds_none_and_its_error_comes_back() -> None:
    async def outside() -> None:
        with pytest.raises(RuntimeError, match="no running event loop"):
            await run_without_a_loop(asyncio.get_running_loop)

    asyncio.run(outside())


def test_a_view_that_fails_leaves_no_database_connection_open() -> None:
    opened: list[Any] = []

    async def counts_and_fails(request: Any) -> None:
        await Trip.objects.acount()
        raise ValueError

    def note(connection: Any, **_: Any) -> None:
        opened.append(connection)

    connection_created.connect(note)
    try:
        asyncio.run(Trial(counts_and_fails, TASK).get("/page/"))
    finally:
        connection_created.disconnect(note)
    assert [connection.connection for connection in opened] == [None]


def test_a_cookie_of_the_trial_gives_way_to_the_one_that_a_view_sets() -> None:
    sent: list[str] = []

    async def serves_green_tea(request: Any) -> HttpResponse:
        sent.append(request.headers.get("Cookie", ""))
        response = HttpResponse()
        response.set_cookie("tea", "green")
        return response

    async def two_visits() -> None:
        trial = Trial(serves_green_tea, TASK)
        trial.set_cookie("tea", "black")
        await trial.get("/page/")
        await trial.get("/page/")

    asyncio.run(two_visits())
    assert sent == ["tea=black", "tea=green"]


async def starts_a_task(request: Any) -> HttpResponse:
    asyncio.create_task(sleeps_for_ever())
    return HttpResponse()


async def sleeps_for_ever() -> None:
    await asyncio.Event().wait()


def test_a_task_that_an_answer_leaves_behind_is_found_and_no_other() -> None:
    async def left() -> list[str]:
        before = asyncio.all_tasks()
        other = asyncio.create_task(asyncio.Event().wait())
        await Trial(starts_a_task, TASK).get("/page/")
        tasks = tasks_of(starts_a_task, before)
        names = [task.get_coro().__name__ for task in tasks]
        for task in (other, *tasks):
            task.cancel()
        return names

    assert asyncio.run(left()) == ["sleeps_for_ever"]


async def never_answers(request: Any) -> HttpResponse:
    inside.set()
    await asyncio.Event().wait()
    return HttpResponse()


inside = asyncio.Event()


def test_a_request_that_a_check_gives_up_leaves_no_task_behind() -> None:
    async def given_up() -> set[asyncio.Task[Any]]:
        before = asyncio.all_tasks()
        asking = asyncio.create_task(Trial(never_answers, TASK).get("/page/"))
        await inside.wait()
        asking.cancel()
        await asyncio.wait([asking])
        return asyncio.all_tasks() - before

    assert asyncio.run(given_up()) == set()
