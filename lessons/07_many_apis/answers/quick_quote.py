import asyncio
import json
from contextlib import suppress
from weakref import WeakKeyDictionary

from django.http import JsonResponse

from tutorial_project.checks import known_answer
from tutorial_project.services.client import ServiceError, ask_blocking

from ..shared import offer_from, path_of

# quick_quote

HEDGE_AFTER = 0.3


NOBODY = "no supplier answered"


def question(supplier, city):
    return asyncio.create_task(offer_from(supplier, city))


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


@known_answer("quick_quote", when="Where only the wait has a limit, and what is awaited goes on.")
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
            await offers.put(await offer_from(supplier, city))
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
    return JsonResponse(await offer_from("Borealis", city))


@known_answer(
    "quick_quote",
    breaks="asks_only_one",
    says="asked: Albatros, Borealis",
    because="Borealis was asked at once, before any time had passed",
)
async def asks_both_at_once(request, city):
    tasks = {question("Albatros", city), question("Borealis", city)}
    done, _ = await asyncio.wait(tasks, return_when=asyncio.ALL_COMPLETED)
    return JsonResponse(max((task.result() for task in done), key=lambda o: o["supplier"] == "Albatros"))


@known_answer("quick_quote", breaks="leaves_others_free", says="a blocking call holds the event loop")
async def blocks_for_albatros(request, city):
    return JsonResponse(ask_blocking(path_of("Albatros", city)))


@known_answer("quick_quote", breaks="falls_back", says="a task that failed is done, too")
async def waits_for_albatros_alone(request, city):
    return JsonResponse(await offer_from("Albatros", city))


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


@known_answer("quick_quote", breaks="falls_back", says="Borealis had not been asked")
async def asks_borealis_only_after_an_error(request, city):
    try:
        return JsonResponse(await offer_from("Albatros", city))
    except ServiceError:
        return JsonResponse(await offer_from("Borealis", city))


@known_answer(
    "quick_quote", breaks="keeps_the_first_question", says="the first question to Albatros was given up"
)
async def gives_albatros_up_first(request, city):
    try:
        async with asyncio.timeout(HEDGE_AFTER):
            return JsonResponse(await offer_from("Albatros", city))
    except (TimeoutError, ServiceError):
        return JsonResponse(await offer_from("Borealis", city))


@known_answer(
    "quick_quote",
    breaks="keeps_the_first_question",
    says="Albatros has answered, and the view waits for Borealis",
)
async def waits_for_borealis_from_then_on(request, city):
    albatros = question("Albatros", city)
    try:
        await asyncio.wait({albatros}, timeout=HEDGE_AFTER)
        if albatros.done() and not albatros.exception():
            return JsonResponse(albatros.result())
        return JsonResponse(await offer_from("Borealis", city))
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


@known_answer("quick_quote", breaks="gives_up_the_loser", says="tasks of the view go on")
async def lets_the_loser_go_on(request, city):
    return await hedged(city, [])


@known_answer(
    "quick_quote", breaks="asks_only_one", says="asked: Albatros, Borealis", because="Borealis was asked"
)
async def as_completed_and_a_late_second(request, city):
    async def second():
        await asyncio.sleep(HEDGE_AFTER)
        return await offer_from("Borealis", city)

    for answer in asyncio.as_completed([offer_from("Albatros", city), second()]):
        with suppress(ServiceError):
            return JsonResponse(await answer)
    return JsonResponse({"error": NOBODY}, status=502)


@known_answer(
    "quick_quote",
    breaks="gives_up_when_the_traveller_leaves",
    says="nothing cancels a task when the view ends",
)
async def cancels_only_at_the_end(request, city):
    tasks = []
    response = await hedged(city, tasks)
    for task in tasks:
        task.cancel()
    return response


@known_answer("quick_quote", breaks="keeps_the_first_question", says="Albatros was asked anew")
async def asks_albatros_anew(request, city):
    tasks = [question("Albatros", city)]
    try:
        await asyncio.wait(tasks, timeout=HEDGE_AFTER)
        if tasks[0].done() and not tasks[0].exception():
            return JsonResponse(tasks[0].result())
        tasks += [question("Albatros", city), question("Borealis", city)]
        return await first_good(set(tasks[1:]))
    finally:
        for task in tasks:
            task.cancel()


async def hedged_after(seconds, city):
    tasks = [question("Albatros", city)]
    try:
        await asyncio.wait(tasks, timeout=seconds)
        if not tasks[0].done() or tasks[0].exception():
            tasks.append(question("Borealis", city))
        return await first_good(set(tasks))
    finally:
        for task in tasks:
            task.cancel()


@known_answer("quick_quote")
async def hedges_in_a_function(request, city):
    return await hedged_after(HEDGE_AFTER, city)


@known_answer("quick_quote", breaks="asks_only_one", says="Borealis was asked within 0.27 seconds")
async def hedges_after_a_quarter(request, city):
    return await hedged_after(HEDGE_AFTER / 4, city)


@known_answer("quick_quote", breaks="falls_back", says="Borealis had not been asked")
async def hedges_after_twice_the_time(request, city):
    return await hedged_after(2 * HEDGE_AFTER, city)


doors = WeakKeyDictionary()


@known_answer("quick_quote", breaks="leaves_others_free", says="waits for the first one's answer")
async def lets_one_visitor_in_at_a_time(request, city):
    async with doors.setdefault(asyncio.get_running_loop(), asyncio.Lock()):
        return await hedged_after(HEDGE_AFTER, city)


first_offers = {}


@known_answer("quick_quote", breaks="answers_with_albatros", says="that is what the suppliers said before")
async def remembers_the_first_offer(request, city):
    if city not in first_offers:
        first_offers[city] = await offer_from("Albatros", city)
    return JsonResponse(first_offers[city])


@known_answer(
    "quick_quote",
    breaks="gives_up_the_loser",
    says="while Borealis is silent",
    because="`asyncio.as_completed` cancel nothing, and nothing cancels a",
)
async def gives_up_albatros_only(request, city):
    tasks = []
    try:
        return await hedged(city, tasks)
    finally:
        tasks[0].cancel()


@known_answer(
    "quick_quote",
    breaks="waits_for_a_good_answer",
    says="while Albatros is down",
    because="the first task that was done had failed, and the other one was",
)
async def gives_up_when_albatros_fails_late(request, city):
    tasks = [question("Albatros", city)]
    try:
        await asyncio.wait(tasks, timeout=HEDGE_AFTER)
        late = not tasks[0].done()
        if late or tasks[0].exception():
            tasks.append(question("Borealis", city))
        await asyncio.wait(tasks[-1:] if not late else tasks, return_when=asyncio.FIRST_COMPLETED)
        return await first_good({tasks[0]} if late and tasks[0].done() else set(tasks))
    finally:
        for task in tasks:
            task.cancel()


@known_answer("quick_quote", breaks="asks_only_one", says="begun and taken back")
async def asks_borealis_whatever_has_come(request, city):
    tasks = {question("Albatros", city)}
    try:
        await asyncio.wait(tasks, timeout=HEDGE_AFTER)
        tasks.add(question("Borealis", city))
        return await first_good(tasks)
    finally:
        for task in tasks:
            task.cancel()


tasks_of_the_page = []


@known_answer("quick_quote", breaks="leaves_others_free", says="cancelled the questions of this one")
async def one_set_of_tasks_for_all_visitors(request, city):
    global tasks_of_the_page
    tasks_of_the_page = []
    try:
        return await hedged(city, tasks_of_the_page)
    finally:
        for task in tasks_of_the_page:
            task.cancel()


@known_answer("quick_quote", breaks="keeps_the_first_question", says="given up")
async def gives_up_after_a_second(request, city):
    tasks = [question("Albatros", city)]
    try:
        done, _ = await asyncio.wait(tasks, timeout=HEDGE_AFTER)
        if not done or tasks[0].exception():
            tasks.append(question("Borealis", city))
        async with asyncio.timeout(1):
            return await first_good(set(tasks))
    except TimeoutError:
        return JsonResponse({"error": "too slow"}, status=502)
    finally:
        for task in tasks:
            task.cancel()


@known_answer("quick_quote", breaks="keeps_the_first_question", says="was asked anew after its error")
async def asks_again_after_an_error(request, city):
    async def twice(supplier):
        try:
            return await offer_from(supplier, city)
        except ServiceError:
            await asyncio.sleep(0.05)
            return await offer_from(supplier, city)

    tasks = [asyncio.create_task(twice("Albatros"))]
    try:
        await asyncio.wait(tasks, timeout=HEDGE_AFTER)
        if not tasks[0].done() or tasks[0].exception():
            tasks.append(question("Borealis", city))
        return await first_good(set(tasks))
    finally:
        for task in tasks:
            task.cancel()


@known_answer("quick_quote")
async def takes_the_offers_from_a_queue(request, city):
    failed, answers = asyncio.Event(), asyncio.Queue()

    async def answer_of(supplier):
        offer = None
        with suppress(ServiceError):
            offer = await offer_from(supplier, city)
        answers.put_nowait(offer)
        return offer

    async def albatros():
        if not await answer_of("Albatros"):
            failed.set()

    async def borealis():
        with suppress(TimeoutError):
            await asyncio.wait_for(failed.wait(), HEDGE_AFTER)
        await answer_of("Borealis")

    tasks = [asyncio.create_task(albatros()), asyncio.create_task(borealis())]
    try:
        for _ in tasks:
            if offer := await answers.get():
                return JsonResponse(offer)
        return JsonResponse({"error": NOBODY}, status=502)
    finally:
        for task in tasks:
            task.cancel()


@known_answer("quick_quote", breaks="answers_with_albatros", says="while it asks nothing for a trip")
async def takes_a_free_trip_for_none(request, city):
    tasks = []
    try:
        answer = await hedged(city, tasks)
        offer = json.loads(answer.content)
        return answer if offer.get("price") else JsonResponse({"error": NOBODY}, status=502)
    finally:
        for task in tasks:
            task.cancel()


@known_answer("quick_quote", breaks="waits_for_a_good_answer", says="at the same moment")
async def looks_at_albatros_alone_when_both_are_done(request, city):
    tasks = [question("Albatros", city)]
    try:
        await asyncio.wait(tasks, timeout=HEDGE_AFTER)
        if not tasks[0].done() or tasks[0].exception():
            tasks.append(question("Borealis", city))
        waiting = set(tasks)
        while waiting:
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            task = tasks[0] if tasks[0] in done else done.pop()
            if not task.exception():
                return JsonResponse(task.result())
        return JsonResponse({"error": NOBODY}, status=502)
    finally:
        for task in tasks:
            task.cancel()


EQUAL_MUTANTS = {
    "one less: return JsonResponse(good[0].result()) → …": "of two that come in the same moment, either is the first",
}
