import asyncio
import logging
from contextlib import suppress

from tutorial_project.checks import known_answer

logger = logging.getLogger(__name__)


async def work_off(letters, deliver):
    while True:
        letter = await letters.get()
        try:
            await deliver(letter)
        except Exception:
            logger.exception("%s was not delivered", letter)
        finally:
            letters.task_done()


def layer_with(application, make_queue, worker_of, stop):
    """The layer, put together from its parts: most wrong answers differ in one of them."""

    async def layer(scope, receive, send):
        if scope["type"] != "lifespan":
            return await application(scope, receive, send)
        await receive()
        scope["state"]["letters"] = letters = make_queue()
        worker = asyncio.create_task(worker_of(letters))
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await stop(letters, worker)
        await send({"type": "lifespan.shutdown.complete"})

    return layer


async def drain(letters, worker):
    with suppress(TimeoutError):
        await asyncio.wait_for(letters.join(), 5)
    worker.cancel()


@known_answer("with_worker")
def a_sentinel(application, deliver, size):
    async def work(letters):
        while (letter := await letters.get()) is not None:
            try:
                await deliver(letter)
            except Exception:
                logger.exception("%s was not delivered", letter)

    async def stop(letters, worker):
        async def end():
            await letters.put(None)
            await worker

        with suppress(TimeoutError):
            async with asyncio.timeout(5):
                await end()

    return layer_with(application, lambda: asyncio.Queue(size), work, stop)


@known_answer("with_worker")
class AClass:
    def __init__(self, application, deliver, size):
        self.application, self.deliver, self.size = application, deliver, size

    async def __call__(self, scope, receive, send):
        if scope["type"] != "lifespan":
            await self.application(scope, receive, send)
            return
        assert (await receive())["type"] == "lifespan.startup"
        letters = asyncio.Queue(self.size)
        scope["state"].update(letters=letters)
        worker = asyncio.ensure_future(work_off(letters, self.deliver))
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await asyncio.wait([joined := asyncio.ensure_future(letters.join())], timeout=5)
        for task in (joined, worker):
            task.cancel()
        await send({"type": "lifespan.shutdown.complete"})


@known_answer("with_worker", breaks="has_a_bounded_queue", says="grows until the process dies")
def no_bound(application, deliver, size):
    return layer_with(application, asyncio.Queue, lambda letters: work_off(letters, deliver), drain)


@known_answer("with_worker", breaks="has_a_bounded_queue", says="Django knows no `lifespan`")
def everything_to_django(application, deliver, size):
    letters = asyncio.Queue(size)

    async def layer(scope, receive, send):
        scope.setdefault("state", {})["letters"] = letters
        await application(scope, receive, send)

    return layer


@known_answer("with_worker", breaks="delivers_in_order", says="delivered at a time")
def a_task_for_each(application, deliver, size):
    async def work(letters):
        async with asyncio.TaskGroup() as group:
            while True:
                letter = await letters.get()
                group.create_task(deliver(letter)).add_done_callback(lambda _: letters.task_done())

    return layer_with(application, lambda: asyncio.Queue(size), work, drain)


@known_answer("with_worker", breaks="delivers_in_order", says="got [")
def only_at_the_end(application, deliver, size):
    async def work(letters):
        await asyncio.Event().wait()

    async def stop(letters, worker):
        worker.cancel()
        while not letters.empty():
            await deliver(letters.get_nowait())

    return layer_with(application, lambda: asyncio.Queue(size), work, stop)


@known_answer("with_worker", breaks="delivers_in_order", says="[]")
def does_not_await_it(application, deliver, size):
    async def work(letters):
        while True:
            letter = await letters.get()
            deliver(letter).close()
            letters.task_done()

    return layer_with(application, lambda: asyncio.Queue(size), work, drain)


@known_answer("with_worker", breaks="survives_an_error", says="the error has ended the worker")
def one_error_ends_it(application, deliver, size):
    async def work(letters):
        while True:
            letter = await letters.get()
            await deliver(letter)
            letters.task_done()

    return layer_with(application, lambda: asyncio.Queue(size), work, drain)


@known_answer("with_worker", breaks="survives_an_error", says="nobody will ever know")
def swallows_it(application, deliver, size):
    async def work(letters):
        while True:
            letter = await letters.get()
            with suppress(Exception):
                await deliver(letter)
            letters.task_done()

    return layer_with(application, lambda: asyncio.Queue(size), work, drain)


@known_answer("with_worker", breaks="drains", says="while letters that were accepted waited")
def cancels_at_once(application, deliver, size):
    async def stop(letters, worker):
        worker.cancel()

    return layer_with(
        application, lambda: asyncio.Queue(size), lambda letters: work_off(letters, deliver), stop
    )


@known_answer("with_worker", breaks="gives_up", says="hold up every deployment")
def waits_for_ever(application, deliver, size):
    async def stop(letters, worker):
        await letters.join()
        worker.cancel()

    return layer_with(
        application, lambda: asyncio.Queue(size), lambda letters: work_off(letters, deliver), stop
    )


@known_answer("with_worker", breaks="gives_up", says="the worker is still there")
def leaves_the_worker(application, deliver, size):
    async def stop(letters, worker):
        with suppress(TimeoutError):
            await asyncio.wait_for(letters.join(), 5)

    return layer_with(
        application, lambda: asyncio.Queue(size), lambda letters: work_off(letters, deliver), stop
    )


@known_answer("with_worker", breaks="passes_on", says="the layer answers `lifespan` alone")
def lifespan_alone(application, deliver, size):
    async def nothing(scope, receive, send):
        pass

    return layer_with(nothing, lambda: asyncio.Queue(size), lambda letters: work_off(letters, deliver), drain)
