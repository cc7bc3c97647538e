from tutorial_project.checks import Outcome, Task, Trial
from tutorial_project.services import running_services

from ..shared import expect_no_connection_left, expect_the_loop_free, get, refuse_a_query_on_the_loop

offer = Task(
    "offer",
    routes=["offers/<str:city>/"],
    settings={"MIDDLEWARE": ["django.middleware.locale.LocaleMiddleware"]},
    hints=(
        "Which of the three helpers need something that belongs to the request's thread, and which need nothing?",
        "Two of them may go to threads of the pool, so that all three wait on threads of their own. The one with a "
        "query stays on the request's thread.",
        "`await asyncio.gather(sync_to_async(cheapest_fare, thread_sensitive=False)(city), …, "
        "sync_to_async(next_trip)(city))`",
    ),
    praise="Right: three waits at the same time, the traveller's language on every thread, and no connection left open. "
    "`asyncio.to_thread` would do for the two helpers that know nothing of Django, and a `TaskGroup` in place of "
    "`gather`.",
)


@offer.requirement(
    'answers `GET /offers/Lisbon/` with 200 and `{"fare": 129, "forecast": "24 °C, sunny", '
    '"trip": "12 March: Trams and tiles of Alfama, £442"}`, as the three helpers say'
)
async def makes_the_offer(trial: Trial) -> None:
    lisbon = [129, "24 °C, sunny", "12 March: Trams and tiles of Alfama, £442"]
    kyoto = [890, "19 °C, cloudy", "1 April: Temples in cherry blossom, £1862"]
    for city, (euros, sky, trip) in (("Lisbon", lisbon), ("Kyoto", kyoto)):
        reply = await get(trial, f"/offers/{city}/")
        refuse_a_query_on_the_loop(
            reply,
            "200, and the three answers",
            "`next_trip` was called on the event loop",
            "hand over the function, and then call: `sync_to_async(next_trip)(city)`",
        )
        reply.expect(200, json={"fare": euros, "forecast": sky, "trip": trip})


@offer.requirement(
    "writes the date in the traveller's language: with `Accept-Language: fr` the trip is on `12 mars`"
)
async def speaks_the_language(trial: Trial) -> None:
    for language, day in (("fr", "12 mars"), ("de", "12 März")):
        reply = await get(trial, "/offers/Lisbon/", headers={"Accept-Language": language})
        reply.expect(200)
        trip = reply.json["trip"]
        lost = trip.startswith("12 March")
        reply.expect_that(
            trip.startswith(f"{day}:"),
            f'"trip": "{day}: …"',
            because="the language did not come along to the thread on which the date is written"
            if lost
            else None,
            next="`sync_to_async` carries the language to the thread; `asyncio.to_thread` and a pool of your own do not"
            if lost
            else None,
        )


@offer.requirement("leaves the event loop free for others while it waits")
async def does_not_hold_the_loop(trial: Trial) -> None:
    await expect_the_loop_free(trial, "/offers/Lisbon/")


@offer.requirement("has all three questions waiting at the services at the same time")
async def asks_all_three_together(trial: Trial) -> None:
    paths = ("/flights/", "/weather/", "/rates/")
    with running_services().expect_together(3, paths, timeout=1) as barrier:
        reply = await get(trial, "/offers/Lisbon/")
    waited = f"at most {barrier.most_waiting} of 3 questions were waiting at the same time"
    words = {
        "because": "a question is sent only when another one is answered: the calls wait for each other, or share "
        "one thread, as thread-sensitive calls do",
        "next": "`asyncio.gather`, and `thread_sensitive=False` for the helpers that use nothing of Django",
    }
    Outcome(reply.sent, waited).expect_that(
        barrier.met,
        "3 questions waiting at the services at the same time",
        **(words if barrier.most_waiting else {}),
    )
    reply.expect(200)


@offer.requirement("leaves no database connection open after the request")
async def leaves_no_connection(trial: Trial) -> None:
    await expect_no_connection_left(trial, "/offers/Lisbon/")
