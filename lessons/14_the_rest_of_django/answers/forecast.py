import asyncio
from weakref import WeakValueDictionary

from django.core.cache import cache
from django.http import JsonResponse
from django.views.decorators.cache import cache_page

from tutorial_project.checks import known_answer
from tutorial_project.services.client import ServiceError, ask, ask_blocking


def no_forecast():
    return JsonResponse({"error": "no forecast"}, status=502)


async def asked_and_kept(city):
    found = await ask(f"weather/{city}")
    await cache.aset(f"forecast:{city}", found, timeout=60)
    return found


queues = WeakValueDictionary()


@known_answer("forecast")
async def queue_before_the_first_look(request, city):
    async with queues.setdefault(city, asyncio.Lock()):
        try:
            found = await cache.aget(f"forecast:{city}") or await asked_and_kept(city)
        except ServiceError:
            return no_forecast()
    return JsonResponse(found)


questions = {}


@known_answer("forecast")
async def one_task_that_all_await(request, city):
    found = await cache.aget(f"forecast:{city}")
    if found is None:
        if city not in questions:
            questions[city] = asyncio.ensure_future(asked_and_kept(city))
            questions[city].add_done_callback(lambda _: questions.pop(city))
        try:
            found = await asyncio.shield(questions[city])
        except ServiceError:
            return no_forecast()
    return JsonResponse(found)


@known_answer("forecast")
async def the_cache_itself_decides(request, city):
    key = f"forecast:{city}"
    while (found := await cache.aget(key)) is None:
        if await cache.aadd(f"{key}:busy", True, timeout=10):
            try:
                found = await cache.aget(key) or await asked_and_kept(city)
                break
            except ServiceError:
                return no_forecast()
            finally:
                await cache.adelete(f"{key}:busy")
        await asyncio.sleep(0.01)
    return JsonResponse(found)


@known_answer("forecast", breaks="tells_the_weather", says="holds the event loop")
async def blocks_while_it_asks(request, city):
    import time

    time.sleep(0.01)
    return await asks_well(city)


async def asks_well(city):
    try:
        return JsonResponse(await cache.aget(f"forecast:{city}") or await asked_and_kept(city))
    except ServiceError:
        return no_forecast()


@known_answer("forecast", breaks="tells_the_weather", says="a blocking call holds the event loop")
async def asks_with_the_blocking_client(request, city):
    try:
        return JsonResponse(ask_blocking(f"weather/{city}"))
    except ServiceError:
        return no_forecast()


@known_answer("forecast", breaks="tells_the_weather", says="cannot pickle 'coroutine' object")
async def async_default(request, city):
    async def weather():
        return await ask(f"weather/{city}")

    return JsonResponse(await cache.aget_or_set(f"forecast:{city}", weather, timeout=60))


@known_answer("forecast", breaks="asks_once_for_two", says="2 questions")
async def asks_before_it_looks(request, city):
    try:
        found = await ask(f"weather/{city}")
    except ServiceError:
        return no_forecast()
    return JsonResponse(await cache.aget_or_set(f"forecast:{city}", found, timeout=60))


@known_answer("forecast", breaks="asks_once_for_two", says="`cache.aset` was called and not awaited")
async def forgets_to_await_the_cache(request, city):
    key = f"forecast:{city}"
    found = await cache.aget(key)
    if found is None:
        try:
            found = await ask(f"weather/{city}")
        except ServiceError:
            return no_forecast()
        cache.aset(key, found, timeout=60)
    return JsonResponse(found)


@known_answer("forecast", breaks="keeps_it_in_the_cache", says="forecast:Lisbon: None")
async def kept_under_another_key(request, city):
    if (found := await cache.aget(city)) is None:
        try:
            found = await ask(f"weather/{city}")
        except ServiceError:
            return no_forecast()
        await cache.aset(city, found, timeout=60)
    return JsonResponse(found)


@known_answer("forecast", breaks="keeps_it_in_the_cache", says="forecast:Lisbon: None")
@cache_page(60)
async def cached_by_a_decorator(request, city):
    return JsonResponse(await ask(f"weather/{city}"))


@known_answer("forecast", breaks="keeps_it_in_the_cache", says="a key for each city")
async def one_key_for_all_cities(request, city):
    async with queues.setdefault(city, asyncio.Lock()):
        found = await cache.aget("forecast:Lisbon")
        if found is None:
            try:
                found = await ask(f"weather/{city}")
            except ServiceError:
                return no_forecast()
            await cache.aset("forecast:Lisbon", found, timeout=60)
        return JsonResponse(found)


@known_answer("forecast", breaks="awaits_the_cache", says="`await cache.aget(…)`")
async def reads_the_cache_in_the_event_loop(request, city):
    async with queues.setdefault(city, asyncio.Lock()):
        found = cache.get(f"forecast:{city}")
        try:
            return JsonResponse(found or await asked_and_kept(city))
        except ServiceError:
            return no_forecast()


@known_answer("forecast", breaks="survives_a_stampede", says="10 questions")
async def everybody_asks(request, city):
    return await asks_well(city)


@known_answer("forecast", breaks="survives_a_stampede", says="10 questions")
async def no_second_look(request, city):
    if found := await cache.aget(f"forecast:{city}"):
        return JsonResponse(found)
    async with queues.setdefault(city, asyncio.Lock()):
        try:
            return JsonResponse(await asked_and_kept(city))
        except ServiceError:
            return no_forecast()


@known_answer("forecast", breaks="survives_a_stampede", says="10 questions")
async def a_lock_for_each_visitor(request, city):
    async with asyncio.Lock():
        return await asks_well(city)


@known_answer("forecast", breaks="two_cities_at_once", says="a lock for each key")
async def one_lock_for_all_cities(request, city):
    async with queues.setdefault("all cities", asyncio.Lock()):
        return await asks_well(city)


@known_answer("forecast", breaks="survives_a_failing_service", says="`except ServiceError:`")
async def lets_the_error_out(request, city):
    async with queues.setdefault(city, asyncio.Lock()):
        found = await cache.aget(f"forecast:{city}") or await asked_and_kept(city)
    return JsonResponse(found)


@known_answer("forecast", breaks="survives_a_failing_service", says="the failure was kept")
async def keeps_the_failure(request, city):
    key = f"forecast:{city}"
    async with queues.setdefault(city, asyncio.Lock()):
        found = await cache.aget(key)
        if found is None:
            try:
                found = await ask(f"weather/{city}")
            except ServiceError:
                found = {"error": "no forecast"}
            await cache.aset(key, found, timeout=60)
    return JsonResponse(found, status=502 if "error" in found else 200)


waiting = {}


@known_answer(
    "forecast",
    breaks="survives_a_failing_service",
    says="`await arrived.wait()`, in `never_wakes_the_others_up`",
)
async def never_wakes_the_others_up(request, city):
    if found := await cache.aget(f"forecast:{city}"):
        return JsonResponse(found)
    if arrived := waiting.get(city):
        await arrived.wait()
        return JsonResponse(await cache.aget(f"forecast:{city}"))
    waiting[city] = asyncio.Event()
    try:
        found = await asked_and_kept(city)
    except ServiceError:
        return no_forecast()
    waiting.pop(city).set()
    return JsonResponse(found)
