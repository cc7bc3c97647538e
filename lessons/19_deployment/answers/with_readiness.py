import asyncio
from contextlib import suppress
from functools import partial

from tutorial_project.checks import known_answer

PLAIN = [(b"content-type", b"text/plain")]


async def say(send, status, body):
    await send({"type": "http.response.start", "status": status, "headers": PLAIN})
    await send({"type": "http.response.body", "body": body})


async def live(receive, send, over=None):
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    if over is not None:
        await over()
    await send({"type": "lifespan.shutdown.complete"})


def asks_for_readiness(scope):
    return scope["type"] == "http" and scope["path"] == "/readiness/"


def state(stopping):
    return (503, b"stopping") if stopping.is_set() else (200, b"ready")


@known_answer(
    "with_readiness",
    when="Where something else waits for the open requests as well: a condition wakes all, and each looks for itself.",
)
class WithACondition:
    def __init__(self, application, stopping):
        self.application, self.stopping = application, stopping
        self.open, self.changed = 0, asyncio.Condition()

    async def __call__(self, scope, receive, send):
        if scope["type"] == "lifespan":
            return await live(receive, send, self.over)
        if asks_for_readiness(scope):
            return await say(send, *state(self.stopping))
        self.open += 1
        try:
            return await self.application(scope, receive, send)
        finally:
            self.open -= 1
            async with self.changed:
                self.changed.notify_all()

    async def over(self):
        async with self.changed:
            await self.changed.wait_for(lambda: self.open == 0)


@known_answer(
    "with_readiness",
    when="Where you want to name or cancel the requests that are still open: the set has their tasks.",
)
def waits_for_the_tasks_of_requests(application, stopping):
    calls = set()

    async def over():
        while calls:
            await asyncio.wait(calls)

    async def layer(scope, receive, send):
        match scope["type"], scope.get("path"):
            case "lifespan", _:
                await live(receive, send, over)
            case "http", "/readiness/":
                await say(send, *state(stopping))
            case _:
                calls.add(call := asyncio.current_task())
                try:
                    await application(scope, receive, send)
                finally:
                    calls.discard(call)

    return layer


@known_answer(
    "with_readiness", breaks="answers_ready", says="the layer calls `application` for this path, too"
)
def calls_the_application_first(application, stopping):
    async def layer(scope, receive, send):
        if scope["type"] == "lifespan":
            return await live(receive, send)

        async def drop(message):
            pass

        if asks_for_readiness(scope):
            await application(scope, receive, drop)
            return await say(send, *state(stopping))
        await application(scope, receive, send)

    return layer


@known_answer("with_readiness", breaks="says_no_when_stopping", says="expected 503")
def looks_at_the_start(application, stopping):
    answer = state(stopping)

    async def layer(scope, receive, send):
        if scope["type"] == "lifespan":
            return await live(receive, send)
        if asks_for_readiness(scope):
            return await say(send, *answer)
        await application(scope, receive, send)

    return layer


@known_answer(
    "with_readiness",
    breaks="says_no_when_stopping",
    says="no answer, while a request is open",
    because="the answer waits for the open request",
)
def one_lock_for_everything(application, stopping):
    lock, under_way = asyncio.Lock(), []

    async def layer(scope, receive, send):
        if scope["type"] == "lifespan":
            return await live(receive, send)
        if asks_for_readiness(scope):
            if not stopping.is_set():
                return await say(send, 200, b"ready")
            async with lock:
                return await say(send, 503, b"stopping")
        async with lock:
            under_way.append(scope)
            await application(scope, receive, send)

    return layer


@known_answer("with_readiness", breaks="lets_late_requests_in", says="503")
def turns_late_requests_away(application, stopping):
    async def layer(scope, receive, send):
        if scope["type"] == "lifespan":
            return await live(receive, send)
        if asks_for_readiness(scope) or stopping.is_set():
            return await say(send, *state(stopping))
        await application(scope, receive, send)

    return layer


@known_answer("with_readiness", breaks="speaks_lifespan", says="Django knows no `lifespan`")
def leaves_lifespan_to_django(application, stopping):
    async def layer(scope, receive, send):
        if asks_for_readiness(scope):
            return await say(send, *state(stopping))
        await application(scope, receive, send)

    return layer


@known_answer("with_readiness", breaks="waits_for_open_requests", says="the server may end the process")
def ends_at_once(application, stopping):
    async def layer(scope, receive, send):
        if scope["type"] == "lifespan":
            return await live(receive, send)
        if asks_for_readiness(scope):
            return await say(send, *state(stopping))
        await application(scope, receive, send)

    return layer


@known_answer(
    "with_readiness", breaks="waits_for_open_requests", says="a request that failed still counts as open"
)
def forgets_that_requests_fail(application, stopping):
    under_way, over = set(), asyncio.Event()

    async def none_left():
        while under_way:
            over.clear()
            await over.wait()

    async def layer(scope, receive, send):
        if scope["type"] == "lifespan":
            return await live(receive, send, none_left)
        if asks_for_readiness(scope):
            return await say(send, *state(stopping))
        under_way.add(request := object())
        await application(scope, receive, send)
        under_way.discard(request)
        over.set()

    return layer


@known_answer(
    "with_readiness",
    breaks="waits_for_open_requests",
    says="while they are open",
    because="the server may end the process as soon as it has heard of the",
)
def the_first_one_opens_the_door(application, stopping):
    over, seen = asyncio.Event(), []

    async def none_left():
        if seen:
            await asyncio.wait_for(over.wait(), 0)

    async def layer(scope, receive, send):
        if scope["type"] == "lifespan":
            try:
                return await live(receive, send, none_left)
            except TimeoutError:
                return await send({"type": "lifespan.shutdown.complete"})
        if asks_for_readiness(scope):
            return await say(send, *state(stopping))
        seen.append(scope)
        try:
            await application(scope, receive, send)
        finally:
            over.set()

    return layer


def counting(application, stopping, over=None, asks=asks_for_readiness, is_over=BaseException, hands_on=None):
    """The layer, put together from its parts: the wrong answers below differ in one of them."""
    under_way, changed = [], asyncio.Event()

    async def wait():
        while under_way:
            changed.clear()
            await changed.wait()

    def done():
        under_way.pop()
        changed.set()

    async def layer(scope, receive, send):
        if scope["type"] == "lifespan":
            return await live(receive, send, partial(over, under_way, changed) if over else wait)
        if asks(scope):
            return await say(send, *state(stopping))
        under_way.append(scope)
        try:
            await (hands_on or application)(scope, receive, send)
        except is_over:
            done()
            raise
        done()

    return layer


@known_answer(
    "with_readiness",
    breaks="answers_ready",
    says="a WebSocket to /readiness/",
    because="a WebSocket is no `GET`, and cannot be answered with a status",
)
def answers_a_websocket_with_a_status(application, stopping):
    return counting(application, stopping, asks=lambda scope: scope["path"] == "/readiness/")


@known_answer("with_readiness", breaks="answers_ready", says="GET /trips/readiness/")
def every_path_that_ends_so(application, stopping):
    return counting(application, stopping, asks=lambda scope: scope["path"].endswith("/readiness/"))


@known_answer(
    "with_readiness", breaks="answers_ready", says="only `lifespan` and `/readiness/` belong to the layer"
)
def http_alone(application, stopping):
    async def http(scope, receive, send):
        if scope["type"] == "http":
            await application(scope, receive, send)

    return counting(application, stopping, hands_on=http)


@known_answer(
    "with_readiness",
    breaks="answers_ready",
    says="another state in the scope",
    because="the layer has changed it",
)
def a_state_of_its_own(application, stopping):
    async def without_state(scope, receive, send):
        await application({**scope, "state": {}}, receive, send)

    return counting(application, stopping, hands_on=without_state)


@known_answer("with_readiness", breaks="answers_ready", says="the server has to hear of it")
def swallows_errors(application, stopping):
    async def quiet(scope, receive, send):
        with suppress(Exception):
            await application(scope, receive, send)

    return counting(application, stopping, hands_on=quiet)


@known_answer("with_readiness", breaks="waits_for_open_requests", says="the other request was still open")
def waits_for_the_first_that_ends(application, stopping):
    async def over(under_way, changed):
        if under_way:
            await changed.wait()

    return counting(application, stopping, over)


@known_answer("with_readiness", breaks="waits_for_open_requests", says="the other request was still open")
def waits_for_five_seconds(application, stopping):
    async def over(under_way, changed):
        with suppress(TimeoutError):
            async with asyncio.timeout(5):
                while under_way:
                    changed.clear()
                    await changed.wait()

    return counting(application, stopping, over)


@known_answer(
    "with_readiness", breaks="waits_for_open_requests", says="a request that was cancelled still counts"
)
def a_cancelled_request_stays_open(application, stopping):
    return counting(application, stopping, is_over=Exception)


@known_answer("with_readiness", breaks="waits_for_open_requests", says="lets them in one after the other")
def one_request_at_a_time(application, stopping):
    lock = asyncio.Lock()

    async def alone(scope, receive, send):
        async with lock:
            await application(scope, receive, send)

    return counting(application, stopping, hands_on=alone)


@known_answer(
    "with_readiness",
    breaks="waits_for_open_requests",
    says="while they are open",
    because="the server may end the process as soon as it has heard of the",
)
def over_with_the_first_message(application, stopping):
    under_way = set()

    async def over():
        while under_way:
            await asyncio.sleep(0)

    async def layer(scope, receive, send):
        if scope["type"] == "lifespan":
            return await live(receive, send, over)
        if asks_for_readiness(scope):
            return await say(send, *state(stopping))
        under_way.add(request := object())

        async def sending(message):
            under_way.discard(request)
            await send(message)

        try:
            await application(scope, receive, sending)
        finally:
            under_way.discard(request)

    return layer


@known_answer(
    "with_readiness",
    breaks="speaks_lifespan",
    says="has not said lifespan.startup yet",
    because="the server has to speak first: what comes before answers nothing",
)
def answers_before_it_is_asked(application, stopping):
    usual = counting(application, stopping)

    async def layer(scope, receive, send):
        if scope["type"] != "lifespan":
            return await usual(scope, receive, send)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await receive()
        await send({"type": "lifespan.shutdown.complete"})

    return layer


@known_answer("with_readiness", breaks="answers_ready", says="'NoneType' object is not callable")
def keeps_the_body_of_a_request(application, stopping):
    async def without_receive(scope, receive, send):
        await application(scope, None, send)

    return counting(application, stopping, hands_on=without_receive)


@known_answer("with_readiness", breaks="answers_ready", says="knows no message of the type http.response.end")
def ends_with_a_message_of_its_own(application, stopping):
    usual = counting(application, stopping)

    async def layer(scope, receive, send):
        if not asks_for_readiness(scope):
            return await usual(scope, receive, send)
        status, body = state(stopping)
        await send({"type": "http.response.start", "status": status, "headers": PLAIN})
        await send({"type": "http.response.end", "body": body})

    return layer


@known_answer("with_readiness", breaks="waits_for_open_requests", says="came later was still open")
def waits_for_those_of_one_moment(application, stopping):
    requests = set()

    async def layer(scope, receive, send):
        if scope["type"] == "lifespan":
            return await live(receive, send, those_of_now)
        if asks_for_readiness(scope):
            return await say(send, *state(stopping))
        over = asyncio.get_running_loop().create_future()
        requests.add(over)
        try:
            await application(scope, receive, send)
        finally:
            requests.discard(over)
            over.set_result(None)

    async def those_of_now():
        if requests:
            await asyncio.wait(list(requests))

    return layer


@known_answer("with_readiness", breaks="answers_ready", says="expected")
def also_without_the_slash(application, stopping):
    def asks(scope):
        return scope["type"] == "http" and scope["path"].rstrip("/") == "/readiness"

    return counting(application, stopping, asks=asks)


EQUAL_MUTANTS = {
    "condition: if not under_way: → if True:": "who waits looks at the set again each time",
}


@known_answer("with_readiness")
def looks_a_hundred_times_a_second(application, stopping):
    async def over(under_way, changed):
        while under_way:
            await asyncio.sleep(0.01)

    return counting(application, stopping, over)


def in_tasks(application, stopping, over, waits=lambda task: task):
    """Each request in a task of its own, which `over` gets a set of."""
    tasks = set()

    async def in_a_task(scope, receive, send):
        tasks.add(task := asyncio.ensure_future(application(scope, receive, send)))
        try:
            await waits(task)
        finally:
            tasks.discard(task)

    async def all_over(under_way, changed):
        await over(tasks)

    return counting(application, stopping, all_over, hands_on=in_a_task)


async def gathered(tasks):
    while tasks:
        await asyncio.wait(tasks)


@known_answer("with_readiness")
def each_in_a_task_of_its_own(application, stopping):
    return in_tasks(application, stopping, gathered)


@known_answer("with_readiness", breaks="waits_for_open_requests", says="a CancelledError has ended")
def an_error_ends_the_wait(application, stopping):
    async def over(tasks):
        with suppress(Exception):
            await asyncio.gather(*map(asyncio.shield, tasks))

    return in_tasks(application, stopping, over)


@known_answer(
    "with_readiness", breaks="waits_for_open_requests", says="does not hear that a request was cancelled"
)
def goes_on_when_a_request_is_cancelled(application, stopping):
    return in_tasks(application, stopping, gathered, waits=asyncio.shield)


everybody = []


@known_answer("with_readiness", breaks="waits_for_open_requests", says="two layers count in one place")
def counts_for_the_whole_process(application, stopping):
    async def noted(scope, receive, send):
        everybody.append(scope)
        try:
            await application(scope, receive, send)
        finally:
            everybody.pop()

    async def over(under_way, changed):
        while everybody:
            await asyncio.sleep(0.01)

    return counting(application, stopping, over, hands_on=noted)


@known_answer(
    "with_readiness",
    breaks="waits_for_open_requests",
    says="/closes/slowly/",
    because="the server may end the process as soon as it has heard of the",
)
def over_with_the_last_byte(application, stopping):
    open_answers = set()

    async def noted(scope, receive, send):
        open_answers.add(answer := object())

        async def sends(message):
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                open_answers.discard(answer)

        try:
            await application(scope, receive, sends)
        finally:
            open_answers.discard(answer)

    async def over(under_way, changed):
        while open_answers:
            await asyncio.sleep(0.01)

    return counting(application, stopping, over, hands_on=noted)
