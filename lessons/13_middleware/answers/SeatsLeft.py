import asyncio
import threading

from asgiref.sync import async_to_sync, iscoroutinefunction, sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import JsonResponse
from django.utils.decorators import sync_and_async_middleware
from django.utils.deprecation import MiddlewareMixin

from tutorial_project.checks import known_answer
from tutorial_project.trips.models import Trip


def sold_out():
    return JsonResponse({"error": "sold out"}, status=409)


def stamped(response, trip):
    if trip:
        response["X-Seats-Left"] = str(trip.seats_left)
    return response


def number(request):
    text = request.GET.get("trip", "")
    return int(text) if text.isdecimal() else None


def asked(request):
    return Trip.objects.filter(pk=number(request)).first()


async def aasked(request):
    return await Trip.objects.filter(pk=number(request)).afirst()


@known_answer("SeatsLeft", when="Where two crossings for each request are no matter: no form to write twice.")
class WithTheHooks(MiddlewareMixin):
    def process_request(self, request):
        request.trip = asked(request)
        if request.trip and not request.trip.seats_left:
            return sold_out()

    def process_response(self, request, response):
        return response if response.status_code == 409 else stamped(response, request.trip)


@known_answer("SeatsLeft", when="Where nothing of the mixin is needed: two functions, each for its world.")
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


@known_answer("SeatsLeft", breaks="refuses_sold_out_trips", says="expected 409")
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
        trip = await Trip.objects.aget(pk=number(request))
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


@known_answer("SeatsLeft", breaks="leaves_others_alone", says="need not be a number")
class TrustsTheNumber(MiddlewareMixin):
    def process_request(self, request):
        request.trip = Trip.objects.filter(pk=request.GET.get("trip")).first()
        if request.trip and not request.trip.seats_left:
            return sold_out()

    def process_response(self, request, response):
        return response if response.status_code == 409 else stamped(response, request.trip)


@known_answer("SeatsLeft", breaks="keeps_requests_apart", says="never on `self`")
class KeepsTheTripOnItself(MiddlewareMixin):
    def process_request(self, request):
        self.trip = asked(request)
        if self.trip and not self.trip.seats_left:
            return sold_out()

    def process_response(self, request, response):
        return response if response.status_code == 409 else stamped(response, self.trip)


@known_answer("SeatsLeft", breaks="keeps_requests_apart", says="waited for each other outside of it")
class LetsInOneAtATime(InBothWorlds):
    async def __acall__(self, request):
        trip = await aasked(request)
        if trip and trip.seats_left == 0:
            return sold_out()
        async with self.one_by_one:
            return stamped(await self.get_response(request), trip)

    def __init__(self, get_response):
        super().__init__(get_response)
        self.one_by_one = asyncio.Lock()


@known_answer("SeatsLeft", breaks="refuses_sold_out_trips", says="awaits none: they are plain functions")
class AsyncHooks(MiddlewareMixin):
    async def process_request(self, request):
        request.trip = await aasked(request)
        if request.trip and not request.trip.seats_left:
            return sold_out()

    async def process_response(self, request, response):
        return response if response.status_code == 409 else stamped(response, request.trip)


remembered = {}


@known_answer("SeatsLeft", breaks="serves_wsgi_too", says="expected the view's own answer")
class RemembersTheTripsOfSyncSites(MiddlewareMixin):
    def __call__(self, request):
        if self.async_mode:
            return self.__acall__(request)
        trip = remembered.setdefault(number(request), asked(request))
        if trip and trip.seats_left == 0:
            return sold_out()
        return stamped(self.get_response(request), trip)

    async def __acall__(self, request):
        trip = await aasked(request)
        if trip and trip.seats_left == 0:
            return sold_out()
        return stamped(await self.get_response(request), trip)


@known_answer("SeatsLeft", breaks="adds_the_seats", says="no such header")
class LooksAtGetAlone(MiddlewareMixin):
    def process_request(self, request):
        request.trip = asked(request) if request.method == "GET" else None
        if request.trip and not request.trip.seats_left:
            return sold_out()

    def process_response(self, request, response):
        return response if response.status_code == 409 else stamped(response, request.trip)


class InTwoForms(MiddlewareMixin):
    """Right in the async world; the answers below go wrong in the sync one."""

    def __call__(self, request):
        return self.__acall__(request) if self.async_mode else self.in_a_thread(request)

    async def __acall__(self, request):
        trip = await aasked(request)
        if trip and trip.seats_left == 0:
            return sold_out()
        return stamped(await self.get_response(request), trip)


@known_answer("SeatsLeft", breaks="serves_wsgi_too", says="kept where all requests share it")
class KeepsTheTripOfThreadsOnItself(InTwoForms):
    def in_a_thread(self, request):
        self.trip = asked(request)
        if self.trip and self.trip.seats_left == 0:
            return sold_out()
        return stamped(self.get_response(request), self.trip)


@known_answer("SeatsLeft", breaks="serves_wsgi_too", says="waited for each other outside of it")
class LetsInOneThreadAtATime(InTwoForms):
    one_by_one = threading.Lock()

    def in_a_thread(self, request):
        trip = asked(request)
        if trip and trip.seats_left == 0:
            return sold_out()
        with self.one_by_one:
            return stamped(self.get_response(request), trip)


@known_answer("SeatsLeft")
class ReadsOneColumn(MiddlewareMixin):
    def process_request(self, request):
        request.seats_left = self.seats_left(request.GET.get("trip"))
        if request.seats_left == 0:
            return sold_out()

    def process_response(self, request, response):
        if request.seats_left:
            response["X-Seats-Left"] = request.seats_left
        return response

    def seats_left(self, text):
        try:
            return Trip.objects.values_list("seats_left", flat=True).get(pk=text)
        except (Trip.DoesNotExist, ValueError, OverflowError):
            return None


@known_answer("SeatsLeft", breaks="leaves_others_alone", says="got X-Seats-Left: without a value")
class LeavesTheHeaderEmpty(InTwoForms):
    async def __acall__(self, request):
        trip = await aasked(request)
        if trip and trip.seats_left == 0:
            return sold_out()
        response = await self.get_response(request)
        response.headers["X-Seats-Left"] = trip.seats_left if trip else ""
        return response


@known_answer("SeatsLeft", breaks="serves_wsgi_too", says="got no such header")
class ForgetsErrorsOfSyncSites(InTwoForms):
    def in_a_thread(self, request):
        trip = asked(request)
        if trip and trip.seats_left == 0:
            return sold_out()
        response = self.get_response(request)
        return stamped(response, trip) if response.status_code == 200 else response


@known_answer("SeatsLeft", breaks="serves_wsgi_too", says="?trip=² under WSGI")
class TakesDigitsForNumbers(InTwoForms):
    def in_a_thread(self, request):
        text = request.GET.get("trip", "")
        trip = Trip.objects.filter(pk=int(text)).first() if text.isdigit() else None
        if trip and trip.seats_left == 0:
            return sold_out()
        return stamped(self.get_response(request), trip)


@known_answer("SeatsLeft", breaks="adds_the_seats", says="the view called 2 times")
class CallsTheViewTwice(InTwoForms):
    async def __acall__(self, request):
        trip = await aasked(request)
        if trip and trip.seats_left == 0:
            return sold_out()
        if (await self.get_response(request)).status_code >= 500:
            trip = None
        return stamped(await self.get_response(request), trip)


class FindsAnother(InTwoForms):
    """The answers below find another trip than the one that is named behind the question mark."""

    def find(self, request):
        return asked(request)

    def in_a_thread(self, request):
        trip = self.find(request)
        if trip and trip.seats_left == 0:
            return sold_out()
        return stamped(self.get_response(request), trip)

    async def __acall__(self, request):
        trip = await sync_to_async(self.find)(request)
        if trip and trip.seats_left == 0:
            return sold_out()
        return stamped(await self.get_response(request), trip)


@known_answer("SeatsLeft", breaks="adds_the_seats", says="no such header")
class LooksForTripsOnSale(FindsAnother):
    def find(self, request):
        return Trip.objects.filter(pk=number(request), active=True).first()


@known_answer("SeatsLeft", breaks="adds_the_seats", says='409 {"error": "sold out"}')
class LooksIntoTheBodyFirst(FindsAnother):
    def find(self, request):
        text = request.POST.get("trip") or request.GET.get("trip", "")
        return Trip.objects.filter(pk=int(text)).first() if text.isdecimal() else None


@known_answer("SeatsLeft", breaks="serves_wsgi_too", says="`get_response` is a plain function there")
class ChoosesTheFormByTheServer(InTwoForms):
    sync_capable = async_capable = True

    def __call__(self, request):
        return self.__acall__(request) if isinstance(request, ASGIRequest) else self.in_a_thread(request)

    def in_a_thread(self, request):
        trip = asked(request)
        if trip and trip.seats_left == 0:
            return sold_out()
        return stamped(self.get_response(request), trip)


EQUAL_MUTANTS = {
    "another function: …": "a key names one trip or none, so that the first and the last are the same",
    'text: return Trip.objects.filter(pk=int(request.GET.get("trip", ""))) → …': "neither text is a number",
    "kind of error: …": "nothing else goes wrong while a number is made of a text",
}
