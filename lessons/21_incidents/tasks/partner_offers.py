import random
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Any

from tutorial_project.checks import Outcome, Reply, Task, Trial
from tutorial_project.checks.kinds.made_up import made_up
from tutorial_project.checks.kinds.questions import (
    all_saying,
    held_questions,
    questions,
    words_about_memory,
)
from tutorial_project.checks.kinds.visits import visits
from tutorial_project.checks.proofs.postgresql import started
from tutorial_project.classroom import on_duty
from tutorial_project.services import ask, running_services
from tutorial_project.words import counted

from ..shared import expect_on_the_loop, nothing_left, site_of

PARTNERS = ["heron", "plover", "stork", "tern"]

partner_offers = Task(
    "partner_offers",
    routes=["offers/<str:city>/"],
    hints=(),
    praise="Right: a partner's trouble is that partner's alone, and what a visitor has opened is closed whichever way the visit ends. "
    "Of many visitors, each opens connections anew; where that costs too much, one client is kept for all, as in lesson 06.",
)

VISITORS = 5
LIMIT = 2.0
"""Seconds that a partner may take."""
ROUNDS, QUIET_ROUNDS = 60, 5
"""Questions of the check's own, before one that is missing counts as held back, and in which nothing more came."""
A_MOMENT = 0.8
"""Seconds that a connection, or a question, has to end."""

TRICKLE = "/trickle?chunks=400&wait=0.02"
TROUBLE = [
    "/failing?status=503",
    "/failing?status=404",
    "/half",
    "/broken-json",
    "/says?json=[]",
    "/says?json=null",
    '/says?json={"error": "later"}',
]


@partner_offers.seen_by_operations
async def seen(answer: Any) -> Any:
    services = running_services()
    bad = f"/quotes/{PARTNERS[1]}"
    with nothing_left():
        async with on_duty(site_of(partner_offers, answer)) as duty:
            await day(duty, "Monday", "all partners are well", "Lisbon")
            with services.replaced(bad, by="/failing?status=503"):
                await day(duty, "Tuesday", f"{PARTNERS[1]} fails", "Kyoto")
            with services.held(bad, timeout=8.0):
                await day(
                    duty, "Wednesday", f"{PARTNERS[1]} is slow, visitors leave", "Hanoi", leaves_after=1.2
                )
    return duty


async def day(duty: Any, name: str, what: str, city: str, **request: Any) -> None:
    """Ten visitors, and the connections that are left of them."""
    services = running_services()
    services.forget()
    await duty.send(f"/offers/{city}/", times=10, **request)
    left = await connections_left(services, 0, 2.0)
    duty.note(name, f"{what}; afterwards {counted(left, 'connection')} to the partners")


def prices() -> dict[str, int]:
    """What nobody could know that the partners ask."""
    return {partner: random.randrange(10, 9999) for partner in PARTNERS}


def offers(city: str, prices: dict[str, int]) -> dict[str, Any]:
    return {
        f"quotes/{partner}/{city}": {"supplier": partner, "city": city, "price": price}
        for partner, price in prices.items()
    }


def page(city: str) -> str:
    return f"/offers/{city}/"


def asked() -> list[Any]:
    return [question for question in questions() if question.path.startswith("/quotes/")]


@partner_offers.requirement(
    'answers `GET /offers/Lisbon/` with `{"city": "Lisbon", "prices": {"heron": 640, "plover": 615, "stork": 720, "tern": 98}}`: what '
    "each of the four partners asks now"
)
async def tells_the_prices(trial: Trial) -> None:
    city, earlier = made_up("city"), None
    for _ in range(2):
        said = prices()
        with all_saying(offers(city, said)):
            reply = await trial.get(page(city))
        reply.expect(200, json={"city": city, "prices": said}, **words_about_memory(reply, earlier))
        earlier = reply.json


@partner_offers.requirement("is awaited on the event loop, as before")
async def stays_on_the_loop(trial: Trial) -> None:
    await expect_on_the_loop(trial, "/offers/Lisbon/")


@partner_offers.requirement(
    "asks all four at the same moment, for each visitor: while two visitors wait, eight questions are at the partners"
)
async def asks_all_at_once(trial: Trial) -> None:
    pages = {made_up("city"): prices() for _ in range(2)}
    wanted = len(pages) * len(PARTNERS)
    said = {path: content for city, them in pages.items() for path, content in offers(city, them).items()}
    with all_saying(said):
        async with held_questions(trial, *map(page, pages), at=["/quotes/"]) as held:
            turned = await held.until_waiting(wanted)
            waiting = [question.path for question in asked() if question.status is None]
            replies = await held.replies()
    Outcome(
        "2 × GET /offers/…/ while no partner answers",
        f"{counted(max(len(waiting), 1), 'question')} at the partners at the same moment",
    ).expect_that(len(waiting) == wanted, f"{wanted} questions", **why(waiting, turned))
    for reply, (city, them) in zip(replies, pages.items(), strict=True):
        reply.expect(200, json={"city": city, "prices": them})


def why(waiting: list[str], turned: int) -> dict[str, str]:
    """What the paths of the questions that wait, and a loop that turned or did not, say for certain."""
    cities = Counter(path.rpartition("/")[2] for path in waiting)
    if not turned:
        return {"because": "the event loop itself waits for a partner, and with it everybody"}
    if list(cities.values()) == [len(PARTNERS)]:
        return {"because": "one visitor is let in at a time, and the other stands in line"}
    if set(cities.values()) == {1}:
        return {
            "because": "the partners are asked one after another: each waits for the answer of the one before"
        }
    return {}


@partner_offers.requirement(
    "goes on without a partner in trouble, whichever it is: answers 200, with `null` for this one and the prices of the others, when it "
    "answers with an error, with half an answer, or with something that holds no price"
)
async def goes_on_without_one(trial: Trial) -> None:
    kinds = [TROUBLE[0], *random.sample(TROUBLE[1:], len(TROUBLE) - 1)]
    for partner, kind in zip(random.sample(PARTNERS, len(PARTNERS)), kinds, strict=False):
        await expect_null(trial, {partner: kind})
    await expect_null(trial, dict(zip(PARTNERS, kinds[-len(PARTNERS) :], strict=True)))


async def expect_null(trial: Trial, trouble: dict[str, str]) -> None:
    """Refuse unless the partners in trouble have no price, and all others theirs."""
    city, them = made_up("city"), prices()
    services = running_services()
    with all_saying(offers(city, them)):
        (await trial.get(page(city))).expect(200, json={"city": city, "prices": them})
    them = prices()
    said = {
        path: content for path, content in offers(city, them).items() if path.split("/")[1] not in trouble
    }
    with all_saying(said), ExitStack() as stack:
        for partner, by in trouble.items():
            stack.enter_context(services.replaced(f"/quotes/{partner}/{city}", by=by))
        reply = await trial.get(page(city))
    reply.sent += f"  while {', '.join(f'{partner} is {by}' for partner, by in trouble.items())}"
    reply.expect(200, json={"city": city, "prices": them | dict.fromkeys(trouble)})


@partner_offers.requirement(
    f"gives each partner {LIMIT:g} seconds, and goes on without one that takes longer: `null` for this one, and the prices of the others"
)
async def waits_two_seconds(trial: Trial) -> None:
    slow = random.choice(PARTNERS)
    city, them = made_up("city"), prices()
    with all_saying(offers(city, them)):
        async with held_questions(trial, page(city), at=[f"/quotes/{slow}/"]) as held:
            await held.until_waiting(1)
            await held.until_quiet()
            await held.visit.clock.advance(LIMIT - 0.2)
            early = await held.visit.until(lambda: held.visit.over, 0.05)
            await held.visit.clock.advance(0.4)
            replies = await held.visit.replies() if await held.until_over() else []
    sent = f"GET {page(city)}  while {slow} does not answer"
    Outcome(sent, f"an answer before {LIMIT:g} seconds were over").expect_that(
        not early, f"an answer after {LIMIT:g} seconds"
    )
    Outcome(sent, f"no answer after {LIMIT:g} seconds").expect_that(bool(replies), "an answer")
    replies[0].sent = sent
    replies[0].expect(200, json={"city": city, "prices": them | {slow: None}})
    await expect_limit_for_the_whole(trial, slow)


async def expect_limit_for_the_whole(trial: Trial, slow: str) -> None:
    """Refuse a limit that begins anew with each piece of an answer."""
    city, them = made_up("city"), prices()
    said = offers(city, them)
    del said[f"quotes/{slow}/{city}"]
    services, late = running_services(), LIMIT - 0.2
    with all_saying(said), services.replaced(f"/quotes/{slow}/{city}", by=TRICKLE):
        async with visits(trial, page(city), may_block=True) as visit:
            await visit.until(
                lambda: sum(question.status == 200 for question in asked()) >= len(PARTNERS) - 1
            )
            for seconds in (late, 0.4):
                await visit.clock.pause(0.15)  # in which some pieces come
                await visit.clock.advance(seconds)
            replies = await visit.replies(1.0)
    sent = f"GET {page(city)}  while {slow} answers piece by piece"
    Outcome(sent, f"no answer after {LIMIT:g} seconds").expect_that(bool(replies), "an answer")
    replies[0].sent = sent
    replies[0].expect(200, json={"city": city, "prices": them | {slow: None}})


@partner_offers.requirement("ends its questions when the visitor leaves")
async def ends_its_questions(trial: Trial) -> None:
    city = made_up("city")
    with all_saying(offers(city, prices())) as services, services.held("/quotes/", timeout=4.0) as hold:
        await leaves(trial, city, lambda: hold.waiting == len(PARTNERS))
        ended = await until_left(services, len(PARTNERS))
    Outcome(
        f"GET {page(city)}  by a visitor who leaves while no partner has answered",
        f"{counted(len(PARTNERS) - ended, 'question')} still waiting at the partners",
    ).expect_that(ended == len(PARTNERS), "no question that nobody waits for any more")


async def leaves(trial: Trial, city: str, come: Callable[[], bool]) -> None:
    """A visit that ends before its answer, when things have come so far."""
    async with started(trial.get(page(city))) as [visiting]:
        await until(lambda: come() or visiting.done())
        for _ in range(QUIET_ROUNDS):  # what has been answered has arrived as well
            await ask("echo")


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(ROUNDS):
        if condition():
            return
        await ask("echo")


async def until_left(services: Any, number: int) -> int:
    """How many questions have lost their client within a moment."""
    with suppress(TimeoutError):
        await services.left(number, timeout=A_MOMENT)
    return int(services.clients_left)


@partner_offers.requirement(
    f"holds no more connections than there are partners when its visitors have gone: {VISITORS} who came while one partner failed, "
    f"and {VISITORS} who left while one was slow"
)
async def keeps_no_connections(trial: Trial) -> None:
    for slow in (False, True):
        with nothing_left(), all_saying({}) as services:
            for partner in random.choices(PARTNERS, k=VISITORS):
                await (one_leaves if slow else one_is_answered)(trial, partner)
            left = await connections_left(services, len(PARTNERS))
        who = "who left while a partner was slow" if slow else "who came while a partner failed"
        Outcome(
            f"{VISITORS} × GET /offers/…/ by visitors {who}", f"{counted(left, 'connection')} still open"
        ).expect_that(left <= len(PARTNERS), f"{len(PARTNERS)} at most, one for each partner")


async def one_is_answered(trial: Trial, failing: str) -> None:
    with running_services().replaced(f"/quotes/{failing}", by="/failing"):
        reply: Reply = await trial.get(page(made_up("city")))
    reply.expect_that(True, "an answer")


async def one_leaves(trial: Trial, slow: str) -> None:
    city = made_up("city")

    def others_answered() -> bool:
        mine = [question for question in asked() if question.path.endswith(city)]
        return hold.waiting == 1 and sum(question.status == 200 for question in mine) == len(PARTNERS) - 1

    with running_services().held(f"/quotes/{slow}/{city}", timeout=4.0) as hold:
        await leaves(trial, city, others_answered)


async def connections_left(services: Any, allowed: int, a_moment: float = A_MOMENT) -> int:
    """How many connections stay open, if more than so many do not close within a moment."""
    with suppress(TimeoutError):
        await services.closed(services.connections_opened - allowed, timeout=a_moment)
    return int(services.connections_open)
