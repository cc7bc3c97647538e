import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from asgiref.sync import iscoroutinefunction
from django.core.exceptions import SynchronousOnlyOperation
from django.db.backends.base.base import BaseDatabaseWrapper

from tutorial_project.classroom.checks import Outcome, Refusal, Reply, Task, Trial
from tutorial_project.services import running_services
from tutorial_project.services.airline import NotFlownTo


@contextmanager
def connections_watched() -> Iterator[list[str]]:
    """Collect, for each thread's connection that a query used, whether it was open at the end."""
    used: list[BaseDatabaseWrapper] = []
    left_open: list[str] = []
    real = BaseDatabaseWrapper.cursor

    def cursor(connection: BaseDatabaseWrapper) -> Any:
        if connection not in used:
            used.append(connection)
        return real(connection)

    with patch.object(BaseDatabaseWrapper, "cursor", cursor):
        yield left_open
    for connection in used:
        if connection.connection is not None:
            left_open.append(connection.alias)
            # Trap: nobody else closes it, and a thread of the pool would keep it for the next check.
            raw, connection.connection = connection.connection, None
            raw.close()


async def get(trial: Trial, path: str, **request: Any) -> Reply:
    """Send a GET request, and let it leave no connection behind for the next requirement."""
    with connections_watched():
        return await trial.get(path, **request)


def refuse_a_query_on_the_loop(reply: Reply, expected: str, because: str, next: str) -> None:
    """Refuse with these words when Django's guard raised; they say more than its usual explanation."""
    if isinstance(reply.error, SynchronousOnlyOperation):
        raise Refusal(sent=reply.sent, expected=expected, got=reply.got, because=because, next=next)


async def expect_the_loop_free(trial: Trial, path: str) -> None:
    """Refuse an async view that holds the event loop; a sync view cannot."""
    running_services()  # started here, and not at the first question of the answer: to start them blocks
    view = trial.answer.as_view() if hasattr(trial.answer, "as_view") else trial.answer
    if not iscoroutinefunction(view):
        (await get(trial, path)).expect(200)
        return
    with connections_watched():
        reply = await trial.leaves_the_loop_free(path)
    reply.expect(200)


async def expect_no_connection_left(trial: Trial, path: str) -> None:
    """Refuse when a connection is open after the request."""
    with connections_watched() as left_open:
        reply = await trial.get(path)
    reply.expect(200)
    Outcome(reply.sent, f"still open after the request: {len(left_open)}").expect_that(
        not left_open,
        "every database connection that the request has used is closed after it",
        because="a query ran on a thread of the pool: it opened a connection there, and Django closes only the one "
        "of the request's own thread",
        next="`sync_to_async` without `thread_sensitive=False` for the function with the query",
    )


fare = Task(
    "fare",
    routes=["fares/<str:city>/"],
    hints=(
        "On which thread does `cheapest_fare` wait for the airlines, and where does its error come out?",
        "`sync_to_async` takes the function itself and gives an async one. Call that with the city, and await the "
        "call, inside the `try`.",
        "`try: euros = await sync_to_async(cheapest_fare)(city)`, and then `except NotFlownTo: raise Http404`",
    ),
    praise="Right: the library waits on a thread, and its error comes out at the `await`. As it uses nothing of Django, "
    "`sync_to_async` in both modes would do, and `asyncio.to_thread` as well.",
)


@fare.requirement(
    'answers `GET /fares/Kyoto/` with 200 and `{"city": "Kyoto", "euros": 890}`, as `cheapest_fare` says'
)
async def tells_the_fare(trial: Trial) -> None:
    for city, euros in (("Kyoto", 890), ("Lisbon", 129)):
        (await trial.get(f"/fares/{city}/")).expect(200, json={"city": city, "euros": euros})


@fare.requirement("answers 404 when `cheapest_fare` raises `NotFlownTo`, as in `GET /fares/Atlantis/`")
async def knows_where_nobody_flies(trial: Trial) -> None:
    reply = await trial.get("/fares/Atlantis/")
    words = {}
    if isinstance(reply.error, NotFlownTo):
        words = {
            "because": "the error comes out where the call is awaited, and nothing catches it there",
            "next": "put the `await` into a `try`, with `except NotFlownTo:`",
        }
    reply.expect(404, **words)


@fare.requirement("is an async view, which Django awaits on the event loop")
async def is_async(trial: Trial) -> None:
    await trial.runs_on_the_loop("/fares/Kyoto/")


@fare.requirement("leaves the event loop free for others while the airlines are asked")
async def leaves_the_loop_free(trial: Trial) -> None:
    await expect_the_loop_free(trial, "/fares/Kyoto/")


CHEAPEST = ["Fado, sardines and custard tarts (Portugal): 455.00 €", "Riads and souks (Morocco): 480.00 €"]

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
    '`{"trips": ["Fado, sardines and custard tarts (Portugal): 455.00 €", …]}`: what `described` makes of each trip '
    "in `trips_below`, in that order"
)
async def describes_the_trips(trial: Trial) -> None:
    for euros, count in ((500, 2), (1, 0)):
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
