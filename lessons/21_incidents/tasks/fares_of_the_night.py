import asyncio
import inspect
import logging
from typing import Any

from tutorial_project.checks import Outcome, Task, Trial
from tutorial_project.checks.kinds.made_up import made_up, made_up_flights
from tutorial_project.checks.kinds.questions import all_saying, questions
from tutorial_project.checks.proofs.event_loop import run_without_a_loop
from tutorial_project.classroom import on_duty
from tutorial_project.services import running_services
from tutorial_project.words import counted

from ..shared import TROUBLE, nothing_left, site_of

fares_of_the_night = Task(
    "fares_of_the_night",
    hints=(
        "Which cities have a fare? What is there at the second call that was not there at the first?",
        "Each `async_to_sync` outside of a server makes an event loop and closes it. A connection belongs to the loop on which it was "
        "opened, and the client keeps it for the next call.",
        "One `async def` for the whole night, and in it `async with httpx.AsyncClient(…) as client:` around all cities; "
        "`async_to_sync` once, around that.",
    ),
    praise="Right: one loop for the night, and the client lives and ends on it. In a server a client for all requests belongs into "
    "the lifespan, as in lesson 05, and for the same reason.",
)


@fares_of_the_night.seen_by_operations
async def seen(answer: Any) -> Any:
    async with on_duty(site_of(fares_of_the_night, answer)) as duty:
        with nothing_left():
            duty.note("Monday", await the_list(answer, "Lisbon"))
            duty.note("Tuesday", await the_list(answer, "Lisbon", "Kyoto", "Bergen", "Lima"))
    return duty


async def the_list(answer: Any, *cities: str) -> str:
    try:
        return str(await run_without_a_loop(lambda: answer(list(cities))))
    except Exception as error:
        logging.getLogger("night").error("the night job has ended", exc_info=error)
        return "no list"


async def night(trial: Trial, *cities: str, remark: str = "") -> Outcome:
    """Call the answer as a script does: on a thread without a loop."""
    sent = f"fares_of_the_night({list(cities)})  {remark}".rstrip()
    try:
        value = await run_without_a_loop(lambda: trial.answer(list(cities)))
    except Exception as error:
        return Outcome(sent, error=error)
    if inspect.iscoroutine(value):
        value.close()
    return Outcome(sent, value)


def some_flights(number: int, end: str = "") -> dict[str, Any]:
    """What the airline says of cities of which nobody has heard; `end` has a meaning of its own in a URL."""
    cities = [made_up("city") + end for _ in range(number)]
    return {f"flights/{city}": made_up_flights(city) for city in cities}


def fares(said: dict[str, Any]) -> dict[str, int]:
    return {
        flights["city"]: min(flight["price"] for flight in flights["flights"]) for flights in said.values()
    }


@fares_of_the_night.requirement(
    'gives `{"Lisbon": 118, "Kyoto": 655}` for `["Lisbon", "Kyoto"]`, when a script calls it: the cheapest fare of each city, as '
    "the airline says now"
)
async def gives_the_fares(trial: Trial) -> None:
    said = some_flights(3) | some_flights(1, end="?")
    for _ in range(2):
        with nothing_left(), all_saying(said):
            (await night(trial, *fares(said))).expect(fares(said))
        said = {path: made_up_flights(flights["city"]) for path, flights in said.items()}


@fares_of_the_night.requirement(
    "gives `None` for a city where the airline answers with an error, or breaks off, and goes on"
)
async def goes_on_without_one(trial: Trial) -> None:
    said = some_flights(3)
    expected = fares(said)
    _, second, _ = expected
    with nothing_left(), all_saying(said):
        (await night(trial, *expected)).expect(expected)
    del said[f"flights/{second}"]
    for trouble, remark in TROUBLE.items():
        failing = running_services().replaced(f"/flights/{second}", by=trouble)
        with nothing_left(), all_saying(said), failing:
            found = await night(trial, *expected, remark=f"while the airline {remark} for the second")
        found.expect(expected | {second: None})


@fares_of_the_night.requirement("asks the airline once for each city")
async def asks_once_for_each(trial: Trial) -> None:
    said = some_flights(3)
    with nothing_left(), all_saying(said):
        found = await night(trial, *fares(said))
        asked = sorted(question.path for question in questions())
    found.expect(fares(said))
    expect_one_question_for_each(found.sent, asked, said)
    with nothing_left(), running_services().replaced("/flights", by="/failing"):
        running_services().forget()
        found = await night(trial, *fares(said), remark="while the airline fails")
        asked = sorted(question.path for question in questions())
    expect_one_question_for_each(found.sent, asked, said)


def expect_one_question_for_each(sent: str, asked: list[str], said: dict[str, Any]) -> None:
    Outcome(sent, f"{counted(len(asked), 'question')} at the airline").expect_that(
        asked == sorted(f"/{path}" for path in said), f"{len(said)} questions, one for each city"
    )


@fares_of_the_night.requirement("has closed its connections to the airline when it returns")
async def closes_its_connections(trial: Trial) -> None:
    said = some_flights(3)
    _, second, _ = expected = fares(said)
    await expect_all_closed(trial, said, expected)
    del said[f"flights/{second}"]
    with running_services().replaced(f"/flights/{second}", by="/failing"):
        await expect_all_closed(
            trial, said, expected | {second: None}, "while the airline fails for the second"
        )


async def expect_all_closed(
    trial: Trial, said: dict[str, Any], expected: dict[str, int | None], remark: str = ""
) -> None:
    with nothing_left(), all_saying(said) as services:
        found = await night(trial, *expected, remark=remark)
        found.expect(expected)
        left, opened = await still_open(services), services.connections_opened
    Outcome(found.sent, f"{counted(left, 'connection')} still open").expect_that(
        not left,
        "all connections closed",
        because="a client was not closed, or not on the loop on which it had opened its connection",
        next="open the client inside of the call, in a `with` or an `async with`",
    )
    Outcome(found.sent, "it asked over a connection that an earlier call had left open").expect_that(
        opened > 0, "connections of its own, closed at the end"
    )


async def still_open(services: Any) -> int:
    """How many connections do not close by themselves within a moment."""
    try:
        await services.closed(services.connections_opened, timeout=0.7)
    except TimeoutError:
        return services.connections_open
    return 0


@fares_of_the_night.requirement("can be called by two scripts at the same moment, on two threads")
async def works_on_two_threads(trial: Trial) -> None:
    said = some_flights(3)
    one, other, later = fares(said).items()
    holding = running_services().held(f"/flights/{one[0]}", timeout=4.0)
    with nothing_left(), all_saying(said), holding as hold:
        first = asyncio.ensure_future(night(trial, one[0], later[0]))
        while not (hold.waiting or first.done()):
            await asyncio.sleep(0.005)
        second = asyncio.ensure_future(
            night(trial, other[0], remark="while another thread waits for its fares")
        )
        await asyncio.wait([second], timeout=2.0)
        waited = not second.done()
        hold.release()
        found = await asyncio.gather(first, second)
    found[1].expect_that(
        not waited, "an answer at once", got="an answer only after the other thread had its own"
    )
    found[0].sent += "  while another thread called it as well, and was done first"
    for outcome, expected in zip(found, ([one, later], [other]), strict=True):
        words = {"because": "both threads use the same thing"} if outcome.error else {}
        outcome.expect(dict(expected), **words)
