import random
from typing import Any

from blockbuster import BlockingError

from tutorial_project.checks import Outcome, Reply, Task, Trial
from tutorial_project.checks.kinds.lanes import lanes
from tutorial_project.checks.kinds.made_up import made_up_flights, made_up_rate, made_up_weather
from tutorial_project.checks.kinds.questions import (
    all_saying,
    expect_free_while_waiting,
    held_questions,
    questions,
)
from tutorial_project.checks.proofs.event_loop import joins_allowed
from tutorial_project.services.insurer import PER_NIGHT

from ..shared import Said, expect_news

THINKS = 2.0
"""Seconds that the insurer thinks about a long journey."""

booking_page = Task(
    "booking_page",
    routes=["booking-page/<str:city>/<int:nights>/"],
    hints=(
        "Which of the three helpers never awaits anything? An `async def` around a blocking call still blocks.",
        "You cannot change the insurer's package. Which function of `asyncio` runs a sync function on another thread?",
        '`"insurance": await asyncio.to_thread(premium, nights)` in place of `await insurance(nights)`',
    ),
    praise="Right: the insurer's call waits on a thread, and the event loop is free for everybody else. "
    "`sync_to_async(premium)(nights)` would do, and so would a plain `def` view, which runs on a thread as a whole. "
    "With `gather` around the three, the page is there as soon as the slowest of them.",
)


@booking_page.requirement(
    "gives the answers of today's page: for `GET /booking-page/Lisbon/7/` "
    '`{"forecast": "24 °C, sunny", "flight": 129, "insurance": 28.0}`, for other journeys and when the services say '
    "something else, too"
)
async def gives_the_same_answers(trial: Trial) -> None:
    lisbon = {"forecast": "24 °C, sunny", "flight": 129, "insurance": 28.0}
    (await trial.get("/booking-page/Lisbon/7/")).expect(200, json=lisbon)
    for city in ("Lisbon", "Rio de Janeiro"):
        nights = random.randint(10, 300)
        await expect_news(trial, page(city, nights), lambda c=city, n=nights: made_up(c, n))  # type: ignore[misc]
    said, expected = made_up("Bergen", nights, no_flights=True)
    with all_saying(said):
        reply = await trial.get(page("Bergen", nights))
    reply.expect(200, json=expected, because="there is no flight: today's page says `null` then")
    said, expected = made_up("Bergen", 0, cheapest=0, freezing=True)
    with all_saying(said):
        (await trial.get(page("Bergen", 0))).expect(200, json=expected)


@booking_page.requirement("leaves the event loop free while it waits, for whichever service")
async def does_not_hold_the_loop(trial: Trial) -> None:
    with joins_allowed():  # of threads that have ended, as at the end of a pool
        (await trial.never_holds_the_loop(page("Lisbon", 1))).expect(200)
        nights = random.randint(10, 300)
        said = made_up("Lisbon", nights)[0]
        await expect_no_thread_joined(trial, page("Lisbon", nights), said)
        await expect_free_while_waiting(trial, page("Lisbon", nights), said)


async def expect_no_thread_joined(trial: Trial, path: str, said: Said) -> None:
    """Refuse an answer that keeps the event loop until a thread of its own has the insurer's answer."""
    with all_saying(said):
        async with held_questions(trial, path, at=["/rates/"], may_block=False) as held:
            await held.until_waiting(1)
            await held.until_quiet()
            given_up = any(question.status == 409 for question in questions())
            reply = (await held.replies("while the insurer thinks"))[0]
    if isinstance(reply.error, BlockingError):
        reply.expect(200)
    Outcome(reply.sent, "the loop stood still until the insurer gave up").expect_that(
        not given_up,
        "other work gets its turn while the view waits",
        because="the event loop itself waits for a thread, as at the end of `with ThreadPoolExecutor()`",
        next="await the thread's result before the pool ends: `await asyncio.to_thread(premium, nights)`",
    )


@booking_page.requirement("lets three travellers wait for the insurer at the same time")
async def lets_travellers_wait_together(trial: Trial) -> None:
    rate = made_up_rate("GBP")
    pages = {}
    for city, nights in zip(("Lisbon", "Kyoto", "Bergen"), random.sample(range(10, 300), 3), strict=True):
        said, expected = made_up(city, nights, rate)
        pages[page(city, nights)] = (said, expected)
    said = {name: content for some, _ in pages.values() for name, content in some.items()}
    with all_saying(said):
        async with held_questions(trial, *pages, at=["/rates/"]) as held:
            await held.until_waiting(3)
            waited, asked = len(held.waited), sum(q.path.startswith("/rates/") for q in questions())
            if asked == 3:
                await held.visit.clock.advance(THINKS)
            replies = await held.replies(f"while the insurer thinks for {THINKS:g} seconds")
    refuse_fewer_than_three(replies[0], waited, asked)
    for reply, (_, expected) in zip(replies, pages.values(), strict=True):
        reply.expect(200, json=expected)


def refuse_fewer_than_three(reply: Reply, waited: int, asked: int) -> None:
    if reply.error is not None and not asked:
        reply.expect(200)
    words = {}
    if asked == 1:
        words = {
            "because": "the insurer is asked for one traveller after the other: something lets only one of them through",
            "next": "give each request a thread of its own: `await asyncio.to_thread(premium, nights)`",
        }
    Outcome(f"{reply.sent}, and two others", f"at most {waited} of 3 travellers").expect_that(
        asked == 3, "3 travellers waiting for the insurer at the same time", **words, **at_the_insurer()
    )


def at_the_insurer() -> dict[str, str]:
    return lanes([question for question in questions() if question.path.startswith("/rates/")])


def page(city: str, nights: int) -> str:
    return f"/booking-page/{city}/{nights}/"


def made_up(
    city: str,
    nights: int,
    rate: dict[str, Any] | None = None,
    *,
    no_flights: bool = False,
    cheapest: int | None = None,
    freezing: bool = False,
) -> tuple[Said, dict[str, Any]]:
    """What the services say, and the page that holds it."""
    weather, flights, rate = made_up_weather(city), made_up_flights(city), rate or made_up_rate("GBP")
    if freezing:
        weather["celsius"] = 0
    if no_flights:
        flights["flights"] = []
    if cheapest is not None:
        flights["flights"][1]["price"] = cheapest
    said = {f"weather/{city}": weather, f"flights/{city}": flights, "rates/GBP": rate}
    return said, {
        "forecast": f"{weather['celsius']} °C, {weather['sky']}",
        "flight": min((flight["price"] for flight in flights["flights"]), default=None),
        "insurance": round(nights * PER_NIGHT / rate["rate"], 2),
    }
