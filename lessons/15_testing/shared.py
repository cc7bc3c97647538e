import asyncio
import logging
import traceback
from collections.abc import Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakSet

import anyio._backends._asyncio  # noqa: F401 - httpx loads both at its first request, 0.2 s on the event loop
import asgiref
import django
import httpcore  # noqa: F401
from aiohttp import web
from aiohttp.test_utils import TestServer
from django.conf import settings
from django.test import override_settings
from django.urls import path

from tutorial_project.checks import Outcome, Trial
from tutorial_project.trips.departures import board

NOWHERE = "http://127.0.0.1:1"
"""Where the services are as long as a test puts none in their place."""


PROMISED, LIMIT = 3, 3.4
"""Seconds in which a test has to end, whatever the view does: as the exercise says, and as the check counts."""


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
    # As in every test of Django: a client that does not raise what a view raises gets a 500.
    site = override_settings(
        ROOT_URLCONF=(path(route, view),), SERVICES_URL=NOWHERE, DEBUG_PROPAGATE_EXCEPTIONS=False
    )
    with site, without_logs():
        try:
            async with asyncio.timeout(LIMIT) as limit:
                value, error = await ended(trial)
            return Run(
                sent, value, error=error, services_url=settings.SERVICES_URL, listeners=board.listeners
            )
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
        expected=f"the test ends within {PROMISED} seconds",
        got="it had not ended",
    )


async def ended(trial: Trial) -> tuple[Any, BaseException | None]:
    """Call the learner's test: what it returned, and the error by which it failed."""
    try:
        outcome = await trial.call()
        return outcome.value, outcome.error
    except BaseException as error:
        if type(error).__module__.startswith("_pytest"):  # pytest.fail() raises no Exception
            return None, error
        raise


@contextmanager
def without_logs() -> Iterator[None]:
    """Keep quiet about handlers that fail in the server of a test, and views that do: the test says it."""
    loggers = [logging.getLogger(name) for name in ("aiohttp.server", "django.request")]
    for logger in loggers:
        logger.disabled = True
    try:
        yield
    finally:
        for logger in loggers:
            logger.disabled = False


PACKAGES = tuple(str(Path(package.__file__).parent) for package in (django, asgiref))


async def end_leftovers(before: set[asyncio.Task[Any]]) -> None:
    """Cancel requests that the test left running, and no task of the kernel."""
    left = [task for task in asyncio.all_tasks() - before if file_of(task).startswith(PACKAGES)]
    for task in left:
        task.cancel()
    if left:
        await asyncio.wait(left, timeout=0.2)


def file_of(task: asyncio.Task[Any]) -> str:
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
    if outcome.error is None:
        return
    said, got = words(outcome), None
    if line := failed_line(outcome.error):
        got = f"AssertionError: `{line}` does not hold"
    outcome.cause = (said.get("because"), said.get("next"))
    if got is not None and not any(outcome.cause):
        Outcome(outcome.sent).refuse(expected="the test passes: this view is right", got=got)
    outcome.refuse(expected="the test passes: this view is right")


async def expect_pass_again(trial: Trial, route: str, view: Any) -> None:
    """Refuse a test that failed for a broken view, and fails for the right one ever after."""
    await expect_pass(trial, route, view, "the view above, after a broken one")


def failed_line(error: BaseException | None) -> str:
    """The line of the learner's `assert` that failed."""
    if not isinstance(error, AssertionError):
        return ""
    # Trap: pytest rewrites each `assert` of a file named test_….py, and then the error tells values in place of nothing.
    line = traceback.extract_tb(error.__traceback__)[-1].line or ""
    return line if line.startswith("assert ") else ""


async def expect_failure(trial: Trial, route: str, view: Any, about: str, next: str) -> None:
    """Refuse a test that passes for a view that is broken."""
    outcome = await tested(trial, route, view, about)
    if outcome.error is not None:
        return
    words = {"because": "nothing in the test tells this view from one that is right", "next": next}
    if isinstance(outcome.value, bool):
        words = {
            "because": f"the test returned {outcome.value}, and nobody looks at what a test returns",
            "next": "`assert` in the place of `return`",
        }
    outcome.refuse(expected="the test fails: this view is broken", got="the test passed", **words)


@asynccontextmanager
async def service(route, handler):
    application = web.Application()
    application.router.add_get(route, handler)
    async with TestServer(application) as server:
        with override_settings(SERVICES_URL=str(server.make_url("")).rstrip("/")):
            yield server
