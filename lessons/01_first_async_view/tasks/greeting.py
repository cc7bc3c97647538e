from time import perf_counter

from tutorial_project.checks import Task, Trial
from tutorial_project.checks.kinds.visits import visits

from ..shared import WRAPPERS_TOO

NEARLY = 0.09
"""Seconds: clocks and timers are not exact."""

FOR_A_THREAD = 0.3
"""Real seconds for an answer that does not wait by the event loop's clock."""
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
    "waits 0.1 seconds before it answers, and leaves the event loop free for others meanwhile"
)
async def waits_without_blocking(trial: Trial) -> None:
    started = perf_counter()
    reply = await trial.leaves_the_loop_free("/greeting/")
    seconds = perf_counter() - started
    reply.expect_that(seconds > NEARLY, AFTER, got=f"an answer after {seconds:.3f} seconds")
    async with visits(trial, "/greeting/") as visit:
        if await visit.clock.until(lambda: visit.over, FOR_A_THREAD):
            return  # it waits in a thread, whose clock nobody holds
        await visit.clock.advance(NEARLY)
        early = await visit.clock.until(lambda: visit.over, FOR_A_THREAD)
        await visit.clock.advance(2 * (0.1 - NEARLY))
        late = not await visit.clock.until(lambda: visit.over, FOR_A_THREAD)
        await visit.clock.advance(60)
        for waited in await visit.replies():
            found = (
                f"an answer after {'less' if early else 'more'} than 0.1 seconds of the event loop's clock"
            )
            waited.expect_that(not early and not late, AFTER, got=found)
