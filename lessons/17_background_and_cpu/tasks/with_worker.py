import asyncio
import logging
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from tutorial_project.checks import Outcome, Refusal, Task, Trial
from tutorial_project.checks.kinds.asgi import REQUEST, application_from, exchange, http_scope
from tutorial_project.checks.kinds.lifespan import Lifespan, expect_two_requests_inside
from tutorial_project.checks.proofs.clock import held_clock
from tutorial_project.checks.proofs.event_loop import tasks_of
from tutorial_project.checks.trial import current_task

with_worker = Task(
    "with_worker",
    hints=(
        "When does the one worker begin, and who tells you that no more letters will come?",
        'In the `lifespan` call: make the queue, put it into `scope["state"]`, start the worker as a task, say complete; '
        "at the shutdown wait for `queue.join()`, but not for ever, and cancel the worker.",
        "The worker: `while True:` `letter = await letters.get()`, then `try: await deliver(letter)` "
        "`except Exception: logger.exception(…)` `finally: letters.task_done()`. At the end: "
        "`with suppress(TimeoutError):` `await asyncio.wait_for(letters.join(), 5)`, then `worker.cancel()`, and "
        "then the last message.",
    ),
    praise="Right: one worker that lives as long as the server, room for a known number, and a stop that finishes what "
    "was accepted. A sentinel in the queue would have ended the worker as well.",
)


class PostOffice:
    """Delivers letters one by one, each when `open` lets it; notes what happened."""

    def __init__(
        self, *, is_open: bool = True, loses: Sequence[str] = (), error: Exception | None = None
    ) -> None:
        self.error = error or OSError("the address is unknown")
        self.begun: list[str] = []
        self.done: list[str] = []
        self.inside = self.most_inside = 0
        self.open, self.loses = asyncio.Event(), loses
        if is_open:
            self.open.set()

    async def deliver(self, letter: str) -> None:
        self.begun.append(letter)
        self.inside += 1
        self.most_inside = max(self.inside, self.most_inside)
        try:
            await asyncio.sleep(0)
            await self.open.wait()
            if letter in self.loses:
                raise self.error
            self.done.append(letter)
        finally:
            self.inside -= 1


class PostError(Exception):
    """An error that no answer knows by its name."""


def some_letters(number: int) -> list[str]:
    """Letters that nobody knows, never in the order of the alphabet."""
    letters = [f"letter-{uuid.uuid4().hex[:6]}" for _ in range(number)]
    return letters if letters != sorted(letters) else letters[::-1]


async def no_application(scope: Any, receive: Any, send: Any) -> None:
    raise ValueError(f"Django can only handle ASGI/HTTP connections, not {scope['type']}.")


@asynccontextmanager
async def nothing_left(trial: Trial) -> AsyncIterator[None]:
    """What the answer has left on the loop is gone at the end of the block."""
    before = asyncio.all_tasks()
    try:
        yield
    finally:
        if left := tasks_of(trial.answer, before | {current_task()}):
            for task in left:
                task.cancel()
            await asyncio.wait(left, timeout=1)


@asynccontextmanager
async def started(trial: Trial, office: PostOffice, size: int) -> AsyncIterator[Lifespan]:
    """A server whose start is over; what the answer has left on the loop is gone at the end of the block."""
    layer = application_from(trial, no_application, office.deliver, size)
    async with nothing_left(trial):
        try:
            async with Lifespan(layer) as server:
                server.state["pool"] = "of another layer"
                answer = await server.start()
                unknown = "not lifespan" in str(answer.error)
                because = "Django knows no `lifespan`: the layer has to answer it" if unknown else None
                answer.expect("lifespan.startup.complete", because=because)
                yield server
        finally:
            office.open.set()


def queue_of(server: Lifespan) -> asyncio.Queue[str]:
    queue = server.state.get("letters")
    if not isinstance(queue, asyncio.Queue):
        raise Refusal(
            sent='lifespan.startup, then scope["state"]["letters"]',
            expected="an asyncio.Queue",
            got=f"{queue!r}",
        )
    return queue


def put(queue: asyncio.Queue[str], letters: list[str]) -> int:
    """Put letters in until there is no more room; how many got in."""
    for number, letter in enumerate(letters):
        try:
            queue.put_nowait(letter)
        except asyncio.QueueFull:
            return number
    return len(letters)


async def turns(condition: Callable[[], object], most: int = 300) -> bool:
    """Give the loop back until the condition holds, or so many turns are over."""
    for _ in range(most):
        if condition():
            return True
        await asyncio.sleep(0)
    return bool(condition())


@with_worker.requirement(
    'at `lifespan.startup` puts an `asyncio.Queue` with `size` places into `scope["state"]["letters"]`, and sends '
    "`lifespan.startup.complete`"
)
async def has_a_bounded_queue(trial: Trial) -> None:
    await hands_it_over_in_time(trial)
    for size in (2, 5):
        office = PostOffice(is_open=False)
        async with started(trial, office, size) as server:
            room = put(queue_of(server), some_letters(100))
        Outcome(
            f"100 letters at once, where `size` is {size}",
            "there was room for all of them" if room == 100 else f"there was room for {room}",
        ).expect(
            f"there was room for {size}",
            because="a queue without a bound grows until the process dies" if room == 100 else None,
            next="`asyncio.Queue(maxsize=size)`" if room > size else None,
        )


async def leaves_the_rest_in_the_queue(trial: Trial) -> None:
    """A worker that takes out all that it finds keeps it in a list, which has no bound."""
    office = PostOffice(is_open=False)
    async with started(trial, office, 2) as server:
        put(queue_of(server), some_letters(2))
        await turns(lambda: bool(office.begun))
        await turns(lambda: False, most=20)
        room = put(queue_of(server), some_letters(100))
    Outcome(
        "two letters, the first of which is being delivered, where `size` is 2", f"room for {room} more"
    ).expect("room for 1 more")


async def hands_it_over_in_time(trial: Trial) -> None:
    """A server copies the state when it hears that the start is complete."""
    handed_over: list[dict[str, Any]] = []
    layer = application_from(trial, no_application, PostOffice().deliver, 3)
    told = Lifespan(layer, on_message=lambda _: handed_over.append(server.state.copy()))
    async with nothing_left(trial), told as server:
        server.state["pool"] = "of another layer"
        await server.start()
    late = "letters" in server.state
    replaced = server.scope.get("state") is not server.state
    for state in handed_over[:1]:
        Outcome("lifespan.startup", f'scope["state"] has {sorted(state)}').expect(
            "scope[\"state\"] has ['letters', 'pool']",
            because="what another layer has put there before is gone"
            if "pool" not in state
            else "the layer put another dictionary into its scope: the server hands on what is in its own one"
            if replaced
            else None,
            next="put the queue in before you send `lifespan.startup.complete`: the server copies the state then"
            if late and "letters" not in state
            else None,
        )


@with_worker.requirement(
    "gives each letter of the queue to `await deliver(letter)`: in their order, one at a time, while the server runs"
)
async def delivers_in_order(trial: Trial) -> None:
    letters, office = some_letters(4), PostOffice()
    letters.insert(2, "")
    async with started(trial, office, 10) as server:
        put(queue_of(server), letters)
        await turns(lambda: len(office.done) >= len(letters))
        sent = "five letters in the queue, of which one is an empty text"
        Outcome(sent, office.done).expect(letters)
        Outcome(sent, f"{office.most_inside} delivered at a time").expect("1 delivered at a time")
    await leaves_the_rest_in_the_queue(trial)
    await gives_a_letter_its_time(trial)


async def gives_a_letter_its_time(trial: Trial) -> None:
    """A letter that takes an hour, while the server runs, takes an hour: `deliver` knows its own limits."""
    letters, office = some_letters(2), PostOffice(is_open=False)
    with quiet(logging.NullHandler()):
        async with started(trial, office, 10) as server:
            put(queue_of(server), letters)
            await turns(lambda: bool(office.begun))
            with held_clock() as clock:
                clock.now += 3600
                await turns(lambda: len(office.begun) > 1)
                office.open.set()
                await turns(lambda: len(office.done) >= 2)
    Outcome("two letters, of which the first takes an hour, while the server runs", office.done).expect(
        letters
    )


@with_worker.requirement("goes on with the next letter when `deliver` raises, and logs the error")
async def survives_an_error(trial: Trial) -> None:
    for number, error in ((1, OSError("the address is unknown")), (10, PostError("no such street"))):
        await goes_on_after(trial, error, number)


async def goes_on_after(trial: Trial, error: Exception, number: int) -> None:
    letters, records = some_letters(number + 2), []
    office = PostOffice(loses=letters[:number], error=error)
    handler = logging.Handler()
    handler.emit = records.append  # type: ignore[method-assign, assignment]
    with quiet(handler):
        async with started(trial, office, 20) as server:
            put(queue_of(server), letters)
            await turns(lambda: len(office.done) >= 2)
    sent = f"{len(letters)} letters, where `deliver` raises {type(error).__name__} for all but the last two"
    Outcome(sent, office.done).expect(
        letters[-2:],
        because="the error has ended the worker" if len(office.begun) == 1 else None,
        next="`try:` … `except Exception:` inside of the loop" if len(office.begun) == 1 else None,
    )
    Outcome(f"{sent}, and the calls of `deliver`", office.begun).expect(letters)
    logged = any(record.exc_info or str(error) in record.getMessage() for record in records)
    Outcome(sent, "a record with the error" if logged else "no record with the error").expect(
        "a record with the error", because="nobody will ever know why that letter was not sent"
    )


class quiet:
    """Hands all log records to one handler alone."""

    def __init__(self, handler: logging.Handler) -> None:
        self.handler = handler

    def __enter__(self) -> None:
        names = [
            name
            for name, known in logging.root.manager.loggerDict.items()
            if isinstance(known, logging.Logger)
        ]
        self.loggers = [logging.getLogger(name) for name in names]
        self.before = [(one, one.handlers, one.propagate) for one in [logging.root, *self.loggers]]
        self.disabled = logging.root.manager.disable
        logging.disable(logging.NOTSET)
        for one in self.loggers:
            one.handlers, one.propagate = [], True
        logging.root.handlers = [self.handler]

    def __exit__(self, *_: object) -> None:
        for one, handlers, propagate in self.before:
            one.handlers, one.propagate = handlers, propagate
        logging.disable(self.disabled)


async def fill(server: Lifespan, office: PostOffice, letters: list[str]) -> None:
    """Let the worker begin with the first letter, and put the others into the queue."""
    put(queue_of(server), letters[:1])
    await turns(lambda: bool(office.begun))
    put(queue_of(server), letters[1:])


@with_worker.requirement(
    "at `lifespan.shutdown` delivers what is in the queue, and then sends `lifespan.shutdown.complete`"
)
async def drains(trial: Trial) -> None:
    for loses in (False, True):
        letters = some_letters(3)
        office = PostOffice(is_open=False, loses=letters[1:2] if loses else ())
        with quiet(logging.NullHandler()):
            async with started(trial, office, 2) as server:
                await fill(server, office, letters)
                with held_clock() as clock:
                    stopping = asyncio.ensure_future(server.stop())
                    await turns(stopping.done, most=50)
                    office.open.set()
                    await clock.advance(1)
                    in_time = stopping.done()
                    await clock.advance(0 if in_time else 6)
                answer = await stopping
                done = office.done.copy()
        answer.sent = "lifespan.shutdown, with a letter under way and two that fill the queue"
        answer.sent += ", where `deliver` raises for the second" if loses else ""
        Outcome(answer.sent, "nothing within a second after the last letter").expect_that(
            in_time, "lifespan.shutdown.complete, when no letter is left"
        )
        answer.expect("lifespan.shutdown.complete")
        Outcome(answer.sent, done).expect(
            [letter for letter in letters if letter not in office.loses],
            because="it said complete before all that was accepted had arrived: the server ends the process then",
            next="`await letters.join()` before the last message",
        )
        Outcome(answer.sent, f"{office.most_inside} delivered at a time").expect("1 delivered at a time")
    await finishes_the_letter_in_its_hand(trial)


async def finishes_the_letter_in_its_hand(trial: Trial) -> None:
    """The queue is empty already, and its last letter is not delivered yet."""
    letters, office = some_letters(1), PostOffice(is_open=False)
    async with started(trial, office, 10) as server:
        put(queue_of(server), letters)
        await turns(lambda: bool(office.begun))
        stopping = asyncio.ensure_future(server.stop())
        await turns(stopping.done, most=50)
        office.open.set()
        answer = await stopping
        done = office.done.copy()
    answer.sent = "lifespan.shutdown, while a letter is being delivered and the queue is empty"
    answer.expect("lifespan.shutdown.complete")
    Outcome(answer.sent, done).expect(
        letters,
        because="it said complete before the letter had arrived: the server ends the process then",
        next="`await letters.join()`, which waits for `task_done()`, and not for an empty queue",
    )


@with_worker.requirement(
    "waits 5 seconds at most for that, cancels what is not done by then, and leaves no task behind"
)
async def gives_up(trial: Trial) -> None:
    office, before = PostOffice(is_open=False), asyncio.all_tasks()
    sent = "lifespan.shutdown, while `deliver` hangs and the queue is full"
    async with started(trial, office, 2) as server:
        queue = queue_of(server)
        await fill(server, office, some_letters(3))
        with held_clock() as clock:
            stopping = asyncio.ensure_future(server.stop())
            await clock.advance(4.5)
            early = stopping.done()
            await clock.advance(1)
            late = not await turns(stopping.done)
        Outcome(sent, "it gave up before" if early else "it still waits").expect_that(
            not early and not late,
            "to give up after 5 seconds",
            because="a letter that hangs would hold up every deployment" if late else None,
        )
        (await stopping).expect("lifespan.shutdown.complete")
        none_left = await turns(lambda: not tasks_of(trial.answer, before))
        Outcome(sent, "no task is left" if none_left else "the worker is still there").expect(
            "no task is left", next="`worker.cancel()`"
        )
        ended = await turns(lambda: not office.inside)
        Outcome(sent, "no delivery is left" if ended else "a call of `deliver` goes on").expect(
            "no delivery is left",
        )
        joined = await turns(lambda: not joins_of(queue))
        Outcome(sent, "no task is left" if joined else "a task that waits in `join()`").expect(
            "no task is left"
        )
    await gives_up_after_one_wait_for_all(trial)


def joins_of(queue: asyncio.Queue[str]) -> list[asyncio.Task[Any]]:
    """The tasks that are nothing but `queue.join()`: their code is not the answer's own."""
    frames = {task: getattr(task.get_coro(), "cr_frame", None) for task in asyncio.all_tasks()}
    join = asyncio.Queue.join.__code__
    return [t for t, f in frames.items() if f and f.f_code is join and f.f_locals.get("self") is queue]


async def gives_up_after_one_wait_for_all(trial: Trial) -> None:
    """Let a letter come through after three of the five seconds: the next one has two left."""
    office = PostOffice(is_open=False)
    async with started(trial, office, 10) as server:
        put(queue_of(server), some_letters(3))
        await turns(lambda: bool(office.begun))
        with held_clock() as clock:
            stopping = asyncio.ensure_future(server.stop())
            await clock.advance(3)
            office.open.set()
            await turns(lambda: bool(office.done))
            office.open.clear()
            await turns(lambda: len(office.begun) > 1)
            await clock.advance(2.5)
            gave_up = await turns(stopping.done)
        Outcome(
            "lifespan.shutdown, while `deliver` takes three seconds for a letter, and hangs with the next",
            "it gave up" if gave_up else "it still waits after 5.5 seconds",
        ).expect(
            "it gave up", next="one limit around the whole wait, as `asyncio.wait_for(letters.join(), 5)`"
        )
        (await stopping).expect("lifespan.shutdown.complete")


@with_worker.requirement("passes every other connection on to `application`, as it is")
async def passes_on(trial: Trial) -> None:
    async with nothing_left(trial):
        await passes_requests_on(trial)


async def passes_requests_on(trial: Trial) -> None:
    office, heard, words = PostOffice(), [], some_letters(2)
    received: list[dict[str, Any]] = []

    async def page(scope: Any, receive: Any, send: Any) -> None:
        heard.append(scope.copy())
        received.append(await receive())
        if scope["path"] == "/fails/":
            raise PostError("the view has failed")
        header = (b"x-page", words[len(heard) - 1].encode())
        await send({"type": "http.response.start", "status": 200, "headers": [header]})
        await send({"type": "http.response.body", "body": words[len(heard) - 1].encode()})

    layer = application_from(trial, page, office.deliver, 3)
    async with Lifespan(layer) as server:
        (await server.start()).expect("lifespan.startup.complete")
        for number, text in enumerate(words, 1):
            scope = http_scope("/page/", state=server.state.copy())
            given = scope.copy()
            reply = await exchange(layer, scope)
            because = None if heard else "the layer answers `lifespan` alone"
            called = len(heard) == number
            reply.expect_that(called, "`application` called", got="it was not called", because=because)
            reply.expect_answer(200, text.encode(), [("x-page", text)])
            expect_the_same(reply.sent, heard[-1], given)
            Outcome(f"{reply.sent}, and the request's body", received[-1]).expect(REQUEST)
        Outcome(reply.sent, f"{heard[0]['state'].get('letters')!r}").expect_that(
            all(scope["state"].get("letters") is queue_of(server) for scope in heard),
            "the queue in the scope of the request",
        )
        await passes_on_whatever_it_is(layer, heard)
    await expect_two_requests_inside(lambda inner: application_from(trial, inner, office.deliver, 3))


def expect_the_same(sent: str, found: dict[str, Any], given: dict[str, Any]) -> None:
    changed = sorted(key for key in found.keys() | given.keys() if found.get(key) != given.get(key))
    Outcome(sent, f"another {', '.join(changed)} in the scope of the request").expect_that(
        not changed, "the scope that the server gave", because="the layer has changed it"
    )


async def passes_on_whatever_it_is(layer: Any, heard: list[dict[str, Any]]) -> None:
    failing = await exchange(layer, http_scope("/fails/"))
    failing.sent += "  where `application` raises"
    swallowed = failing.error is None
    Outcome(failing.sent, "no error" if swallowed else type(failing.error).__name__).expect(
        "PostError", because="the server has to hear of it" if swallowed else None
    )
    heard.clear()
    await exchange(layer, {**http_scope("/fails/"), "type": "websocket"})
    Outcome("a connection of type websocket", f"`application` called {len(heard)} times").expect(
        "`application` called 1 times", because="only `lifespan` belongs to the layer"
    )
