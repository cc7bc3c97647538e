import asyncio
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from weakref import WeakKeyDictionary

from django.http import JsonResponse

from tutorial_project.classroom.checks import known_answer
from tutorial_project.services.client import ServiceError, ask, ask_blocking

# compare_prices

gates = WeakKeyDictionary()


def gate():
    """The semaphore of the running event loop: these answers are judged on many."""
    return gates.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(5))


def by_price(offers):
    offers = [offer for offer in offers if offer is not None]
    return JsonResponse({"offers": sorted(offers, key=lambda offer: offer["price"])})


async def offer_or_none(supplier, city):
    try:
        return await ask(f"quotes/{supplier}/{city}")
    except ServiceError:
        return None


async def through(semaphore, supplier, city):
    async with semaphore:
        return await offer_or_none(supplier, city)


@known_answer("compare_prices")
async def group_that_keeps_offers(request, city):
    offers = []

    async def keep(supplier):
        async with gate():
            offers.append(await offer_or_none(supplier, city))

    async with asyncio.TaskGroup() as group:
        for supplier in request.GET.getlist("supplier"):
            group.create_task(keep(supplier))
    return by_price(offers)


@known_answer("compare_prices")
async def as_they_come(request, city):
    questions = [through(gate(), supplier, city) for supplier in request.GET.getlist("supplier")]
    return by_price([await answer for answer in asyncio.as_completed(questions)])


five_threads = ThreadPoolExecutor(max_workers=5)


def offer_of(supplier, city):
    try:
        return ask_blocking(f"quotes/{supplier}/{city}")
    except ServiceError:
        return None


@known_answer("compare_prices")
def five_threads_for_everybody(request, city):
    suppliers = request.GET.getlist("supplier")
    return by_price(five_threads.map(offer_of, suppliers, [city] * len(suppliers)))


@known_answer("compare_prices", breaks="sorts_by_price", says='got 200 {"offers": [{"supplier": "Albatros"')
async def leaves_them_in_the_order_of_the_url(request, city):
    questions = (through(gate(), supplier, city) for supplier in request.GET.getlist("supplier"))
    return JsonResponse({"offers": await asyncio.gather(*questions)})


@known_answer("compare_prices", breaks="sorts_by_price", says="taken apart into its letters")
async def takes_the_last_name_for_all(request, city):
    questions = (through(gate(), supplier, city) for supplier in request.GET.get("supplier"))
    return by_price(await asyncio.gather(*questions))


@known_answer("compare_prices", breaks="sorts_by_price", says="a plain `with` cannot do it")
async def enters_with_a_plain_with(request, city):
    async def offer(supplier):
        with gate():
            return await offer_or_none(supplier, city)

    return by_price(await asyncio.gather(*map(offer, request.GET.getlist("supplier"))))


@known_answer("compare_prices", breaks="sorts_by_price", says="it was called and not awaited")
async def gathers_without_await(request, city):
    return by_price(asyncio.gather(*(ask(f"quotes/{s}/{city}") for s in request.GET.getlist("supplier"))))


@known_answer(
    "compare_prices", breaks="leaves_out_who_fails", says="the error of one supplier ends the whole view"
)
async def lets_the_error_through(request, city):
    async def offer(supplier):
        async with gate():
            return await ask(f"quotes/{supplier}/{city}")

    return by_price(await asyncio.gather(*map(offer, request.GET.getlist("supplier"))))


@known_answer(
    "compare_prices", breaks="leaves_out_who_fails", says="errors stand in the list in the place of offers"
)
async def sorts_the_errors_too(request, city):
    questions = (ask(f"quotes/{supplier}/{city}") for supplier in request.GET.getlist("supplier"))
    return by_price(await asyncio.gather(*questions, return_exceptions=True))


@known_answer("compare_prices", breaks="leaves_out_who_fails", says="cancels all of its other tasks")
async def catches_after_the_group(request, city):
    tasks = []
    try:
        async with asyncio.TaskGroup() as group:
            for supplier in request.GET.getlist("supplier"):
                tasks.append(group.create_task(ask(f"quotes/{supplier}/{city}")))
    except* ServiceError:
        pass
    return by_price([task.result() for task in tasks if not task.exception()])


@known_answer("compare_prices", breaks="leaves_the_loop_free", says="a blocking call holds the event loop")
async def blocks(request, city):
    return by_price([offer_of(supplier, city) for supplier in request.GET.getlist("supplier")])


@known_answer("compare_prices", breaks="asks_five_together", says="sent only when another one is answered")
async def one_after_another(request, city):
    return by_price([await offer_or_none(supplier, city) for supplier in request.GET.getlist("supplier")])


@known_answer("compare_prices", breaks="asks_five_together", says="at most 4 of 7 questions were waiting")
async def four_at_a_time(request, city):
    four = asyncio.Semaphore(4)
    questions = (through(four, supplier, city) for supplier in request.GET.getlist("supplier"))
    return by_price(await asyncio.gather(*questions))


@known_answer("compare_prices", breaks="never_asks_six", says="nothing holds the sixth question back")
async def a_semaphore_for_each_question(request, city):
    suppliers = request.GET.getlist("supplier")
    questions = (through(asyncio.Semaphore(5), supplier, city) for supplier in suppliers)
    return by_price(await asyncio.gather(*questions))


@known_answer("compare_prices", breaks="never_asks_six", says="nothing holds the sixth question back")
async def all_at_once(request, city):
    questions = (offer_or_none(supplier, city) for supplier in request.GET.getlist("supplier"))
    return by_price(await asyncio.gather(*questions))


@known_answer("compare_prices", breaks="never_asks_six", says="nothing holds the sixth question back")
async def one_pass_for_the_whole_page(request, city):
    async with gate():
        questions = (offer_or_none(supplier, city) for supplier in request.GET.getlist("supplier"))
        return by_price(await asyncio.gather(*questions))


@known_answer("compare_prices", breaks="never_asks_six_for_two", says="each request has a limit of its own")
async def makes_its_own_semaphore(request, city):
    five = asyncio.Semaphore(5)
    questions = (through(five, supplier, city) for supplier in request.GET.getlist("supplier"))
    return by_price(await asyncio.gather(*questions))


@known_answer("compare_prices", breaks="never_asks_six_for_two", says="each request has a limit of its own")
async def in_rounds_of_five(request, city):
    suppliers, offers = request.GET.getlist("supplier"), []
    for first in range(0, len(suppliers), 5):
        questions = (offer_or_none(supplier, city) for supplier in suppliers[first : first + 5])
        offers += await asyncio.gather(*questions)
    return by_price(offers)


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


def good(tasks):
    return {n: t.result() for n, t in tasks.items() if t.done() and not t.cancelled() and not t.exception()}


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


# quick_quote

HEDGE_AFTER = 0.3

NOBODY = "no supplier answered"


def question(supplier, city):
    return asyncio.create_task(ask(f"quotes/{supplier}/{city}"))


async def first_good(waiting):
    while waiting:
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        found = [task for task in done if not task.exception()]
        if found:
            return JsonResponse(found[0].result())
    return JsonResponse({"error": NOBODY}, status=502)


async def hedged(city, cancelled):
    """The tasks, put into `cancelled` for whoever cancels them, and the first good answer."""
    cancelled.append(question("Albatros", city))
    await asyncio.wait(cancelled, timeout=HEDGE_AFTER)
    if not cancelled[0].done() or cancelled[0].exception():
        cancelled.append(question("Borealis", city))
    return await first_good(set(cancelled))


@known_answer("quick_quote")
async def shields_the_first_question(request, city):
    tasks = [question("Albatros", city)]
    try:
        try:
            return JsonResponse(await asyncio.wait_for(asyncio.shield(tasks[0]), HEDGE_AFTER))
        except (TimeoutError, ServiceError):
            tasks.append(question("Borealis", city))
        for answer in asyncio.as_completed(tasks):
            try:
                return JsonResponse(await answer)
            except ServiceError:
                pass
        return JsonResponse({"error": NOBODY}, status=502)
    finally:
        for task in tasks:
            task.cancel()


@known_answer("quick_quote")
async def group_with_a_second_that_waits_for_the_first(request, city):
    first_has_failed, offers = asyncio.Event(), asyncio.Queue()

    async def offer_to_queue(supplier):
        try:
            await offers.put(await ask(f"quotes/{supplier}/{city}"))
        except ServiceError:
            await offers.put(None)
            first_has_failed.set()

    async def borealis():
        with suppress(TimeoutError):
            await asyncio.wait_for(first_has_failed.wait(), HEDGE_AFTER)
        await offer_to_queue("Borealis")

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(offer_to_queue("Albatros")), group.create_task(borealis())]
        best = await offers.get() or await offers.get()
        for task in tasks:
            task.cancel()
    return JsonResponse(best) if best else JsonResponse({"error": NOBODY}, status=502)


@known_answer("quick_quote", breaks="answers_with_albatros", says='got 200 {"supplier": "Borealis"')
async def asks_the_wrong_one_first(request, city):
    return JsonResponse(await ask(f"quotes/Borealis/{city}"))


@known_answer("quick_quote", breaks="asks_only_one", says="did not depend on what Albatros does")
async def asks_both_at_once(request, city):
    tasks = {question("Albatros", city), question("Borealis", city)}
    done, _ = await asyncio.wait(tasks, return_when=asyncio.ALL_COMPLETED)
    return JsonResponse(max((task.result() for task in done), key=lambda o: o["supplier"] == "Albatros"))


@known_answer("quick_quote", breaks="leaves_others_free", says="a blocking call holds the event loop")
async def blocks_for_albatros(request, city):
    return JsonResponse(ask_blocking(f"quotes/Albatros/{city}"))


@known_answer("quick_quote", breaks="falls_back", says="a task that failed is done, too")
async def waits_for_albatros_alone(request, city):
    return JsonResponse(await ask(f"quotes/Albatros/{city}"))


@known_answer("quick_quote", breaks="falls_back", says="nobody waited for the offer of Borealis")
async def asks_borealis_only_when_it_is_late(request, city):
    tasks = {question("Albatros", city)}
    try:
        _, late = await asyncio.wait(tasks, timeout=HEDGE_AFTER)
        if late:
            tasks.add(question("Borealis", city))
        return await first_good(tasks)
    finally:
        for task in tasks:
            task.cancel()


@known_answer("quick_quote", breaks="falls_back", says="nobody waited for the offer of Borealis")
async def looks_at_the_first_that_is_done(request, city):
    tasks = [question("Albatros", city)]
    try:
        await asyncio.wait(tasks, timeout=HEDGE_AFTER)
        if not tasks[0].done() or tasks[0].exception():
            tasks.append(question("Borealis", city))
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        good = [task for task in done if not task.exception()]
        return JsonResponse(good[0].result()) if good else JsonResponse({"error": NOBODY}, status=502)
    finally:
        for task in tasks:
            task.cancel()


@known_answer("quick_quote", breaks="falls_back", says="before it looks at Borealis")
async def asks_borealis_only_after_an_error(request, city):
    try:
        return JsonResponse(await ask(f"quotes/Albatros/{city}"))
    except ServiceError:
        return JsonResponse(await ask(f"quotes/Borealis/{city}"))


@known_answer("quick_quote", breaks="keeps_the_first_question", says="was given up, or over, before")
async def gives_albatros_up_first(request, city):
    try:
        async with asyncio.timeout(HEDGE_AFTER):
            return JsonResponse(await ask(f"quotes/Albatros/{city}"))
    except (TimeoutError, ServiceError):
        return JsonResponse(await ask(f"quotes/Borealis/{city}"))


@known_answer("quick_quote", breaks="keeps_the_first_question", says="GET /quick-quote/Lisbon/ while")
async def waits_for_borealis_from_then_on(request, city):
    albatros = question("Albatros", city)
    try:
        await asyncio.wait({albatros}, timeout=HEDGE_AFTER)
        if albatros.done() and not albatros.exception():
            return JsonResponse(albatros.result())
        return JsonResponse(await ask(f"quotes/Borealis/{city}"))
    finally:
        albatros.cancel()


@known_answer("quick_quote", breaks="waits_for_a_good_answer", says="a task that failed is done, too")
async def takes_the_first_that_is_done(request, city):
    albatros = question("Albatros", city)
    await asyncio.wait({albatros}, timeout=HEDGE_AFTER)
    if albatros.done() and not albatros.exception():
        return JsonResponse(albatros.result())
    borealis = question("Borealis", city)
    waiting = {borealis} if albatros.done() else {albatros, borealis}
    done, late = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in late:
        task.cancel()
    return JsonResponse(done.pop().result())


@known_answer("quick_quote", breaks="says_when_nobody_answers", says="a 500 for the visitor")
async def lets_the_last_error_through(request, city):
    tasks = []
    try:
        response = await hedged(city, tasks)
        if response.status_code == 502:
            raise ServiceError(NOBODY)
        return response
    finally:
        for task in tasks:
            task.cancel()


@known_answer("quick_quote", breaks="gives_up_the_loser", says="cancel nothing: the other task goes on")
async def lets_the_loser_go_on(request, city):
    return await hedged(city, [])


@known_answer("quick_quote", breaks="asks_only_one", says="did not depend on what Albatros does")
async def as_completed_and_a_late_second(request, city):
    async def second():
        await asyncio.sleep(HEDGE_AFTER)
        return await ask(f"quotes/Borealis/{city}")

    for answer in asyncio.as_completed([ask(f"quotes/Albatros/{city}"), second()]):
        with suppress(ServiceError):
            return JsonResponse(await answer)
    return JsonResponse({"error": NOBODY}, status=502)


@known_answer("quick_quote", breaks="gives_up_when_the_traveller_leaves", says="and its tasks were not")
async def cancels_only_at_the_end(request, city):
    tasks = []
    response = await hedged(city, tasks)
    for task in tasks:
        task.cancel()
    return response
