import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from django.core.cache import cache

from tutorial_project.checks import Outcome, Reply, Task, Trial
from tutorial_project.checks.kinds.made_up import made_up, made_up_rate
from tutorial_project.checks.kinds.questions import all_saying, questions
from tutorial_project.checks.proofs.postgresql import started
from tutorial_project.classroom import on_duty
from tutorial_project.services import ask, running_services
from tutorial_project.services.barrier import Hold
from tutorial_project.words import counted

from ..shared import QUIET_ROUNDS, ROUNDS, TROUBLE, expect_on_the_loop, site_of

rate_of_the_day = Task(
    "rate_of_the_day",
    routes=["rates/<str:currency>/"],
    hints=(
        "How many questions does one visitor cost, and how many do fifty? What has the first one not done yet when the second looks "
        "into the cache?",
        "Between the look and `aset` lies an `await`, and everybody who comes meanwhile finds nothing. The second one shall wait for "
        "the answer that is under way: one lock for each currency, and a second look into the cache behind it.",
        "`async with locks.setdefault(currency, asyncio.Lock()):` around the question, and in it first once more "
        "`rate = await cache.aget(key)`. An error leaves the lock by itself, and so does a visitor who goes.",
    ),
    praise="Right: one asks, and whoever comes meanwhile waits for that answer. Several processes ask once each; where that is too "
    "often as well, the lock belongs into the cache: `await cache.aadd(…)`.",
)

VISITORS = 8
PATIENT_ROUNDS = 150
"""Questions of the check's own, before an answer that has not come counts as held up: threads can be late."""


@rate_of_the_day.seen_by_operations
async def seen(answer: Any) -> Any:
    services = running_services()
    await cache.aclear()
    with services.slowed("/rates", by=0.2):
        async with on_duty(site_of(rate_of_the_day, answer)) as duty:
            for visitors in (1, 50):
                services.forget()
                await duty.send("/rates/CHF/", times=visitors)
                duty.note(
                    f"09:0{visitors // 50}",
                    f"{counted(visitors, 'visitor')}, {counted(len(questions()), 'question')} at the exchange",
                )
                await cache.aclear()  # a minute is over
    return duty


def address(rate: dict[str, Any]) -> str:
    return f"/rates/{rate['currency']}/"


def a_rate() -> dict[str, Any]:
    """The rate of a currency of which nobody has heard."""
    return made_up_rate(made_up("currency"))


@contextmanager
def saying(rate: dict[str, Any]) -> Iterator[Any]:
    with all_saying({f"rates/{rate['currency']}": rate}) as services:
        yield services


@contextmanager
def later(seconds: float) -> Iterator[None]:
    """The clock by which a cache forgets, put forward."""
    real = time.time
    with mock.patch("time.time", side_effect=lambda: real() + seconds):
        yield


async def until_quiet(asking: list[asyncio.Future[Reply]]) -> None:
    """Wait until nothing more is asked, or all are answered."""
    asked, quiet = -1, 0
    for _ in range(ROUNDS):
        if quiet == QUIET_ROUNDS or all(one.done() for one in asking):
            return
        await ask("echo")
        quiet = quiet + 1 if asked == len(questions()) and asked else 0
        asked = len(questions())


@rate_of_the_day.requirement(
    'answers `GET /rates/CHF/` with `{"currency": "CHF", "rate": 0.94}`: the rate that the exchange names'
)
async def tells_the_rate(trial: Trial) -> None:
    for rate in (a_rate(), a_rate()):
        with saying(rate):
            (await trial.get(address(rate))).expect(200, json=rate)
    rates = [a_rate() for _ in range(4)]
    with all_saying({f"rates/{rate['currency']}": rate for rate in rates}):
        for _ in range(2):
            replies = await asyncio.gather(*(trial.get(address(rate)) for rate in rates))
            for reply, rate in zip(replies, rates, strict=True):
                reply.expect(200, json=rate)


@rate_of_the_day.requirement("is awaited on the event loop, as before")
async def stays_on_the_loop(trial: Trial) -> None:
    await expect_on_the_loop(trial, "/rates/CHF/")


@rate_of_the_day.requirement(
    "keeps each rate in Django's cache for one minute, and asks nobody meanwhile; then, or when the cache was cleared, it asks anew"
)
async def keeps_it_for_a_minute(trial: Trial) -> None:
    rate = a_rate()
    with saying(rate):
        (await trial.get(address(rate))).expect(200, json=rate)
    old, rate = rate, made_up_rate(rate["currency"])
    with saying(rate):
        with later(50):
            reply = await trial.get(address(rate))
        reply.sent += "  for the second time, 50 seconds later"
        reply.expect(200, json=old, because="a rate that is not a minute old was asked for again")
        with later(70):
            reply = await trial.get(address(rate))
        reply.sent += "  for the third time, 70 seconds after the first"
        reply.expect(200, json=rate, **kept(reply, old))
    old, rate = rate, made_up_rate(rate["currency"])
    await cache.aclear()
    with saying(rate):
        reply = await trial.get(address(rate))
    reply.sent += "  after `cache.clear()`"
    reply.expect(200, json=rate, **kept(reply, old))


def kept(reply: Reply, old: dict[str, Any]) -> dict[str, str]:
    if reply.value is not None and reply.status == 200 and reply.json == old:
        return {"because": "that rate is over: something keeps it beside the cache, or in it for too long"}
    return {}


@rate_of_the_day.requirement(
    'answers 502 and `{"currency": "CHF", "rate": null}` when the exchange fails, to each visitor who waits, whether they share a '
    "question or ask one after another; it does not keep that: the next visitor gets the rate"
)
async def keeps_no_error(trial: Trial) -> None:
    rate = a_rate()
    with saying(rate):
        (await trial.get(address(rate))).expect(200, json=rate)
    with later(70):
        await expect_error_that_is_not_kept(trial, made_up_rate(rate["currency"]))


async def expect_error_that_is_not_kept(trial: Trial, rate: dict[str, Any]) -> None:
    for trouble, remark in TROUBLE.items():
        with running_services().replaced(f"/rates/{rate['currency']}", by=trouble):
            replies = await asyncio.gather(*(trial.get(address(rate)) for _ in range(3)))
        for reply in replies:
            reply.sent += f"  three times at once, while the exchange {remark}"
            reply.expect(502, json=rate | {"rate": None})
    with all_saying({f"rates/{rate['currency']}": {"currency": rate["currency"]}}):
        reply = await trial.get(address(rate))
    reply.sent += "  while the exchange names no rate"
    reply.expect(502, json=rate | {"rate": None})
    with saying(rate):
        reply = await trial.get(address(rate))
    reply.sent += "  when the exchange is well again"
    reply.expect(200, json=rate)


@rate_of_the_day.requirement(
    f"costs one question at the exchange when {VISITORS} visitors find the rate gone at the same moment, and answers all of them"
)
async def asks_once(trial: Trial) -> None:
    rate = a_rate()
    with saying(rate), running_services().held(f"/rates/{rate['currency']}", timeout=4.0) as hold:
        async with started(*(trial.get(address(rate)) for _ in range(VISITORS))) as asking:
            await until_quiet(asking)
            at_once = hold.waiting
            hold.release()
            replies = await asyncio.gather(*asking)
        asked = len(questions())
    for reply in replies:
        reply.sent += f"  by {VISITORS} visitors at once"
        reply.expect(200, json=rate)
    Outcome(f"{VISITORS} × GET {address(rate)} at once", f"{asked} questions").expect_that(
        asked == 1, "1 question at the exchange", **why(at_once)
    )


def why(at_once: int) -> dict[str, str]:
    if at_once > 1:
        because = "all of them looked into the cache before the first one had written to it, and each asked"
        return {
            "because": because,
            "next": "let whoever comes second wait for the question that is under way",
        }
    return {
        "because": "they wait for each other, and then each asks nevertheless: nobody looks into the cache again when it is their turn",
        "next": "look once more, behind the lock",
    }


@rate_of_the_day.requirement(
    "lets no currency wait for another: while the exchange thinks about francs, crowns are answered"
)
async def waits_for_its_own_alone(trial: Trial) -> None:
    slow, other = a_rate(), a_rate()
    said = {f"rates/{rate['currency']}": rate for rate in (slow, other)}
    with all_saying(said), running_services().held(f"/rates/{slow['currency']}", timeout=4.0) as hold:
        async with started(trial.get(address(slow))) as [waiting]:
            await until_quiet([waiting])
            async with started(trial.get(address(other))) as [asking]:
                answered = await answered_soon(hold, asking)
                hold.release()
                replies = await asyncio.gather(waiting, asking)
    replies[1].sent += f"  while the exchange thinks about {slow['currency']}"
    replies[1].expect_that(
        answered,
        "the rate at once",
        got="no answer until the other currency had its rate",
        because="something that all currencies share lets in one of them at a time",
        next="a lock for each currency",
    )
    for reply, rate in zip(replies, (slow, other), strict=True):
        reply.expect(200, json=rate)


async def answered_soon(hold: Hold, *asking: asyncio.Future[Reply]) -> bool:
    for _ in range(PATIENT_ROUNDS):
        if all(one.done() for one in asking):
            return True
        hold.renew()
        await ask("echo")
    return False


@rate_of_the_day.requirement(
    "bears a visitor who leaves: the others who wait for the same rate get it, even if it was the first who left"
)
async def bears_one_who_leaves(trial: Trial) -> None:
    for who in ("first", "second"):
        await expect_rate_for_the_others(trial, who)


async def expect_rate_for_the_others(trial: Trial, who: str) -> None:
    rate = a_rate()
    first, second, *others = (Trial(trial.answer, trial.task) for _ in range(5))
    with saying(rate), running_services().held(f"/rates/{rate['currency']}", timeout=4.0) as hold:
        async with started(first.get(address(rate))) as asking_first:
            await until_quiet(asking_first)
            async with started(*(visitor.get(address(rate)) for visitor in (second, *others))) as asking:
                await until_quiet(asking)
                stay = [*asking_first, *asking]
                leaving = stay.pop(0 if who == "first" else 1)
                leaving.cancel()
                await asyncio.wait([leaving], timeout=1)
                hold.release()
                answered = await answered_soon(hold, *stay)
                replies = await asyncio.gather(*stay) if answered else []
    sent = f"5 × GET {address(rate)} at once, and the {who} visitor leaves"
    Outcome(sent, "the others wait for ever").expect_that(
        answered, "the rate, for the others", because="what they wait for went with the visitor who left"
    )
    for reply in replies:
        reply.sent = sent
        reply.expect(200, json=rate)
