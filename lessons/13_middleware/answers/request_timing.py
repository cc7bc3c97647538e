import asyncio
import time
from contextlib import contextmanager
from datetime import datetime, timedelta
from time import perf_counter, process_time

from asgiref.sync import async_to_sync, iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.utils.decorators import async_only_middleware, sync_and_async_middleware
from django.utils.deprecation import MiddlewareMixin

from tutorial_project.checks import known_answer


def timed(response, started):
    response["X-Time-Ms"] = f"{(perf_counter() - started) * 1000:.0f}"
    return response


@known_answer(
    "request_timing", when="Where the middleware has settings or helpers of its own: methods hold them."
)
class MarksItsInstances:
    sync_capable = async_capable = True

    def __init__(self, get_response):
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request):
        if self.is_async:
            return self.__acall__(request)
        started = perf_counter()
        return timed(self.get_response(request), started)

    async def __acall__(self, request):
        started = perf_counter()
        return timed(await self.get_response(request), started)


@known_answer("request_timing")
class BranchesOfTheMixin(MiddlewareMixin):
    def __call__(self, request):
        started = perf_counter()
        answer = self.get_response(request)
        return self.awaited(answer, started) if self.async_mode else timed(answer, started)

    async def awaited(self, answer, started):
        return timed(await answer, started)


def in_both_worlds(timing):
    """A middleware from a function that is given get_response and a request, and is right in the sync world."""

    @sync_and_async_middleware
    def factory(get_response):
        if iscoroutinefunction(get_response):

            async def middleware(request):
                return await timing(get_response, request)

            return middleware

        def middleware(request):
            started = perf_counter()
            return timed(get_response(request), started)

        return middleware

    factory.__name__ = timing.__name__
    return factory


@known_answer("request_timing", breaks="times_an_async_view", says="something was called and not awaited")
@sync_and_async_middleware
def does_not_branch(get_response):
    def middleware(request):
        started = perf_counter()
        return timed(get_response(request), started)

    return middleware


@known_answer("request_timing", breaks="times_an_async_view", says="when the view has answered")
@in_both_worlds
async def stops_the_clock_before_the_await(get_response, request):
    started = perf_counter()
    answer = get_response(request)
    taken = perf_counter() - started
    response = await answer
    response["X-Time-Ms"] = str(round(taken * 1000))
    return response


@known_answer("request_timing", breaks="times_an_async_view", says="seconds are too few")
@in_both_worlds
async def counts_seconds(get_response, request):
    started = perf_counter()
    response = await get_response(request)
    response["X-Time-Ms"] = str(round(perf_counter() - started))
    return response


@known_answer("request_timing", breaks="times_an_async_view", says="it is no whole number")
@in_both_worlds
async def writes_a_fraction(get_response, request):
    started = perf_counter()
    response = await get_response(request)
    response["X-Time-Ms"] = str((perf_counter() - started) * 1000)
    return response


@known_answer("request_timing", breaks="times_an_async_view", says="the factory ended without a `return`")
@sync_and_async_middleware
def forgets_to_return_the_inner_function(get_response):
    async def middleware(request):
        started = perf_counter()
        return timed(await get_response(request), started)


@known_answer("request_timing", breaks="starts_anew", says="belongs into the inner function")
@sync_and_async_middleware
def starts_the_clock_once(get_response):
    started = perf_counter()

    async def middleware(request):
        return timed(await get_response(request), started)

    def sync_middleware(request):
        return timed(get_response(request), started)

    return middleware if iscoroutinefunction(get_response) else sync_middleware


@known_answer("request_timing", breaks="times_errors", says="404 without the header")
@in_both_worlds
async def times_success_only(get_response, request):
    started = perf_counter()
    response = await get_response(request)
    return timed(response, started) if response.status_code < 400 else response


@known_answer("request_timing", breaks="stays_on_the_loop", says="builds it in a thread")
def sync_only(get_response):
    def middleware(request):
        started = perf_counter()
        return timed(get_response(request), started)

    return middleware


@known_answer("request_timing", breaks="stays_on_the_loop", says="got 4 into a thread, 0 back")
class HooksOfTheMixin(MiddlewareMixin):
    def process_request(self, request):
        request.started = perf_counter()

    def process_response(self, request, response):
        return timed(response, request.started)


@known_answer(
    "request_timing",
    breaks="serves_wsgi",
    says="back to the event loop",
    because="Django adapts a middleware that is for one world only, and",
)
@async_only_middleware
def async_only(get_response):
    async def middleware(request):
        started = perf_counter()
        return timed(await get_response(request), started)

    return middleware


@known_answer("request_timing", breaks="serves_wsgi", says="`await` stands before a response")
@sync_and_async_middleware
def awaits_in_both_worlds(get_response):
    async def middleware(request):
        started = perf_counter()
        return timed(await get_response(request), started)

    if iscoroutinefunction(get_response):
        return middleware
    return lambda request: asyncio.run(middleware(request))


class OnTheInstance:
    """The clock's start where all requests write it."""

    sync_capable = async_capable = True

    def __init__(self, get_response):
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request):
        if iscoroutinefunction(self):
            return self.__acall__(request)
        started = perf_counter()
        return timed(self.get_response(request), started)


@known_answer("request_timing", breaks="starts_anew", says="share where the start is kept")
class KeepsTheStartOnItself(OnTheInstance):
    async def __acall__(self, request):
        self.started = perf_counter()
        return timed(await self.get_response(request), self.started)


@known_answer("request_timing", breaks="starts_anew", says="got none until then")
class LetsInOneAtATime(OnTheInstance):
    def __init__(self, get_response):
        super().__init__(get_response)
        self.one_by_one = asyncio.Lock()

    async def __acall__(self, request):
        async with self.one_by_one:
            started = perf_counter()
            return timed(await self.get_response(request), started)


@known_answer("request_timing", breaks="stays_on_the_loop", says="the bridge is its own")
@sync_and_async_middleware
def bridges_by_itself(get_response):
    if not iscoroutinefunction(get_response):
        return in_a_thread(get_response)
    middleware = sync_to_async(in_a_thread(async_to_sync(get_response)))

    async def bridged(request):
        return await middleware(request)

    return bridged


def in_a_thread(get_response):
    def middleware(request):
        started = perf_counter()
        return timed(get_response(request), started)

    return middleware


@known_answer("request_timing", breaks="times_an_async_view", says="awaits none: they are plain functions")
class AsyncHooks(MiddlewareMixin):
    async def process_request(self, request):
        request.started = perf_counter()

    async def process_response(self, request, response):
        return timed(response, request.started)


@known_answer("request_timing", breaks="times_an_async_view", says="X-Time-Ms: 60000")
@in_both_worlds
async def makes_it_up(get_response, request):
    response = await get_response(request)
    response["X-Time-Ms"] = "60000"
    return response


@known_answer("request_timing", breaks="starts_anew", says="without the header X-Time-Ms")
@in_both_worlds
async def times_get_alone(get_response, request):
    started = perf_counter()
    response = await get_response(request)
    return timed(response, started) if request.method == "GET" else response


@known_answer("request_timing", breaks="times_an_async_view", says="stands still while a view waits")
@in_both_worlds
async def asks_the_clock_of_the_processor(get_response, request):
    started = process_time()
    response = await get_response(request)
    response["X-Time-Ms"] = str(round((process_time() - started) * 1000))
    return response


@known_answer("request_timing", breaks="serves_wsgi", says="share where the start is kept")
class KeepsTheStartOfThreadsOnItself(OnTheInstance):
    def __call__(self, request):
        if iscoroutinefunction(self):
            return self.__acall__(request)
        self.started = perf_counter()
        return timed(self.get_response(request), self.started)

    async def __acall__(self, request):
        started = perf_counter()
        return timed(await self.get_response(request), started)


@known_answer("request_timing")
@sync_and_async_middleware
def by_a_context_manager(get_response):
    @contextmanager
    def timed():
        started = time.monotonic_ns()
        made = {}
        yield made
        made["response"].headers["X-Time-Ms"] = str((time.monotonic_ns() - started) // 1_000_000)

    async def on_the_loop(request):
        with timed() as made:
            made["response"] = await get_response(request)
        return made["response"]

    def in_a_thread(request):
        with timed() as made:
            made["response"] = get_response(request)
        return made["response"]

    return on_the_loop if iscoroutinefunction(get_response) else in_a_thread


@known_answer("request_timing", breaks="serves_wsgi", says="500 without the header X-Time-Ms")
class ForgetsErrorsOfSyncSites(OnTheInstance):
    def __call__(self, request):
        if iscoroutinefunction(self):
            return self.__acall__(request)
        started = perf_counter()
        response = self.get_response(request)
        return timed(response, started) if response.status_code < 500 else response

    async def __acall__(self, request):
        started = perf_counter()
        return timed(await self.get_response(request), started)


@known_answer("request_timing", breaks="starts_anew", says="share where the start is kept")
class KeepsTheStartByPath(OnTheInstance):
    async def __acall__(self, request):
        starts[request.path] = perf_counter()
        response = await self.get_response(request)
        return timed(response, starts[request.path])


starts = {}


@known_answer("request_timing", breaks="times_an_async_view", says="the whole seconds are missing")
@in_both_worlds
async def loses_the_whole_seconds(get_response, request):
    started = perf_counter()
    response = await get_response(request)
    taken = timedelta(seconds=perf_counter() - started)
    response["X-Time-Ms"] = str(taken.microseconds // 1000)
    return response


@known_answer("request_timing", breaks="times_an_async_view", says="milliseconds expected X-Time-Ms: ")
@in_both_worlds
async def rounds_to_hundredths_of_a_second(get_response, request):
    started = perf_counter()
    response = await get_response(request)
    response["X-Time-Ms"] = str(round((perf_counter() - started) * 100) * 10)
    return response


@known_answer("request_timing", breaks="times_errors", says="200 without the header X-Time-Ms")
@in_both_worlds
async def times_no_streams(get_response, request):
    started = perf_counter()
    response = await get_response(request)
    return response if response.streaming else timed(response, started)


@known_answer("request_timing", breaks="serves_wsgi", says="`get_response` is a plain function there")
class ChoosesTheFormByTheServer(OnTheInstance):
    def __call__(self, request):
        return self.__acall__(request) if isinstance(request, ASGIRequest) else super().__call__(request)

    async def __acall__(self, request):
        started = perf_counter()
        return timed(await self.get_response(request), started)


@known_answer("request_timing")
@sync_and_async_middleware
def by_the_clock_of_the_day(get_response):
    def stamped(response, started):
        response["X-Time-Ms"] = (datetime.now() - started) // timedelta(milliseconds=1)
        return response

    async def on_the_loop(request):
        started = datetime.now()
        return stamped(await get_response(request), started)

    def in_a_thread(request):
        started = datetime.now()
        return stamped(get_response(request), started)

    return on_the_loop if iscoroutinefunction(get_response) else in_a_thread


@known_answer("request_timing", breaks="starts_anew", says="share where the start is kept")
class KeepsTheStartsOnAStack(OnTheInstance):
    async def __acall__(self, request):
        stack.append(perf_counter())
        response = await self.get_response(request)
        return timed(response, stack.pop())


stack = []
