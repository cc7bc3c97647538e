import asyncio
import json
import logging
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch
from weakref import WeakSet

import aiohttp
import asgiref
import django
import httpx
from django.conf import settings
from django.http import JsonResponse, StreamingHttpResponse
from django.test import override_settings
from django.urls import path

from tutorial_project.classroom.checks import Outcome, Task, Trial
from tutorial_project.trips.departures import board

NOWHERE = "http://127.0.0.1:1"
"""Where the services are as long as a test puts none in their place."""

LIMIT = 3.0
"""Seconds in which a test has to end, whatever the view does."""

Words = dict[str, str | None]


@dataclass
class Run(Outcome):
    """How one run of the learner's test ended, and what it left behind."""

    services_url: str = ""
    listeners: int = 0


async def tested(trial: Trial, route: str, view: Any, about: str) -> Run:
    """Run the learner's test while `view` is at the route.

    Raises:
        Refusal: when it does not end; then no later run is tried.
    """
    sent = f"{trial.task.name}(), with {about}"
    if trial.answer in endless:
        hangs(sent)
    before = asyncio.all_tasks()
    with override_settings(ROOT_URLCONF=(path(route, view),), SERVICES_URL=NOWHERE), without_logs():
        try:
            async with asyncio.timeout(LIMIT) as limit:
                error = await error_of(trial)
            return Run(sent, error=error, services_url=settings.SERVICES_URL, listeners=board.listeners)
        except TimeoutError:
            if limit.expired():
                endless.add(trial.answer)
                hangs(sent)
            raise
        finally:
            await end_leftovers(before)


endless: WeakSet[Any] = WeakSet()
"""The tests that did not end."""


def hangs(sent: str) -> None:
    """Refuse a test that does not end."""
    Outcome(sent).refuse(
        expected=f"the test ends within {LIMIT:g} seconds",
        got="it went on",
        because="it waits for something that this view never does",
        next="`async with asyncio.timeout(…):` around what may never come",
    )


async def error_of(trial: Trial) -> BaseException | None:
    """Call the learner's test, and return the error by which it failed."""
    try:
        return (await trial.call()).error
    except BaseException as error:
        if type(error).__module__.startswith("_pytest"):  # pytest.fail() raises no Exception
            return error
        raise


@contextmanager
def without_logs() -> Iterator[None]:
    """Keep quiet about handlers that fail in the server of a test: the test says it."""
    logger = logging.getLogger("aiohttp.server")
    logger.disabled = True
    try:
        yield
    finally:
        logger.disabled = False


PACKAGES = tuple(str(Path(package.__file__).parent) for package in (django, asgiref))


async def end_leftovers(before: set[asyncio.Task[Any]]) -> None:
    """Cancel requests that the test left running, and no task of the kernel."""
    left = [task for task in asyncio.all_tasks() - before if _file_of(task).startswith(PACKAGES)]
    for task in left:
        task.cancel()
    if left:
        await asyncio.wait(left, timeout=0.2)


def _file_of(task: asyncio.Task[Any]) -> str:
    code = getattr(task.get_coro(), "cr_code", None)
    return code.co_filename if code else ""


def nothing_certain(outcome: Run) -> Words:
    """No cause, and no next step."""
    return {}


async def expect_pass(
    trial: Trial, route: str, view: Any, about: str, words: Callable[[Run], Words] = nothing_certain
) -> None:
    """Refuse a test that fails for a view that is right."""
    outcome = await tested(trial, route, view, about)
    if line := failed_line(outcome.error):
        outcome.error.args = (f"`{line}` does not hold",)
    outcome.expect_that(True, "the test passes: this view is right", **words(outcome))


def failed_line(error: BaseException | None) -> str:
    """The line of the learner's `assert` that failed, where it says nothing by itself."""
    if not isinstance(error, AssertionError) or str(error):
        return ""
    return traceback.extract_tb(error.__traceback__)[-1].line or ""


async def expect_failure(trial: Trial, route: str, view: Any, about: str, next: str) -> None:
    """Refuse a test that passes for a view that is broken."""
    outcome = await tested(trial, route, view, about)
    if outcome.error is None:
        outcome.refuse(
            expected="the test fails: this view is broken",
            got="the test passed",
            because="nothing in the test tells this view from one that is right",
            next=next,
        )


# Task 1


async def sky_over(city: str) -> str | None:
    url = f"{settings.SERVICES_URL}/weather/{city}"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return (await response.json())["sky"] if response.status == 200 else None


def told(city: str, umbrella: bool) -> JsonResponse:
    return JsonResponse({"city": city, "umbrella": umbrella})


async def umbrella(request: Any, city: str) -> JsonResponse:
    sky = await sky_over(city)
    return told(city, sky == "rain") if sky else JsonResponse({"error": "no weather today"}, status=502)


async def umbrella_with_httpx(request: Any, city: str) -> JsonResponse:
    async with httpx.AsyncClient(verify=False, trust_env=False) as client:
        response = await client.get(f"{settings.SERVICES_URL}/weather/{city}")
    if response.is_error:
        return JsonResponse({"error": "no weather today"}, status=502)
    return told(city, response.json()["sky"] == "rain")


def umbrella_that_always_says(answer: bool) -> Any:
    async def view(request: Any, city: str) -> JsonResponse:
        sky = await sky_over(city)
        return told(city, answer) if sky else JsonResponse({"error": "no weather today"}, status=502)

    return view


async def umbrella_for_bergen(request: Any, city: str) -> JsonResponse:
    sky = await sky_over(city)
    return told("Bergen", sky == "rain") if sky else JsonResponse({"error": "no weather today"}, status=502)


async def umbrella_in_spite_of_errors(request: Any, city: str) -> JsonResponse:
    return told(city, await sky_over(city) == "rain")


test_umbrella = Task(
    "test_umbrella",
    hints=(
        "Which answers of the weather service make the view do something different?",
        "Open the service with `async with`, and send three requests inside: to Bergen, to Athens, and to a city "
        "for which the service fails. Compare the whole answers.",
        'async with service("/weather/{city}", weather): bergen = await AsyncClient().get("/umbrella/Bergen/"); '
        'then assert bergen.json() == {"city": "Bergen", "umbrella": True}, and so on',
    ),
    praise="Right: you replaced the service and not the client, so the test holds for every view that asks it, "
    "and you compared answers that differ. The parts in a test of their own each would do too.",
    limit=4 * LIMIT,
)

UMBRELLA = "umbrella/<str:city>/"


def about_a_mock(outcome: Run) -> Words:
    """The words about a test that only holds for a view with aiohttp."""
    if isinstance(outcome.error, OSError | httpx.HTTPError):
        return {
            "because": "the view asked the real address: what the test has replaced is not the service",
            "next": 'put a server in its place: `async with service("/weather/{city}", weather):`',
        }
    return {}


@test_umbrella.requirement("passes for the view above, and for one that asks with httpx instead of aiohttp")
async def passes_for_every_client(trial: Trial) -> None:
    await expect_pass(trial, UMBRELLA, umbrella, "the view above", about_a_mock)
    await expect_pass(trial, UMBRELLA, umbrella_with_httpx, "a view that asks with httpx", about_a_mock)


@test_umbrella.requirement("fails for a view that always says yes, and for one that always says no")
async def fails_for_one_answer(trial: Trial) -> None:
    next_step = "ask for Bergen and for Athens, and assert what the view says of each"
    for answer, word in ((True, "yes"), (False, "no")):
        view = umbrella_that_always_says(answer)
        await expect_failure(trial, UMBRELLA, view, f"a view that always says {word}", next_step)


@test_umbrella.requirement('fails for a view that answers `"city": "Bergen"` for every city')
async def fails_for_another_city(trial: Trial) -> None:
    await expect_failure(
        trial,
        UMBRELLA,
        umbrella_for_bergen,
        "a view that names Bergen for every city",
        'compare the whole answer: `== {"city": "Athens", "umbrella": False}`',
    )


@test_umbrella.requirement(
    "fails for a view that answers 200 and no umbrella, instead of 502, when the service fails"
)
async def fails_for_swallowed_errors(trial: Trial) -> None:
    await expect_failure(
        trial,
        UMBRELLA,
        umbrella_in_spite_of_errors,
        "a view that answers 200 when the service fails",
        "ask for a city that the service does not know, and assert the status 502",
    )


@test_umbrella.requirement("leaves `settings.SERVICES_URL` as it was, when it passes and when it fails")
async def puts_the_address_back(trial: Trial) -> None:
    for view, about in ((umbrella, "the view above"), (umbrella_that_always_says(True), "a broken view")):
        outcome = await tested(trial, UMBRELLA, view, about)
        Outcome(outcome.sent).expect_that(
            outcome.services_url == NOWHERE,
            "settings.SERVICES_URL as before",
            got="another address: the next test would ask a server that is gone",
            next="`with override_settings(SERVICES_URL=…):`, as `service` does it",
        )


# Task 2

SUPPLIERS = ("atlas", "nomad", "orbit")


async def price(supplier: str, city: str) -> int:
    url = f"{settings.SERVICES_URL}/prices/{supplier}/{city}"
    async with aiohttp.ClientSession(raise_for_status=True) as session, session.get(url) as response:
        return (await response.json())["price"]


def priced(found: list[int | None]) -> JsonResponse:
    return JsonResponse({"prices": dict(zip(SUPPLIERS, found, strict=True))})


async def together(city: str) -> list[int]:
    return await asyncio.gather(*(price(supplier, city) for supplier in SUPPLIERS))


async def prices(request: Any, city: str) -> JsonResponse:
    return priced(await together(city))


async def prices_in_a_task_group(request: Any, city: str) -> JsonResponse:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(price(supplier, city)) for supplier in SUPPLIERS]
    return priced([task.result() for task in tasks])


async def prices_on_a_slow_machine(request: Any, city: str) -> JsonResponse:
    await asyncio.sleep(0.5)
    return priced(await together(city))


async def prices_in_turn(request: Any, city: str) -> JsonResponse:
    return priced([await price(supplier, city) for supplier in SUPPLIERS])


async def prices_or_nothing(request: Any, city: str) -> JsonResponse:
    found: list[int | None] = []
    for supplier in SUPPLIERS:
        try:
            found.append(await price(supplier, city))
        except aiohttp.ClientError:
            found.append(None)
    return priced(found)


async def prices_of_two_and_one(request: Any, city: str) -> JsonResponse:
    atlas, nomad = await asyncio.gather(price("atlas", city), price("nomad", city))
    return priced([atlas, nomad, await price("orbit", city)])


async def prices_of_others(request: Any, city: str) -> JsonResponse:
    return priced((await together(city))[::-1])


test_asks_together = Task(
    "test_asks_together",
    hints=(
        "What can only happen when all three requests are there at the same time?",
        "Let the handler hold each request until three have come: that is what an `asyncio.Barrier` does. "
        "It gives up with an error status when its patience is over.",
        "all_three = asyncio.Barrier(3); in the handler async with asyncio.timeout(PATIENCE): await all_three.wait(); "
        "a status of 409 in except TimeoutError; three different prices; assert the whole answer",
    ),
    praise="Right: only a view that asks for all three together gets past the barrier, on a slow machine as on a fast one. "
    "An `asyncio.Event` that the third request sets would do too.",
    limit=4 * LIMIT,
)

PRICES = "prices/<str:city>/"


def about_the_suppliers(outcome: Run) -> Words:
    """The words about a fake that answers with an error although all three have come."""
    if isinstance(outcome.error, aiohttp.ClientResponseError):
        return {
            "because": f"your server answered {outcome.error.status}, although all three requests had come",
            "next": "let it wait for exactly three: `asyncio.Barrier(3)`, one for the whole test",
        }
    return {}


@test_asks_together.requirement("passes for the view above, and for one that uses a `TaskGroup`")
async def passes_for_both_forms(trial: Trial) -> None:
    await expect_pass(trial, PRICES, prices, "the view above", about_the_suppliers)
    await expect_pass(
        trial, PRICES, prices_in_a_task_group, "a view that uses a TaskGroup", about_the_suppliers
    )


@test_asks_together.requirement(
    "passes on a slow machine, where the view needs half a second before it asks all three"
)
async def passes_on_a_slow_machine(trial: Trial) -> None:
    await expect_pass(
        trial,
        PRICES,
        prices_on_a_slow_machine,
        "a view that asks half a second later",
        lambda outcome: {
            "because": "the test measures time, and this view overlaps although it is slow",
            "next": "count no seconds; a limit belongs into the handler, where requests wait for each other",
        },
    )


@test_asks_together.requirement("fails for a view that asks one after another")
async def fails_in_turn(trial: Trial) -> None:
    next_step = "let your server answer nobody until three requests are there"
    await expect_failure(trial, PRICES, prices_in_turn, "a view that asks one after another", next_step)


@test_asks_together.requirement(
    "fails for a view that asks one after another, and answers `null` for suppliers that fail"
)
async def fails_for_nulls(trial: Trial) -> None:
    next_step = "the status is 200: assert the prices"
    await expect_failure(
        trial, PRICES, prices_or_nothing, "a view that answers null for suppliers that fail", next_step
    )


@test_asks_together.requirement("fails for a view that asks two together, and the third one after them")
async def fails_for_two_and_one(trial: Trial) -> None:
    next_step = "two at the same time are not enough: hold them until it is three"
    await expect_failure(
        trial,
        PRICES,
        prices_of_two_and_one,
        "a view that asks two together and then the third",
        next_step,
    )


@test_asks_together.requirement(
    "fails for a view that gives atlas the price of orbit, and orbit that of atlas"
)
async def fails_for_mixed_prices(trial: Trial) -> None:
    next_step = "let each supplier have a price of its own, and compare the whole answer"
    await expect_failure(trial, PRICES, prices_of_others, "a view that mixes up the prices", next_step)


# Task 3


def feed(events: Any) -> Any:
    async def view(request: Any) -> StreamingHttpResponse:
        _ = request.body  # Django closes the file of the body here, and not when the client leaves
        return StreamingHttpResponse(events(), content_type="text/event-stream")

    return view


def event(departure: Any) -> str:
    return f"data: {json.dumps(departure)}\n\n"


async def leaves_at_last() -> Any:
    queue = board.join()
    try:
        yield ": listening\n\n"
        while True:
            yield event(await queue.get())
    finally:
        board.leave(queue)


async def leaves_with_a_context_manager() -> Any:
    with listening() as queue:
        yield ": listening\n\n"
        departure = await queue.get()
        while departure:
            yield event(departure)
            departure = await queue.get()


@contextmanager
def listening() -> Iterator[asyncio.Queue[Any]]:
    queue = board.join()
    try:
        yield queue
    finally:
        board.leave(queue)


async def never_leaves() -> Any:
    queue = board.join()
    yield ": listening\n\n"
    while True:
        yield event(await queue.get())


async def leaves_after_errors() -> Any:
    queue = board.join()
    try:
        yield ": listening\n\n"
        while True:
            yield event(await queue.get())
    except Exception:
        board.leave(queue)
        raise


async def holds_back() -> Any:
    queue = board.join()
    try:
        yield ": listening\n\n"
        departure = await queue.get()
        while True:
            following = await queue.get()
            yield event(departure)
            departure = following
    finally:
        board.leave(queue)


async def tells_another() -> Any:
    queue = board.join()
    try:
        yield ": listening\n\n"
        while True:
            await queue.get()
            yield event({"to": "Bergen", "gate": 1})
    finally:
        board.leave(queue)


test_screen_is_switched_off = Task(
    "test_screen_is_switched_off",
    hints=(
        "Who tells the view that its client has left, and with which message?",
        "Play the server with `ApplicationCommunicator(get_asgi_application(), SCOPE)`: send `http.request`, receive "
        "the start and `: listening`, announce, receive, send `http.disconnect`, and wait.",
        'await server.send_input({"type": "http.disconnect"}); await server.wait(); assert board.listeners == 0; '
        'and before that event = await server.receive_output() after board.announce(…), with an assert on event["body"]',
    ),
    praise="Right: you sent what a server sends when a screen goes dark, and looked at what the view leaves behind. "
    "A real server and a client that hangs up would do too; then you have to wait until the view has noticed.",
    limit=4 * LIMIT,
)


async def played(expect: Any, trial: Trial, events: Any, *words: Any) -> None:
    """Run `expect` for a feed, on a board without listeners."""
    try:
        await expect(trial, "departures/", feed(events), *words)
    finally:
        board._queues.clear()


@contextmanager
def departures_noted() -> Iterator[list[int]]:
    """Collect how many listeners there are whenever a departure is announced."""
    heard: list[int] = []
    announce = board.announce

    def note(departure: Any) -> None:
        heard.append(board.listeners)
        announce(departure)

    with patch.object(board, "announce", note):
        yield heard


@test_screen_is_switched_off.requirement(
    "passes for the view above, and for one that leaves the board in a context manager of its own"
)
async def passes_for_both_feeds(trial: Trial) -> None:
    for events, about in (
        (leaves_at_last, "the view above"),
        (leaves_with_a_context_manager, "a view that leaves the board in a context manager"),
    ):
        with departures_noted() as heard:

            def words(outcome: Run, heard: list[int] = heard) -> Words:
                if 0 in heard:
                    return {
                        "because": "a departure was announced when nobody listened yet",
                        "next": "receive the start of the answer and `: listening`, and announce then",
                    }
                if isinstance(outcome.error, TimeoutError):
                    return {
                        "because": "the test waits for a message of the view, and none came",
                        "next": 'the view starts when it is sent `{"type": "http.request"}`, and tells a departure '
                        "when one is announced",
                    }
                if outcome.listeners and "listeners" in str(outcome.error):
                    return {
                        "because": "the view still listens: its client has not left, or has left only just now. "
                        "`AsyncClient` can read a stream, and it cannot leave one",
                        "next": '`ApplicationCommunicator`: send `{"type": "http.disconnect"}`, then `await server.wait()`',
                    }
                return {}

            await played(expect_pass, trial, events, about, words)


@test_screen_is_switched_off.requirement("fails for a view that never leaves the board")
async def fails_without_clean_up(trial: Trial) -> None:
    next_step = "let the client leave, wait until the view has ended, and assert `board.listeners == 0`"
    await played(expect_failure, trial, never_leaves, "a view that never leaves the board", next_step)


@test_screen_is_switched_off.requirement(
    "fails for a view that leaves the board in `except Exception`, which a departing client does not raise"
)
async def fails_for_errors_only(trial: Trial) -> None:
    about = "a view that leaves the board after an Exception"
    next_step = 'no error of the view: send what a server sends, `{"type": "http.disconnect"}`'
    await played(expect_failure, trial, leaves_after_errors, about, next_step)


@test_screen_is_switched_off.requirement("fails for a view that holds each departure back until the next one")
async def fails_for_held_back(trial: Trial) -> None:
    about = "a view that holds each departure back"
    next_step = "announce one departure, and receive it before you go on"
    await played(expect_failure, trial, holds_back, about, next_step)


@test_screen_is_switched_off.requirement(
    "fails for a view that tells another departure than the one announced"
)
async def fails_for_another_departure(trial: Trial) -> None:
    about = "a view that tells another departure"
    next_step = 'assert what you received: `event["body"]`'
    await played(expect_failure, trial, tells_another, about, next_step)
