import asyncio

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


@known_answer("with_readiness")
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


@known_answer("with_readiness")
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


@known_answer("with_readiness", breaks="says_no_when_stopping", says="no answer, while a request is open")
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


@known_answer("with_readiness", breaks="waits_for_open_requests", says="while they are open")
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
