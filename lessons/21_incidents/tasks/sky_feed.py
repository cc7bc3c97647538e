import asyncio
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import quote

from tutorial_project.checks import Outcome, Task, Trial
from tutorial_project.checks.kinds.made_up import made_up, made_up_weather
from tutorial_project.checks.kinds.questions import all_saying
from tutorial_project.checks.kinds.streams import OpenStream
from tutorial_project.checks.outcome import quoted
from tutorial_project.checks.proofs.event_loop import blocking_calls_refused
from tutorial_project.classroom import on_duty
from tutorial_project.services import running_services
from tutorial_project.services.barrier import Hold

from ..shared import TROUBLE, site_of

PATIENCE = 2.0
"""Seconds in which a stream ends that nothing holds any more."""

SLOW = 0.5
"""Seconds that a slow weather service takes."""

sky_feed = Task(
    "sky_feed",
    routes=["skies/"],
    hints=(
        "When does the first byte come, and when the last? And what does the log say about the body?",
        "Under ASGI Django sends an async iterator as it goes. A sync one it reads to its end first, in a thread.",
        "`async def lines():` with `await ask(…)` in place of `ask_blocking(…)`: `async` alone would hold the event loop at each "
        "city.",
    ),
    praise="Right: an async generator, which gives each line away before it waits for the next. Asking for all cities at once, in "
    "tasks, and yielding one result after another is faster still.",
)


@sky_feed.seen_by_operations
async def seen(answer: Any) -> Any:
    with running_services().slowed("/weather", by=0.2):
        async with on_duty(site_of(sky_feed, answer)) as duty:
            await duty.send("/skies/?city=Lisbon&city=Kyoto&city=Bergen&city=Porto", "/opening-hours/")
    return duty


def address(*cities: str) -> str:
    return "/skies/?" + "&".join(f"city={quote(city)}" for city in cities)


def cities(number: int, end: str = "") -> dict[str, Any]:
    """The weather that nobody could know, in cities of which nobody has heard, by the question for it.

    Their names may end with a character that has a meaning of its own in a URL.
    """
    names = [made_up("city") + end for _ in range(number)]
    return {f"weather/{name}": made_up_weather(name) for name in names}


def lines(*weathers: dict[str, Any]) -> str:
    return "".join(f"{weather['city']}: {weather['sky']}\n" for weather in weathers)


@sky_feed.requirement(
    "answers `GET /skies/?city=Lisbon&city=Kyoto` with `text/plain`, and a line for each city in their order: `Lisbon: fog`, as "
    "the weather service sees it now"
)
async def writes_a_line_for_each(trial: Trial) -> None:
    said = cities(2) | cities(1, end="&?")
    for number in (4, 4, 1, 0):
        weathers = [*said.values(), *said.values()][:number]  # the first of them once more
        with quiet(), all_saying(said):
            reply = await trial.get(address(*(weather["city"] for weather in weathers)))
        reply.expect(200, text=lines(*weathers))
        Outcome(reply.sent, reply.response.headers["Content-Type"].partition(";")[0]).expect("text/plain")
        said = {path: made_up_weather(weather["city"]) for path, weather in said.items()}


@sky_feed.requirement(
    "writes `Kyoto: unknown` when the weather service answers with an error, or breaks off, and goes on"
)
async def goes_on_without_one(trial: Trial) -> None:
    said = cities(3)
    first, second, third = said.values()
    path = address(first["city"], second["city"], third["city"])
    with quiet(), all_saying(said):
        (await trial.get(path)).expect(200, text=lines(first, second, third))
    del said[f"weather/{second['city']}"]
    for trouble, remark in TROUBLE.items():
        with (
            quiet(),
            all_saying(said),
            running_services().replaced(f"/weather/{second['city']}", by=trouble),
        ):
            reply = await trial.get(path)
        reply.sent += f"  while the service {remark} for the second"
        reply.expect(200, text=lines(first, second | {"sky": "unknown"}, third))


@sky_feed.requirement(
    "holds up no other screen: while one waits for its city, the event loop turns, and another is served"
)
async def holds_up_nobody(trial: Trial) -> None:
    said = cities(2)
    waits, other = said.values()
    with quiet(), all_saying(said) as services:
        with blocking_calls_refused(trial.answer):
            reply = await trial.get(address(other["city"]))
        reply.expect(200, text=lines(other))
        with services.held(f"/weather/{waits['city']}", timeout=4.0) as hold:
            async with OpenStream(trial, address(waits["city"])) as waiting:
                nobody = lambda: {"got": "no question at the service"}  # noqa: E731
                await waiting.until(lambda: hold.waiting == 1, "a question at the service", nobody)
                async with OpenStream(trial, address(other["city"])) as screen, ended(hold, waiting, screen):
                    screen.sent += "  while another screen waits"
                    words = {"because": "something lets in one screen after another"}
                    otherwise = lambda: {"got": quoted(screen.text) or "nothing"} | words  # noqa: E731
                    await screen.until(lambda: screen.text == lines(other), quoted(lines(other)), otherwise)


@sky_feed.requirement(
    "sends each line as soon as the service has answered: the first is on the screen while the service still thinks about the "
    "second"
)
async def sends_each_at_once(trial: Trial) -> None:
    said = cities(3)
    weathers = list(said.values())
    for late in (1, 2):
        with quiet(), all_saying(said) as services:
            path = address(*(weather["city"] for weather in weathers))
            with services.held(f"/weather/{weathers[late]['city']}", timeout=4.0) as hold:
                async with OpenStream(trial, path) as screen, ended(hold, screen):
                    screen.sent += f"  while the service is silent about number {late + 1}"
                    expected = lines(*weathers[:late])
                    otherwise = lambda: {"got": quoted(screen.text) or "nothing"}  # noqa: E731
                    await screen.until(lambda: screen.text == expected, quoted(expected), otherwise)  # noqa: B023
                    await asyncio.sleep(
                        SLOW
                    )  # a limit can be a thread's own, so it is real time that goes by
                    hold.release()
                    whole = lines(*weathers)
                    await screen.until(lambda: screen.text == whole, quoted(whole), otherwise)  # noqa: B023


@asynccontextmanager
async def ended(hold: Hold, *screens: OpenStream) -> AsyncIterator[None]:
    """Let the service speak at the end, and each screen read to its own: no thread can be stopped that asks."""
    try:
        yield
    finally:
        hold.release()
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                for screen in screens:
                    await screen.read_on()


class quiet(warnings.catch_warnings):
    """Keeps Django's warning of a sync iterator for operations."""

    def __enter__(self) -> Any:
        entered = super().__enter__()
        warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume")
        return entered
