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


@known_answer(
    "with_worker",
    when="Where the worker has something to close at its end: it goes to its last line by itself, unless the time is over.",
)
def a_sentinel(application, deliver, size):
    async def work(letters):
        while (letter := await letters.get()) is not None:
            try:
                await deliver(letter)
            except Exception:
                logger.exception("%s was not delivered", letter)

    async def stop(letters, worker):
        with suppress(TimeoutError):
            async with asyncio.timeout(5):
                await letters.put(None)
                await worker
        worker.cancel()

    return layer_with(application, lambda: asyncio.Queue(size), work, stop)


@known_answer(
    "with_worker",
    when="Where the layer keeps more than one thing: a client, a pool and the worker are attributes.",
)
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


@known_answer("with_worker", breaks="drains", says="before all that was accepted had arrived")
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


def usual(application, deliver, size, work=work_off, stop=drain):
    return layer_with(application, lambda: asyncio.Queue(size), lambda letters: work(letters, deliver), stop)


@known_answer("with_worker", breaks="has_a_bounded_queue", says="the server copies the state then")
def complete_before_the_queue_is_there(application, deliver, size):
    async def layer(scope, receive, send):
        if scope["type"] != "lifespan":
            return await application(scope, receive, send)
        await receive()
        await send({"type": "lifespan.startup.complete"})
        scope["state"]["letters"] = letters = asyncio.Queue(size)
        worker = asyncio.create_task(work_off(letters, deliver))
        await receive()
        await drain(letters, worker)
        await send({"type": "lifespan.shutdown.complete"})

    return layer


@known_answer(
    "with_worker", breaks="has_a_bounded_queue", says="what another layer has put there before is gone"
)
def clears_the_state(application, deliver, size):
    worked = usual(application, deliver, size)

    async def layer(scope, receive, send):
        if scope["type"] == "lifespan":
            scope["state"].clear()
        await worked(scope, receive, send)

    return layer


@known_answer(
    "with_worker",
    breaks="survives_an_error",
    says="raises PostError",
    because="the error has ended the worker",
)
def some_errors_only(application, deliver, size):
    async def work(letters, deliver):
        while True:
            letter = await letters.get()
            try:
                await deliver(letter)
            except (OSError, ValueError, RuntimeError):
                logger.exception("%s was not delivered", letter)
            finally:
                letters.task_done()

    return usual(application, deliver, size, work)


@known_answer("with_worker", breaks="drains", says="it said complete before")
def waits_for_an_empty_queue(application, deliver, size):
    async def stop(letters, worker):
        with suppress(TimeoutError):
            async with asyncio.timeout(5):
                while not letters.empty():
                    await asyncio.sleep(0.01)
        worker.cancel()

    return usual(application, deliver, size, stop=stop)


@known_answer(
    "with_worker",
    breaks="passes_on",
    says="another root_path in the scope",
    because="the layer has changed it",
)
def changes_the_scope(application, deliver, size):
    async def changed(scope, receive, send):
        await application({**scope, "root_path": "/agency"}, receive, send)

    return usual(changed, deliver, size)


@known_answer("with_worker", breaks="passes_on", says="the server has to hear of it")
def swallows_the_errors_of_views(application, deliver, size):
    async def quiet(scope, receive, send):
        with suppress(Exception):
            await application(scope, receive, send)

    return usual(quiet, deliver, size)


@known_answer(
    "with_worker",
    breaks="passes_on",
    says="a connection of type websocket",
    because="only `lifespan` belongs to the layer",
)
def http_alone(application, deliver, size):
    async def http(scope, receive, send):
        if scope["type"] == "http":
            await application(scope, receive, send)

    return usual(http, deliver, size)


@known_answer(
    "with_worker",
    breaks="has_a_bounded_queue",
    says="has not said lifespan.startup yet",
    because="the server has to speak first: what comes before answers nothing",
)
def answers_before_it_is_asked(application, deliver, size):
    layer = usual(application, deliver, size)

    async def hasty(scope, receive, send):
        async def at_once():
            return {"type": "lifespan.startup"}

        await layer(scope, at_once if scope["type"] == "lifespan" else receive, send)

    return hasty


@known_answer("with_worker", breaks="delivers_in_order", says="got []")
def stops_as_soon_as_it_has_started(application, deliver, size):
    layer = usual(application, deliver, size)

    async def hasty(scope, receive, send):
        started = []

        async def once():
            if not started:
                started.append(await receive())
            return started[0]

        await layer(scope, once if scope["type"] == "lifespan" else receive, send)

    return hasty


@known_answer("with_worker", breaks="passes_on", says="'NoneType' object is not callable")
def keeps_the_body_of_a_request(application, deliver, size):
    async def without_receive(scope, receive, send):
        await application(scope, None, send)

    return usual(without_receive, deliver, size)


@known_answer("with_worker", breaks="passes_on", says="one inside, the other one outside")
def lets_in_one_at_a_time(application, deliver, size):
    one = asyncio.Lock()

    async def behind_a_lock(scope, receive, send):
        async with one:
            await application(scope, receive, send)

    return layer_with(
        behind_a_lock, lambda: asyncio.Queue(size), lambda letters: work_off(letters, deliver), drain
    )


@known_answer("with_worker", breaks="drains", says="nothing within a second after the last letter")
def counts_what_arrived_alone(application, deliver, size):
    async def work(letters):
        while True:
            letter = await letters.get()
            try:
                await deliver(letter)
                letters.task_done()
            except Exception:
                logger.exception("%s was not delivered", letter)

    return layer_with(application, lambda: asyncio.Queue(size), work, drain)


@known_answer("with_worker", breaks="delivers_in_order", says="of which one is an empty text")
def an_empty_letter_ends_it(application, deliver, size):
    async def work(letters):
        while letter := await letters.get():
            try:
                await deliver(letter)
            except Exception:
                logger.exception("%s was not delivered", letter)
            finally:
                letters.task_done()

    return layer_with(application, lambda: asyncio.Queue(size), work, drain)


@known_answer("with_worker", breaks="survives_an_error", says="and the calls of `deliver`")
def tries_it_once_more(application, deliver, size):
    async def twice(letter):
        try:
            await deliver(letter)
        except Exception:
            await deliver(letter)

    return layer_with(
        application, lambda: asyncio.Queue(size), lambda letters: work_off(letters, twice), drain
    )


@known_answer("with_worker", breaks="gives_up", says="three seconds for a letter")
def five_seconds_since_the_last_letter(application, deliver, size):
    done = asyncio.Event()

    async def told(letter):
        try:
            await deliver(letter)
        finally:
            done.set()

    async def stop(letters, worker):
        all_done = asyncio.create_task(letters.join())
        with suppress(TimeoutError):
            while not all_done.done():
                done.clear()
                await asyncio.wait_for(done.wait(), 5)
                await asyncio.sleep(0)
        all_done.cancel()
        worker.cancel()

    return layer_with(application, lambda: asyncio.Queue(size), lambda letters: work_off(letters, told), stop)


@known_answer("with_worker", breaks="has_a_bounded_queue", says="room for 3")
def a_place_more(application, deliver, size):
    return layer_with(
        application, lambda: asyncio.Queue(size + 1), lambda letters: work_off(letters, deliver), drain
    )


@known_answer(
    "with_worker",
    breaks="has_a_bounded_queue",
    says="the server hands on what is in its own one",
)
def another_dictionary(application, deliver, size):
    worked = usual(application, deliver, size)

    async def layer(scope, receive, send):
        if scope["type"] == "lifespan":
            scope["state"] = {**scope["state"]}
        await worked(scope, receive, send)

    return layer


@known_answer("with_worker", breaks="delivers_in_order", says="of which the first takes an hour")
def a_limit_for_each_letter(application, deliver, size):
    async def in_time(letter):
        async with asyncio.timeout(30):
            await deliver(letter)

    return layer_with(
        application, lambda: asyncio.Queue(size), lambda letters: work_off(letters, in_time), drain
    )


@known_answer("with_worker")
def tells_the_error_in_words(application, deliver, size):
    async def work(letters, deliver):
        while True:
            letter = await letters.get()
            try:
                await deliver(letter)
            except Exception as error:
                logger.error("no letter to %s: %s", letter, error)
            letters.task_done()

    return usual(application, deliver, size, work)


@known_answer("with_worker", breaks="drains", says="2 delivered at a time")
def helps_the_worker_at_the_end(application, deliver, size):
    async def stop(letters, worker):
        with suppress(TimeoutError):
            async with asyncio.timeout(5):
                while not letters.empty():
                    letter = letters.get_nowait()
                    with suppress(Exception):
                        await deliver(letter)
                    letters.task_done()
                await letters.join()
        worker.cancel()

    return usual(application, deliver, size, stop=stop)


async def until_none(letters, deliver):
    while (letter := await letters.get()) is not None:
        try:
            await deliver(letter)
        except Exception:
            logger.exception("%s was not delivered", letter)


@known_answer("with_worker", breaks="drains", says="QueueFull")
def no_place_for_the_sentinel(application, deliver, size):
    async def stop(letters, worker):
        letters.put_nowait(None)
        await asyncio.wait([worker], timeout=5)
        worker.cancel()

    return usual(application, deliver, size, until_none, stop)


@known_answer("with_worker", breaks="gives_up", says="hold up every deployment")
def waits_for_a_place_without_a_limit(application, deliver, size):
    async def stop(letters, worker):
        await letters.put(None)
        await asyncio.wait([worker], timeout=5)
        worker.cancel()

    return usual(application, deliver, size, until_none, stop)


@known_answer("with_worker", breaks="gives_up", says="the worker is still there")
def cancels_the_wait_for_a_place_alone(application, deliver, size):
    async def stop(letters, worker):
        with suppress(TimeoutError):
            async with asyncio.timeout(5):
                await letters.put(None)
                await worker

    return usual(application, deliver, size, until_none, stop)


@known_answer("with_worker", breaks="gives_up", says="a task that waits in `join()`")
def leaves_the_task_of_the_join(application, deliver, size):
    async def stop(letters, worker):
        await asyncio.wait([asyncio.create_task(letters.join())], timeout=5)
        worker.cancel()

    return usual(application, deliver, size, stop=stop)


@known_answer("with_worker", breaks="delivers_in_order", says="room for 2 more")
def takes_out_all_that_it_finds(application, deliver, size):
    async def work(letters, deliver):
        while True:
            found = [await letters.get()]
            while not letters.empty():
                found.append(letters.get_nowait())
            for letter in found:
                try:
                    await deliver(letter)
                except Exception:
                    logger.exception("%s was not delivered", letter)
                finally:
                    letters.task_done()

    return usual(application, deliver, size, work)


@known_answer("with_worker", breaks="survives_an_error", says="for all but the last two")
def five_errors_are_enough(application, deliver, size):
    async def work(letters, deliver):
        failed = 0
        while failed < 5:
            letter = await letters.get()
            try:
                await deliver(letter)
            except Exception:
                failed += 1
                logger.exception("%s was not delivered", letter)
            finally:
                letters.task_done()

    return usual(application, deliver, size, work)


@known_answer("with_worker", breaks="passes_on", says="x-page")
def drops_the_headers_of_answers(application, deliver, size):
    async def bare(scope, receive, send):
        async def without_headers(message):
            await send({**message, "headers": []} if "headers" in message else message)

        await application(scope, receive, without_headers)

    return usual(bare, deliver, size)


@known_answer("with_worker", breaks="gives_up", says="a call of `deliver` goes on")
def shields_the_letter(application, deliver, size):
    async def to_the_end(letter):
        await asyncio.shield(deliver(letter))

    return layer_with(
        application, lambda: asyncio.Queue(size), lambda letters: work_off(letters, to_the_end), drain
    )


EQUAL_MUTANTS = {
    "arg removal: logger.exception(…": "what the record says beside the error is free",
    "text: logger.exception(…": "what the record says beside the error is free",
    "local as global: …": "a process has one server, and that starts once",
    "order of two: await receive() ⏎ scope…": "nobody sees the queue before the start is complete",
}
