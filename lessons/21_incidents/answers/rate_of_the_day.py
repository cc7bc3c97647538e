import asyncio
import threading
from collections import defaultdict

import httpx
from django.core.cache import cache
from django.http import JsonResponse

from tutorial_project.checks.known_answers import known_answer
from tutorial_project.services import ServiceError, ask, ask_blocking, running_services

BROKEN = "asks_once"


def page(rate_of):
    """The view around another `rate_of`."""

    async def view(request, currency):
        try:
            return JsonResponse({"currency": currency, "rate": await rate_of(currency)})
        except (ServiceError, KeyError):
            return JsonResponse({"currency": currency, "rate": None}, status=502)

    view.__name__ = view.__qualname__ = rate_of.__name__
    return view


async def asked(currency):
    rate = (await ask(f"rates/{currency}"))["rate"]
    await cache.aset(f"rate-{currency}", rate, timeout=60)
    return rate


under_way = {}


@known_answer(
    "rate_of_the_day",
    when="Where an error shall reach all who wait at once, and not each of them after a question of its own.",
)
@page
async def one_task_that_all_await(currency):
    rate = await cache.aget(f"rate-{currency}")
    if rate is not None:
        return rate
    if currency not in under_way:
        under_way[currency] = task = asyncio.ensure_future(asked(currency))
        task.add_done_callback(lambda task: task.exception())  # all who wait for it may have left
        task.add_done_callback(lambda _: under_way.pop(currency))
    return await asyncio.shield(under_way[currency])


@known_answer("rate_of_the_day", when="Where several processes share one cache: one of all of them asks.")
@page
async def a_lock_in_the_cache(currency):
    key = f"rate-{currency}"
    while (rate := await cache.aget(key)) is None:
        if not await cache.aadd(f"{key}-asking", True, timeout=10):
            await asyncio.sleep(0.02)
            continue
        try:
            rate = await cache.aget(key)  # somebody may have asked between the look and the lock
            return rate if rate is not None else await asked(currency)
        finally:
            await cache.adelete(f"{key}-asking")
    return rate


@known_answer("rate_of_the_day", breaks="asks_once", says="looked into the cache before")
@page
async def looks_twice(currency):
    key = f"rate-{currency}"
    rate = await cache.aget(key) or await cache.aget(key)
    return rate if rate is not None else await asked(currency)


@known_answer("rate_of_the_day", breaks="asks_once", says="nobody looks into the cache again")
@page
async def no_second_look(currency):
    rate = await cache.aget(f"rate-{currency}")
    if rate is None:
        async with of_each[currency]:
            rate = await asked(currency)
    return rate


of_each = defaultdict(asyncio.Lock)
of_all = {}


@known_answer("rate_of_the_day", breaks="waits_for_its_own_alone", says="one of them at a time")
@page
async def one_lock_for_all(currency):
    async with of_all.setdefault(asyncio.get_running_loop(), asyncio.Lock()):
        rate = await cache.aget(f"rate-{currency}")
        return rate if rate is not None else await asked(currency)


guard = threading.Lock()


@known_answer("rate_of_the_day", breaks="stays_on_the_loop", says="costs one thread for each visitor")
def everything_sync(request, currency):
    with guard:
        try:
            rate = cache.get_or_set(
                f"rate-{currency}", lambda: ask_blocking(f"rates/{currency}")["rate"], timeout=60
            )
        except ServiceError:
            return JsonResponse({"currency": currency, "rate": None}, status=502)
    return JsonResponse({"currency": currency, "rate": rate})


@known_answer("rate_of_the_day", breaks="keeps_it_for_a_minute", says="in it for too long")
@page
async def cached_for_ever(currency):
    async with of_each[currency]:
        rate = await cache.aget(f"rate-{currency}")
        if rate is None:
            rate = (await ask(f"rates/{currency}"))["rate"]
            await cache.aset(f"rate-{currency}", rate, timeout=None)
        return rate


@known_answer("rate_of_the_day", breaks="keeps_it_for_a_minute", says="was asked for again")
@page
async def no_cache_any_more(currency):
    async with of_each[currency]:
        return (await ask(f"rates/{currency}"))["rate"]


tasks = {}


@known_answer("rate_of_the_day", breaks="keeps_it_for_a_minute", says="beside the cache")
@page
async def a_task_that_is_kept(currency):
    if currency not in tasks:
        tasks[currency] = asyncio.ensure_future(asked(currency))
    return await asyncio.shield(tasks[currency])


@known_answer("rate_of_the_day", breaks="keeps_no_error", says="expected 200")
@page
async def keeps_the_error(currency):
    async with of_each[currency]:
        rate = await cache.aget(f"rate-{currency}", "none")
        if rate == "none":
            try:
                return await asked(currency)
            except ServiceError:
                await cache.aset(f"rate-{currency}", None, timeout=60)
                raise
        if rate is None:
            raise ServiceError("no rate a moment ago")
        return rate


@known_answer("rate_of_the_day", breaks="keeps_no_error", says="expected 502")
async def an_old_rate_in_its_place(request, currency):
    async with of_each[currency]:
        rate = await cache.aget(f"rate-{currency}")
        try:
            rate = rate if rate is not None else await asked(currency)
        except ServiceError:
            rate = 1.0
    return JsonResponse({"currency": currency, "rate": rate})


@known_answer("rate_of_the_day", breaks="asks_once", says="got 502")
async def sends_the_others_away(request, currency):
    rate = await cache.aget(f"rate-{currency}")
    if rate is None and of_each[currency].locked():
        return JsonResponse({"currency": currency, "rate": None}, status=502)
    try:
        async with of_each[currency]:
            rate = rate if rate is not None else await asked(currency)
    except (ServiceError, KeyError):
        return JsonResponse({"currency": currency, "rate": None}, status=502)
    return JsonResponse({"currency": currency, "rate": rate})


@known_answer("rate_of_the_day", breaks="bears_one_who_leaves", says="CancelledError")
@page
async def a_task_without_a_shield(currency):
    rate = await cache.aget(f"rate-{currency}")
    if rate is not None:
        return rate
    if currency not in unshielded:
        unshielded[currency] = task = asyncio.ensure_future(asked(currency))
        task.add_done_callback(lambda _: unshielded.pop(currency))
    return await unshielded[currency]


unshielded, promised = {}, {}


@known_answer("rate_of_the_day", breaks="bears_one_who_leaves", says="went with the visitor who left")
@page
async def the_first_promises(currency):
    rate = await cache.aget(f"rate-{currency}")
    if rate is not None:
        return rate
    if currency in promised:
        return await asyncio.shield(promised[currency])
    promised[currency] = promise = asyncio.get_running_loop().create_future()
    try:
        promise.set_result(await asked(currency))
    except ServiceError as error:
        promise.set_exception(error)
        promise.exception()
    finally:
        del promised[currency]
    return promise.result()


@known_answer("rate_of_the_day", breaks="tells_the_rate", says="expected 200")
@page
async def one_key_for_all(currency):
    async with of_each[currency]:
        rate = await cache.aget("rate")
        if rate is None:
            rate = (await ask(f"rates/{currency}"))["rate"]
            await cache.aset("rate", rate, timeout=60)
        return rate


@known_answer("rate_of_the_day", breaks="keeps_no_error", says="while the exchange names no rate")
async def takes_an_answer_for_a_rate(request, currency):
    async with of_each[currency]:
        rate = await cache.aget(f"rate-{currency}")
        try:
            rate = rate if rate is not None else await asked(currency)
        except ServiceError:
            return JsonResponse({"currency": currency, "rate": None}, status=502)
    return JsonResponse({"currency": currency, "rate": rate})


@known_answer("rate_of_the_day", breaks="keeps_no_error", says="while the exchange answers 503")
@page
async def an_old_rate_when_nobody_answers(currency):
    try:
        async with of_each[currency]:
            rate = await cache.aget(f"rate-{currency}")
            rate = rate if rate is not None else await asked(currency)
            await cache.aset(f"old-{currency}", rate, timeout=None)
            return rate
    except ServiceError:
        rate = await cache.aget(f"old-{currency}")
        if rate is None:
            raise
        return rate


@known_answer("rate_of_the_day", breaks="tells_the_rate", says="expected 200")
@page
async def one_rate_for_all(currency):
    global rate_of_all
    async with of_each[currency]:
        rate_of_all = await cache.aget(f"rate-{currency}")
        if rate_of_all is None:
            rate_of_all = (await ask(f"rates/{currency}"))["rate"]
            await cache.aset(f"rate-{currency}", rate_of_all, timeout=60)
        return rate_of_all


asking_for, locked = {}, {}


@known_answer("rate_of_the_day", breaks="bears_one_who_leaves", says="the second visitor leaves")
@page
async def a_shield_for_the_first_alone(currency):
    rate = await cache.aget(f"rate-{currency}")
    if rate is not None:
        return rate
    if currency in asking_for:
        return await asking_for[currency]
    asking_for[currency] = task = asyncio.ensure_future(asked(currency))
    task.add_done_callback(lambda _: asking_for.pop(currency))
    return await asyncio.shield(task)


@known_answer("rate_of_the_day", breaks="keeps_no_error", says="RemoteProtocolError")
@page
async def knows_only_an_error_with_a_status(currency):
    async with locked.setdefault((asyncio.get_running_loop(), currency), asyncio.Lock()):
        rate = await cache.aget(f"rate-{currency}")
        if rate is None:
            async with httpx.AsyncClient(trust_env=False, verify=False, timeout=5) as client:
                response = await client.get(f"{running_services().url}/rates/{currency}")
                if response.is_error:
                    raise ServiceError("the exchange fails", response.status_code)
                rate = response.json()["rate"]
            await cache.aset(f"rate-{currency}", rate, timeout=60)
    return rate


EQUAL_MUTANTS = {
    "assignment: rate = await cache.aget(key) → rate = None": "the look under the lock finds the same, a moment later",
    "arg removal: rate = await cache.aget(key) → rate = await cache.aget(None)": "the look under the lock finds the same, a moment later",
    "condition: if rate is None: → if True:": "the look under the lock finds the same, a moment later",
    "number: await cache.aset(key, rate, timeout=60) → …": "nobody asks for so exact a minute",
    "one less: await cache.aset(key, rate, timeout=60) → …": "nobody asks for so exact a minute",
}
