import asyncio
import functools
from concurrent.futures import ThreadPoolExecutor

from asgiref.sync import sync_to_async
from django.http import JsonResponse

from tutorial_project.checks import known_answer
from tutorial_project.services.client import ask, ask_blocking
from tutorial_project.services.insurer import premium

# booking_page


async def forecast(city):
    answer = await ask(f"weather/{city}")
    return f"{answer['celsius']} °C, {answer['sky']}"


async def cheapest_flight(city):
    answer = await ask(f"flights/{city}")
    return min((flight["price"] for flight in answer["flights"]), default=None)


async def page(city, insurance):
    sky, flight = await asyncio.gather(forecast(city), cheapest_flight(city))
    return JsonResponse({"forecast": sky, "flight": flight, "insurance": insurance})


@known_answer(
    "booking_page", when="Where the sync code uses Django's database connections, which belong to one thread."
)
async def with_sync_to_async(request, city, nights):
    return await page(city, await sync_to_async(premium)(nights))


@known_answer(
    "booking_page",
    when="Where the premium needs nothing that the questions bring: three waits as long as the longest.",
)
async def all_three_together(request, city, nights):
    sky, flight, insurance = await asyncio.gather(
        forecast(city), cheapest_flight(city), asyncio.to_thread(premium, nights)
    )
    return JsonResponse({"forecast": sky, "flight": flight, "insurance": insurance})


@known_answer(
    "booking_page", when="Where the function shall run in an executor of your choice, such as a process pool."
)
async def in_the_pool_of_the_loop(request, city, nights):
    return await page(city, await asyncio.get_running_loop().run_in_executor(None, premium, nights))


@known_answer("booking_page")
def plain_view(request, city, nights):
    weather, flights = ask_blocking(f"weather/{city}"), ask_blocking(f"flights/{city}")
    return JsonResponse(
        {
            "forecast": f"{weather['celsius']} °C, {weather['sky']}",
            "flight": min((flight["price"] for flight in flights["flights"]), default=None),
            "insurance": premium(nights),
        }
    )


@known_answer("booking_page", breaks="gives_the_same_answers", says="the thread was given its result")
async def calls_before_the_thread(request, city, nights):
    return await page(city, await asyncio.to_thread(premium(nights)))


@known_answer("booking_page", breaks="gives_the_same_answers", says="something was called and not awaited")
async def forgets_to_await_the_thread(request, city, nights):
    return await page(city, asyncio.to_thread(premium, nights))


@known_answer("booking_page", breaks="gives_the_same_answers", says="it was not called")
async def awaits_the_wrapper(request, city, nights):
    return await page(city, await sync_to_async(premium))


@known_answer("booking_page", breaks="gives_the_same_answers", says="a result that is here already")
async def gathers_the_price_itself(request, city, nights):
    sky, flight, price = await asyncio.gather(forecast(city), cheapest_flight(city), premium(nights))
    return JsonResponse({"forecast": sky, "flight": flight, "insurance": price})


@known_answer("booking_page", breaks="gives_the_same_answers", says="to a thread, hand a sync function")
async def hands_an_async_function_to_a_thread(request, city, nights):
    return await page(city, await asyncio.to_thread(insurance, nights))


@known_answer("booking_page", breaks="gives_the_same_answers", says="missing 1 required positional argument")
async def forgets_the_argument(request, city, nights):
    return await page(city, await asyncio.to_thread(premium))


@known_answer("booking_page", breaks="gives_the_same_answers", says='"insurance": null')
async def leaves_the_insurance_out(request, city, nights):
    return await page(city, None)


async def insurance(nights):
    return premium(nights)


@known_answer("booking_page", breaks="does_not_hold_the_loop", says="a blocking call holds the event loop")
async def as_it_is_today(request, city, nights):
    return await page(city, await insurance(nights))


@known_answer("booking_page", breaks="does_not_hold_the_loop", says="a blocking call holds the event loop")
async def gathers_the_blocking_helper(request, city, nights):
    sky, flight, price = await asyncio.gather(forecast(city), cheapest_flight(city), insurance(nights))
    return JsonResponse({"forecast": sky, "flight": flight, "insurance": price})


@known_answer("booking_page", breaks="does_not_hold_the_loop", says="a blocking call holds the event loop")
async def waits_for_the_thread(request, city, nights):
    with ThreadPoolExecutor() as pool:
        return await page(city, pool.submit(premium, nights).result())


one_thread = ThreadPoolExecutor(max_workers=1)


@known_answer("booking_page", breaks="lets_travellers_wait_together", says="only one of them through")
async def one_thread_for_everybody(request, city, nights):
    return await page(city, await asyncio.get_running_loop().run_in_executor(one_thread, premium, nights))


@known_answer("booking_page")
async def a_loop_of_its_own_in_the_thread(request, city, nights):
    return await page(city, await asyncio.to_thread(asyncio.run, insurance(nights)))


@known_answer(
    "booking_page", when="Where one failure shall end the other waits; the thread itself goes on to its end."
)
async def a_group_with_a_thread(request, city, nights):
    async with asyncio.TaskGroup() as group:
        sky, flight = group.create_task(forecast(city)), group.create_task(cheapest_flight(city))
        price = group.create_task(asyncio.to_thread(premium, nights))
    return JsonResponse({"forecast": sky.result(), "flight": flight.result(), "insurance": price.result()})


@known_answer("booking_page", breaks="does_not_hold_the_loop", says="a blocking call holds the event loop")
async def waits_for_the_future_at_the_end(request, city, nights):
    future = ThreadPoolExecutor().submit(premium, nights)
    sky, flight = await forecast(city), await cheapest_flight(city)
    return JsonResponse({"forecast": sky, "flight": flight, "insurance": future.result()})


premium_remembered = functools.cache(premium)


@known_answer("booking_page", breaks="gives_the_same_answers", says='"insurance"')
async def remembers_the_price(request, city, nights):
    return await page(city, await asyncio.to_thread(premium_remembered, nights))


one_at_a_time = asyncio.Semaphore(1)


@known_answer("booking_page", breaks="lets_travellers_wait_together", says="only one of them through")
async def asks_behind_a_semaphore(request, city, nights):
    async with one_at_a_time:
        insured = await asyncio.to_thread(premium, nights)
    return await page(city, insured)


@known_answer("booking_page", breaks="gives_the_same_answers", says='"flight"')
async def takes_the_first_flight(request, city, nights):
    flights = (await ask(f"flights/{city}"))["flights"]
    price = await asyncio.to_thread(premium, nights)
    return JsonResponse({"forecast": await forecast(city), "flight": flights[0]["price"], "insurance": price})


@known_answer("booking_page", breaks="gives_the_same_answers", says="there is no flight")
async def expects_a_flight(request, city, nights):
    flights = (await ask(f"flights/{city}"))["flights"]
    price = await asyncio.to_thread(premium, nights)
    cheapest = min(flight["price"] for flight in flights)
    return JsonResponse({"forecast": await forecast(city), "flight": cheapest, "insurance": price})


@known_answer(
    "booking_page",
    breaks="does_not_hold_the_loop",
    says="premium(nights)`, in `a_thread_for_long_ones`",
    because="a blocking call holds the event loop: nothing else in this",
)
async def a_thread_for_long_ones(request, city, nights):
    price = await asyncio.to_thread(premium, nights) if nights > 7 else premium(nights)
    return await page(city, price)


LEFT_OPEN = "the exercise says that its lists ask for no 502"
NO_LIMIT = "the lists say nothing of journeys that are too long"
EQUAL_MUTANTS = {
    "condition: if nights > 365: → if False:": NO_LIMIT,
    "swap op: if nights > 365: → …": NO_LIMIT,
    "number: if nights > 365: → …": NO_LIMIT,
    "one less: if nights > 365: → …": NO_LIMIT,
    'statement: raise Http404("no journey is that long") → pass': NO_LIMIT,
    "part of a try: try: ⏎ except (ServiceError, KeyError, TypeError):… → if True:": LEFT_OPEN,
    "kind of error: except (ServiceError, KeyError, TypeError):… → …": LEFT_OPEN,
    '…: return JsonResponse({"error": "a service is in trouble"}, status=502) → …': LEFT_OPEN,
    "gathered: sky, flight, insured = … → …": "the list asks for a free event loop, and for nothing at the same time within "
    "one page",
}


@known_answer("booking_page", breaks="gives_the_same_answers", says='"insurance": 0.0}')
async def insures_only_who_stays(request, city, nights):
    return await page(city, await asyncio.to_thread(premium, nights) if nights else None)


@known_answer("booking_page", breaks="gives_the_same_answers", says='"flight": 0,')
async def takes_a_free_flight_for_none(request, city, nights):
    sky, flight, price = await asyncio.gather(
        forecast(city), cheapest_flight(city), asyncio.to_thread(premium, nights)
    )
    return JsonResponse({"forecast": sky, "flight": flight or None, "insurance": price})


@known_answer("booking_page", when="Where the pool shall end with the request.")
async def with_a_pool_of_its_own(request, city, nights):
    with ThreadPoolExecutor() as pool:
        price = await asyncio.get_running_loop().run_in_executor(pool, premium, nights)
    return await page(city, price)


@known_answer(
    "booking_page",
    breaks="does_not_hold_the_loop",
    says="the loop stood still until the insurer gave up",
    because="the event loop itself waits for a thread",
)
async def ends_the_pool_before_its_result(request, city, nights):
    with ThreadPoolExecutor() as pool:
        price = asyncio.get_running_loop().run_in_executor(pool, premium, nights)
    return await page(city, await price)


@known_answer(
    "booking_page", breaks="lets_travellers_wait_together", says="while the insurer thinks for 2 seconds"
)
async def gives_the_insurer_up(request, city, nights):
    try:
        price = await asyncio.wait_for(asyncio.to_thread(premium, nights), 1)
    except TimeoutError:
        price = None
    return await page(city, price)


@known_answer("booking_page", breaks="gives_the_same_answers", says='"forecast": "? °C')
async def knows_no_zero(request, city, nights):
    weather = await ask(f"weather/{city}")
    sky = f"{weather['celsius'] or '?'} °C, {weather['sky']}"
    flight, price = await cheapest_flight(city), await asyncio.to_thread(premium, nights)
    return JsonResponse({"forecast": sky, "flight": flight, "insurance": price})
