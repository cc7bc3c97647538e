from __future__ import annotations

import asyncio
import random
from typing import Any

from tutorial_project.checks import Outcome, Reply, Task, Trial
from tutorial_project.checks.kinds.made_up import made_up
from tutorial_project.checks.kinds.streams import OpenStream
from tutorial_project.checks.kinds.visits import visits
from tutorial_project.services import running_services
from tutorial_project.words import counted

from ..shared import (
    answered,
    answered_in_one_turn,
    asked,
    begun,
    counting_anew,
    expect_given_up,
    expect_two_travellers_together,
    failing,
    get,
    given_up,
    made_up_offers,
    reply_of,
    settled,
    words_about_memory,
)

QUICK_QUOTE = "/quick-quote/Lisbon/"


SHORTLY_BEFORE, SHORTLY_AFTER = 0.27, 0.33
"""Seconds, with a HEDGE_AFTER of 0.3."""
LONG_AFTER = 3.0
"""Seconds: longer than a view would wait that gives up, and shorter than `ask` waits."""


ALBATROS, BOREALIS = "/quotes/Albatros/", "/quotes/Borealis/"


SILENT = "while Albatros is silent"


quick_quote = Task(
    "quick_quote",
    beside="leaves_others_free",
    routes=["quick-quote/<str:city>/"],
    hints=(
        "After `HEDGE_AFTER` seconds, must the first question be given up, or can it go on beside the second?",
        "`asyncio.wait({albatros}, timeout=HEDGE_AFTER)` waits for a task and does not cancel it. Then wait for both with "
        "`FIRST_COMPLETED`, and go on waiting while what is done has failed.",
        "`while waiting:` `done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)`, return the "
        "result of a task in `done` whose `exception()` is no `ServiceError`; after the loop the 502; all in `try`, and "
        "in `finally` `task.cancel()` for each task",
    ),
    praise="Right: the second question is sent only when it may help, and the loser is given up on every way out. "
    "`asyncio.shield` in a `wait_for` would keep the first question alive as well.",
)


@quick_quote.requirement(
    "answers `GET /quick-quote/Lisbon/` with the offer of Albatros at that moment, such as "
    '`{"supplier": "Albatros", "city": "Lisbon", "price": 290}`, when Albatros is quick'
)
async def answers_with_albatros(trial: Trial) -> None:
    earlier = None
    for city in ("Lisbon", "Kyoto", "Lisbon"):
        with made_up_offers("Albatros", city=city) as offers:
            reply = await get(trial, f"/quick-quote/{city}/")
        reply.expect(200, json=offers[0], **words_about_memory(reply, earlier))
        earlier = earlier or reply
    with made_up_offers("Albatros", prices=[0]) as offers:
        (await get(trial, QUICK_QUOTE, "while it asks nothing for a trip")).expect(200, json=offers[0])


@quick_quote.requirement(
    "leaves the event loop free, and nobody waits for another visitor: the questions of two travellers are at the "
    "suppliers together"
)
async def leaves_others_free(trial: Trial) -> None:
    (await trial.never_holds_the_loop(QUICK_QUOTE)).expect(200)
    await expect_two_travellers_together(trial, QUICK_QUOTE, lambda offers: offers[0])


@quick_quote.requirement("does not ask Borealis when Albatros answers within `HEDGE_AFTER` seconds")
async def asks_only_one(trial: Trial) -> None:
    counting_anew()
    city = made_up("isle")  # Trap: what an answer has left running before asks about other cities
    path = f"/quick-quote/{city}/"
    with (
        begun() as started,
        made_up_offers("Albatros", city=city) as offers,
        running_services().held(ALBATROS) as hold,
    ):
        async with visits(trial, path) as visit:
            await visit.until(lambda: asked(city))
            await settled(visit)
            at_once = "Borealis" in asked(city)
            await visit.clock.advance(SHORTLY_BEFORE)
            await settled(visit)
            too_early = "Borealis" in asked(city)
            hold.release()
            reply = await reply_of(visit, path, f"while Albatros answers after {SHORTLY_BEFORE} seconds")
            await visit.clock.advance(1)  # for a task that goes on, and is about to ask Borealis
            await settled(visit)
    Outcome(reply.sent, f"asked: {', '.join(asked(city))}").expect_that(
        asked(city) == ["Albatros"],
        "one question, to Albatros",
        because="Borealis was asked at once, before any time had passed"
        if at_once
        else f"Borealis was asked within {SHORTLY_BEFORE} seconds"
        if too_early
        else "Borealis was asked although Albatros had answered",
        next="wait for the first task alone, and start no other before: "
        "`await asyncio.wait({albatros}, timeout=HEDGE_AFTER)`",
    )
    Outcome(reply.sent, f"a client that begins to ask {', '.join(started)}").expect_that(
        f"Borealis/{city}" not in started,
        "one question, to Albatros",
        because="Albatros had answered, and the question to Borealis was begun and taken back: on another day it is sent",
        next="look whether the first task is done before you start the second",
    )
    reply.expect(200, json=offers[0])


@quick_quote.requirement(
    "answers with the offer of Borealis when Albatros is down, or silent for `HEDGE_AFTER` seconds"
)
async def falls_back(trial: Trial) -> None:
    counting_anew()
    with made_up_offers("Borealis") as offers, failing("Albatros") as state:
        async with visits(trial, QUICK_QUOTE) as visit:
            await visit.until(answered)
            await settled(visit)
            await visit.clock.advance(SHORTLY_AFTER)
            reply = await reply_of(visit, QUICK_QUOTE, state)
    words = _words_about_errors(reply)
    if reply.status == 502:
        words = {
            "because": "a task that failed is done, too, and nobody waited for the offer of Borealis",
            "next": "ask Borealis also when the first task has an `exception()`, and wait again while a task is left",
        }
    reply.expect(200, json=offers[0], **words)
    reply, offer = await _reply_to_silence(trial)
    reply.expect(200, json=offer, **_words_about_errors(reply))


async def _reply_to_silence(trial: Trial) -> tuple[Reply, dict[str, Any]]:
    counting_anew()
    with made_up_offers("Borealis") as offers, running_services().held(ALBATROS) as hold:
        async with visits(trial, QUICK_QUOTE) as visit:
            await visit.until(lambda: hold.waiting)
            await visit.clock.advance(SHORTLY_AFTER)
            await settled(visit)
            words = {}
            if "Borealis" not in asked():
                words = {
                    "because": f"{SHORTLY_AFTER} seconds after Albatros, Borealis had not been asked",
                    "next": "`await asyncio.wait({albatros}, timeout=HEDGE_AFTER)`, then ask Borealis",
                }
            elif answered():
                words = {
                    "because": "Borealis has answered, and the view still waits for Albatros",
                    "next": "`asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)`",
                }
            return await reply_of(visit, QUICK_QUOTE, SILENT, **words), offers[0]


@quick_quote.requirement(
    "goes on waiting for Albatros while it asks Borealis, each of them once, and answers with the offer that comes first"
)
async def keeps_the_first_question(trial: Trial) -> None:
    counting_anew()
    services = running_services()
    with made_up_offers("Albatros") as offers, services.held(ALBATROS) as first, services.held(BOREALIS):
        async with visits(trial, QUICK_QUOTE) as visit:
            await visit.until(lambda: first.waiting)
            await visit.clock.advance(SHORTLY_AFTER)
            await visit.until(lambda: "Borealis" in asked(), 0.5)
            await settled(visit)
            await visit.clock.advance(LONG_AFTER)
            await settled(visit)
            _expect_each_asked_once()
            first.release()
            reply = await reply_of(
                visit,
                QUICK_QUOTE,
                "while Borealis is silent, and Albatros answers late",
                because="Albatros has answered, and the view waits for Borealis",
                next="`asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)`",
            )
    reply.expect(200, json=offers[0])
    await _expect_no_question_anew(trial, "Albatros", "Borealis")
    await _expect_no_question_anew(trial, "Borealis", "Albatros")


async def _expect_no_question_anew(trial: Trial, down: str, silent: str) -> None:
    """Refuse when the supplier that is down is asked again, while the other one is still silent."""
    services, city = counting_anew(), made_up("isle")
    path = f"/quick-quote/{city}/"
    with failing(down) as state, services.held(f"/quotes/{silent}/") as hold, begun() as started:
        async with visits(trial, path) as visit:
            await visit.until(lambda: asked(city))
            await settled(visit)
            await visit.clock.advance(SHORTLY_AFTER)
            await visit.until(lambda: hold.waiting and answered(), 0.5)
            await settled(visit)
            await visit.clock.advance(LONG_AFTER)
            await settled(visit)
            hold.release()
            await reply_of(visit, path, f"{state}, and {silent} answers late")
    often = started.count(f"{down}/{city}")
    sent = f"GET {path}  {state}, and {silent} answers late"
    Outcome(sent, f"{down} asked {counted(often, 'time')}").expect_that(
        often <= 1,
        f"one question to {down}",
        because=f"{down} was asked anew after its error, and each question costs",
        next="no second attempt: wait for the other supplier",
    )


def _expect_each_asked_once() -> None:
    words = {}
    if "Albatros" in given_up():
        words = {
            "because": "the first question to Albatros was given up",
            "next": "`asyncio.wait` with a `timeout` leaves the task alone; `wait_for` and `asyncio.timeout` cancel it",
        }
    elif asked().count("Albatros") > 1:
        words = {
            "because": "Albatros was asked anew, and each question costs",
            "next": "keep the task of the first question, and wait for that one again",
        }
    got = f"asked: {', '.join(asked())}" + "; the question to Albatros given up" * ("Albatros" in given_up())
    Outcome(f"GET {QUICK_QUOTE}  {SILENT}", got).expect_that(
        asked() == ["Albatros", "Borealis"] and not given_up(),
        "one question to each of them waiting",
        **words,
    )


@quick_quote.requirement("does not take an error for the answer: it waits for the other supplier")
async def waits_for_a_good_answer(trial: Trial) -> None:
    for down, good in (("Borealis", "Albatros"), ("Albatros", "Borealis")):
        services = counting_anew()
        with (
            made_up_offers(good) as offers,
            failing(down) as state,
            services.held(f"/quotes/{down}/") as first,
            services.held(f"/quotes/{good}/") as second,
        ):
            async with visits(trial, QUICK_QUOTE) as visit:
                await visit.until(asked)
                await visit.clock.advance(SHORTLY_AFTER)
                await visit.until(lambda: len(asked()) == 2, 0.5)
                first.release()
                await visit.until(answered)
                await settled(visit)
                second.release()
                reply = await reply_of(visit, QUICK_QUOTE, f"{state}, and {good} answers after that")
        reply.expect(200, json=offers[0], **_words_about_errors(reply))
    for _ in range(3):
        await _expect_the_good_one_of_two(trial, "Albatros", "Borealis")
        await _expect_the_good_one_of_two(trial, "Borealis", "Albatros")


async def _expect_the_good_one_of_two(trial: Trial, down: str, good: str) -> None:
    """Let an error and an offer come in the same turn of the event loop."""
    counting_anew()
    offer = {"supplier": good, "city": "Lisbon", "price": random.randint(100, 900)}
    with answered_in_one_turn({down: None, good: offer}) as (suppliers, go_on):
        async with visits(trial, QUICK_QUOTE) as visit:
            await visit.until(lambda: suppliers)
            await visit.clock.advance(SHORTLY_AFTER)
            await visit.until(lambda: len(suppliers) == 2, 0.5)
            go_on.set()
            reply = await reply_of(
                visit, QUICK_QUOTE, f"while {down} is down, and {good} answers at the same moment"
            )
    reply.expect(200, json=offer, **_words_about_errors(reply))


@quick_quote.requirement("answers 502 when both suppliers are down")
async def says_when_nobody_answers(trial: Trial) -> None:
    counting_anew()
    with failing("Albatros", "Borealis") as state:
        async with visits(trial, QUICK_QUOTE) as visit:
            await visit.until(answered)
            await settled(visit)
            await visit.clock.advance(SHORTLY_AFTER)
            reply = await reply_of(visit, QUICK_QUOTE, state)
    words = {}
    if "ServiceError" in reply.got:
        words = {
            "because": "the error of the last supplier left the view, which is a 500 for the visitor",
            "next": "`return JsonResponse({…}, status=502)`",
        }
    reply.expect(502, **words)


@quick_quote.requirement("gives up the question to the loser, whoever it is")
async def gives_up_the_loser(trial: Trial) -> None:
    for loser, winner in (("Albatros", "Borealis"), ("Borealis", "Albatros")):
        services, before = counting_anew(), asyncio.all_tasks()
        with (
            made_up_offers(winner),
            services.held(f"/quotes/{loser}/"),
            services.held(f"/quotes/{winner}/") as hold,
        ):
            async with visits(trial, QUICK_QUOTE) as visit:
                await visit.until(asked)
                await visit.clock.advance(SHORTLY_AFTER)
                await visit.until(lambda: len(asked()) == 2, 0.5)
                hold.release()
                reply = await reply_of(visit, QUICK_QUOTE, f"while {loser} is silent")
            reply.expect(200)
            await expect_given_up([loser], reply.sent, before)


@quick_quote.requirement("gives up its questions when the traveller leaves before the answer")
async def gives_up_when_the_traveller_leaves(trial: Trial) -> None:
    for number in (1, 2):
        services, before = counting_anew(), asyncio.all_tasks()
        with services.held("/quotes/"):
            async with OpenStream(trial, QUICK_QUOTE) as visit:
                await visit.until(lambda: len(asked()) >= number, f"{number} asked", _asked_so_far)  # noqa: B023
            suppliers = ["Albatros", "Borealis"][: max(number, len(asked()))]
            sent = f"GET {QUICK_QUOTE}, and the traveller leaves before {' and '.join(suppliers)} answer"
            await expect_given_up(suppliers, sent, before)


def _asked_so_far() -> dict[str, str]:
    return {"got": f"{len(asked())} asked"}


def _words_about_errors(reply: Reply) -> dict[str, str]:
    if "ServiceError" in reply.got:
        return {
            "because": "a task that failed is done, too, and its `result()` raises",
            "next": "look at `task.exception()` before you take the result, and wait for the other one",
        }
    if reply.status == 502 and len(asked()) == 2:
        return {
            "because": "the first task that was done had failed, and the other one was still on its way",
            "next": "wait again while a task is left: `while waiting:`",
        }
    return {}
