import asyncio
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from weakref import WeakKeyDictionary

from django.http import JsonResponse

from tutorial_project.checks import known_answer
from tutorial_project.services.client import ServiceError

from ..shared import good, offer_from, offer_of, offer_or_none

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
    return {name: asyncio.create_task(offer_from(name, city)) for name in request.GET.getlist("supplier")}


async def waited(tasks):
    return await asyncio.wait(tasks.values(), timeout=LIMIT) if tasks else (set(), set())


@known_answer(
    "quotes_in_time", when="Where the tasks are needed: to ask which are late, or to go on waiting."
)
async def waits_and_cancels_on_every_way_out(request, city):
    tasks = tasks_for(request, city)
    try:
        await waited(tasks)
        return in_order(tasks, good(tasks))
    finally:
        for task in tasks.values():
            task.cancel()


@known_answer(
    "quotes_in_time",
    breaks="gives_up_who_is_late",
    says="and the traveller leaves before they answer",
    because="`asyncio.as_completed` cancel nothing, and nothing cancels a",
)
async def waits_then_cancels(request, city):
    tasks = tasks_for(request, city)
    _, late = await waited(tasks)
    for task in late:
        task.cancel()
    return in_order(tasks, good(tasks))


@known_answer("quotes_in_time", when="Where each supplier may have a limit of its own.")
async def a_limit_for_each(request, city):
    async def in_time(supplier):
        try:
            async with asyncio.timeout(LIMIT):
                return await offer_from(supplier, city)
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


@known_answer("quotes_in_time", breaks="lists_the_offers", says="Set of Tasks/Futures is empty")
async def waits_for_nobody(request, city):
    tasks = tasks_for(request, city)
    _, late = await asyncio.wait(tasks.values(), timeout=LIMIT)
    for task in late:
        task.cancel()
    return in_order(tasks, good(tasks))


@known_answer("quotes_in_time", breaks="keeps_the_order", says="in the order in which they arrived")
async def in_the_order_of_arrival(request, city):
    suppliers, offers = request.GET.getlist("supplier"), []

    async def keep(supplier):
        with suppress(ServiceError):
            offers.append(await offer_from(supplier, city))

    with suppress(TimeoutError):
        async with asyncio.timeout(LIMIT), asyncio.TaskGroup() as group:
            for supplier in suppliers:
                group.create_task(keep(supplier))
    there = {offer["supplier"] for offer in offers}
    return JsonResponse({"offers": offers, "missing": [name for name in suppliers if name not in there]})


first_pages = {}


@known_answer("quotes_in_time", breaks="lists_the_offers", says="that is what the suppliers said before")
async def remembers_the_first_page(request, city):
    key = city, *sorted(request.GET.getlist("supplier"))
    if key not in first_pages:
        first_pages[key] = await offers_in_time(request, city, LIMIT)
    return in_order(request.GET.getlist("supplier"), first_pages[key])


async def offers_in_time(request, city, limit):
    suppliers, offers = request.GET.getlist("supplier"), {}

    async def keep(supplier):
        offers[supplier] = await offer_or_none(supplier, city)

    with suppress(TimeoutError):
        await asyncio.wait_for(asyncio.gather(*map(keep, suppliers)), limit)
    return offers


doors = WeakKeyDictionary()


@known_answer("quotes_in_time", breaks="leaves_it_free", says="waits for the first one's answer")
async def lets_one_visitor_in_at_a_time(request, city):
    async with doors.setdefault(asyncio.get_running_loop(), asyncio.Lock()):
        return in_order(request.GET.getlist("supplier"), await offers_in_time(request, city, LIMIT))


@known_answer("quotes_in_time", breaks="keeps_what_arrived", says="was given up before `LIMIT` seconds")
async def gives_up_after_a_quarter(request, city):
    return in_order(request.GET.getlist("supplier"), await offers_in_time(request, city, LIMIT / 4))


@known_answer(
    "quotes_in_time", breaks="keeps_what_arrived", says="the view still waits for a silent supplier"
)
async def waits_twice_as_long(request, city):
    return in_order(request.GET.getlist("supplier"), await offers_in_time(request, city, 2 * LIMIT))


@known_answer("quotes_in_time", breaks="keeps_what_arrived", says="let the cancellation through")
async def takes_the_end_for_a_failure(request, city):
    suppliers, offers = request.GET.getlist("supplier"), {}

    async def keep(supplier):
        for _ in range(3):
            try:
                offers[supplier] = await offer_from(supplier, city)
            except ServiceError:
                pass
            except BaseException:
                continue
            return

    with suppress(TimeoutError):
        async with asyncio.timeout(LIMIT), asyncio.TaskGroup() as group:
            for supplier in suppliers:
                group.create_task(keep(supplier))
    return in_order(suppliers, offers)


@known_answer(
    "quotes_in_time", breaks="names_who_failed", says="the error of one supplier ends the whole view"
)
async def takes_every_result(request, city):
    tasks = tasks_for(request, city)
    done, late = await waited(tasks)
    for task in late:
        task.cancel()
    offers = {name: task.result() for name, task in tasks.items() if task in done}
    [task.exception() for task in done]
    return in_order(tasks, offers)


@known_answer(
    "quotes_in_time",
    breaks="names_who_failed",
    says="the offers of the others are missing with it",
)
async def catches_around_the_group(request, city):
    suppliers, offers = request.GET.getlist("supplier"), {}

    async def keep(supplier):
        async with asyncio.timeout(LIMIT):
            offers[supplier] = await offer_from(supplier, city)

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
    done, _ = await asyncio.wait([offer_from(s, city) for s in suppliers], timeout=LIMIT)
    return in_order(suppliers, {offer["supplier"]: offer for offer in (task.result() for task in done)})


@known_answer(
    "quotes_in_time",
    breaks="gives_up_who_is_late",
    says="2 still being asked",
    because="`asyncio.as_completed` cancel nothing, and nothing cancels a",
)
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
    "quotes_in_time", breaks="keeps_what_arrived", says="the view still waits for a silent supplier"
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


@known_answer("quotes_in_time", breaks="gives_up_who_is_late", says="tasks of the view go on")
async def cancels_nobody(request, city):
    tasks = tasks_for(request, city)
    await waited(tasks)
    return in_order(tasks, good(tasks))


@known_answer("quotes_in_time", breaks="gives_up_who_is_late", says="nobody can cancel a thread")
def threads_that_go_on(request, city):
    suppliers, pool = request.GET.getlist("supplier"), ThreadPoolExecutor(max_workers=30)
    asked = {supplier: pool.submit(offer_of, supplier, city) for supplier in suppliers}
    wait(asked.values(), timeout=LIMIT)
    pool.shutdown(wait=False)
    return in_order(suppliers, {name: future.result() for name, future in asked.items() if future.done()})


@known_answer("quotes_in_time", breaks="keeps_what_arrived", says='"missing": [')
async def names_the_failed_before_the_silent(request, city):
    tasks = tasks_for(request, city)
    try:
        await waited(tasks)
        late = [name for name, task in tasks.items() if not task.done()]
        failed = [name for name in tasks if name not in good(tasks) and name not in late]
        return JsonResponse({"offers": list(good(tasks).values()), "missing": failed + late})
    finally:
        for task in tasks.values():
            task.cancel()


@known_answer("quotes_in_time", breaks="asks_all_together", says="10 of 24 questions waiting")
async def ten_at_a_time(request, city):
    suppliers, offers, ten = request.GET.getlist("supplier"), {}, asyncio.Semaphore(10)

    async def keep(supplier):
        async with ten:
            offers[supplier] = await offer_or_none(supplier, city)

    with suppress(TimeoutError):
        async with asyncio.timeout(LIMIT), asyncio.TaskGroup() as group:
            for supplier in suppliers:
                group.create_task(keep(supplier))
    return in_order(suppliers, offers)


async def prices_in_time(request, city):
    offers = await offers_in_time(request, city, LIMIT)
    return {name: offer["price"] for name, offer in offers.items() if offer is not None}


@known_answer("quotes_in_time", breaks="lists_the_offers", says="while one asks nothing for a trip")
async def takes_a_free_trip_for_none(request, city):
    suppliers, offers = request.GET.getlist("supplier"), await offers_in_time(request, city, LIMIT)
    good = {name: offer for name, offer in offers.items() if offer and offer["price"]}
    return in_order(suppliers, good)


@known_answer("quotes_in_time", breaks="lists_the_offers", says='"seats":')
async def writes_the_offers_anew(request, city):
    suppliers, prices = request.GET.getlist("supplier"), await prices_in_time(request, city)
    offers = {name: {"supplier": name, "city": city, "price": price} for name, price in prices.items()}
    return in_order(suppliers, offers)


@known_answer("quotes_in_time", breaks="lists_the_offers", says="and two the same")
async def keeps_one_offer_for_each_price(request, city):
    suppliers, offers = request.GET.getlist("supplier"), await offers_in_time(request, city, LIMIT)
    by_price = {offer["price"]: offer for offer in offers.values() if offer}
    return in_order(suppliers, {offer["supplier"]: offer for offer in by_price.values()})


@known_answer("quotes_in_time", breaks="names_who_failed", says='"missing": [')
async def names_the_failed_as_they_fail(request, city):
    suppliers, offers, missing = request.GET.getlist("supplier"), {}, []

    async def keep(supplier):
        try:
            offers[supplier] = await offer_from(supplier, city)
        except ServiceError:
            missing.append(supplier)

    try:
        async with asyncio.timeout(LIMIT), asyncio.TaskGroup() as group:
            for supplier in suppliers:
                group.create_task(keep(supplier))
    except TimeoutError:
        missing = [supplier for supplier in suppliers if supplier not in offers]
    found = [offers[supplier] for supplier in suppliers if supplier in offers]
    return JsonResponse({"offers": found, "missing": missing})


EQUAL_MUTANTS = {
    "kind of error: except ServiceError: → except Exception:": "`offer_from` raises nothing but a `ServiceError`",
    "kind of error: except TimeoutError: → except Exception:": "each question catches its own error, so nothing but the end of the time leaves the block",
}
