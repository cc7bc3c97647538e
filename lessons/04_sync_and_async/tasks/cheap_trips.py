import asyncio
from unittest.mock import patch

from tutorial_project.checks import Outcome, Reply, Task, Trial

from ..shared import expect_no_connection_left, get, refuse_a_query_on_the_loop

CHEAPEST = [
    "Street food by motorbike (Vietnam): 98.00 €",
    "Fado, sardines and custard tarts (Portugal): 455.00 €",
    "Riads and souks (Morocco): 480.00 €",
]


cheap_trips = Task(
    "cheap_trips",
    routes=["cheap-trips/<int:euros>/"],
    hints=(
        "Where does each of the two helpers send its query: where it is called, or where somebody reads the result?",
        "Write a plain function that goes through the QuerySet and describes each trip. What it returns is a list "
        "of texts, and that is what crosses.",
        "`def descriptions(): return [described(trip) for trip in trips_below(euros)]`, and then "
        "`await sync_to_async(descriptions)()`",
    ),
    praise="Right: one crossing, and what comes back is finished. "
    '`async for trip in trips_below(euros).select_related("destination")` crosses once, too, and even saves the '
    "query for each trip's destination.",
)


@cheap_trips.requirement(
    "answers `GET /cheap-trips/500/` with 200 and "
    '`{"trips": ["Street food by motorbike (Vietnam): 98.00 €", …]}`: what `described` makes of each trip '
    "in `trips_below`, in that order"
)
async def describes_the_trips(trial: Trial) -> None:
    for euros, count in ((500, 3), (1, 0)):
        reply = await get(trial, f"/cheap-trips/{euros}/")
        refuse_a_query_on_the_loop(
            reply,
            "200, and a list of texts",
            "something lazy was read on the event loop: the QuerySet itself, or the destination of a trip",
            "put all the code that reads trips into one sync function, which returns a list of texts, and cross with that",
        )
        reply.expect(200, json={"trips": CHEAPEST[:count]})


@cheap_trips.requirement("is an async view, which Django awaits on the event loop")
async def is_an_async_view(trial: Trial) -> None:
    await trial.runs_on_the_loop("/cheap-trips/500/")


@cheap_trips.requirement("crosses to a thread as often for sixty trips as for a few")
async def crosses_once(trial: Trial) -> None:
    for_few, few = await crossings(trial, "/cheap-trips/500/")
    for_all, reply = await crossings(trial, "/cheap-trips/9000/")
    more, trips = for_all - for_few, len(reply.json["trips"])
    Outcome(
        reply.sent, f"{more} crossings more for {trips} trips than for {len(few.json['trips'])}"
    ).expect_that(
        more <= 0,
        "as many crossings for all trips as for a few",
        because="there is a crossing for each trip",
        next="go through the trips in one sync function, and cross with that",
    )


@cheap_trips.requirement("leaves no database connection open after the request")
async def closes_what_it_opened(trial: Trial) -> None:
    await expect_no_connection_left(trial, "/cheap-trips/500/")


async def crossings(trial: Trial, path: str) -> tuple[int, Reply]:
    """How often a request hands work to a thread, Django's own part included, and its reply."""
    loop = asyncio.get_running_loop()
    with patch.object(loop, "run_in_executor", wraps=loop.run_in_executor) as crossed:
        reply = await get(trial, path)
    reply.expect(200)
    return crossed.call_count, reply
