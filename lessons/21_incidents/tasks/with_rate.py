import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from time import monotonic, perf_counter
from typing import Any

import httpx

from tutorial_project.checks import Outcome, Task, Trial
from tutorial_project.checks.kinds.lifespan import Lifespan
from tutorial_project.checks.kinds.made_up import made_up_rate
from tutorial_project.checks.kinds.messages import Message
from tutorial_project.checks.kinds.questions import all_saying, questions
from tutorial_project.checks.outcome import heard
from tutorial_project.checks.proofs.clock import HeldClock, held_clock
from tutorial_project.checks.proofs.event_loop import tasks_of
from tutorial_project.classroom import on_duty
from tutorial_project.services import running_services
from tutorial_project.words import counted

from ..shared import TROUBLE

with_rate = Task(
    "with_rate",
    hints=(
        "The server has asked the layer to stop. What is the task in the background doing at that moment, and for how long?",
        "Nobody looks at `stopping` while the task sleeps. Cancel the task, or let it wait for `stopping` itself, for a minute at "
        "most. What if it waits for the exchange just then?",
        "In place of `stopping.set()` and `await keeping`: `keeping.cancel()`, and `with suppress(asyncio.CancelledError): "
        "await keeping`.",
    ),
    praise="Right: the task is told to end wherever it waits, and the layer waits until it has. A server gives you some seconds "
    "for that; then somebody kills it, and every visitor who is still there.",
)


async def page(scope: Any, receive: Any, send: Any) -> None:
    """What the layer is put around: it tells the rate that its server knows."""
    body = str(scope["state"]["rate"]).encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


@with_rate.seen_by_operations
async def seen(answer: Any) -> Any:
    async with on_duty(application=answer(page), lifespan="on") as duty:
        await duty.send("/", times=3)
        told = perf_counter()
    took, server = perf_counter() - told, duty.server
    duty.note(
        "SIGTERM", f"ended after {took:.2f} s" if not server.running else f"not ended after {took:.2f} s"
    )
    if server.running:
        for number, place in enumerate(duty.waiting_tasks().elements(), start=1):
            duty.note(f"task {number}", f"not ended, waits at {place}")
        # its clock is put forward, so that it ends now, and not within the minute
        later = {"time": lambda: monotonic() + 60}
        server.loop.call_soon_threadsafe(vars(server.loop).update, later)
        await asyncio.to_thread(server.stop)
    return duty


class Running:
    """A server that has started the layer, on a clock that stands still; it has known a rate when that was said."""

    def __init__(self, server: Lifespan, clock: HeldClock, known: Any) -> None:
        self.server, self.clock, self.known = server, clock, known

    async def a_minute_passes(self) -> None:
        for _ in range(61):
            heard.get()()  # on a busy machine a minute of steps takes a while, whatever the answer does
            await self.clock.advance(1)

    async def rate(self) -> str:
        """What a request gets: a server hands a copy of the state to each."""

        async def layer(scope: Any, receive: Any, send: Any) -> None:
            state = {"state": self.server.state.copy()}
            await self.server.application(scope | state, receive, send)

        async with httpx.AsyncClient(transport=httpx.ASGITransport(layer), base_url="http://site") as client:
            return (await client.get("/")).text

    async def expect_rate(self, rate: Any, sent: str) -> None:
        await self.clock.until(lambda: self.server.state.get("rate") == rate, 1.0)
        Outcome(sent, await self.rate()).expect_that(
            self.server.state.get("rate") == rate, f"{rate}, for a request"
        )

    async def stop(self, sent: str) -> None:
        """Refuse a layer that has not ended when the server has told it to."""
        stopping = asyncio.ensure_future(self.server.stop())
        ended = await self.clock.until(stopping.done, 1.0)
        if not ended:
            stopping.cancel()
        Outcome(
            sent, "no answer, and time stands still: it waits for a clock, or for the exchange"
        ).expect_that(ended, "`lifespan.shutdown.complete` at once")
        Outcome(sent, stopping.result().value, stopping.result().error).expect("lifespan.shutdown.complete")

    async def end(self, trial: Trial, before: set[asyncio.Task[Any]]) -> None:
        stopping = asyncio.ensure_future(self.server.stop())
        await self.clock.until(stopping.done, 0.3)
        for task in [stopping, *tasks_of(trial.answer, before)]:
            task.cancel()


@asynccontextmanager
async def running(
    trial: Trial, sent: str, on_message: Callable[[Message], Any] = lambda message: None
) -> AsyncIterator[Running]:
    """The layer of a server that has started; at the end it is told to stop, and what then goes on is ended."""
    before, known = asyncio.all_tasks(), None

    def note(message: Message) -> None:
        nonlocal known
        if message.get("type") == "lifespan.startup.complete":
            known = server.state.get("rate")
        on_message(message)

    with held_clock() as clock:
        async with Lifespan(trial.answer(page), note) as server:
            starting = asyncio.ensure_future(server.start())
            started = await clock.until(starting.done, 2.0)
            Outcome(sent, "no answer").expect_that(started, "`lifespan.startup.complete`")
            Outcome(sent, starting.result().value, starting.result().error).expect(
                "lifespan.startup.complete"
            )
            site = Running(server, clock, known)
            try:
                yield site
            finally:
                await site.end(trial, before)


@with_rate.requirement(
    'asks the exchange for `rates/CHF` when the server starts, and says `lifespan.startup.complete` when `scope["state"]["rate"]` '
    "is there; `None` stands for an exchange that fails"
)
async def has_the_rate_from_the_start(trial: Trial) -> None:
    for _ in range(2):
        rate = made_up_rate("CHF")
        with all_saying({"rates/CHF": rate}):
            async with running(trial, "lifespan.startup") as site:
                Outcome("lifespan.startup", site.known).expect_that(
                    site.known == rate["rate"],
                    f"{rate['rate']} in the state, when it says that it has started",
                )
                Outcome("GET / after the start", await site.rate()).expect(str(rate["rate"]))
    for trouble, remark in TROUBLE.items():
        with running_services().replaced("/rates", by=trouble):
            async with running(trial, f"lifespan.startup  while the exchange {remark}") as site:
                Outcome(f"GET / after the start, while the exchange {remark}", await site.rate()).expect(
                    "None"
                )


@with_rate.requirement("asks anew each minute, and goes on with the rate that it has when the exchange fails")
async def asks_each_minute(trial: Trial) -> None:
    rate, later = made_up_rate("CHF"), made_up_rate("CHF")
    services = running_services()
    with ExitStack() as saying:
        saying.enter_context(all_saying({"rates/CHF": rate}))
        async with running(trial, "lifespan.startup") as site:
            saying.close()
            for trouble, remark in TROUBLE.items():
                services.forget()
                with services.replaced("/rates", by=trouble):
                    await site.a_minute_passes()
                    await site.clock.until(lambda: questions() and questions()[0].status, 1.0)
                    await site.clock.pause(0.05)  # until the answer has come
                    asked = len(questions())
                    await site.expect_rate(
                        rate["rate"], f"GET / after a minute, in which the exchange {remark}"
                    )
                sent = f"a minute after the last question, in which the exchange {remark}"
                Outcome(sent, counted(asked, "question")).expect("1 question")
            with all_saying({"rates/CHF": later}):
                await site.a_minute_passes()
                await site.expect_rate(later["rate"], "GET / after three minutes")


@with_rate.requirement(
    "says `lifespan.shutdown.complete` at once when the server stops, whatever second of the minute it is"
)
async def stops_between_two_questions(trial: Trial) -> None:
    with all_saying({"rates/CHF": made_up_rate("CHF")}):
        async with running(trial, "lifespan.startup") as site:
            await site.clock.advance(3)
            await site.stop("lifespan.shutdown, three seconds after the last question")


@with_rate.requirement("stops at once while the exchange lets it wait, too")
async def stops_within_a_question(trial: Trial) -> None:
    with all_saying({"rates/CHF": made_up_rate("CHF")}) as services:
        async with running(trial, "lifespan.startup") as site:
            with services.held("/rates", timeout=4.0) as hold:
                await site.a_minute_passes()
                await site.clock.until(lambda: hold.waiting, 2.0)
                await site.stop("lifespan.shutdown, while the exchange does not answer")


@with_rate.requirement("leaves no task behind when it has said so")
async def leaves_no_task(trial: Trial) -> None:
    with all_saying({"rates/CHF": made_up_rate("CHF")}) as services:
        async with noting_tasks(trial) as (site, expect_none):
            await site.stop("lifespan.shutdown")
            expect_none("lifespan.shutdown.complete")
        async with noting_tasks(trial) as (site, expect_none):
            with services.held("/rates", timeout=4.0) as hold:
                await site.a_minute_passes()
                await site.clock.until(lambda: hold.waiting, 2.0)
                await site.stop("lifespan.shutdown, while the exchange does not answer")
                expect_none("lifespan.shutdown.complete, while the exchange does not answer")


@asynccontextmanager
async def noting_tasks(trial: Trial) -> AsyncIterator[tuple[Running, Callable[[str], None]]]:
    """A layer that runs, and what refuses the tasks that it has left when it said that it has stopped."""
    before, left = asyncio.all_tasks(), set[asyncio.Task[Any]]()

    def note(message: Message) -> None:
        if message.get("type") == "lifespan.shutdown.complete":
            left.update(task for task in tasks_of(trial.answer, before) if not task.cancelling())
            left.discard(asyncio.current_task())

    async with running(trial, "lifespan.startup", note) as site:

        def expect_none(sent: str) -> None:
            left.update(tasks_of(trial.answer, before))
            left.discard(site.server._call)
            for task in left:
                task.cancel()
            Outcome(sent, f"{counted(len(left), 'task')} that goes on").expect_that(
                not left,
                "no task that goes on",
                because="when it said so, a task was neither cancelled nor over",
            )

        yield site, expect_none
