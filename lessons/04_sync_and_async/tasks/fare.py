from typing import Any
from unittest.mock import patch

from tutorial_project.checks import Outcome, Reply, Task, Trial
from tutorial_project.checks.kinds.lanes import lanes
from tutorial_project.checks.kinds.made_up import made_up, made_up_flights
from tutorial_project.checks.kinds.questions import (
    all_saying,
    expect_free_while_waiting,
    held_questions,
    questions,
)
from tutorial_project.services import airline, running_services
from tutorial_project.services.airline import NotFlownTo

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
    'answers `GET /fares/Kyoto/` with 200 and `{"city": "Kyoto", "euros": 890}`, as `cheapest_fare` says at that moment'
)
async def tells_the_fare(trial: Trial) -> None:
    (await trial.get("/fares/Kyoto/")).expect(200, json={"city": "Kyoto", "euros": 890})
    for city, free in (
        ("reykjavik", False),
        ("Reykjavík", False),
        ("Lisbon", False),
        ("Lisbon", False),
        ("Kyoto", True),
    ):
        flights = made_up_flights(city)
        if free:
            flights["flights"][1]["price"] = 0
        with all_saying({f"flights/{city}": flights}):
            reply = await trial.get(f"/fares/{city}/")
        euros = min(flight["price"] for flight in flights["flights"])
        reply.expect(200, json={"city": city, "euros": euros}, **words_about_the_fare(reply, flights))


def words_about_the_fare(reply: Reply, flights: dict[str, Any]) -> dict[str, str]:
    first = flights["flights"][0]["price"]
    if reply.status == 200 and isinstance(reply.json, dict) and reply.json.get("euros") == first:
        return {"because": "that is the price of the first flight, and another one is cheaper"}
    return {}


@fare.requirement(
    "answers 404 when `cheapest_fare` raises `NotFlownTo`, as in `GET /fares/Atlantis/`, and for no other error"
)
async def knows_where_nobody_flies(trial: Trial) -> None:
    for city in ("Atlantis", f"Lisbon {made_up('Bay')}"):
        expect_no_flights(await trial.get(f"/fares/{city}/"))
    with all_saying({"flights/Kyoto": {"city": "Kyoto", "flights": []}}):
        expect_no_flights(await trial.get("/fares/Kyoto/"))
    (await trial.get("/fares/Kyoto/")).expect(
        200, because="a moment ago nobody flew there, and now somebody does"
    )
    with running_services().replaced("/flights/Kyoto", by="/failing?status=503"):
        reply = await trial.get("/fares/Kyoto/")
    Outcome(reply.sent, reply.got).expect_that(
        reply.status not in (200, 404),
        "no 200 and no 404: the airlines did not answer",
        because="the view takes a `ServiceError` for a city that nobody flies to"
        if reply.status == 404
        else None,
        next="catch `NotFlownTo` alone" if reply.status == 404 else None,
    )
    for kind in (ValueError, TypeError, KeyError, IndexError, OSError, RuntimeError):
        await lets_a_mistake_out(trial, kind("a mistake in the package"))


async def lets_a_mistake_out(trial: Trial, mistake: Exception) -> None:
    """Refuse a 404 for an error that is neither `NotFlownTo` nor of the services."""
    with patch.object(airline, "ask_blocking", side_effect=mistake):
        reply = await trial.get("/fares/Lisbon/")
    Outcome(reply.sent, reply.got).expect_that(
        reply.status not in (200, 404),
        f"no 200 and no 404: `cheapest_fare` raises {type(mistake).__name__} with this request",
        because="the view catches more than `NotFlownTo`" if reply.status == 404 else None,
        next="catch `NotFlownTo` alone" if reply.status == 404 else None,
    )


def expect_no_flights(reply: Reply) -> None:
    """Refuse unless it is a 404."""
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
    await expect_free_while_waiting(trial, "/fares/Kyoto/", {"flights/Kyoto": made_up_flights("Kyoto")})
    with all_saying({"flights/Kyoto": {"city": "Kyoto", "flights": []}}):
        (await trial.never_holds_the_loop("/fares/Kyoto/")).expect(404)


@fare.requirement("has the questions of three travellers waiting at the airlines at the same time")
async def lets_travellers_wait_together(trial: Trial) -> None:
    said = {f"flights/{city}": made_up_flights(city) for city in ("Kyoto", "Lisbon", "Reykjavik")}
    fares = {city["city"]: min(flight["price"] for flight in city["flights"]) for city in said.values()}
    with all_saying(said):
        async with held_questions(trial, *(f"/fares/{city}/" for city in fares), at=["/flights/"]) as held:
            await held.until_waiting(3)
            replies = await held.replies("with two others at the same moment")
    waited = len(held.waited)
    if waited:
        expect_three(replies[0], waited)
    for reply, (city, euros) in zip(replies, fares.items(), strict=True):
        reply.expect(200, json={"city": city, "euros": euros})
    expect_three(replies[0], waited)


def expect_three(reply: Reply, waited: int) -> None:
    """Refuse when fewer than three questions waited, whatever became of them afterwards."""
    Outcome(reply.sent, f"at most {waited} of 3").expect_that(
        waited == 3, "3 questions waiting at the airlines at the same time", **lanes(questions())
    )
