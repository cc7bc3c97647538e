import asyncio
from concurrent.futures import ThreadPoolExecutor
from weakref import WeakKeyDictionary

from django.http import HttpResponse, JsonResponse

from tutorial_project.checks import known_answer
from tutorial_project.services.client import ServiceError

from ..shared import offer_from, offer_of, offer_or_none

# compare_prices

gates = WeakKeyDictionary()


def gate():
    """The semaphore of the running event loop: these answers are judged on many."""
    return gates.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(5))


def by_price(offers):
    offers = [offer for offer in offers if offer is not None]
    return JsonResponse({"offers": sorted(offers, key=lambda offer: offer["price"])})


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


@known_answer("compare_prices", when="Where each answer is used as soon as it comes, such as in a stream.")
async def as_they_come(request, city):
    questions = [through(gate(), supplier, city) for supplier in request.GET.getlist("supplier")]
    return by_price([await answer for answer in asyncio.as_completed(questions)])


five_threads = ThreadPoolExecutor(max_workers=5)


@known_answer(
    "compare_prices", when="Where the suppliers' library knows no async: its threads are the limit."
)
def five_threads_for_everybody(request, city):
    suppliers = request.GET.getlist("supplier")
    return by_price(five_threads.map(offer_of, suppliers, [city] * len(suppliers)))


@known_answer("compare_prices", breaks="sorts_by_price", says="cheapest first")
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
    return by_price(asyncio.gather(*(offer_from(s, city) for s in request.GET.getlist("supplier"))))


@known_answer(
    "compare_prices", breaks="goes_on_after_failures", says="the error of one supplier ends the whole view"
)
async def lets_the_error_through(request, city):
    async def offer(supplier):
        async with gate():
            return await offer_from(supplier, city)

    return by_price(await asyncio.gather(*map(offer, request.GET.getlist("supplier"))))


@known_answer(
    "compare_prices", breaks="goes_on_after_failures", says="errors stand in the list in the place of offers"
)
async def sorts_the_errors_too(request, city):
    questions = (offer_from(supplier, city) for supplier in request.GET.getlist("supplier"))
    return by_price(await asyncio.gather(*questions, return_exceptions=True))


@known_answer("compare_prices", breaks="goes_on_after_failures", says="cancels all of its other tasks")
async def catches_after_the_group(request, city):
    tasks = []
    try:
        async with asyncio.TaskGroup() as group:
            for supplier in request.GET.getlist("supplier"):
                tasks.append(group.create_task(offer_from(supplier, city)))
    except* ServiceError:
        pass
    return by_price([task.result() for task in tasks if not task.exception()])


first_pages = {}


@known_answer("compare_prices", breaks="sorts_by_price", says="that is what the suppliers said before")
async def remembers_the_first_page(request, city):
    key = city, *sorted(request.GET.getlist("supplier"))
    if key not in first_pages:
        first_pages[key] = (await as_they_come(request, city)).content
    return HttpResponse(first_pages[key], content_type="application/json")


@known_answer("compare_prices", breaks="sorts_by_price", says="cheapest first")
async def sorts_them_as_texts(request, city):
    questions = [through(gate(), supplier, city) for supplier in request.GET.getlist("supplier")]
    offers = await asyncio.gather(*questions)
    return JsonResponse({"offers": sorted(offers, key=lambda offer: str(offer["price"]))})


@known_answer(
    "compare_prices",
    breaks="goes_on_after_failures",
    says="the view was still waiting",
    because="five questions have failed, and the other two were not sent: no",
)
async def keeps_the_place_of_a_failure(request, city):
    async def offer(supplier):
        await leaking_gate().acquire()
        found = await offer_or_none(supplier, city)
        if found:
            leaking_gate().release()
        return found

    return by_price(await asyncio.gather(*map(offer, request.GET.getlist("supplier"))))


leaking_gates = WeakKeyDictionary()


def leaking_gate():
    return leaking_gates.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(5))


doors = WeakKeyDictionary()


@known_answer("compare_prices", breaks="leaves_the_loop_free", says="waits for the first one's answer")
async def lets_one_visitor_in_at_a_time(request, city):
    async with doors.setdefault(asyncio.get_running_loop(), asyncio.Lock()):
        return await as_they_come(request, city)


@known_answer("compare_prices", breaks="goes_on_after_failures", says="a blocking call holds the event loop")
async def blocks(request, city):
    return by_price([offer_of(supplier, city) for supplier in request.GET.getlist("supplier")])


@known_answer("compare_prices", breaks="asks_five_together", says="sent only when another one is answered")
async def one_after_another(request, city):
    return by_price([await offer_or_none(supplier, city) for supplier in request.GET.getlist("supplier")])


@known_answer("compare_prices", breaks="asks_five_together", says="4 of 7 questions waiting at the same time")
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


@known_answer(
    "compare_prices", breaks="never_asks_six_for_two", says="not all requests pass the same semaphore"
)
async def makes_its_own_semaphore(request, city):
    five = asyncio.Semaphore(5)
    questions = (through(five, supplier, city) for supplier in request.GET.getlist("supplier"))
    return by_price(await asyncio.gather(*questions))


@known_answer("compare_prices", breaks="asks_five_together", says="waits for more answers than this one")
async def in_rounds_of_five(request, city):
    suppliers, offers = request.GET.getlist("supplier"), []
    for first in range(0, len(suppliers), 5):
        questions = (offer_or_none(supplier, city) for supplier in suppliers[first : first + 5])
        offers += await asyncio.gather(*questions)
    return by_price(offers)


def named_suppliers(request):
    return request.GET.getlist("supplier")


async def offers_of(suppliers, city):
    return await asyncio.gather(*(through(gate(), supplier, city) for supplier in suppliers))


@known_answer("compare_prices", breaks="sorts_by_price", says="'<' not supported between instances of")
async def compares_offers_of_the_same_price(request, city):
    offers = await offers_of(named_suppliers(request), city)
    pairs = sorted((offer["price"], offer) for offer in offers if offer)
    return JsonResponse({"offers": [offer for _, offer in pairs]})


@known_answer("compare_prices", breaks="sorts_by_price", says="while two ask the same price")
async def one_offer_for_each_price(request, city):
    offers = {o["price"]: o for o in await offers_of(named_suppliers(request), city) if o}
    return JsonResponse({"offers": [offers[price] for price in sorted(offers)]})


@known_answer("compare_prices", breaks="sorts_by_price", says="while two ask the same price")
async def sorts_by_whole_tens(request, city):
    offers = [o for o in await offers_of(named_suppliers(request), city) if o]
    return JsonResponse({"offers": sorted(offers, key=lambda offer: offer["price"] // 10)})


@known_answer("compare_prices", breaks="sorts_by_price", says="cheapest first")
async def no_more_than_seven(request, city):
    return by_price(await offers_of(named_suppliers(request)[:7], city))


on_the_page = []


@known_answer("compare_prices", breaks="leaves_the_loop_free", says="which another traveller has asked for")
async def one_list_for_all_visitors(request, city):
    on_the_page.clear()

    async def keep(supplier):
        on_the_page.append(await through(gate(), supplier, city))

    await asyncio.gather(*map(keep, named_suppliers(request)))
    return by_price(on_the_page)


@known_answer("compare_prices", breaks="leaves_out_who_fails", says="takes three seconds")
async def leaves_out_who_is_slow(request, city):
    async def soon(supplier):
        try:
            async with asyncio.timeout(1):
                return await through(gate(), supplier, city)
        except TimeoutError:
            return None

    return by_price(await asyncio.gather(*map(soon, named_suppliers(request))))


@known_answer("compare_prices", breaks="goes_on_after_failures", says="given back twice")
async def gives_a_place_back_twice(request, city):
    async def offer(supplier):
        await gate().acquire()
        try:
            return await offer_from(supplier, city)
        except ServiceError:
            gate().release()
        finally:
            gate().release()

    return by_price(await asyncio.gather(*map(offer, named_suppliers(request))))


gates_of_cities = WeakKeyDictionary()


@known_answer("compare_prices", breaks="never_asks_six_for_two", says="not all requests pass the same")
async def a_limit_for_each_city(request, city):
    gates_here = gates_of_cities.setdefault(asyncio.get_running_loop(), {})
    gate_here = gates_here.setdefault(city, asyncio.Semaphore(5))
    return by_price(
        await asyncio.gather(*(through(gate_here, name, city) for name in named_suppliers(request)))
    )


@known_answer(
    "compare_prices", breaks="goes_on_after_failures", says="the traveller who left has kept places"
)
async def keeps_the_place_of_who_leaves(request, city):
    async def offer(supplier):
        await gate().acquire()
        found = await offer_or_none(supplier, city)
        gate().release()
        return found

    return by_price(await asyncio.gather(*map(offer, named_suppliers(request))))


@known_answer("compare_prices", breaks="asks_five_together", says="waits for more answers than this one")
async def in_rounds_through_one_semaphore(request, city):
    suppliers, offers = named_suppliers(request), []
    for first in range(0, len(suppliers), 5):
        questions = (through(gate(), supplier, city) for supplier in suppliers[first : first + 5])
        offers += await asyncio.gather(*questions)
    return by_price(offers)


@known_answer("compare_prices", breaks="sorts_by_price", says="one asks nothing")
async def leaves_out_what_costs_nothing(request, city):
    questions = (through(gate(), supplier, city) for supplier in named_suppliers(request))
    offers = await asyncio.gather(*questions)
    return by_price([offer for offer in offers if offer and offer["price"]])


@known_answer("compare_prices", breaks="leaves_out_who_fails", says="while each of them takes three seconds")
async def waits_two_seconds_for_a_place(request, city):
    async def offer(supplier):
        try:
            await asyncio.wait_for(gate().acquire(), 2)
        except TimeoutError:
            return None
        try:
            return await offer_or_none(supplier, city)
        finally:
            gate().release()

    return by_price(await asyncio.gather(*map(offer, named_suppliers(request))))


EQUAL_MUTANTS = {
    "kind of error: except ServiceError: → except Exception:": "`offer_from` raises nothing but a `ServiceError`",
}
