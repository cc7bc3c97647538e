import asyncio
from contextlib import suppress

import httpx

from tutorial_project.checks.known_answers import known_answer
from tutorial_project.services import ServiceError, ask, running_services

BROKEN = "stops_between_two_questions"


def layer_of(live):
    """The layer with another life."""

    def around(application):
        async def layer(scope, receive, send):
            if scope["type"] != "lifespan":
                return await application(scope, receive, send)
            await receive()
            await live(scope["state"], receive, send)
            await send({"type": "lifespan.shutdown.complete"})

        return layer

    around.__name__ = around.__qualname__ = live.__name__
    return around


async def refresh(state):
    with suppress(ServiceError):
        state["rate"] = (await ask("rates/CHF"))["rate"]


async def begin(state, send):
    state["rate"] = None
    await refresh(state)
    await send({"type": "lifespan.startup.complete"})


async def keep_fresh(state):
    while True:
        await asyncio.sleep(60)
        await refresh(state)


@known_answer("with_rate", when="Where several tasks live as long as the server.")
@layer_of
async def a_group(state, receive, send):
    await begin(state, send)
    async with asyncio.TaskGroup() as group:
        keeping = group.create_task(keep_fresh(state))
        await receive()
        keeping.cancel()


@known_answer("with_rate")
@layer_of
async def waits_for_both(state, receive, send):
    await begin(state, send)
    tasks = [asyncio.create_task(keep_fresh(state)), asyncio.create_task(receive())]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    tasks[0].cancel()
    await asyncio.wait(tasks)


@known_answer("with_rate", breaks="stops_within_a_question", says="for the exchange")
@layer_of
async def looks_at_the_event_while_it_sleeps(state, receive, send):
    stopping = asyncio.Event()

    async def keep():
        while not stopping.is_set():
            try:
                async with asyncio.timeout(60):
                    await stopping.wait()
            except TimeoutError:
                await refresh(state)

    await begin(state, send)
    keeping = asyncio.create_task(keep())
    await receive()
    stopping.set()
    await keeping


@known_answer("with_rate", breaks="leaves_no_task", says="neither cancelled nor over")
@layer_of
async def waits_for_nobody(state, receive, send):
    await begin(state, send)
    keeping = asyncio.create_task(keep_fresh(state))
    await receive()
    keeping.get_name()


@known_answer("with_rate", breaks="leaves_no_task", says="when it said so")
def says_so_and_cancels_then(application):
    async def layer(scope, receive, send):
        if scope["type"] != "lifespan":
            return await application(scope, receive, send)
        await receive()
        await begin(scope["state"], send)
        keeping = asyncio.create_task(keep_fresh(scope["state"]))
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        keeping.cancel()
        with suppress(asyncio.CancelledError):
            await keeping

    return layer


@known_answer("with_rate")
@layer_of
async def cancels_and_lets_it_go(state, receive, send):
    await begin(state, send)
    keeping = asyncio.create_task(keep_fresh(state))
    await receive()
    keeping.cancel()


@known_answer("with_rate", breaks="stops_between_two_questions", says="it waits for a clock")
@layer_of
async def gives_it_five_seconds(state, receive, send):
    await begin(state, send)
    keeping = asyncio.create_task(keep_fresh(state))
    await receive()
    with suppress(TimeoutError):
        await asyncio.wait_for(keeping, 5)


@known_answer("with_rate", breaks="asks_each_minute", says="questions")
@layer_of
async def looks_each_second(state, receive, send):
    async def keep():
        while True:
            await asyncio.sleep(1)
            await refresh(state)

    await begin(state, send)
    keeping = asyncio.create_task(keep())
    await receive()
    keeping.cancel()
    await asyncio.wait([keeping])


@known_answer("with_rate", breaks="asks_each_minute", says="0 questions")
@layer_of
async def no_task_any_more(state, receive, send):
    await begin(state, send)
    await receive()


@known_answer("with_rate", breaks="has_the_rate_from_the_start", says="ServiceError")
@layer_of
async def does_not_start_without_it(state, receive, send):
    state["rate"] = (await ask("rates/CHF"))["rate"]
    await send({"type": "lifespan.startup.complete"})
    await receive()


@known_answer("with_rate", breaks="stops_between_two_questions", says="CancelledError")
@layer_of
async def cancels_and_falls_over_it(state, receive, send):
    await begin(state, send)
    keeping = asyncio.create_task(keep_fresh(state))
    await receive()
    keeping.cancel()
    await keeping


asked = set()


@known_answer(
    "with_rate",
    breaks="leaves_no_task",
    says="while the exchange does not answer",
    because="when it said so, a task was neither cancelled nor over",
)
@layer_of
async def shields_its_question(state, receive, send):
    async def keep():
        while True:
            await asyncio.sleep(60)
            asked.add(asking := asyncio.ensure_future(refresh(state)))
            asking.add_done_callback(asked.discard)
            await asyncio.shield(asking)

    await begin(state, send)
    keeping = asyncio.create_task(keep())
    await receive()
    keeping.cancel()
    await asyncio.wait([keeping])


@known_answer("with_rate", breaks="has_the_rate_from_the_start", says="when it says that it has started")
@layer_of
async def starts_while_it_asks(state, receive, send):
    state["rate"] = None
    asking = asyncio.create_task(refresh(state))
    await send({"type": "lifespan.startup.complete"})
    await asking
    keeping = asyncio.create_task(keep_fresh(state))
    await receive()
    keeping.cancel()
    await asyncio.wait([keeping])


async def ask_with_an_eye_on_the_status(state):
    async with httpx.AsyncClient(trust_env=False, verify=False, timeout=5) as client:
        with suppress(httpx.HTTPStatusError):
            response = await client.get(f"{running_services().url}/rates/CHF")
            state["rate"] = response.raise_for_status().json()["rate"]


@known_answer("with_rate", breaks="has_the_rate_from_the_start", says="RemoteProtocolError")
@layer_of
async def does_not_start_when_it_breaks_off(state, receive, send):
    state["rate"] = None
    await ask_with_an_eye_on_the_status(state)
    await send({"type": "lifespan.startup.complete"})
    await receive()


@known_answer("with_rate", breaks="asks_each_minute", says="after three minutes")
@layer_of
async def asks_until_it_breaks_off(state, receive, send):
    async def keep():
        while True:
            await asyncio.sleep(60)
            await ask_with_an_eye_on_the_status(state)

    await begin(state, send)
    keeping = asyncio.create_task(keep())
    await receive()
    keeping.cancel()
    await asyncio.wait([keeping])


EQUAL_MUTANTS = {
    "statement: await keeping → pass": "what was cancelled ends without anybody who waits for it",
    "local as global: nothing → global keeping": "an application has one life in each process",
    "order of two: await asyncio.sleep(60) ⏎ await refresh(state) → …": "asks once more at the start",
    "number: await asyncio.sleep(60) → …": "nobody asks for so exact a minute",
    "one less: await asyncio.sleep(60) → …": "nobody asks for so exact a minute",
    'order of two: await receive() ⏎ state["rate"] = None → …': "nobody reads it before the server has started",
    "order of two: await refresh(state) ⏎ keeping = …": "the task begins with a minute's sleep",
}
