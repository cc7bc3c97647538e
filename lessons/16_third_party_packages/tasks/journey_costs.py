from __future__ import annotations

from typing import Any

from tutorial_project.checks import Outcome, Reply, Task, Trial
from tutorial_project.services import running_services
from tutorial_project.services.airline import NotFlownTo
from tutorial_project.trips.models import Trip

journey_costs = Task(
    "journey_costs",
    routes=["trips/<int:pk>/costs/"],
    hints=(
        "Two packages wait without saying so. Which function of `asyncio` lets a thread wait for them, and which one starts both?",
        "`asyncio.gather` of two `asyncio.to_thread` calls. `NotFlownTo` comes out where you await: catch it in a small "
        "coroutine around that one call.",
        "`async def fare_to(city): try: return await asyncio.to_thread(cheapest_fare, city)`, `except NotFlownTo: return None`; "
        "then `fare, insurance = await asyncio.gather(fare_to(…), asyncio.to_thread(premium, trip.nights))`",
    ),
    praise="Right: both packages wait on threads, side by side, and nobody else waits for them. A `TaskGroup`, or "
    "`sync_to_async(…, thread_sensitive=False)`, would do the same.",
)


async def costs(pk: int, flight: int | None) -> dict[str, Any]:
    trip = await Trip.objects.aget(pk=pk)
    return {"trip": trip.title, "flight": flight, "insurance": round(trip.nights * 3.4 / 0.85, 2)}


@journey_costs.requirement(
    'answers `GET /trips/7/costs/` with the trip\'s title and the prices that both packages give, `{"trip": "…", '
    '"flight": 890, "insurance": …}`: `cheapest_fare` for the name of its destination, `premium` for its nights'
)
async def tells_the_costs(trial: Trial) -> None:
    for pk, flight in ((7, 890), (1, 129)):
        reply = await trial.get(f"/trips/{pk}/costs/")
        expect_no_query_on_the_loop(reply)
        reply.expect(200, json=await costs(pk, flight))


def expect_no_query_on_the_loop(reply: Reply) -> None:
    if type(reply.error).__name__ == "SynchronousOnlyOperation":
        reply.refuse(expected="200, and the costs")


@journey_costs.requirement(
    "has `null` for `flight` where nobody flies, as for trip 21, and the insurance all the same"
)
async def flies_nowhere(trial: Trial) -> None:
    reply = await trial.get("/trips/21/costs/")
    words = {}
    if isinstance(reply.error, NotFlownTo):
        words = {
            "because": "`NotFlownTo` comes out where the call is awaited, and nothing catches it there",
            "next": "`try` and `except NotFlownTo:` around that one `await`",
        }
    elif "NotFlownTo is not JSON serializable" in str(reply.error):
        words = {
            "because": "with `return_exceptions=True` the error stands in the place of the fare",
            "next": "look at it: `None` for a `NotFlownTo`, and `raise` every other error",
        }
    elif reply.status == 200 and isinstance(reply.json, dict) and reply.json.get("insurance", 0) is None:
        words = {
            "because": "the insurance is lost with the flight: one `try` is around both",
            "next": "`try` and `except NotFlownTo:` around the call that raises, and around no other",
        }
    reply.expect(200, json=await costs(21, None), **words)


@journey_costs.requirement("answers 404 when there is no such trip")
async def knows_its_trips(trial: Trial) -> None:
    reply = await trial.get("/trips/7000/costs/")
    missed = isinstance(reply.error, Trip.DoesNotExist)
    reply.expect(
        404,
        because="`aget` raises when there is no such row, and the traveller gets a 500" if missed else None,
        next="`await aget_object_or_404(…)`" if missed else None,
    )


@journey_costs.requirement("is an async view, and leaves the event loop free for others while it asks")
async def leaves_the_loop_free(trial: Trial) -> None:
    running_services()  # started here, and not by the answer: to start them blocks
    await trial.runs_on_the_loop("/trips/7/costs/")
    (await trial.leaves_the_loop_free("/trips/7/costs/")).expect(200)


@journey_costs.requirement("asks the airlines and the insurer at the same time")
async def asks_both_at_once(trial: Trial) -> None:
    with running_services().expect_together(2, ("/flights/", "/rates/"), timeout=0.7) as barrier:
        reply = await trial.get("/trips/7/costs/")
    found = Outcome(reply.sent, f"at most {barrier.most_waiting} of 2 questions was waiting at the same time")
    words = {}
    if barrier.most_waiting == 1:
        words = {
            "because": "the second question is sent when the first is answered",
            "next": "start both, then wait: `await asyncio.gather(asyncio.to_thread(…), asyncio.to_thread(…))`; "
            "plain `sync_to_async` has one thread for the whole request",
        }
    found.expect_that(barrier.met, "two questions waiting at the same time", **words)
    reply.expect(200)
