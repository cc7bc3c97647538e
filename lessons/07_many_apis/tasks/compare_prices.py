from __future__ import annotations

import json
import random
import re
from contextlib import ExitStack
from typing import Any

from tutorial_project.checks import Outcome, Reply, Task, Trial
from tutorial_project.checks.kinds.made_up import mixed
from tutorial_project.checks.kinds.visits import visits

from ..shared import (
    NINE,
    ONE_BY_ONE,
    PATIENCE,
    SEVEN,
    answered,
    asked,
    cheapest_first,
    counting_anew,
    expect_two_travellers_together,
    failing,
    get,
    made_up_offers,
    named,
    reply_of,
    settled,
    slower_than,
    waiting_together,
    words_about_failures,
    words_about_memory,
)

compare_prices = Task(
    "compare_prices",
    beside="leaves_the_loop_free",
    routes=["compare-prices/<str:city>/"],
    hints=(
        "All questions can be started at once. What could each of them have to pass before it is sent?",
        "Write a small async function for one supplier: `async with FIVE_AT_A_TIME:` around its question, and `try` and "
        "`except ServiceError` for it. Gather those.",
        "`async def offer(supplier):` `async with FIVE_AT_A_TIME:` `try: return await offer_from(…)`, `except "
        "ServiceError: return None`; then `await asyncio.gather(*map(offer, suppliers))`, without the `None`, sorted by "
        "price",
    ),
    praise="Right: one semaphore for all visitors, and whoever comes out lets the next one in. "
    "Five workers that take names from a queue, started once for the process, would do the same. A silent supplier keeps "
    "its place for the five seconds of `ask`; the last view of the lesson has the cure.",
)


@compare_prices.requirement(
    "answers `GET /compare-prices/Lisbon/?supplier=Albatros&supplier=Condor` with "
    '`{"offers": [{"supplier": "Condor", "city": "Lisbon", "price": 205}, …]}`: the whole offer of each at that moment, '
    "cheapest first, an empty list when no supplier is named"
)
async def sorts_by_price(trial: Trial) -> None:
    earlier = None
    for suppliers, city in (
        (SEVEN[:3], "Lisbon"),
        (SEVEN[2:6], "Kyoto"),
        (SEVEN[:3], "Lisbon"),
    ):
        with made_up_offers(*suppliers, city=city) as offers:
            path = named("compare-prices", *mixed(suppliers), city=city)
            reply = await get(trial, path)
        words = _words_about_letters(reply) | words_about_memory(reply, earlier)
        reply.expect(200, json={"offers": cheapest_first(offers)}, **words)
        earlier = earlier or reply
    (await get(trial, "/compare-prices/Lisbon/")).expect(200, json={"offers": []})
    await _expect_near_prices_in_order(trial)
    await _expect_all_of_them(trial)


async def _expect_all_of_them(trial: Trial) -> None:
    path = named("compare-prices", *mixed(NINE))
    with made_up_offers(*NINE) as offers:
        (await get(trial, path)).expect(200, json={"offers": cheapest_first(offers)})


async def _expect_near_prices_in_order(trial: Trial) -> None:
    price = random.randrange(100, 1000, 10)
    prices = [price + 1, price + 0.5, price, 0, price]  # dearest first: one that changes no order is seen
    with made_up_offers(*SEVEN[:5], prices=prices) as offers:
        path = named("compare-prices", *SEVEN[:5])
        reply = await get(trial, path, "while two ask the same price, and one asks nothing")
    expected = {"offers": cheapest_first(offers)}, {"offers": cheapest_first(offers[::-1])}
    reply.expect(200, json=next((each for each in expected if _says(reply, each)), expected[0]))


def _says(reply: Reply, expected: dict[str, Any]) -> bool:
    """Whether that is the answer; whose offer is first of two for the same price is left open."""
    return reply.status == 200 and json.loads(reply.value.content) == expected


@compare_prices.requirement(
    "asks as ever after seven suppliers have failed at once, and after a traveller has left"
)
async def goes_on_after_failures(trial: Trial) -> None:
    path = named("compare-prices", *SEVEN)
    before = len((await waiting_together(trial, 5, path))[0])
    services = counting_anew()
    with failing(*SEVEN) as state, services.held(f"/quotes/{SEVEN[-1]}/") as hold:  # the last one fails later
        async with visits(trial, path, may_block=True) as visit:
            await visit.until(lambda: False, patience=PATIENCE)
            hold.release()
            reply = await reply_of(visit, path, state, **_words_about_places())
    reply.expect(200, json={"offers": []}, **words_about_failures(reply))
    with made_up_offers(*SEVEN) as offers:
        waiting, replies = await waiting_together(trial, 5, path)
    _expect_no_more_than(before, path, len(waiting))
    for reply in replies:
        reply.sent += "  after all seven have failed"
        reply.expect(200, json={"offers": cheapest_first(offers)})
    await _expect_every_place_after_a_leaver(trial, path, before)


async def _expect_every_place_after_a_leaver(trial: Trial, path: str, before: int) -> None:
    services = counting_anew()
    with services.held("/quotes/") as hold:
        async with visits(trial, path, may_block=True) as visit:
            await visit.until(lambda: hold.waiting >= before)
            hold.release()  # Trap: a thread ends with its answer only. A task is cancelled before it has one.
    await visit.clock.until(lambda: not services.waiting, PATIENCE)
    after = len((await waiting_together(trial, before, path, patience=PATIENCE))[0])
    found = Outcome(f"GET {path}  after a traveller has left", f"{after} questions waiting at the same time")
    words = {
        "because": f"before that there were {before}: the traveller who left has kept places, because the "
        "`CancelledError` passed what gives them back",
        "next": "`async with FIVE_AT_A_TIME:` gives the place back on every way out",
    }
    found.expect_that(after >= before, f"{before} questions waiting at the suppliers", **words)


def _words_about_places() -> dict[str, str]:
    if answered() == len(asked()) == 5:
        return {
            "because": "five questions have failed, and the other two were not sent: no place is given back after a failure",
            "next": "`async with FIVE_AT_A_TIME:` gives the place back on every way out",
        }
    return {}


def _expect_no_more_than(before: int, path: str, after: int) -> None:
    found = Outcome(f"GET {path}  after all seven have failed", f"{after} at the same time")
    words = {
        "because": f"before the failures it were {before}: a place is given back twice when a question fails",
        "next": "`async with FIVE_AT_A_TIME:` gives the place back, once",
    }
    found.expect_that(after <= max(before, 5), "at most five questions waiting at the suppliers", **words)


@compare_prices.requirement(
    "leaves out suppliers that fail with a `ServiceError`, and keeps the others, slow ones too"
)
async def leaves_out_who_fails(trial: Trial) -> None:
    three = SEVEN[:3]
    for down in random.sample(three, 2):
        with failing(down) as state, made_up_offers(*three) as offers, slower_than(down, three):
            reply = await get(trial, named("compare-prices", *three), state)
        kept = [offer for offer in offers if offer["supplier"] != down]
        reply.expect(200, json={"offers": cheapest_first(kept)}, **words_about_failures(reply))
    await _expect_a_slow_one(trial)
    await _expect_those_who_wait_for_a_place(trial)


async def _expect_a_slow_one(trial: Trial) -> None:
    services, slow = counting_anew(), random.choice(SEVEN[:3])
    path = named("compare-prices", *SEVEN[:3])
    with made_up_offers(*SEVEN[:3]) as offers, services.held(f"/quotes/{slow}/") as hold:
        async with visits(trial, path) as visit:
            await visit.until(lambda: hold.waiting and answered() >= 2)
            await settled(visit)
            await visit.clock.advance(3)
            hold.release()
            reply = await reply_of(visit, path, f"while {slow} takes three seconds")
    reply.expect(200, json={"offers": cheapest_first(offers)})


async def _expect_those_who_wait_for_a_place(trial: Trial) -> None:
    services, path = counting_anew(), named("compare-prices", *SEVEN)
    with made_up_offers(*SEVEN) as offers, services.held("/quotes/") as hold:
        async with visits(trial, path) as visit:
            await visit.until(lambda: hold.waiting >= 5, patience=0.5)
            await settled(visit)
            await visit.clock.advance(3)
            hold.release()
            reply = await reply_of(visit, path, "while each of them takes three seconds")
    reply.expect(200, json={"offers": cheapest_first(offers)})


@compare_prices.requirement(
    "leaves the event loop free, and nobody waits for another visitor: the questions of two travellers are at the "
    "suppliers together"
)
async def leaves_the_loop_free(trial: Trial) -> None:
    (await trial.never_holds_the_loop(named("compare-prices", "Albatros", "Condor"))).expect(200)
    path = named("compare-prices", "Albatros", "Condor")
    await expect_two_travellers_together(trial, path, lambda offers: {"offers": cheapest_first(offers)})


@compare_prices.requirement(
    "has five questions waiting at the suppliers at the same time, when there are seven: when one of them is answered, "
    "the next one is sent"
)
async def asks_five_together(trial: Trial) -> None:
    path = named("compare-prices", *SEVEN)
    with made_up_offers(*SEVEN) as offers:
        questions, replies = await waiting_together(trial, 5, path)
    waiting = len(questions)
    found = Outcome(f"GET {path}", f"{waiting} of 7 questions waiting at the same time")
    words = ONE_BY_ONE if waiting == 1 else {}
    found.expect_that(waiting >= 5, "five questions waiting at the suppliers at the same time", **words)
    for reply in replies:
        reply.expect(200, json={"offers": cheapest_first(offers)})
    await _expect_the_next_one_sent(trial, path)


async def _expect_the_next_one_sent(trial: Trial, path: str) -> None:
    services = counting_anew()
    with ExitStack() as stack:
        holds = {name: stack.enter_context(services.held(f"/quotes/{name}/")) for name in SEVEN}
        async with visits(trial, path) as visit:
            await visit.until(lambda: len(asked()) >= 5)
            first = asked()[0]
            holds[first].release()
            await visit.until(lambda: len(asked()) >= 6, PATIENCE)
            found = Outcome(
                f"GET {path}, and only {first} has answered", f"{len(asked()) - 1} questions waiting"
            )
            found.expect_that(
                len(asked()) >= 6,
                "the next question sent: five waiting again",
                because="a place is free, and the next question waits for more answers than this one",
                next="start all questions at once, and let each of them pass the semaphore: no rounds",
            )
            for hold in holds.values():
                hold.release()
            (await reply_of(visit, path)).expect(200)


@compare_prices.requirement("never has more than five questions waiting at the suppliers")
async def never_asks_six(trial: Trial) -> None:
    await _expect_at_most_five(
        trial,
        [named("compare-prices", *SEVEN)],
        because="nothing holds the sixth question back",
        next="`async with FIVE_AT_A_TIME:` around each question, inside the function that asks one supplier",
    )


@compare_prices.requirement("keeps to five when two travellers ask at the same moment")
async def never_asks_six_for_two(trial: Trial) -> None:
    await _expect_at_most_five(
        trial,
        [named("compare-prices", *SEVEN, city=city) for city in ("Lisbon", "Kyoto")],
        because="one request keeps to five, and two together do not: not all requests pass the same semaphore",
        next="one semaphore for all requests, outside of the view: `FIVE_AT_A_TIME`",
    )


async def _expect_at_most_five(trial: Trial, paths: list[str], **words: str) -> None:
    questions, replies = await waiting_together(trial, 5, *paths)
    waiting = len(questions)
    sent = f"GET {paths[0]}" + "  and one for Kyoto at the same moment" * (len(paths) - 1)
    found = Outcome(sent, f"{waiting} at the same time")
    found.expect_that(waiting <= 5, "at most five questions waiting at the suppliers", **words)
    for reply in replies:
        reply.expect(200)


def _words_about_letters(reply: Reply) -> dict[str, str]:
    if re.search(r'quotes/\w/|"supplier": "\w"', reply.got):
        return {
            "because": "a name was taken apart into its letters: `request.GET.get` gives one text, and no list",
            "next": '`request.GET.getlist("supplier")`',
        }
    return {}
