import asyncio
from concurrent.futures import ThreadPoolExecutor

from asgiref.sync import sync_to_async
from django.http import JsonResponse

from tutorial_project.checks import known_answer
from tutorial_project.services.client import ask, ask_blocking

# dashboard


def three(weather, flights, rates):
    return JsonResponse({"weather": weather, "flights": flights, "rates": rates})


@known_answer("dashboard", when="Where one failure shall end the other questions at once.")
async def in_a_task_group(request, city, currency):
    async with asyncio.TaskGroup() as group:
        weather = group.create_task(ask(f"weather/{city}"))
        flights = group.create_task(ask(f"flights/{city}"))
        rates = group.create_task(ask(f"rates/{currency}"))
    return three(weather.result(), flights.result(), rates.result())


@known_answer(
    "dashboard", when="Where something is done with the first answer while the others are on their way."
)
async def tasks_awaited_in_turn(request, city, currency):
    weather = asyncio.create_task(ask(f"weather/{city}"))
    flights = asyncio.create_task(ask(f"flights/{city}"))
    return three(rates=await ask(f"rates/{currency}"), weather=await weather, flights=await flights)


@known_answer("dashboard", when="Where the client is a library that blocks, and no async one exists.")
async def blocking_client_on_threads(request, city, currency):
    services = [f"weather/{city}", f"flights/{city}", f"rates/{currency}"]
    return three(*await asyncio.gather(*(asyncio.to_thread(ask_blocking, service) for service in services)))


@known_answer(
    "dashboard",
    when="Where the view has nothing else to await: a sync view that waits for all three together.",
)
def sync_view_with_threads(request, city, currency):
    with ThreadPoolExecutor() as pool:
        return three(*pool.map(ask_blocking, [f"weather/{city}", f"flights/{city}", f"rates/{currency}"]))


@known_answer("dashboard", breaks="answers_with_all_three", says="something was called and not awaited")
async def forgets_to_await(request, city, currency):
    return three(ask(f"weather/{city}"), ask(f"flights/{city}"), ask(f"rates/{currency}"))


@known_answer("dashboard", breaks="answers_with_all_three", says="`await asyncio.gather(…)`")
async def gathers_without_await(request, city, currency):
    weather, flights, rates = asyncio.gather(
        ask(f"weather/{city}"), ask(f"flights/{city}"), ask(f"rates/{currency}")
    )
    return three(weather, flights, rates)


@known_answer("dashboard", breaks="answers_with_all_three", says="`asyncio.wait` takes tasks")
async def waits_for_coroutines(request, city, currency):
    questions = [ask(f"weather/{city}"), ask(f"flights/{city}"), ask(f"rates/{currency}")]
    done, _ = await asyncio.wait(questions)
    return three(*(task.result() for task in done))


@known_answer("dashboard", breaks="answers_with_all_three", says="`asyncio.gather` was given one list")
async def gathers_a_list(request, city, currency):
    return three(
        *await asyncio.gather([ask(f"weather/{city}"), ask(f"flights/{city}"), ask(f"rates/{currency}")])
    )


@known_answer("dashboard", breaks="answers_with_all_three", says="a result that is here already")
async def awaits_inside_gather(request, city, currency):
    return three(
        *await asyncio.gather(
            await ask(f"weather/{city}"), await ask(f"flights/{city}"), await ask(f"rates/{currency}")
        )
    )


@known_answer("dashboard", breaks="answers_with_all_three", says="a task was put into the answer")
async def shows_the_tasks(request, city, currency):
    async with asyncio.TaskGroup() as group:
        names = (f"weather/{city}", f"flights/{city}", f"rates/{currency}")
        tasks = [group.create_task(ask(name)) for name in names]
    return three(*tasks)


@known_answer("dashboard", breaks="answers_with_all_three", says="before the task was done")
async def reads_results_inside_the_group(request, city, currency):
    async with asyncio.TaskGroup() as group:
        names = (f"weather/{city}", f"flights/{city}", f"rates/{currency}")
        tasks = [group.create_task(ask(name)) for name in names]
        return three(*(task.result() for task in tasks))


@known_answer(
    "dashboard", breaks="answers_with_all_three", says='got 200 {"weather": {"city": "Lisbon", "flights"'
)
async def unpacks_in_another_order(request, city, currency):
    flights, weather, rates = await asyncio.gather(
        ask(f"weather/{city}"), ask(f"flights/{city}"), ask(f"rates/{currency}")
    )
    return three(weather, flights, rates)


@known_answer("dashboard", breaks="asks_for_what_the_url_says", says='got 200 {"weather": {"city": "Lisbon"')
async def knows_lisbon_only(request, city, currency):
    return three(*await asyncio.gather(ask("weather/Lisbon"), ask("flights/Lisbon"), ask("rates/USD")))


@known_answer("dashboard", breaks="leaves_the_loop_free", says="a blocking call holds the event loop")
async def blocks(request, city, currency):
    return three(
        ask_blocking(f"weather/{city}"), ask_blocking(f"flights/{city}"), ask_blocking(f"rates/{currency}")
    )


async def ask_in_disguise(service):
    return ask_blocking(service)


@known_answer("dashboard", breaks="leaves_the_loop_free", says="a blocking call holds the event loop")
async def gathers_what_blocks(request, city, currency):
    services = [f"weather/{city}", f"flights/{city}", f"rates/{currency}"]
    return three(*await asyncio.gather(*(ask_in_disguise(service) for service in services)))


@known_answer(
    "dashboard", breaks="asks_all_three_together", says="a question is sent only when another one is answered"
)
async def one_after_another(request, city, currency):
    weather = await ask(f"weather/{city}")
    flights = await ask(f"flights/{city}")
    rates = await ask(f"rates/{currency}")
    return three(weather, flights, rates)


@known_answer(
    "dashboard", breaks="asks_all_three_together", says="a question is sent only when another one is answered"
)
async def called_first_awaited_later(request, city, currency):
    weather, flights, rates = ask(f"weather/{city}"), ask(f"flights/{city}"), ask(f"rates/{currency}")
    return three(await weather, await flights, await rates)


@known_answer(
    "dashboard", breaks="asks_all_three_together", says="`sync_to_async` in one request share one thread"
)
async def gathers_calls_on_one_thread(request, city, currency):
    services = [f"weather/{city}", f"flights/{city}", f"rates/{currency}"]
    return three(*await asyncio.gather(*(sync_to_async(ask_blocking)(service) for service in services)))


@known_answer(
    "dashboard",
    breaks="asks_all_three_together",
    says="at most 2 of 3 questions were waiting",
    because="a question is sent only when another one is answered",
)
async def two_and_then_one(request, city, currency):
    weather, flights = await asyncio.gather(ask(f"weather/{city}"), ask(f"flights/{city}"))
    return three(weather, flights, await ask(f"rates/{currency}"))


def services_for(city, currency):
    return [f"weather/{city}", f"flights/{city}", f"rates/{currency}"]


@known_answer("dashboard")
async def waits_for_a_list_of_tasks(request, city, currency):
    tasks = [asyncio.ensure_future(ask(service)) for service in services_for(city, currency)]
    await asyncio.wait(tasks)
    return three(*(task.result() for task in tasks))


@known_answer("dashboard")
async def threads_of_the_pool(request, city, currency):
    ask_freely = sync_to_async(ask_blocking, thread_sensitive=False)
    return three(*await asyncio.gather(*map(ask_freely, services_for(city, currency))))


@known_answer(
    "dashboard", breaks="asks_all_three_together", says="a question is sent only when another one is answered"
)
async def one_thread_after_another(request, city, currency):
    return three(
        *[await asyncio.to_thread(ask_blocking, service) for service in services_for(city, currency)]
    )


door = asyncio.Lock()


@known_answer("dashboard", breaks="asks_all_three_together", says="the second visitor's questions are not")
async def lets_one_visitor_in(request, city, currency):
    async with door:
        return three(*await asyncio.gather(*map(ask, services_for(city, currency))))


pages = {}


@known_answer("dashboard", breaks="answers_with_all_three", says="said when they were asked before")
async def keeps_the_page(request, city, currency):
    if (city, currency) not in pages:
        pages[city, currency] = await asyncio.gather(*map(ask, services_for(city, currency)))
    return three(*pages[city, currency])


@known_answer("dashboard", breaks="leaves_the_loop_free", says="a blocking call holds the event loop")
async def waits_for_the_future_at_the_end(request, city, currency):
    pool = ThreadPoolExecutor()
    rates = pool.submit(ask_blocking, f"rates/{currency}")
    weather, flights = await asyncio.gather(ask(f"weather/{city}"), ask(f"flights/{city}"))
    return three(weather, flights, rates.result())


@known_answer("dashboard", breaks="asks_for_what_the_url_says", says="Rio de Janeiro")
async def first_word_of_the_city(request, city, currency):
    return three(*await asyncio.gather(*map(ask, services_for(city.split()[0], currency))))


five = asyncio.Semaphore(5)


async def behind_five(service):
    async with five:
        return await ask(service)


@known_answer("dashboard", breaks="asks_all_three_together", says="at most 5 of 6")
async def five_at_a_time(request, city, currency):
    return three(*await asyncio.gather(*map(behind_five, services_for(city, currency))))


@known_answer("dashboard", breaks="asks_for_what_the_url_says", says="/dashboard/san Juan, Uruguay/USDC/")
async def takes_the_name_up_to_a_comma(request, city, currency):
    city = city.partition(",")[0]
    return three(*await asyncio.gather(*map(ask, services_for(city, currency))))


@known_answer("dashboard", breaks="asks_for_what_the_url_says", says="/dashboard/san Juan, Uruguay/USDC/")
async def knows_currencies_of_three_letters(request, city, currency):
    return three(*await asyncio.gather(*map(ask, services_for(city, currency[:3]))))


LEFT_OPEN = "the exercise says that its lists ask for neither quoting nor a 502"
EQUAL_MUTANTS = {
    'arg removal: place, money = … → place, money = quote(city, ), quote(currency, safe="")': LEFT_OPEN,
    'arg removal: place, money = … → place, money = quote(city, safe=""), quote(currency, )': LEFT_OPEN,
    "text: place, money = … → …": "the letter X needs no quotes",
    '…: found, status = {"error": "a service is in trouble"}, 502 → …': LEFT_OPEN,
    "assignment: status = 200 → status = None": "a response without a status has 200",
    "arg removal: return JsonResponse(found, status=status) → return JsonResponse(found, status=None)": LEFT_OPEN,
    "arg removal: return JsonResponse(found, status=status) → return JsonResponse(found, )": LEFT_OPEN,
}


@known_answer("dashboard", breaks="asks_for_what_the_url_says", says="Rio De Janeiro")
async def writes_names_its_own_way(request, city, currency):
    services = [f"weather/{city.title()}", f"flights/{city.title()}", f"rates/{currency.upper()}"]
    return three(*await asyncio.gather(*map(ask, services)))


under_way = {}


@known_answer("dashboard", breaks="asks_all_three_together", says="with 2 others at the same moment")
async def shares_what_is_asked_for_the_same_city(request, city, currency):
    if city not in under_way:
        under_way[city] = asyncio.ensure_future(asyncio.gather(*map(ask, services_for(city, currency))))
        under_way[city].add_done_callback(lambda _: under_way.pop(city))
    return three(*await asyncio.shield(under_way[city]))


page_of_all = {}


@known_answer("dashboard", breaks="asks_all_three_together", says="with 1 other at the same moment")
async def fills_one_page_for_all(request, city, currency):
    async def fill(name, place):
        page_of_all[name] = await ask(f"{name}/{place}")

    await asyncio.gather(fill("weather", city), fill("flights", city), fill("rates", currency))
    return JsonResponse(page_of_all)


asked_now = {}


async def ask_once(service):
    if service not in asked_now:
        asked_now[service] = asyncio.create_task(ask(service))
        asked_now[service].add_done_callback(lambda _: asked_now.pop(service))
    return await asyncio.shield(asked_now[service])


@known_answer("dashboard")
async def shares_each_question_under_way(request, city, currency):
    return three(*await asyncio.gather(*map(ask_once, services_for(city, currency))))
