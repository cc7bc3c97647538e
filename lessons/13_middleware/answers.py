import asyncio
import threading
from time import perf_counter
from uuid import uuid4

from asgiref.sync import async_to_sync, iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.http import JsonResponse
from django.utils.decorators import async_only_middleware, sync_and_async_middleware
from django.utils.deprecation import MiddlewareMixin

from tutorial_project.classroom.checks import known_answer
from tutorial_project.trips.models import Trip
from tutorial_project.trips.request_log import current_id


def timed(response, started):
    response["X-Time-Ms"] = f"{(perf_counter() - started) * 1000:.0f}"
    return response


@known_answer("request_timing")
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


@known_answer("request_timing", breaks="times_an_async_view", says="the clock was stopped before the view")
@in_both_worlds
async def stops_the_clock_before_the_await(get_response, request):
    started = perf_counter()
    answer = get_response(request)
    taken = perf_counter() - started
    response = await answer
    response["X-Time-Ms"] = str(round(taken * 1000))
    return response


@known_answer("request_timing", breaks="times_an_async_view", says="or it counts seconds")
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


@known_answer("request_timing", breaks="serves_wsgi", says="back to the event loop")
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


class Named:
    """What the answers below share."""

    sync_capable = False
    async_capable = True

    def __init__(self, get_response):
        self.get_response = get_response
        markcoroutinefunction(self)

    def id_of(self, request):
        return request.headers.get("X-Request-ID") or uuid4().hex

    async def answered(self, request, request_id):
        response = await self.get_response(request)
        response["X-Request-ID"] = request_id
        return response


@known_answer("RequestId")
@async_only_middleware
def as_a_function(get_response):
    async def middleware(request):
        request_id = request.META.get("HTTP_X_REQUEST_ID", str(uuid4()))
        current_id.set(request_id)
        response = await get_response(request)
        response.headers["X-Request-ID"] = request_id
        return response

    return middleware


@known_answer("RequestId")
class WrapsTheStream(Named):
    async def __call__(self, request):
        request_id = self.id_of(request)
        token = current_id.set(request_id)
        try:
            response = await self.answered(request, request_id)
        finally:
            current_id.reset(token)
        if response.streaming:
            response.streaming_content = self.named(response.streaming_content, request_id)
        return response

    async def named(self, content, request_id):
        current_id.set(request_id)
        async for chunk in content:
            yield chunk


@known_answer("RequestId")
class InTheHooksOfTheMixin(MiddlewareMixin):
    def process_request(self, request):
        current_id.set(request.headers.get("X-Request-ID") or uuid4().hex)

    def process_response(self, request, response):
        response["X-Request-ID"] = current_id.get()
        return response


@known_answer("RequestId")
class MakesAUUIDObject(Named):
    def id_of(self, request):
        return request.headers.get("X-Request-ID") or uuid4()

    async def __call__(self, request):
        current_id.set(self.id_of(request))
        return await self.answered(request, current_id.get())


@known_answer("RequestId", breaks="gives_the_id_back", says="something ended without a `return`")
class DoesNotReturn(Named):
    async def __call__(self, request):
        current_id.set(self.id_of(request))
        await self.answered(request, current_id.get())


@known_answer("RequestId", breaks="gives_the_id_back", says="something was called and not awaited")
class DoesNotAwait(Named):
    async def __call__(self, request):
        current_id.set(self.id_of(request))
        response = self.get_response(request)
        response.headers["X-Request-ID"] = current_id.get()
        return response


@known_answer("RequestId", breaks="gives_the_id_back", says="without the header X-Request-ID")
class SetsNoHeader(Named):
    async def __call__(self, request):
        current_id.set(self.id_of(request))
        return await self.get_response(request)


@known_answer("RequestId", breaks="gives_the_id_back", says="expected X-Request-ID: ada-1")
class AlwaysMakesOne(Named):
    async def __call__(self, request):
        current_id.set(uuid4().hex)
        return await self.answered(request, current_id.get())


@known_answer("RequestId", breaks="gives_the_id_back", says="`markcoroutinefunction(self)` in `__init__`")
class IsNotMarked(Named):
    def __init__(self, get_response):
        self.get_response = get_response

    async def __call__(self, request):
        current_id.set(self.id_of(request))
        return await self.answered(request, current_id.get())


@known_answer("RequestId", breaks="makes_new_ids", says="raises when there is no such header")
class InsistsOnTheHeader(Named):
    async def __call__(self, request):
        current_id.set(request.headers["X-Request-ID"])
        return await self.answered(request, current_id.get())


@known_answer("RequestId", breaks="makes_new_ids", says="the id is made once")
class MakesOneAtTheStart(Named):
    def __init__(self, get_response):
        super().__init__(get_response)
        self.new_id = uuid4().hex

    async def __call__(self, request):
        current_id.set(request.headers.get("X-Request-ID", self.new_id))
        return await self.answered(request, current_id.get())


@known_answer("RequestId", breaks="makes_new_ids", says="got X-Request-ID: -")
class GivesTheDefaultBack(Named):
    async def __call__(self, request):
        current_id.set(request.headers.get("X-Request-ID", "-"))
        return await self.answered(request, current_id.get())


@known_answer("RequestId", breaks="names_log_lines", says="`current_id` was not set in the task")
class KeepsItOnTheRequest(Named):
    async def __call__(self, request):
        request.id = self.id_of(request)
        return await self.answered(request, request.id)


@known_answer("RequestId", breaks="names_log_lines", says="`current_id` was not set in the task")
class KeepsItInTheThread(Named):
    local = threading.local()

    async def __call__(self, request):
        self.local.request_id = self.id_of(request)
        return await self.answered(request, self.local.request_id)


@known_answer("RequestId", breaks="names_log_lines", says="before the view started")
class SetsItInAnotherTask(Named):
    async def __call__(self, request):
        request_id = self.id_of(request)
        await asyncio.gather(self.keep(request_id))
        return await self.answered(request, request_id)

    async def keep(self, request_id):
        current_id.set(request_id)


@known_answer("RequestId", breaks="names_log_lines", says="before `await self.get_response(request)`")
class SetsItTooLate(Named):
    async def __call__(self, request):
        current_id.set("-")
        request_id = self.id_of(request)
        response = await self.answered(request, request_id)
        current_id.set(request_id)
        return response


@known_answer("RequestId", breaks="names_log_lines", says="before the view started")
class SetsItBesideTheRunningView(Named):
    async def __call__(self, request):
        request_id = self.id_of(request)
        view = asyncio.create_task(self.answered(request, request_id))
        current_id.set(request_id)
        return await view


@known_answer("RequestId", breaks="keeps_requests_apart", says="another one has written over it")
class KeepsItOnTheMiddleware(Named):
    async def __call__(self, request):
        self.id = self.id_of(request)
        current_id.set(self.id)
        response = await self.get_response(request)
        response["X-Request-ID"] = self.id
        return response


@known_answer("RequestId", breaks="names_streams", says="the stream is made after that")
class PutsItBack(Named):
    async def __call__(self, request):
        request_id = self.id_of(request)
        token = current_id.set(request_id)
        try:
            return await self.answered(request, request_id)
        finally:
            current_id.reset(token)


def sold_out():
    return JsonResponse({"error": "sold out"}, status=409)


def stamped(response, trip):
    if trip:
        response["X-Seats-Left"] = str(trip.seats_left)
    return response


def asked(request):
    return Trip.objects.filter(pk=request.GET.get("trip")).first()


async def aasked(request):
    return await Trip.objects.filter(pk=request.GET.get("trip")).afirst()


@known_answer("SeatsLeft")
class WithTheHooks(MiddlewareMixin):
    def process_request(self, request):
        request.trip = asked(request)
        if request.trip and not request.trip.seats_left:
            return sold_out()

    def process_response(self, request, response):
        return response if response.status_code == 409 else stamped(response, request.trip)


@known_answer("SeatsLeft")
@sync_and_async_middleware
def as_two_functions(get_response):
    async def in_the_loop(request):
        trip = await sync_to_async(asked)(request)
        if trip is not None and trip.seats_left < 1:
            return sold_out()
        return stamped(await get_response(request), trip)

    def in_a_thread(request):
        trip = asked(request)
        if trip is not None and trip.seats_left < 1:
            return sold_out()
        return stamped(get_response(request), trip)

    return in_the_loop if iscoroutinefunction(get_response) else in_a_thread


@known_answer("SeatsLeft")
class AsyncOnly(MiddlewareMixin):
    sync_capable = False  # Django adapts it to a WSGI site

    async def __call__(self, request):
        trip = await aasked(request)
        if trip and trip.seats_left == 0:
            return sold_out()
        return stamped(await self.get_response(request), trip)


class InBothWorlds(MiddlewareMixin):
    """Right in the sync world; the answers below add the async one."""

    def __call__(self, request):
        if self.async_mode:
            return self.__acall__(request)
        trip = asked(request)
        if trip and trip.seats_left == 0:
            return sold_out()
        return stamped(self.get_response(request), trip)


@known_answer("SeatsLeft", breaks="refuses_sold_out_trips", says="used directly in the event loop")
class AsItWas(MiddlewareMixin):
    def __call__(self, request):
        trip = asked(request)
        if trip and trip.seats_left == 0:
            return sold_out()
        return stamped(self.get_response(request), trip)


@known_answer("SeatsLeft", breaks="refuses_sold_out_trips", says="used directly in the event loop")
class SyncQueryInTheAsyncForm(InBothWorlds):
    async def __acall__(self, request):
        trip = asked(request)
        if trip and trip.seats_left == 0:
            return sold_out()
        return stamped(await self.get_response(request), trip)


@known_answer("SeatsLeft", breaks="refuses_sold_out_trips", says="what makes it is not async")
class AwaitsItsOwnResponse(InBothWorlds):
    async def __acall__(self, request):
        trip = await aasked(request)
        if trip and trip.seats_left == 0:
            return await sold_out()
        return stamped(await self.get_response(request), trip)


@known_answer("SeatsLeft", breaks="refuses_sold_out_trips", says="the view was called before the refusal")
class CallsTheViewFirst(InBothWorlds):
    async def __acall__(self, request):
        response = await self.get_response(request)
        trip = await aasked(request)
        return sold_out() if trip and trip.seats_left == 0 else stamped(response, trip)


@known_answer("SeatsLeft", breaks="refuses_sold_out_trips", says="got 200 the trip")
class InheritsTheAsyncForm(InBothWorlds):
    pass


@known_answer("SeatsLeft", breaks="adds_the_seats", says="something was called and not awaited")
class ForgetsToAwaitTheView(InBothWorlds):
    async def __acall__(self, request):
        trip = await aasked(request)
        if trip and trip.seats_left == 0:
            return sold_out()
        return stamped(self.get_response(request), trip)


@known_answer("SeatsLeft", breaks="adds_the_seats", says="got no such header")
class ForgetsTheHeader(InBothWorlds):
    async def __acall__(self, request):
        trip = await aasked(request)
        if trip and trip.seats_left == 0:
            return sold_out()
        return await self.get_response(request)


@known_answer("SeatsLeft", breaks="leaves_others_alone", says="raise when there is no such row")
class GetsTheTrip(InBothWorlds):
    async def __acall__(self, request):
        trip = await Trip.objects.aget(pk=request.GET.get("trip"))
        if trip.seats_left == 0:
            return sold_out()
        return stamped(await self.get_response(request), trip)


@known_answer("SeatsLeft", breaks="leaves_others_alone", says="`if trip:` before you read from it")
class ReadsFromNone(InBothWorlds):
    async def __acall__(self, request):
        trip = await aasked(request)
        if trip.seats_left == 0:
            return sold_out()
        return stamped(await self.get_response(request), trip)


@known_answer("SeatsLeft", breaks="serves_wsgi_too", says="gives back a coroutine, and nobody awaits it")
class AlwaysAsync(MiddlewareMixin):
    async def __call__(self, request):
        trip = await aasked(request)
        if trip and trip.seats_left == 0:
            return sold_out()
        return stamped(await self.get_response(request), trip)


@known_answer("SeatsLeft", breaks="blocks_no_thread", says="the middleware is sync only")
class FirstAid(AsItWas):
    async_capable = False


@known_answer("SeatsLeft", breaks="blocks_no_thread", says="from there back to the view")
class AllOfItInAThread(InBothWorlds):
    async def __acall__(self, request):
        return await sync_to_async(self.in_a_thread)(request)

    def in_a_thread(self, request):
        trip = asked(request)
        if trip and trip.seats_left == 0:
            return sold_out()
        return stamped(async_to_sync(self.get_response)(request), trip)
