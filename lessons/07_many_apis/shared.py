from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock
from urllib.parse import quote

import httpx

from tutorial_project.checks import Outcome, Reply, Trial
from tutorial_project.checks.kinds.made_up import mixed
from tutorial_project.checks.kinds.visits import Visits, visits
from tutorial_project.checks.proofs.clock import PATIENCE as VISIT_PATIENCE
from tutorial_project.services import Services, running_services
from tutorial_project.services.client import ServiceError, ask, ask_blocking
from tutorial_project.services.statistics import Request

PATIENCE = 1.0
"""Real seconds after which a view is given up that should have answered."""


FAILING = ("/failing?status=404", "/failing?status=500", "/failing?status=503", "/broken-json", "/half")
"""Ways to fail with a `ServiceError`."""


ONE_BY_ONE = {
    "because": "a question is sent only when another one is answered",
    "next": "make a task of each question: `gather`, or a `TaskGroup`",
}


SEVEN = ("Albatros", "Borealis", "Condor", "Dunlin", "Eider", "Falcon", "Gannet")


NINE = (*SEVEN, "Heron", "Ibis")


CROWD = (*NINE, *(f"Wren{number}" for number in range(1, 16)))


def counting_anew() -> Services:
    services = running_services()
    services.forget()
    return services


# What suppliers say


@contextmanager
def made_up_offers(
    *suppliers: str, city: str = "Lisbon", prices: Iterable[float] = ()
) -> Iterator[list[dict[str, Any]]]:
    """Let suppliers say these prices, or some that nobody can know; those differ, and as texts have another order.

    An offer says something more than its price, which belongs to "the offer" as well.
    """
    with ExitStack() as stack:
        offers = [
            {"supplier": supplier, "city": city, "price": price, "seats": random.randint(1, 99)}
            for supplier, price in zip(suppliers, prices or _made_up_prices(suppliers), strict=True)
        ]
        for offer in offers:
            stack.enter_context(running_services().saying(f"/quotes/{offer['supplier']}/{city}", offer))
        yield offers


def _made_up_prices(suppliers: tuple[str, ...]) -> list[int]:
    digits = mixed([(20, 99), (100, 999), (1000, 4999), (5000, 9999)]) * 3
    prices = [random.randint(*digits[place]) for place in range(len(suppliers))]
    if len(set(prices)) < len(prices):
        prices = [price * 100 + place for place, price in enumerate(prices)]
    return prices


@contextmanager
def failing(*suppliers: str) -> Iterator[str]:
    """Let suppliers fail, each in a way of its own, and say it in words."""
    with ExitStack() as stack:
        for supplier in suppliers:
            stack.enter_context(
                running_services().replaced(f"/quotes/{supplier}/", by=random.choice(FAILING))
            )
        yield f"while {' and '.join(suppliers)} {'is' if len(suppliers) == 1 else 'are'} down"


@contextmanager
def slower_than(first: str, suppliers: Iterable[str]) -> Iterator[None]:
    """Let all others answer after the first, so that its answer finds their questions under way."""
    with ExitStack() as stack:
        for supplier in set(suppliers) - {first}:
            stack.enter_context(running_services().slowed(f"/quotes/{supplier}/", by=0.1))
        yield


def cheapest_first(offers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(offers, key=lambda offer: offer["price"])


def named(task: str, *suppliers: str, city: str = "Lisbon") -> str:
    return f"/{task}/{city}/?" + "&".join(f"supplier={supplier}" for supplier in suppliers)


# What they have seen


def questions() -> list[Request]:
    """The questions to suppliers, in the order in which they came."""
    return [request for request in running_services().requests if request.path.startswith("/quotes/")]


def asked(city: str = "") -> list[str]:
    """The suppliers that were asked, in this order, about one city or any."""
    paths = [question.path.split("/") for question in questions()]
    return [path[2] for path in paths if city in ("", path[3])]


@contextmanager
def begun() -> Iterator[list[str]]:
    """The suppliers that an async client begins to ask, also those whose question is taken back before it is sent."""
    suppliers, send = [], httpx.AsyncClient.send

    async def noted(client: Any, request: httpx.Request, **options: Any) -> httpx.Response:
        suppliers.extend(request.url.path.split("/quotes/")[1:])
        return await send(client, request, **options)

    with mock.patch.object(httpx.AsyncClient, "send", noted):
        yield suppliers


@contextmanager
def answered_in_one_turn(
    offers: dict[str, dict[str, Any] | None],
) -> Iterator[tuple[list[str], asyncio.Event]]:
    """Answer the questions of an async client in one turn of the event loop: who was asked, and what lets them go.

    Args:
        offers: what each supplier says; None for one that is down.
    """
    suppliers, goes_on, real = list[str](), asyncio.Event(), httpx.AsyncClient.send

    async def send(client: Any, request: httpx.Request, **options: Any) -> httpx.Response:
        if not request.url.path.startswith("/quotes/"):  # the request to the view itself
            return await real(client, request, **options)
        suppliers.append(supplier := request.url.path.split("/")[2])
        await goes_on.wait()
        offer = offers[supplier]
        return httpx.Response(200 if offer else 503, json=offer or {}, request=request)

    with mock.patch.object(httpx.AsyncClient, "send", send):
        yield suppliers, goes_on


def answered() -> int:
    """How many questions have an answer."""
    return sum(question.status is not None for question in questions())


def given_up() -> list[str]:
    """The suppliers whose client left before their answer."""
    return [question.path.split("/")[2] for question in questions() if question.client_left]


async def settled(visit: Visits) -> None:
    """Wait until what the suppliers have said has reached whoever asked them."""
    # The services answer in turn: what they said before they answered these questions is under way before.
    for _ in range(3):
        await ask("echo")
    await visit.clock.pause(0.01)  # for an answer that waits in a thread


# Requests for which no time passes


async def get(trial: Trial, path: str, meanwhile: str = "") -> Reply:
    """Send a request for which no time passes: a limit cannot end it, however busy the machine is."""
    async with visits(trial, path, may_block=True) as visit:
        return await reply_of(visit, path, meanwhile, patience=2.5 * PATIENCE)


async def reply_of(
    visit: Visits, path: str, meanwhile: str = "", patience: float = PATIENCE, **too_long: str
) -> Reply:
    """The reply to the last request; refuse a view that still waits, with the words `too_long`."""
    sent = f"GET {path}" + f"  {meanwhile}" * bool(meanwhile)
    for reply in reversed(await visit.replies(patience)):
        reply.sent = sent
        return reply
    waiting = "no answer: the view was still waiting, and had to be stopped"
    Reply(sent).refuse(expected="an answer in time", got=waiting, **too_long)


async def waiting_together(
    trial: Trial, number: int, *paths: str, patience: float = VISIT_PATIENCE
) -> tuple[list[Request], list[Reply]]:
    """The questions that wait at the suppliers when nobody is answered, and the replies once they are.

    Args:
        trial: the answer.
        number: how many are expected; it is looked whether more come.
        paths: the requests, which are sent together.
        patience: real seconds that the questions, and then the replies, may take.
    """
    services = counting_anew()
    with services.held("/quotes/") as hold:
        async with visits(trial, *paths) as together:
            await together.until(lambda: hold.waiting >= number, patience)
            await settled(together)  # in which one more would come, if nothing held it back
            waiting = [question for question in questions() if question.status is None]
            hold.release()
            replies = await together.replies(patience)
    return waiting, replies


async def expect_two_travellers_together(
    trial: Trial, path: str, answer: Callable[[list[dict[str, Any]]], Any]
) -> None:
    """Refuse unless the questions of two requests wait at the suppliers together, and each gets its own answer.

    Args:
        trial: the answer.
        path: of the request for Lisbon; the other one is for Kyoto.
        answer: what is to be answered when the suppliers make these offers, in the order of the URL.
    """
    suppliers, paths = _suppliers_in(path), [path, path.replace("Lisbon", "Kyoto")]
    with (
        made_up_offers(*suppliers) as in_lisbon,
        made_up_offers(*suppliers, city="Kyoto") as in_kyoto,
    ):
        waiting, replies = await waiting_together(trial, 2 * len(suppliers), *paths)
    cities = sorted({question.path.split("/")[3] for question in waiting})
    words = {"because": "the second traveller waits for the first one's answer"} if len(cities) == 1 else {}
    sent = f"GET {paths[0]}  and one for Kyoto at the same moment"
    found = Outcome(sent, f"questions about {' and '.join(cities) or 'nothing'}")
    found.expect_that(cities == ["Kyoto", "Lisbon"], "questions about both at the suppliers", **words)
    for reply, mine, others in ((replies[0], in_lisbon, "Kyoto"), (replies[1], in_kyoto, "Lisbon")):
        reply.sent += "  while another traveller asks"
        reply.expect(200, json=answer(mine), **_words_about_another(reply, others))
    await _expect_to_outlive_another(trial, paths, answer)


async def _expect_to_outlive_another(
    trial: Trial, paths: list[str], answer: Callable[[list[dict[str, Any]]], Any]
) -> None:
    """Refuse unless the second of two requests gets its answer although the first one ends before."""
    services, suppliers = counting_anew(), _suppliers_in(paths[1])
    with made_up_offers(*suppliers, city="Kyoto") as offers, ExitStack() as stack:
        in_kyoto = [stack.enter_context(services.held(f"/quotes/{name}/Kyoto")) for name in suppliers]
        in_lisbon = stack.enter_context(services.held("/quotes/"))
        async with visits(trial, paths[0]) as visit:
            await visit.until(lambda: in_lisbon.waiting == len(suppliers))
            visit.send(paths[1])
            await visit.until(lambda: all(hold.waiting for hold in in_kyoto))
            in_lisbon.release()
            await visit.until(lambda: visit.answered)
            for hold in in_kyoto:
                hold.release()
            reply = await reply_of(visit, paths[1], "while another traveller gets an answer")
    reply.expect(200, json=answer(offers), **_words_about_another(reply, "Lisbon"))


def _suppliers_in(path: str) -> list[str]:
    return [part.partition("&")[0] for part in path.split("supplier=")[1:]] or ["Albatros"]


def _words_about_another(reply: Reply, city: str) -> dict[str, str]:
    if f'"{city}"' in reply.got:
        because = f"offers for {city} are in it, which another traveller has asked for at the same moment"
    elif isinstance(reply.error, asyncio.CancelledError):
        because = "the other traveller's request has ended, and cancelled the questions of this one"
    else:
        return {}
    return {
        "because": because,
        "next": "keep what belongs to one request inside of the view, and nothing of it in the module",
    }


def words_about_failures(reply: Reply) -> dict[str, str]:
    each = {"next": "put `try` and `except ServiceError` around each question, not around all of them"}
    if "ServiceError is not JSON" in reply.got or "'ServiceError' object is not subscriptable" in reply.got:
        return {
            "because": "with `return_exceptions=True`, errors stand in the list in the place of offers",
            "next": "leave them out: `if not isinstance(offer, ServiceError)`",
        }
    if "CancelledError" in reply.got:
        return {"because": "the first error in a `TaskGroup` cancels all of its other tasks"} | each
    if "ServiceError" in reply.got:
        return {"because": "the error of one supplier ends the whole view"} | each
    if '{"offers": []' in reply.got:
        return {"because": "one supplier has failed, and the offers of the others are missing with it"} | each
    return {}


def words_about_memory(reply: Reply, earlier: Any) -> dict[str, str]:
    """Words for an answer that is that of an earlier request."""
    if reply.status == 200 and earlier is not None and reply.value.text == earlier.value.text:
        return {"because": "that is what the suppliers said before; now they say something else"}
    return {}


async def expect_given_up(suppliers: list[str], sent: str, before: set[asyncio.Task[Any]]) -> None:
    """Refuse unless these suppliers see their clients leave.

    Args:
        suppliers: who is still being asked.
        sent: what happened before.
        before: the tasks there were before the request.
    """
    services = running_services()
    try:
        await services.left(len(suppliers), timeout=0.5)
    except TimeoutError:
        words = _words_about_what_goes_on(before)
    else:
        words = {}
    found = Outcome(sent, f"{services.waiting} still being asked" if words else f"{len(given_up())} given up")
    number = f"{len(suppliers)} question{'s' * (len(suppliers) > 1)}"
    expected = f"{number} given up, as the suppliers see it"
    found.expect_that(set(suppliers) <= set(given_up()), expected, **words)


def _words_about_what_goes_on(before: set[asyncio.Task[Any]]) -> dict[str, str]:
    if any(_asks(task) for task in asyncio.all_tasks() - before):
        return {
            "because": "tasks of the view go on: `asyncio.wait` and `asyncio.as_completed` cancel nothing, and nothing "
            "cancels a task when the view ends",
            "next": "`task.cancel()` for each of them in a `finally`, or a `TaskGroup` inside of the timeout",
        }
    return {
        "because": "what still asks is no task on the event loop: it is a thread, and nobody can cancel a thread",
        "next": "ask with an async client: `await offer_from(…)`",
    }


def _asks(task: asyncio.Task[Any]) -> bool:
    """Whether a task waits inside of an HTTP client."""
    waits, files = task.get_coro(), []
    while waits is not None:
        files.append(getattr(getattr(waits, "cr_code", None), "co_filename", ""))
        waits = getattr(waits, "cr_await", None)
    return any(client in file for file in files for client in ("httpx", "aiohttp", "services/client"))


# What the known answers share


def path_of(supplier, city):
    return f"quotes/{quote(supplier, safe='')}/{quote(city, safe='')}"


async def offer_from(supplier, city):
    return await ask(path_of(supplier, city))


async def offer_or_none(supplier, city):
    try:
        return await offer_from(supplier, city)
    except ServiceError:
        return None


def offer_of(supplier, city):
    try:
        return ask_blocking(path_of(supplier, city))
    except ServiceError:
        return None


def good(tasks):
    return {n: t.result() for n, t in tasks.items() if t.done() and not t.cancelled() and not t.exception()}
