from __future__ import annotations

from tutorial_project.checks import Outcome, Reply, Task, Trial
from tutorial_project.services import running_services

from ..shared import ONE_BY_ONE, SEVEN, counting_anew, named, quotes, replaced, words_about_failures

SIX_COME = 0.25
"""Seconds in which a sixth question comes from a view that does not hold it back."""


compare_prices = Task(
    "compare_prices",
    routes=["compare-prices/<str:city>/"],
    hints=(
        "All questions can be started at once. What could each of them have to pass before it is sent?",
        "Write a small async function for one supplier: `async with FIVE_AT_A_TIME:` around its question, and `try` and "
        "`except ServiceError` for it. Gather those.",
        "`async def offer(supplier):` `async with FIVE_AT_A_TIME:` `try: return await ask(…)`, `except ServiceError: "
        "return None`; then `await asyncio.gather(*map(offer, suppliers))`, without the `None`, sorted by price",
    ),
    praise="Right: one semaphore for all visitors, and whoever comes out lets the next one in. "
    "Five workers that take names from a queue, started once for the process, would do the same.",
)


@compare_prices.requirement(
    "answers `GET /compare-prices/Lisbon/?supplier=Albatros&supplier=Condor` with "
    '`{"offers": [{"supplier": "Condor", "city": "Lisbon", "price": 205}, …]}`: the whole offer of each, cheapest first'
)
async def sorts_by_price(trial: Trial) -> None:
    reply = await trial.get(named("compare-prices", "Albatros", "Condor", "Borealis"))
    reply.expect(
        200, json={"offers": quotes("Condor", "Borealis", "Albatros")}, **_words_about_letters(reply)
    )
    reply = await trial.get(named("compare-prices", "Albatros", "Gannet", city="Kyoto"))
    reply.expect(200, json={"offers": quotes("Gannet", "Albatros", city="Kyoto")})


@compare_prices.requirement("leaves out a supplier that fails with a `ServiceError`, and keeps the others")
async def leaves_out_who_fails(trial: Trial) -> None:
    path = named("compare-prices", "Albatros", "Condor", "Borealis")
    with replaced(Condor="/failing") as states:
        reply = await trial.get(path)
    reply.sent += f"  while {states}"
    reply.expect(200, json={"offers": quotes("Borealis", "Albatros")}, **words_about_failures(reply))


@compare_prices.requirement("leaves the event loop free while it waits")
async def leaves_the_loop_free(trial: Trial) -> None:
    (await trial.never_holds_the_loop(named("compare-prices", "Albatros", "Condor"))).expect(200)


@compare_prices.requirement(
    "has five questions waiting at the suppliers at the same time, when there are seven"
)
async def asks_five_together(trial: Trial) -> None:
    with running_services().expect_together(5, ("/quotes/",), timeout=0.7) as barrier:
        reply = await trial.get(named("compare-prices", *SEVEN))
    most = barrier.most_waiting
    words = ONE_BY_ONE if most == 1 else {}
    found = Outcome(reply.sent, f"at most {most} of 7 questions were waiting at the same time")
    found.expect_that(barrier.met, "five questions waiting at the suppliers at the same time", **words)
    reply.expect(200, json={"offers": sorted(quotes(*SEVEN), key=lambda offer: offer["price"])})


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
        because="each request has a limit of its own, and two requests have two",
        next="one semaphore for all requests, outside of the view: `FIVE_AT_A_TIME`",
    )


async def _expect_at_most_five(trial: Trial, paths: list[str], **words: str) -> None:
    # The barrier holds whoever comes until a sixth is there; for a right answer it gives up.
    services = counting_anew()
    with services.expect_together(6, ("/quotes/",), timeout=SIX_COME):
        together = await trial.together(*paths)
    for reply in together.replies:
        reply.expect(200)
    most = services.most_waiting
    found = Outcome(together.sent if len(paths) > 1 else together.replies[0].sent, f"{most} at the same time")
    found.expect_that(most <= 5, "at most five questions waiting at the suppliers", **words)


def _words_about_letters(reply: Reply) -> dict[str, str]:
    if '{"supplier": "B", ' in reply.got or "quotes/B/" in reply.got:
        return {
            "because": "a name was taken apart into its letters: `request.GET.get` gives one text, and no list",
            "next": '`request.GET.getlist("supplier")`',
        }
    return {}
