from __future__ import annotations

import asyncio
import random

from tutorial_project.checks import Outcome, Reply, Task, Trial
from tutorial_project.checks.kinds.lanes import lanes
from tutorial_project.checks.kinds.made_up import mixed
from tutorial_project.checks.kinds.visits import visits

from ..shared import (
    CROWD,
    ONE_BY_ONE,
    SEVEN,
    answered,
    counting_anew,
    expect_given_up,
    expect_two_travellers_together,
    failing,
    get,
    given_up,
    made_up_offers,
    named,
    questions,
    reply_of,
    settled,
    waiting_together,
    words_about_failures,
    words_about_memory,
)

SHORTLY_BEFORE, SHORTLY_AFTER = 0.36, 0.44
"""Seconds, with a LIMIT of 0.4."""


quotes_in_time = Task(
    "quotes_in_time",
    beside="leaves_it_free",
    routes=["quotes-in-time/<str:city>/"],
    hints=(
        "When the time is up, `gather` has no result. Where could each answer be kept the moment it arrives?",
        "Let one small task for each supplier put its offer into a dictionary. A `TaskGroup` inside of `asyncio.timeout` "
        "cancels those that are late.",
        "`try:` `async with asyncio.timeout(LIMIT), asyncio.TaskGroup() as group:` `group.create_task(keep(supplier))` "
        "for each; `except TimeoutError: pass`; then build the two lists in the order of the URL",
    ),
    praise="Right: one deadline for all, the offers that came are kept, and nobody is asked any more. "
    "`asyncio.wait(tasks, timeout=LIMIT)` does it too, as long as a `finally` cancels what is pending.",
)


@quotes_in_time.requirement(
    "answers `GET /quotes-in-time/Lisbon/?supplier=Albatros&supplier=Condor` with "
    '`{"offers": [{"supplier": "Albatros", …}, {"supplier": "Condor", …}], "missing": []}`: what they say at that moment, '
    "in the order of the URL, two empty lists when no supplier is named"
)
async def lists_the_offers(trial: Trial) -> None:
    earlier, order = None, mixed(SEVEN[:3])
    for suppliers, city in ((order, "Lisbon"), (mixed(SEVEN[3:]), "Kyoto"), (order, "Lisbon")):
        with made_up_offers(*suppliers, city=city) as offers:
            reply = await get(trial, named("quotes-in-time", *suppliers, city=city))
        words = words_about_memory(reply, earlier)
        reply.expect(200, json={"offers": offers, "missing": []}, **words)
        earlier = earlier or reply
    with made_up_offers(*order, prices=mixed([0, 500, 500])) as offers:
        state = "while one asks nothing for a trip, and two the same"
        reply = await get(trial, named("quotes-in-time", *order), state)
    reply.expect(200, json={"offers": offers, "missing": []})
    (await get(trial, "/quotes-in-time/Lisbon/")).expect(200, json={"offers": [], "missing": []})


@quotes_in_time.requirement(
    "leaves the event loop free, and nobody waits for another visitor: the questions of two travellers are at the "
    "suppliers together"
)
async def leaves_it_free(trial: Trial) -> None:
    (await trial.never_holds_the_loop(named("quotes-in-time", "Albatros", "Condor"))).expect(200)
    path = named("quotes-in-time", "Albatros", "Condor")
    await expect_two_travellers_together(trial, path, lambda offers: {"offers": offers, "missing": []})


@quotes_in_time.requirement(
    "lists under `missing`, in the order of the URL, the suppliers that fail with a `ServiceError`"
)
async def names_who_failed(trial: Trial) -> None:
    services, order = counting_anew(), mixed(SEVEN[:4])
    down = sorted(random.sample(order, 2), key=order.index)
    good = [name for name in order if name not in down]
    path = named("quotes-in-time", *order)
    with (
        failing(*down) as state,
        made_up_offers(*good) as offers,
        services.held(f"/quotes/{good[0]}/") as first,
        services.held(f"/quotes/{good[1]}/") as second,
        services.held(f"/quotes/{down[0]}/") as fails_last,
    ):
        async with visits(trial, path) as visit:
            await visit.until(lambda: services.waiting == 3 and answered() == 1, patience=0.5)
            await settled(visit)
            fails_last.release()
            await visit.until(lambda: answered() == 2, patience=0.5)
            await settled(visit)
            first.release()
            second.release()
            reply = await reply_of(visit, path, f"{state}, and the others answer after them")
    reply.expect(200, json={"offers": offers, "missing": down}, **words_about_failures(reply))


@quotes_in_time.requirement("keeps to the order of the URL, whoever answers first")
async def keeps_the_order(trial: Trial) -> None:
    services, order = counting_anew(), mixed(SEVEN[:3])
    path = named("quotes-in-time", *order)
    with made_up_offers(*order) as offers, services.held(f"/quotes/{order[0]}/") as first:
        async with visits(trial, path) as visit:
            await visit.until(lambda: first.waiting and answered() >= 2, patience=0.5)
            await settled(visit)
            first.release()
            reply = await reply_of(visit, path, f"while {order[0]} answers last")
    words = {}
    if reply.status == 200 and reply.value.json().get("offers") == offers[1:] + offers[:1]:
        words = {"because": "the offers stand in the order in which they arrived"}
    reply.expect(200, json={"offers": offers, "missing": []}, **words)


@quotes_in_time.requirement("has all questions waiting at the suppliers at the same time")
async def asks_all_together(trial: Trial) -> None:
    path, number = named("quotes-in-time", *CROWD), len(CROWD)
    waiting = len((await waiting_together(trial, number, path))[0])
    found = Outcome(f"GET {path}", f"{waiting} of {number} questions waiting at the same time")
    words = ONE_BY_ONE if waiting == 1 else {}
    found.expect_that(
        waiting == number,
        f"{number} questions waiting at the suppliers at the same time",
        **words,
        **lanes(questions()),
    )


@quotes_in_time.requirement(
    "answers when `LIMIT` seconds are over, and not before, although suppliers are silent: with the offers that have "
    "arrived by then, and all others under `missing`"
)
async def keeps_what_arrived(trial: Trial) -> None:
    services, order = counting_anew(), mixed(SEVEN[:6])
    late = random.choice([order[0], order[5]])
    first, down, second, *_ = [name for name in order if name != late][random.randint(0, 2) :]
    silent, missing = [first, second], [first, down, second]
    path, state = named("quotes-in-time", *order), f"while {first} and {second} are silent, {down} is down"
    with (
        failing(down),
        made_up_offers(*(name for name in order if name != down)) as offers,
        services.held(f"/quotes/{late}/") as hold,
        services.held(f"/quotes/{silent[0]}/"),
        services.held(f"/quotes/{silent[1]}/"),
    ):
        async with visits(trial, path) as visit:
            await visit.until(lambda: services.waiting == 3 and answered() >= 3)
            await settled(visit)
            await visit.clock.advance(SHORTLY_BEFORE)
            hold.release()
            await visit.until(lambda: services.waiting == 2)
            await settled(visit)
            await visit.clock.advance(SHORTLY_AFTER - SHORTLY_BEFORE)
            reply = await reply_of(visit, path, state, **_words_about_the_end(given_up()))
    state += f", and {late} answers after {SHORTLY_BEFORE} seconds"
    reply.sent = f"GET {path}  {state}"
    kept = [offer for offer in offers if offer["supplier"] not in missing]
    reply.expect(200, json={"offers": kept, "missing": missing}, **_words_about_deadline(reply, late))


@quotes_in_time.requirement(
    "gives up the questions to silent suppliers: when the page is there, or the traveller has left, nobody is asked any "
    "more"
)
async def gives_up_who_is_late(trial: Trial) -> None:
    services, order, before = counting_anew(), mixed(SEVEN[:3]), asyncio.all_tasks()
    silent, path = order[1:], named("quotes-in-time", *order)
    state = f"while {' and '.join(silent)} are silent"
    with services.held(f"/quotes/{silent[0]}/"), services.held(f"/quotes/{silent[1]}/"):
        async with visits(trial, path) as visit:
            await visit.until(lambda: services.waiting == 2 and answered())
            await settled(visit)
            await visit.clock.advance(SHORTLY_AFTER)
            reply = await reply_of(visit, path, state)
        reply.expect(200)
        await expect_given_up(silent, reply.sent, before)
    await _expect_given_up_when_the_traveller_leaves(trial, path, silent)


async def _expect_given_up_when_the_traveller_leaves(trial: Trial, path: str, silent: list[str]) -> None:
    services, before = counting_anew(), asyncio.all_tasks()
    with services.held(f"/quotes/{silent[0]}/"), services.held(f"/quotes/{silent[1]}/"):
        async with visits(trial, path) as visit:
            await visit.until(lambda: services.waiting == 2)
            await settled(visit)
        await expect_given_up(silent, f"GET {path}, and the traveller leaves before they answer", before)


def _words_about_the_end(left: list[str]) -> dict[str, str]:
    if left:
        return {
            "because": "the time was up, and a question was given up: but its `CancelledError` was caught, or another wait "
            "began after it",
            "next": "catch `ServiceError` alone, and let the cancellation through",
        }
    return {
        "because": f"{SHORTLY_AFTER} seconds after its questions, the view still waits for a silent supplier",
        "next": "one limit of `LIMIT` seconds for all of them: `async with asyncio.timeout(LIMIT):` around the wait",
    }


def _words_about_deadline(reply: Reply, late: str) -> dict[str, str]:
    if isinstance(reply.error, TimeoutError):
        return {
            "because": "the deadline works, and nobody catches its error",
            "next": "`except TimeoutError:`, and answer with what has arrived",
        }
    if '"offers": []' in reply.got:
        return {
            "because": "what ended the wait took the offers that had arrived with it",
            "next": "put each offer into a dictionary outside of the `async with`, the moment it arrives",
        }
    if late in given_up():
        return {"because": f"the question to {late} was given up before `LIMIT` seconds were over"}
    return {}
