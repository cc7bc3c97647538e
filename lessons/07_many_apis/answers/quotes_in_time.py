import asyncio
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress

from django.http import JsonResponse

from tutorial_project.checks import known_answer
from tutorial_project.services.client import ServiceError, ask

from ..shared import good, offer_of, offer_or_none

# quotes_in_time

LIMIT = 0.4


def in_order(suppliers, offers):
    return JsonResponse(
        {
            "offers": [offers[name] for name in suppliers if offers.get(name)],
            "missing": [name for name in suppliers if not offers.get(name)],
        }
    )


def tasks_for(request, city):
    return {
        name: asyncio.create_task(ask(f"quotes/{name}/{city}")) for name in request.GET.getlist("supplier")
    }


@known_answer("quotes_in_time")
async def waits_then_cancels(request, city):
    tasks = tasks_for(request, city)
    _, late = await asyncio.wait(tasks.values(), timeout=LIMIT)
    for task in late:
        task.cancel()
    return in_order(tasks, good(tasks))


@known_answer("quotes_in_time")
async def a_limit_for_each(request, city):
    async def in_time(supplier):
        try:
            async with asyncio.timeout(LIMIT):
                return await ask(f"quotes/{supplier}/{city}")
        except (ServiceError, TimeoutError):
            return None

    suppliers = request.GET.getlist("supplier")
    found = await asyncio.gather(*map(in_time, suppliers))
    return in_order(suppliers, dict(zip(suppliers, found, strict=True)))


@known_answer("quotes_in_time")
async def gathers_into_a_dictionary(request, city):
    suppliers, offers = request.GET.getlist("supplier"), {}

    async def keep(supplier):
        offers[supplier] = await offer_or_none(supplier, city)

    with suppress(TimeoutError):
        await asyncio.wait_for(asyncio.gather(*map(keep, suppliers)), LIMIT)
    return in_order(suppliers, offers)


@known_answer("quotes_in_time")
async def takes_them_as_they_come(request, city):
    tasks = tasks_for(request, city)
    try:
        for answer in asyncio.as_completed(tasks.values(), timeout=LIMIT):
            with suppress(ServiceError):
                await answer
    except TimeoutError:
        pass
    finally:
        for task in tasks.values():
            task.cancel()
    return in_order(tasks, good(tasks))


@known_answer("quotes_in_time", breaks="lists_the_offers", says='[{"supplier": "Albatros", "city": "Lisbon"')
async def in_the_order_of_a_set(request, city):
    suppliers = sorted(request.GET.getlist("supplier"))
    found = await asyncio.gather(*(offer_or_none(supplier, city) for supplier in suppliers))
    return in_order(suppliers, dict(zip(suppliers, found, strict=True)))


@known_answer(
    "quotes_in_time", breaks="names_who_failed", says="the error of one supplier ends the whole view"
)
async def takes_every_result(request, city):
    tasks = tasks_for(request, city)
    done, late = await asyncio.wait(tasks.values(), timeout=LIMIT)
    for task in late:
        task.cancel()
    offers = {name: task.result() for name, task in tasks.items() if task in done}
    [task.exception() for task in done]
    return in_order(tasks, offers)


@known_answer(
    "quotes_in_time",
    breaks="names_who_failed",
    says="the offers that came are lost with the one that did not",
)
async def catches_around_the_group(request, city):
    suppliers, offers = request.GET.getlist("supplier"), {}

    async def keep(supplier):
        async with asyncio.timeout(LIMIT):
            offers[supplier] = await ask(f"quotes/{supplier}/{city}")

    try:
        async with asyncio.TaskGroup() as group:
            for supplier in suppliers:
                group.create_task(keep(supplier))
    except* (TimeoutError, ServiceError):
        pass
    return in_order(suppliers, offers)


@known_answer("quotes_in_time", breaks="lists_the_offers", says="`asyncio.wait` takes tasks")
async def waits_for_coroutines(request, city):
    suppliers = request.GET.getlist("supplier")
    done, _ = await asyncio.wait([ask(f"quotes/{s}/{city}") for s in suppliers], timeout=LIMIT)
    return in_order(suppliers, {offer["supplier"]: offer for offer in (task.result() for task in done)})


@known_answer("quotes_in_time", breaks="gives_up_who_is_late", says="2 still being asked")
async def shields_them_from_the_deadline(request, city):
    suppliers, offers = request.GET.getlist("supplier"), {}

    async def keep(supplier):
        offers[supplier] = await offer_or_none(supplier, city)

    with suppress(TimeoutError):
        await asyncio.wait_for(asyncio.shield(asyncio.gather(*map(keep, suppliers))), LIMIT)
    return in_order(suppliers, offers)


@known_answer("quotes_in_time", breaks="leaves_it_free", says="a blocking call holds the event loop")
async def blocks_until_all_are_there(request, city):
    suppliers = request.GET.getlist("supplier")
    return in_order(suppliers, {supplier: offer_of(supplier, city) for supplier in suppliers})


@known_answer("quotes_in_time", breaks="asks_all_together", says="sent only when another one is answered")
async def one_by_one_within_the_limit(request, city):
    suppliers, offers = request.GET.getlist("supplier"), {}
    try:
        async with asyncio.timeout(LIMIT):
            for supplier in suppliers:
                offers[supplier] = await offer_or_none(supplier, city)
    except TimeoutError:
        pass
    return in_order(suppliers, offers)


@known_answer(
    "quotes_in_time", breaks="keeps_what_arrived", says="nothing ends the wait for a silent supplier"
)
async def waits_without_limit(request, city):
    suppliers = request.GET.getlist("supplier")
    found = await asyncio.gather(*(offer_or_none(supplier, city) for supplier in suppliers))
    return in_order(suppliers, dict(zip(suppliers, found, strict=True)))


@known_answer("quotes_in_time", breaks="keeps_what_arrived", says="nobody catches its error")
async def lets_the_timeout_through(request, city):
    suppliers = request.GET.getlist("supplier")
    async with asyncio.timeout(LIMIT):
        found = await asyncio.gather(*(offer_or_none(supplier, city) for supplier in suppliers))
    return in_order(suppliers, dict(zip(suppliers, found, strict=True)))


@known_answer("quotes_in_time", breaks="keeps_what_arrived", says="took the offers that had arrived with it")
async def loses_what_arrived(request, city):
    suppliers, found = request.GET.getlist("supplier"), []
    try:
        async with asyncio.timeout(LIMIT):
            found = await asyncio.gather(*(offer_or_none(supplier, city) for supplier in suppliers))
    except TimeoutError:
        pass
    return in_order(suppliers, dict(zip(suppliers, found, strict=False)))


@known_answer("quotes_in_time", breaks="gives_up_who_is_late", says="the tasks that were late did too")
async def cancels_nobody(request, city):
    tasks = tasks_for(request, city)
    await asyncio.wait(tasks.values(), timeout=LIMIT)
    return in_order(tasks, good(tasks))


@known_answer("quotes_in_time", breaks="gives_up_who_is_late", says="2 still being asked")
def threads_that_go_on(request, city):
    suppliers, pool = request.GET.getlist("supplier"), ThreadPoolExecutor()
    asked = {supplier: pool.submit(offer_of, supplier, city) for supplier in suppliers}
    wait(asked.values(), timeout=LIMIT)
    pool.shutdown(wait=False)
    return in_order(suppliers, {name: future.result() for name, future in asked.items() if future.done()})
