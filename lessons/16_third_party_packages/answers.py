import asyncio
import inspect
import threading
from concurrent.futures import ThreadPoolExecutor

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import aget_object_or_404
from django.test import AsyncRequestFactory

from tutorial_project.classroom.checks import known_answer
from tutorial_project.services import ServiceError
from tutorial_project.services.airline import NotFlownTo, cheapest_fare
from tutorial_project.services.insurer import premium
from tutorial_project.trips.models import Trip

THREADS = ThreadPoolExecutor(2)
TRIPS = Trip.objects.select_related("destination")


def costs(trip, flight, insurance):
    return JsonResponse({"trip": trip.title, "flight": flight, "insurance": insurance})


def fare_or_none(city):
    try:
        return cheapest_fare(city)
    except NotFlownTo:
        return None


@known_answer("journey_costs")
async def in_a_task_group(request, pk):
    trip = await TRIPS.filter(pk=pk).afirst()
    if trip is None:
        raise Http404
    async with asyncio.TaskGroup() as group:
        fare = group.create_task(asyncio.to_thread(fare_or_none, trip.destination.name))
        insurance = group.create_task(asyncio.to_thread(premium, trip.nights))
    return costs(trip, fare.result(), insurance.result())


@known_answer("journey_costs")
async def errors_from_gather(request, pk):
    try:
        trip = await TRIPS.aget(pk=pk)
    except Trip.DoesNotExist:
        return JsonResponse({"error": "no such trip"}, status=404)
    ask_fare = sync_to_async(cheapest_fare, thread_sensitive=False)
    ask_premium = sync_to_async(premium, thread_sensitive=False)
    fare, insurance = await asyncio.gather(
        ask_fare(trip.destination.name), ask_premium(trip.nights), return_exceptions=True
    )
    if isinstance(insurance, Exception):
        raise insurance
    return costs(trip, None if isinstance(fare, NotFlownTo) else fare, insurance)


@known_answer("journey_costs")
async def threads_of_its_own(request, pk):
    trip = await aget_object_or_404(TRIPS, pk=pk)
    loop = asyncio.get_running_loop()
    fare = loop.run_in_executor(THREADS, fare_or_none, trip.destination.name)
    insurance = loop.run_in_executor(THREADS, premium, trip.nights)
    return costs(trip, await fare, await insurance)


@known_answer("journey_costs", breaks="tells_the_costs", says="used directly in the event loop")
async def destination_not_fetched(request, pk):
    trip = await aget_object_or_404(Trip, pk=pk)
    fare = await asyncio.to_thread(fare_or_none, trip.destination.name)
    return costs(trip, fare, await asyncio.to_thread(premium, trip.nights))


@known_answer("journey_costs", breaks="tells_the_costs", says="something was called and not awaited")
async def thread_not_awaited(request, pk):
    trip = await aget_object_or_404(TRIPS, pk=pk)
    insurance = asyncio.to_thread(premium, trip.nights)
    return costs(trip, await asyncio.to_thread(fare_or_none, trip.destination.name), insurance)


@known_answer("journey_costs", breaks="flies_nowhere", says="nothing catches it there")
async def not_flown_to_not_caught(request, pk):
    trip = await aget_object_or_404(TRIPS, pk=pk)
    fare, insurance = await asyncio.gather(
        asyncio.to_thread(cheapest_fare, trip.destination.name), asyncio.to_thread(premium, trip.nights)
    )
    return costs(trip, fare, insurance)


@known_answer("journey_costs", breaks="flies_nowhere", says="stands in the place of the fare")
async def error_in_the_place_of_the_fare(request, pk):
    trip = await aget_object_or_404(TRIPS, pk=pk)
    fare = asyncio.to_thread(cheapest_fare, trip.destination.name)
    insurance = asyncio.to_thread(premium, trip.nights)
    return costs(trip, *await asyncio.gather(fare, insurance, return_exceptions=True))


@known_answer("journey_costs", breaks="flies_nowhere", says="one `try` is around both")
async def one_try_around_both(request, pk):
    trip = await aget_object_or_404(TRIPS, pk=pk)
    fare = asyncio.to_thread(cheapest_fare, trip.destination.name)
    try:
        return costs(trip, *await asyncio.gather(fare, asyncio.to_thread(premium, trip.nights)))
    except NotFlownTo:
        return costs(trip, None, None)


@known_answer("journey_costs", breaks="knows_its_trips", says="`aget` raises when there is no such row")
async def missing_trip_not_caught(request, pk):
    trip = await TRIPS.aget(pk=pk)
    fare, insurance = await asyncio.gather(
        asyncio.to_thread(fare_or_none, trip.destination.name), asyncio.to_thread(premium, trip.nights)
    )
    return costs(trip, fare, insurance)


@known_answer("journey_costs", breaks="leaves_the_loop_free", says="a blocking call holds the event loop")
async def blocks_twice(request, pk):
    trip = await aget_object_or_404(TRIPS, pk=pk)
    return costs(trip, fare_or_none(trip.destination.name), premium(trip.nights))


@known_answer("journey_costs", breaks="leaves_the_loop_free", says="a blocking call holds the event loop")
async def async_def_around_a_blocking_call(request, pk):
    async def insure(nights):
        return premium(nights)

    trip = await aget_object_or_404(TRIPS, pk=pk)
    fare, insurance = await asyncio.gather(
        asyncio.to_thread(fare_or_none, trip.destination.name), insure(trip.nights)
    )
    return costs(trip, fare, insurance)


@known_answer("journey_costs", breaks="leaves_the_loop_free", says="`async def`")
def plain_sync_view(request, pk):
    trip = TRIPS.filter(pk=pk).first()
    if trip is None:
        raise Http404
    return costs(trip, fare_or_none(trip.destination.name), premium(trip.nights))


@known_answer("journey_costs", breaks="asks_both_at_once", says="sent when the first is answered")
async def one_after_the_other(request, pk):
    trip = await aget_object_or_404(TRIPS, pk=pk)
    fare = await asyncio.to_thread(fare_or_none, trip.destination.name)
    return costs(trip, fare, await asyncio.to_thread(premium, trip.nights))


@known_answer("journey_costs", breaks="asks_both_at_once", says="one thread for the whole request")
async def both_on_the_requests_thread(request, pk):
    trip = await aget_object_or_404(TRIPS, pk=pk)
    fare, insurance = await asyncio.gather(
        sync_to_async(fare_or_none)(trip.destination.name), sync_to_async(premium)(trip.nights)
    )
    return costs(trip, fare, insurance)


async def page(request):
    return HttpResponse("Welcome")


request = AsyncRequestFactory().get("/")


def flags(middleware):
    return {
        "sync": getattr(middleware, "sync_capable", True),
        "async": getattr(middleware, "async_capable", False),
    }


@known_answer("judge")
async def looks_whether_it_is_awaitable(middleware):
    said = flags(middleware)
    if not said["async"]:
        return {**said, "works": said["sync"]}
    try:
        given = middleware(page)(request)
        works = inspect.isawaitable(given)
        if works:
            await given
    except Exception:
        works = False
    return {**said, "works": works}


@known_answer("judge")
async def reads_attributes_with_hasattr(middleware):
    sync = middleware.sync_capable if hasattr(middleware, "sync_capable") else True
    also_async = middleware.async_capable if hasattr(middleware, "async_capable") else False
    try:
        if also_async:
            response = await middleware(page)(request)
            works = hasattr(response, "status_code")
        else:
            works = sync
    except Exception:
        works = False
    return {"sync": sync, "async": also_async, "works": works}


@known_answer("judge", breaks="reads_the_flags", says="'sync': True")
async def believes_all_are_sync(middleware):
    return {**flags(middleware), "sync": True, "works": True}


@known_answer("judge", breaks="reads_the_flags", says="'works': True")
async def looks_at_the_call(middleware):
    also_async = iscoroutinefunction(vars(middleware).get("__call__", middleware))
    return {"sync": not also_async, "async": also_async, "works": True}


@known_answer("judge", breaks="takes_djangos_defaults", says="Django then takes it for sync only")
async def without_defaults(middleware):
    said = {"sync": middleware.sync_capable, "async": middleware.async_capable}
    return said | {"works": any(said.values())}


@known_answer("judge", breaks="takes_djangos_defaults", says="Django then takes it for sync only")
async def missing_means_no(middleware):
    said = {key: getattr(middleware, f"{key}_capable", False) for key in ("sync", "async")}
    return said | {"works": True}


@known_answer("judge", breaks="refuses_neither", says="no way to call it")
async def neither_works(middleware):
    return flags(middleware) | {"works": True}


@known_answer("judge", breaks="finds_broken_promises", says="gives back a response where Django awaits")
async def believes_the_flags(middleware):
    said = flags(middleware)
    return said | {"works": any(said.values())}


@known_answer("judge", breaks="finds_broken_promises", says="so it looks async")
async def believes_the_mark(middleware):
    said = flags(middleware)
    if not said["async"]:
        return said | {"works": said["sync"]}
    try:
        return said | {"works": iscoroutinefunction(middleware(page))}
    except Exception:
        return said | {"works": False}


@known_answer("judge", breaks="finds_broken_promises", says="raises when it is built")
async def error_not_caught(middleware):
    said = flags(middleware)
    if not said["async"]:
        return said | {"works": said["sync"]}
    given = middleware(page)(request)
    if inspect.isawaitable(given):
        await given
        return said | {"works": True}
    return said | {"works": False}


@known_answer("judge", breaks="finds_broken_promises", says="raises when it is built")
async def catches_type_errors_only(middleware):
    said = flags(middleware)
    if not said["async"]:
        return said | {"works": said["sync"]}
    try:
        await middleware(page)(request)
    except TypeError:
        return said | {"works": False}
    return said | {"works": True}


@known_answer("judge", breaks="trusts_honest_ones", says="the status is not its promise")
async def wants_the_page(middleware):
    said = flags(middleware)
    if not said["async"]:
        return said | {"works": said["sync"]}
    try:
        return said | {"works": (await middleware(page)(request)).status_code == 200}
    except Exception:
        return said | {"works": False}


@known_answer("judge", breaks="trusts_honest_ones", says="`__call__` is a plain function")
async def distrusts_plain_calls(middleware):
    said = flags(middleware)
    if not said["async"]:
        return said | {"works": said["sync"]}
    try:
        built = middleware(page)
        given = built(request)
        works = inspect.isawaitable(given)
        if works:
            await given
        plain = not inspect.isfunction(built) and not inspect.iscoroutinefunction(type(built).__call__)
        mixed = any("Mixin" in each.__name__ for each in type(built).__mro__)
        return said | {"works": works and (mixed or not plain)}
    except Exception:
        return said | {"works": False}


@known_answer("judge", breaks="trusts_honest_ones", says="never said that it is async")
async def distrusts_sync_ones(middleware):
    said = flags(middleware)
    try:
        await page(request)
        works = said["async"] and bool(await middleware(page)(request))
    except Exception:
        works = False
    return said | {"works": works}


class InsurerError(Exception):
    pass


class Client:
    def __init__(self, sdk, *, at_most, timeout):
        self.sdk, self.at_most, self.timeout = sdk, at_most, timeout
        self.threads = ThreadPoolExecutor(at_most)

    def ask(self, nights):
        return asyncio.get_running_loop().run_in_executor(self.threads, self.sdk.premium, nights)


@known_answer("AsyncInsurer")
class WaitsFor(Client):
    async def premium(self, nights):
        try:
            return await asyncio.wait_for(self.ask(nights), self.timeout)
        except ServiceError as error:
            raise InsurerError(str(error)) from error
        except TimeoutError:
            raise InsurerError(f"no answer in {self.timeout} seconds") from None


@known_answer("AsyncInsurer")
class SemaphoreOfTheThread:
    def __init__(self, sdk, *, at_most, timeout):
        self.sdk, self.timeout = sdk, timeout
        self.places = threading.BoundedSemaphore(at_most)

    def _ask(self, nights):
        with self.places:
            return self.sdk.premium(nights)

    async def premium(self, nights):
        try:
            async with asyncio.timeout(self.timeout):
                return await asyncio.to_thread(self._ask, nights)
        except (ServiceError, TimeoutError) as error:
            raise InsurerError from error


@known_answer("AsyncInsurer")
class ShieldedSemaphore:
    def __init__(self, sdk, *, at_most, timeout):
        self.sdk, self.timeout = sdk, timeout
        self.places, self.calls = asyncio.Semaphore(at_most), set()

    async def _ask(self, nights):
        async with self.places:
            return await asyncio.to_thread(self.sdk.premium, nights)

    async def premium(self, nights):
        call = asyncio.create_task(self._ask(nights))
        self.calls.add(call)
        call.add_done_callback(self.calls.discard)
        try:
            return await asyncio.wait_for(asyncio.shield(call), self.timeout)
        except (ServiceError, TimeoutError) as error:
            raise InsurerError from error


@known_answer("AsyncInsurer", breaks="gives_the_premium", says="a plain method")
class PlainMethod(Client):
    def premium(self, nights):
        return self.sdk.premium(nights)


@known_answer("AsyncInsurer", breaks="stays_off_the_loop", says="everybody else waits with it")
class BlocksTheLoop(Client):
    async def premium(self, nights):
        async with asyncio.timeout(self.timeout):
            return self.sdk.premium(nights)


@known_answer("AsyncInsurer", breaks="gives_the_premium", says="the thread was given its result")
class CallsTheFunctionAtOnce(Client):
    async def premium(self, nights):
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.threads, self.sdk.premium(nights))


@known_answer("AsyncInsurer", breaks="stays_off_the_loop", says="for example with `.result()`")
class WaitsForTheThreadOnTheLoop(Client):
    async def premium(self, nights):
        return self.threads.submit(self.sdk.premium, nights).result(timeout=self.timeout)


@known_answer("AsyncInsurer", breaks="translates_errors", says="ServiceError: rates answered 503")
class TranslatesNothing(Client):
    async def premium(self, nights):
        async with asyncio.timeout(self.timeout):
            return await self.ask(nights)


@known_answer("AsyncInsurer", breaks="translates_errors", says="None as its __cause__")
class LosesTheCause(Client):
    async def premium(self, nights):
        try:
            return await asyncio.wait_for(self.ask(nights), self.timeout)
        except (ServiceError, TimeoutError):
            pass
        raise InsurerError


@known_answer("AsyncInsurer", breaks="lets_others_through", says="a mistake of our own looks like")
class TranslatesEverything(Client):
    async def premium(self, nights):
        try:
            return await asyncio.wait_for(self.ask(nights), self.timeout)
        except Exception as error:
            raise InsurerError from error


class Translating(Client):
    async def premium(self, nights):
        try:
            return await self.answer(nights)
        except ServiceError as error:
            raise InsurerError from error


@known_answer("AsyncInsurer", breaks="gives_up_in_time", says="still waits after 1.5 seconds")
class NoTimeLimit(Translating):
    async def answer(self, nights):
        return await self.ask(nights)


@known_answer("AsyncInsurer", breaks="gives_up_in_time", says="its error is not translated")
class TimeoutNotTranslated(Translating):
    async def answer(self, nights):
        return await asyncio.wait_for(self.ask(nights), self.timeout)


@known_answer("AsyncInsurer", breaks="keeps_the_limit", says="nothing holds the others back")
class ThreadsWithoutALimit(Client):
    async def premium(self, nights):
        try:
            loop = asyncio.get_running_loop()
            async with asyncio.timeout(self.timeout):
                return await loop.run_in_executor(ThreadPoolExecutor(1), self.sdk.premium, nights)
        except (ServiceError, TimeoutError) as error:
            raise InsurerError from error


@known_answer("AsyncInsurer", breaks="keeps_the_limit", says="the calls wait for each other")
class OneAtATime(Client):
    async def premium(self, nights):
        try:
            async with asyncio.timeout(self.timeout):
                return await sync_to_async(self.sdk.premium)(nights)
        except (ServiceError, TimeoutError) as error:
            raise InsurerError from error


@known_answer("AsyncInsurer", breaks="counts_what_was_given_up", says="free again when the caller leaves")
class SemaphoreOfTheCaller(Client):
    def __init__(self, sdk, *, at_most, timeout):
        self.sdk, self.timeout = sdk, timeout
        self.places = asyncio.Semaphore(at_most)

    async def premium(self, nights):
        try:
            async with asyncio.timeout(self.timeout), self.places:
                return await asyncio.to_thread(self.sdk.premium, nights)
        except (ServiceError, TimeoutError) as error:
            raise InsurerError from error


@known_answer("AsyncInsurer", breaks="gives_the_premium", says="called and not awaited")
class ExecutorNotAwaited(Client):
    async def premium(self, nights):
        return self.ask(nights)
