import asyncio
from concurrent.futures import ThreadPoolExecutor

from asgiref.sync import sync_to_async
from django.http import JsonResponse

from tutorial_project.classroom.checks import known_answer
from tutorial_project.services.client import ServiceError, ask, ask_blocking
from tutorial_project.services.insurer import premium

# dashboard


def three(weather, flights, rates):
    return JsonResponse({"weather": weather, "flights": flights, "rates": rates})


@known_answer("dashboard")
async def in_a_task_group(request, city, currency):
    async with asyncio.TaskGroup() as group:
        weather = group.create_task(ask(f"weather/{city}"))
        flights = group.create_task(ask(f"flights/{city}"))
        rates = group.create_task(ask(f"rates/{currency}"))
    return three(weather.result(), flights.result(), rates.result())


@known_answer("dashboard")
async def tasks_awaited_in_turn(request, city, currency):
    weather = asyncio.create_task(ask(f"weather/{city}"))
    flights = asyncio.create_task(ask(f"flights/{city}"))
    return three(rates=await ask(f"rates/{currency}"), weather=await weather, flights=await flights)


@known_answer("dashboard")
async def blocking_client_on_threads(request, city, currency):
    services = [f"weather/{city}", f"flights/{city}", f"rates/{currency}"]
    return three(*await asyncio.gather(*(asyncio.to_thread(ask_blocking, service) for service in services)))


@known_answer("dashboard")
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


@known_answer("dashboard", breaks="asks_all_three_together", says="stand in line for one thread")
async def gathers_calls_on_one_thread(request, city, currency):
    services = [f"weather/{city}", f"flights/{city}", f"rates/{currency}"]
    return three(*await asyncio.gather(*(sync_to_async(ask_blocking)(service) for service in services)))


@known_answer("dashboard", breaks="asks_all_three_together", says="at most 2 of 3 questions were waiting")
async def two_and_then_one(request, city, currency):
    weather, flights = await asyncio.gather(ask(f"weather/{city}"), ask(f"flights/{city}"))
    return three(weather, flights, await ask(f"rates/{currency}"))


# status_board


def shown(names, found):
    answers = {name: answer for name, answer in zip(names, found, strict=True) if isinstance(answer, dict)}
    return JsonResponse({"answers": answers, "failed": [name for name in names if name not in answers]})


@known_answer("status_board")
async def looks_at_every_result(request):
    names = request.GET.getlist("service")
    found = await asyncio.gather(*(ask(name) for name in names), return_exceptions=True)
    for result in found:
        if isinstance(result, BaseException) and not isinstance(result, ServiceError):
            raise result
    return shown(names, found)


@known_answer("status_board")
async def keeps_a_dictionary(request):
    names, answers = request.GET.getlist("service"), {}

    async def note(name):
        try:
            answers[name] = await ask(name)
        except ServiceError:
            answers[name] = None

    async with asyncio.TaskGroup() as group:
        for name in names:
            group.create_task(note(name))
    return shown(names, [answers[name] for name in names])


@known_answer("status_board")
async def waits_for_all_then_looks(request):
    tasks = {name: asyncio.create_task(ask(name)) for name in request.GET.getlist("service")}
    await asyncio.wait(tasks.values())
    errors = {name: task.exception() for name, task in tasks.items()}
    for error in errors.values():
        if error is not None and not isinstance(error, ServiceError):
            raise error
    answers = {name: task.result() for name, task in tasks.items() if errors[name] is None}
    return JsonResponse({"answers": answers, "failed": [name for name in tasks if errors[name]]})


@known_answer("status_board", breaks="answers_by_name", says='"answers": [{"city": "Lisbon"')
async def lists_the_answers(request):
    found = await asyncio.gather(*(ask(name) for name in request.GET.getlist("service")))
    return JsonResponse({"answers": found, "failed": []})


@known_answer("status_board", breaks="answers_by_name", says='{"flights/Kyoto": {"city"')
async def reads_one_service(request):
    name = request.GET["service"]
    return JsonResponse({"answers": {name: await ask(name)}, "failed": []})


@known_answer(
    "status_board", breaks="keeps_the_good_answers", says="the error of one service ends the whole view"
)
async def lets_one_error_through(request):
    names = request.GET.getlist("service")
    return shown(names, await asyncio.gather(*(ask(name) for name in names)))


@known_answer("status_board", breaks="keeps_the_good_answers", says="cancels all of its other tasks")
async def catches_after_the_group(request):
    names, tasks = request.GET.getlist("service"), {}
    try:
        async with asyncio.TaskGroup() as group:
            for name in names:
                tasks[name] = group.create_task(ask(name))
    except* ServiceError:
        pass
    return shown(names, [None if tasks[name].exception() else tasks[name].result() for name in names])


@known_answer("status_board", breaks="keeps_the_good_answers", says="ExceptionGroup of ServiceError")
async def lets_a_group_of_errors_through(request):
    names = request.GET.getlist("service")
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(ask(name)) for name in names]
    return shown(names, [task.result() for task in tasks])


@known_answer(
    "status_board",
    breaks="keeps_the_good_answers",
    says="the answers that came are lost with those that did not",
)
async def one_try_around_all(request):
    names = request.GET.getlist("service")
    try:
        return shown(names, await asyncio.gather(*(ask(name) for name in names)))
    except ServiceError:
        return shown(names, [None for name in names])


@known_answer(
    "status_board", breaks="keeps_the_good_answers", says="errors stand in the list in the place of answers"
)
async def shows_the_errors_as_answers(request):
    names = request.GET.getlist("service")
    found = await asyncio.gather(*(ask(name) for name in names), return_exceptions=True)
    return JsonResponse({"answers": dict(zip(names, found, strict=True)), "failed": []})


@known_answer("status_board", breaks="keeps_the_good_answers", says="in the order in which they failed")
async def notes_failures_as_they_come(request):
    answers, failed = {}, []

    async def note(name):
        try:
            answers[name] = await ask(name)
        except ServiceError:
            failed.append(name)

    await asyncio.gather(*(note(name) for name in request.GET.getlist("service")))
    return JsonResponse({"answers": answers, "failed": failed})


@known_answer("status_board", breaks="keeps_the_good_answers", says='got 503 {"answers"')
async def passes_the_failure_on(request):
    names = request.GET.getlist("service")
    found = await asyncio.gather(*(ask(name) for name in names), return_exceptions=True)
    response = shown(names, found)
    response.status_code = 503 if len(found) > sum(isinstance(answer, dict) for answer in found) else 200
    return response


@known_answer("status_board", breaks="keeps_the_good_answers", says="answered 500: Internal Server Error")
async def lists_the_messages(request):
    names = request.GET.getlist("service")
    found = dict(zip(names, await asyncio.gather(*map(ask, names), return_exceptions=True), strict=True))
    failed = {name: str(error) for name, error in found.items() if isinstance(error, Exception)}
    answers = {name: answer for name, answer in found.items() if name not in failed}
    return JsonResponse({"answers": answers, "failed": list(failed.values())})


@known_answer("status_board", breaks="raises_every_other_error", says="it hides mistakes in the code")
async def keeps_every_exception(request):
    names = request.GET.getlist("service")
    return shown(names, await asyncio.gather(*(ask(name) for name in names), return_exceptions=True))


async def ask_or_nothing(name):
    try:
        return await ask(name)
    except Exception:
        return None


@known_answer(
    "status_board", breaks="raises_every_other_error", says="the view catches more than `ServiceError`"
)
async def catches_everything(request):
    names = request.GET.getlist("service")
    return shown(names, await asyncio.gather(*(ask_or_nothing(name) for name in names)))


@known_answer(
    "status_board", breaks="leaves_the_loop_free_for_others", says="a blocking call holds the event loop"
)
async def blocks_in_turn(request):
    names, found = request.GET.getlist("service"), []
    for name in names:
        try:
            found.append(ask_blocking(name))
        except ServiceError:
            found.append(None)
    return shown(names, found)


@known_answer(
    "status_board", breaks="asks_all_together", says="a question is sent only when another one is answered"
)
async def tries_one_after_another(request):
    names, found = request.GET.getlist("service"), []
    for name in names:
        try:
            found.append(await ask(name))
        except ServiceError:
            found.append(None)
    return shown(names, found)


# booking_page


async def forecast(city):
    answer = await ask(f"weather/{city}")
    return f"{answer['celsius']} °C, {answer['sky']}"


async def cheapest_flight(city):
    answer = await ask(f"flights/{city}")
    return min(flight["price"] for flight in answer["flights"])


async def page(city, insurance):
    sky, flight = await asyncio.gather(forecast(city), cheapest_flight(city))
    return JsonResponse({"forecast": sky, "flight": flight, "insurance": insurance})


@known_answer("booking_page")
async def with_sync_to_async(request, city, nights):
    return await page(city, await sync_to_async(premium)(nights))


@known_answer("booking_page")
async def all_three_together(request, city, nights):
    sky, flight, insurance = await asyncio.gather(
        forecast(city), cheapest_flight(city), asyncio.to_thread(premium, nights)
    )
    return JsonResponse({"forecast": sky, "flight": flight, "insurance": insurance})


@known_answer("booking_page")
async def in_the_pool_of_the_loop(request, city, nights):
    return await page(city, await asyncio.get_running_loop().run_in_executor(None, premium, nights))


@known_answer("booking_page")
def plain_view(request, city, nights):
    weather, flights = ask_blocking(f"weather/{city}"), ask_blocking(f"flights/{city}")
    return JsonResponse(
        {
            "forecast": f"{weather['celsius']} °C, {weather['sky']}",
            "flight": min(flight["price"] for flight in flights["flights"]),
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
