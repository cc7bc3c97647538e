from time import perf_counter
from typing import Any

from tutorial_project.checks import Outcome, Task, Trial
from tutorial_project.checks.kinds.visits import visits

from ..shared import WRAPPERS_TOO

NEARLY = 0.09
"""Seconds: clocks and timers are not exact."""

FOR_A_THREAD = 0.3
"""Real seconds for an answer that does not wait by the event loop's clock."""

CROWD = 50
"""Visitors who come together, as in the lesson."""

AFTER = "an answer after 0.1 seconds"

greeting = Task(
    "greeting",
    routes=["greeting/"],
    excused={"memory": "everybody gets the same greeting, and always"},
    hints=(
        "Which way of waiting gives the event loop back, so that other requests can go on?",
        "`asyncio.sleep` is a coroutine function: calling it waits for nothing, awaiting the call does.",
        "`await asyncio.sleep(0.1)`, and then `return JsonResponse({…})`",
    ),
    praise="Right: the view gives the event loop back at its `await`. `await asyncio.to_thread(time.sleep, 0.1)` "
    "would leave the loop free as well, at the price of a thread for each visitor.",
)


@greeting.requirement('answers `GET /greeting/` with 200 and `{"greeting": "Welcome to the travel agency"}`')
async def greets(trial: Trial) -> None:
    reply = await trial.get("/greeting/")
    words = {}
    if reply.error is None and reply.text == "greeting":
        words = {
            "because": "`HttpResponse` took the keys of a dictionary as its text",
            "next": "`JsonResponse(…)`",
        }
    reply.expect(200, json={"greeting": "Welcome to the travel agency"}, **words)


@greeting.requirement("is an async view, which Django awaits on the event loop")
async def is_async(trial: Trial) -> None:
    await trial.runs_on_the_loop("/greeting/", next=WRAPPERS_TOO)


@greeting.requirement(
    "waits 0.1 seconds before it answers, however many visitors come, and leaves the event loop free for others meanwhile"
)
async def waits_without_blocking(trial: Trial) -> None:
    started = perf_counter()
    reply = await trial.leaves_the_loop_free("/greeting/")
    seconds = perf_counter() - started
    reply.expect_that(seconds > NEARLY, AFTER, got=f"an answer after {seconds:.3f} seconds")
    if await _follows_the_clock(trial):
        await _lets_everybody_wait_at_once(trial)
        await _lets_everybody_wait_in_full(trial)


class Calls:
    """Counts the calls of a view: how many have begun, and how many are over."""

    def __init__(self, trial: Trial) -> None:
        view = trial.answer.as_view() if hasattr(trial.answer, "as_view") else trial.answer
        self.begun = self.over = 0

        async def counted(request: Any) -> Any:
            self.begun += 1
            response = await view(request)
            self.over += 1
            return response

        self.trial = Trial(counted, trial.task)


async def _follows_the_clock(trial: Trial) -> bool:
    """Refuse an answer before or after 0.1 seconds of the event loop's clock; False for a wait in a thread."""
    for _ in range(20):
        if (follows := await _one_wait(trial)) is not None:
            return follows
    return False


async def _one_wait(trial: Trial) -> bool | None:
    """As `_follows_the_clock`; None where the machine was too slow to tell this clock from that of a thread."""
    calls = Calls(trial)
    async with visits(calls.trial, "/greeting/") as visit:
        await visit.until(lambda: calls.begun)
        started = perf_counter()
        await visit.clock.advance(NEARLY)
        early = calls.over > 0
        await visit.clock.advance(2 * (0.1 - NEARLY))
        in_time = calls.over > 0 and not early
        unclear = calls.over > 0 and perf_counter() - started > NEARLY
        threaded = not calls.over and await visit.clock.until(lambda: calls.over, FOR_A_THREAD)
        if in_time or unclear or threaded:
            await visit.replies()  # none of its requests is to be cancelled
            return None if unclear else in_time
        await visit.clock.advance(60)
        than = "less" if early else "more"
        got = f"an answer after {than} than 0.1 seconds of the event loop's clock"
        Outcome("GET /greeting/").refuse(expected=AFTER, got=got)


async def _lets_everybody_wait_at_once(trial: Trial) -> None:
    calls = Calls(trial)
    async with visits(calls.trial, *["/greeting/"] * CROWD) as visit:
        await visit.until(lambda: calls.begun == CROWD)
        await visit.clock.advance(0.2 - NEARLY)
        Outcome(f"{CROWD} visitors together  GET /greeting/").expect_that(
            calls.over == CROWD,
            f"{CROWD} answers after 0.1 seconds of the event loop's clock",
            got=f"{calls.over} answers",
        )
        await visit.replies()


async def _lets_everybody_wait_in_full(trial: Trial) -> None:
    calls = Calls(trial)
    async with visits(calls.trial, "/greeting/") as visit:
        await visit.until(lambda: calls.begun)
        await visit.clock.advance(0.05)
        visit.send("/greeting/")
        await visit.until(lambda: calls.begun == 2)
        await visit.clock.advance(0.06)
        Outcome("GET /greeting/  0.05 seconds after another visitor").expect_that(
            calls.over < 2, AFTER, got="an answer after 0.06 seconds, together with the one who came before"
        )
        await visit.clock.advance(0.05)
        await visit.replies()
