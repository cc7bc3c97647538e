from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

from tutorial_project.checks import Outcome, Reply, Trial, blocking_calls_refused
from tutorial_project.checks.proofs.event_loop import first_moment
from tutorial_project.services import Services, running_services
from tutorial_project.services.client import ServiceError, ask, ask_blocking
from tutorial_project.services.places import quote

SILENT = "/slow?wait=3"
"""In place of a supplier that never answers: a blocking client in a thread must come back some time."""


PATIENCE = 1.0
"""Seconds, from the first question at a supplier on, after which a view is given up that should have answered."""


QUICK = "/quotes/Albatros/Lisbon?wait=0"


SLOW = "/quotes/Albatros/Lisbon?wait=0.3"


STATES = {"/failing": "down", SILENT: "silent", QUICK: "quick", SLOW: "slow"}


ONE_BY_ONE = {
    "because": "a question is sent only when another one is answered",
    "next": "make a task of each question: `gather`, or a `TaskGroup`",
}


def counting_anew() -> Services:
    services = running_services()
    services.forget()
    return services


@contextmanager
def replaced(**suppliers: str) -> Iterator[str]:
    """Replace what suppliers answer, such as `Condor="/failing"`, and say it in words."""
    services = running_services()
    with ExitStack() as stack:
        for name, by in suppliers.items():
            stack.enter_context(services.replaced(f"/quotes/{name}/", by=by))
        yield ", ".join(f"{name} is {STATES[by]}" for name, by in suppliers.items())


async def patient_get(
    trial: Trial, path: str, meanwhile: str = "", patience: float = PATIENCE, **words: str
) -> Reply:
    sent, services = f"GET {path}{meanwhile}", running_services()
    asked_before = len(services.requests)
    with blocking_calls_refused(trial.answer):
        asking = asyncio.ensure_future(trial.get(path))
        try:
            await first_moment(lambda: len(services.requests) > asked_before, asking)
            done, _ = await asyncio.wait({asking}, timeout=patience)
        finally:
            asking.cancel()
            await asyncio.wait({asking})
    if not done:
        waiting = "no answer: the view was still waiting for a supplier, and had to be stopped"
        Reply(sent).refuse(expected="an answer in time", got=waiting, **words)
    reply = asking.result()
    reply.sent = sent
    return reply


def named(task: str, *suppliers: str, city: str = "Lisbon") -> str:
    return f"/{task}/{city}/?" + "&".join(f"supplier={supplier}" for supplier in suppliers)


def quotes(*suppliers: str, city: str = "Lisbon") -> list[dict[str, object]]:
    return [quote(supplier, city) for supplier in suppliers]


# compare_prices

SEVEN = ("Albatros", "Borealis", "Condor", "Dunlin", "Eider", "Falcon", "Gannet")


def words_about_failures(reply: Reply) -> dict[str, str]:
    if "ServiceError is not JSON" in reply.got or "'ServiceError' object is not subscriptable" in reply.got:
        return {
            "because": "with `return_exceptions=True`, errors stand in the list in the place of offers",
            "next": "leave them out: `if not isinstance(offer, ServiceError)`",
        }
    if "CancelledError" in reply.got:
        return {
            "because": "the first error in a `TaskGroup` cancels all of its other tasks",
            "next": "put `try` and `except ServiceError` around each question, not around all of them",
        }
    if "ServiceError" in reply.got:
        return {
            "because": "the error of one supplier ends the whole view",
            "next": "put `try` and `except ServiceError` around each question, not around all of them",
        }
    if '{"offers": []' in reply.got:
        return {
            "because": "the offers that came are lost with the one that did not",
            "next": "put `try` and `except ServiceError` around each question, not around all of them",
        }
    return {}


async def expect_left(services: Services, number: int, sent: str, **words: str) -> None:
    with suppress(TimeoutError):
        await services.left(number, timeout=0.5)
    still = services.waiting
    found = Outcome(sent, f"{still} still being asked" if still else f"{services.clients_left} given up")
    expected = f"{number} question{'s' * (number > 1)} given up, as the suppliers see it"
    found.expect_that(services.clients_left == number, expected, **(words if still else {}))


async def offer_or_none(supplier, city):
    try:
        return await ask(f"quotes/{supplier}/{city}")
    except ServiceError:
        return None


def offer_of(supplier, city):
    try:
        return ask_blocking(f"quotes/{supplier}/{city}")
    except ServiceError:
        return None


def good(tasks):
    return {n: t.result() for n, t in tasks.items() if t.done() and not t.cancelled() and not t.exception()}
