import asyncio
import re
import string
import threading
from contextvars import ContextVar
from uuid import uuid4

from asgiref.sync import markcoroutinefunction
from django.http import HttpResponse
from django.utils.decorators import async_only_middleware
from django.utils.deprecation import MiddlewareMixin

from tutorial_project.checks import known_answer
from tutorial_project.trips.request_log import current_id

WELL_FORMED = re.compile("[A-Za-z0-9_-]{1,64}")
CHARACTERS = set(string.ascii_letters + string.digits + "-_")


def well_formed(text):
    return 0 < len(text) <= 64 and set(text) <= CHARACTERS


def id_from(request):
    brought = request.headers.get("X-Request-ID", "")
    return brought if WELL_FORMED.fullmatch(brought) else uuid4().hex


class Named:
    """What the answers below share."""

    sync_capable = False
    async_capable = True

    def __init__(self, get_response):
        self.get_response = get_response
        markcoroutinefunction(self)

    def id_of(self, request):
        return id_from(request)

    async def answered(self, request, request_id):
        response = await self.get_response(request)
        response["X-Request-ID"] = request_id
        return response


@known_answer("RequestId", when="Where the middleware holds nothing: a function needs no mark.")
@async_only_middleware
def as_a_function(get_response):
    async def middleware(request):
        request_id = request.META.get("HTTP_X_REQUEST_ID", "")
        if not well_formed(request_id):
            request_id = str(uuid4())
        current_id.set(request_id)
        response = await get_response(request)
        response.headers["X-Request-ID"] = request_id
        return response

    return middleware


@known_answer(
    "RequestId", when="Where other code sets the variable too, and each shall find its own value again."
)
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


@known_answer(
    "RequestId", when="Where the middleware serves sync sites, too: the mixin makes both forms of two hooks."
)
class InTheHooksOfTheMixin(MiddlewareMixin):
    def process_request(self, request):
        current_id.set(id_from(request))

    def process_response(self, request, response):
        response["X-Request-ID"] = current_id.get()
        return response


@known_answer("RequestId")
class MakesAUUIDObject(Named):
    def id_of(self, request):
        brought = request.headers.get("X-Request-ID", "")
        return brought if WELL_FORMED.fullmatch(brought) else uuid4()

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


@known_answer("RequestId", breaks="gives_the_id_back", says="expected X-Request-ID: ")
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
        brought = request.headers.get("X-Request-ID", "")
        current_id.set(brought if WELL_FORMED.fullmatch(brought) else self.new_id)
        return await self.answered(request, current_id.get())


@known_answer("RequestId", breaks="makes_new_ids", says="got X-Request-ID: -")
class GivesTheDefaultBack(Named):
    async def __call__(self, request):
        current_id.set(request.headers.get("X-Request-ID", "-"))
        return await self.answered(request, current_id.get())


@known_answer(
    "RequestId", breaks="names_log_lines", says="no id was set in `current_id` before the view started"
)
class KeepsItOnTheRequest(Named):
    async def __call__(self, request):
        request.id = self.id_of(request)
        return await self.answered(request, request.id)


@known_answer(
    "RequestId", breaks="names_log_lines", says="no id was set in `current_id` before the view started"
)
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


@known_answer("RequestId", breaks="names_streams", says="no id was set there by then")
class PutsItBack(Named):
    async def __call__(self, request):
        request_id = self.id_of(request)
        token = current_id.set(request_id)
        try:
            return await self.answered(request, request_id)
        finally:
            current_id.reset(token)


@known_answer("RequestId", breaks="takes_no_odd_id", says="as it was sent")
class TrustsTheHeader(Named):
    def id_of(self, request):
        return request.headers.get("X-Request-ID") or uuid4().hex

    async def __call__(self, request):
        current_id.set(self.id_of(request))
        return await self.answered(request, current_id.get())


@known_answer("RequestId", breaks="takes_no_odd_id", says="as it was sent")
class LooksAtTheBeginningOnly(TrustsTheHeader):
    def id_of(self, request):
        brought = request.headers.get("X-Request-ID", "")
        return brought if WELL_FORMED.match(brought) else uuid4().hex


@known_answer("RequestId", breaks="gives_the_id_back", says="expected X-Request-ID: ")
class TakesLessThanTheLimit(TrustsTheHeader):
    def id_of(self, request):
        brought = request.headers.get("X-Request-ID", "")
        return brought if len(brought) < 64 and well_formed(brought) else uuid4().hex


@known_answer("RequestId", breaks="names_log_lines", says="one id and the answer's header another")
class MakesTwoIds(Named):
    async def __call__(self, request):
        current_id.set(self.id_of(request))
        return await self.answered(request, self.id_of(request))


@known_answer("RequestId", breaks="gives_the_id_back", says="awaits none: they are plain functions")
class AsyncHooks(MiddlewareMixin):
    async def process_request(self, request):
        current_id.set(id_from(request))

    async def process_response(self, request, response):
        response["X-Request-ID"] = current_id.get()
        return response


one_by_one = asyncio.Lock()


@known_answer("RequestId", breaks="keeps_requests_apart", says="waited for each other outside of it")
class LetsInOneAtATime(Named):
    async def __call__(self, request):
        async with one_by_one:
            current_id.set(self.id_of(request))
            return await self.answered(request, current_id.get())


@known_answer("RequestId", breaks="takes_no_odd_id", says="a part of what was sent")
class CutsALongOne(TrustsTheHeader):
    def id_of(self, request):
        brought = request.headers.get("X-Request-ID", "")[:64]
        return brought if well_formed(brought) else uuid4().hex


@known_answer("RequestId", breaks="takes_no_odd_id", says="whoever sends the header writes into your log")
class LogsWhatWasSent(Named):
    async def __call__(self, request):
        request_id = id_from(request)
        current_id.set(request.headers.get("X-Request-ID") or request_id)
        return await self.answered(request, request_id)


@known_answer("RequestId", breaks="takes_no_odd_id", says="as it was sent")
class TakesLettersOfEveryAlphabet(Named):
    async def __call__(self, request):
        brought = request.headers.get("X-Request-ID", "")
        request_id = brought if re.fullmatch(r"[\w-]{1,64}", brought) else uuid4().hex
        current_id.set(request_id)
        return await self.answered(request, request_id)


@known_answer("RequestId", breaks="takes_no_odd_id", says="expected 200 with a header X-Request-ID")
class LetsALineEndThrough(Named):
    def id_of(self, request):
        brought = request.headers.get("X-Request-ID", "")
        return brought if re.match("[A-Za-z0-9_-]{1,64}$", brought) else uuid4().hex

    async def __call__(self, request):
        current_id.set(self.id_of(request))
        return await self.answered(request, current_id.get())


@known_answer("RequestId", breaks="gives_the_id_back", says="that is the id of the request before")
class KeepsAnIdThatIsThere(Named):
    async def __call__(self, request):
        if current_id.get() == "-":
            current_id.set(self.id_of(request))
        return await self.answered(request, current_id.get())


@known_answer("RequestId", breaks="gives_the_id_back", says="GET /missing/")
class NamesSuccessAlone(Named):
    async def __call__(self, request):
        current_id.set(self.id_of(request))
        response = await self.get_response(request)
        if response.status_code < 400:
            response.headers["X-Request-ID"] = current_id.get()
        return response


@known_answer("RequestId", breaks="names_streams", says="while the second is waited for")
class ReadsTheStreamByItself(Named):
    async def __call__(self, request):
        token = current_id.set(request_id := self.id_of(request))
        response = await self.answered(request, request_id)
        if response.streaming:
            parts = [part async for part in response]
            response = HttpResponse(b"".join(parts), headers=response.headers)
        current_id.reset(token)
        return response


@known_answer("RequestId", breaks="names_streams", says="twice, the second one while the first is under way")
class KeepsTheIdOfStreamsOnItself(Named):
    async def __call__(self, request):
        request_id = self.id_of(request)
        current_id.set(request_id)
        response = await self.answered(request, request_id)
        if response.streaming:
            self.id_of_the_stream = request_id
            response.streaming_content = self.named(response.streaming_content)
        return response

    async def named(self, content):
        async for chunk in content:
            yield chunk
            current_id.set(self.id_of_the_stream)


@known_answer("RequestId", breaks="makes_new_ids", says="that is the id of the request before")
class MakesOneWhereNoneIsThere(Named):
    async def __call__(self, request):
        brought = request.headers.get("X-Request-ID", "")
        if WELL_FORMED.fullmatch(brought):
            current_id.set(brought)
        elif current_id.get() == "-":
            current_id.set(uuid4().hex)
        return await self.answered(request, current_id.get())


@known_answer("RequestId", breaks="gives_the_id_back", says="expected X-Request-ID: -")
class WantsALetterOrADigit(TrustsTheHeader):
    def id_of(self, request):
        brought = request.headers.get("X-Request-ID", "")
        plain = brought.replace("-", "").replace("_", "")
        return brought if len(brought) <= 64 and plain.isascii() and plain.isalnum() else uuid4().hex


@known_answer("RequestId", breaks="names_streams", says="no id was set there by then")
class HandlesItInATaskOfItsOwn(Named):
    async def __call__(self, request):
        return await asyncio.create_task(self.handled(request))

    async def handled(self, request):
        current_id.set(request_id := self.id_of(request))
        return await self.answered(request, request_id)


@known_answer("RequestId", breaks="names_streams", says="got log lines with the ids ")
class PutsItBackAfterTheFirstPart(Named):
    async def __call__(self, request):
        request_id = self.id_of(request)
        token = current_id.set(request_id)
        response = await self.answered(request, request_id)
        current_id.reset(token)
        if response.streaming:
            response.streaming_content = self.named(response.streaming_content, request_id)
        return response

    async def named(self, content, request_id):
        token = current_id.set(request_id)
        yield await anext(content)
        current_id.reset(token)
        async for chunk in content:
            yield chunk


@known_answer("RequestId", breaks="makes_new_ids", says="that is the id of the request before")
class KeepsItsOwnVariable(Named):
    own = ContextVar("own")

    async def __call__(self, request):
        brought = request.headers.get("X-Request-ID", "")
        if WELL_FORMED.fullmatch(brought):
            self.own.set(brought)
        elif not self.own.get(None):
            self.own.set(uuid4().hex)
        current_id.set(self.own.get())
        return await self.answered(request, self.own.get())
