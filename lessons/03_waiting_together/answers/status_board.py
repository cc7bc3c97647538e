import asyncio
import json
from concurrent.futures import ThreadPoolExecutor

from django.http import JsonResponse

from tutorial_project.checks import known_answer
from tutorial_project.services.client import ServiceError, ask, ask_blocking

# status_board


def shown(names, found):
    answers = {name: answer for name, answer in zip(names, found, strict=True) if isinstance(answer, dict)}
    return JsonResponse({"answers": answers, "failed": [name for name in names if name not in answers]})


@known_answer("status_board", when="Where all answers are wanted, and each error is looked at afterwards.")
async def looks_at_every_result(request):
    names = request.GET.getlist("service")
    found = await asyncio.gather(*(ask(name) for name in names), return_exceptions=True)
    for result in found:
        if isinstance(result, BaseException) and not isinstance(result, ServiceError):
            raise result
    return shown(names, found)


@known_answer("status_board", when="Where each question deals with its own failure.")
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


@known_answer(
    "status_board", when="Where the tasks are needed later, to cancel them or to ask which are done."
)
async def waits_for_all_then_looks(request):
    tasks = {name: asyncio.create_task(ask(name)) for name in request.GET.getlist("service")}
    if tasks:  # else `wait` raises
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


@known_answer(
    "status_board",
    breaks="keeps_the_good_answers",
    says="ExceptionGroup of ServiceError",
    because="the error of one service ends the whole view",
)
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


@known_answer(
    "status_board",
    breaks="keeps_the_good_answers",
    says="broken-json answered 200 with a body that is not JSON",
)
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


@known_answer("status_board")
def sync_view_with_threads(request):
    def answer_or_none(name):
        try:
            return ask_blocking(name)
        except ServiceError:
            return None

    names = request.GET.getlist("service")
    with ThreadPoolExecutor() as pool:
        return shown(names, list(pool.map(answer_or_none, names)))


@known_answer("status_board", breaks="keeps_the_good_answers", says="sorted by the alphabet")
async def sorts_the_failures(request):
    names = request.GET.getlist("service")
    found = await asyncio.gather(*(ask(name) for name in names), return_exceptions=True)
    response = json.loads(shown(names, found).content)
    return JsonResponse(response | {"failed": sorted(response["failed"])})


@known_answer("status_board", breaks="raises_every_other_error", says="catches more than `ServiceError`")
async def catches_what_came_to_mind(request):
    async def answer_or_none(name):
        try:
            return await ask(name)
        except (ServiceError, RuntimeError, LookupError, ValueError, TypeError, OSError):
            return None

    names = request.GET.getlist("service")
    return shown(names, await asyncio.gather(*map(answer_or_none, names)))


async def answer_or_none(name):
    try:
        return await ask(name)
    except ServiceError:
        return None


@known_answer("status_board", breaks="raises_every_other_error", says="an empty answer is an answer")
async def takes_an_empty_answer_for_none(request):
    names = request.GET.getlist("service")
    found = await asyncio.gather(*map(answer_or_none, names))
    answers = {name: answer for name, answer in zip(names, found, strict=True) if answer}
    return JsonResponse({"answers": answers, "failed": [name for name in names if name not in answers]})


@known_answer(
    "status_board",
    breaks="keeps_the_good_answers",
    says="half broke off",
    because="the error of one service ends the whole view",
)
async def knows_only_failures_with_a_status(request):
    async def answer_or_status(name):
        try:
            return await ask(name)
        except ServiceError as error:
            if error.status is None:
                raise
            return error.status

    names = request.GET.getlist("service")
    return shown(names, await asyncio.gather(*map(answer_or_status, names)))


@known_answer(
    "status_board",
    breaks="raises_every_other_error",
    says="expected TimeoutError",
    because="the view catches more than `ServiceError`, and so it hides",
)
async def gives_up_early(request):
    async def answer_in_time(name):
        try:
            async with asyncio.timeout(0.3):
                return await ask(name)
        except (ServiceError, TimeoutError):
            return None

    names = request.GET.getlist("service")
    return shown(names, await asyncio.gather(*map(answer_in_time, names)))


@known_answer(
    "status_board", breaks="asks_all_together", says="a question is sent only when another one is answered"
)
async def one_question_after_another(request):
    names = request.GET.getlist("service")
    return shown(names, [await answer_or_none(name) for name in names])


@known_answer("status_board", breaks="raises_every_other_error", says="catch `ServiceError` alone")
async def takes_a_key_error_for_a_failure(request):
    names = request.GET.getlist("service")

    async def one(name):
        try:
            return await ask(name)
        except (ServiceError, KeyError):
            return None

    return shown(names, await asyncio.gather(*map(one, names)))


@known_answer(
    "status_board",
    breaks="asks_all_together",
    says="at most 4 of 6 questions",
    because="a question is sent only when another one is answered",
)
async def asks_four_at_a_time(request):
    names, four = request.GET.getlist("service"), asyncio.Semaphore(4)

    async def one(name):
        async with four:
            return await answer_or_none(name)

    return shown(names, await asyncio.gather(*map(one, names)))


@known_answer("status_board")
async def waits_for_the_tasks_and_looks_at_their_errors(request):
    names = request.GET.getlist("service")
    tasks = [asyncio.create_task(ask(name)) for name in names]
    try:
        await asyncio.gather(*tasks, return_exceptions=True)
    finally:
        for task in tasks:
            task.cancel()
    failed = [isinstance(task.exception(), ServiceError) for task in tasks]
    return shown(names, [None if bad else task.result() for bad, task in zip(failed, tasks, strict=True)])


async def one_of_ten(limit, name):
    async with limit:
        return await answer_or_none(name)


@known_answer(
    "status_board",
    breaks="asks_all_together",
    says="at most 10 of 22 questions",
    because="a question is sent only when another one is answered",
)
async def asks_ten_at_a_time(request):
    names, ten = request.GET.getlist("service"), asyncio.Semaphore(10)
    return shown(names, await asyncio.gather(*(one_of_ten(ten, name) for name in names)))


@known_answer("status_board", breaks="raises_every_other_error", says="the cancellation to be raised")
async def takes_a_cancellation_for_a_failure(request):
    names, found = request.GET.getlist("service"), []
    for task in [asyncio.create_task(ask(name)) for name in names]:
        try:
            found.append(await task)
        except (ServiceError, asyncio.CancelledError):
            found.append(None)
    return shown(names, found)


@known_answer("status_board", breaks="answers_by_name", says="Set of Tasks/Futures is empty")
async def waits_for_no_task(request):
    tasks = {name: asyncio.create_task(answer_or_none(name)) for name in request.GET.getlist("service")}
    await asyncio.wait(tasks.values())
    return shown(list(tasks), [task.result() for task in tasks.values()])


@known_answer("status_board", breaks="raises_every_other_error", says="it hides mistakes in the code")
async def raises_only_when_nothing_failed(request):
    names = request.GET.getlist("service")
    found = await asyncio.gather(*map(ask, names), return_exceptions=True)
    if not any(isinstance(result, ServiceError) for result in found):
        for result in found:
            if isinstance(result, BaseException):
                raise result
    return shown(names, found)


@known_answer("status_board", breaks="keeps_the_good_answers", says="?again")
async def cuts_the_names(request):
    names = request.GET.getlist("service")
    found = await asyncio.gather(*map(answer_or_none, names))
    found = dict(zip([name.partition("?")[0] for name in names], found, strict=True))
    return shown(list(found), list(found.values()))


@known_answer("status_board", breaks="keeps_the_good_answers", says='got 200 {"answers": {}, "failed": ["')
async def stops_at_the_first_failure(request):
    tasks = {name: asyncio.create_task(ask(name)) for name in request.GET.getlist("service")}
    if tasks:
        await asyncio.wait(tasks.values(), return_when=asyncio.FIRST_EXCEPTION)
    failed = [name for name, task in tasks.items() if task.done() and task.exception()]
    answers = {name: task.result() for name, task in tasks.items() if task.done() and name not in failed}
    for task in tasks.values():
        task.cancel()
    for name in failed:
        if not isinstance(tasks[name].exception(), ServiceError):
            raise tasks[name].exception()
    return JsonResponse({"answers": answers, "failed": failed})


@known_answer("status_board", breaks="raises_every_other_error", says="its question is cancelled")
async def takes_a_cancelled_question_for_a_failure(request):
    async def one(name):
        try:
            return await ask(name)
        except (ServiceError, asyncio.CancelledError):
            return None

    names = request.GET.getlist("service")
    return shown(names, await asyncio.gather(*map(one, names)))


@known_answer("status_board", breaks="raises_every_other_error", says="while one of them takes two seconds")
async def waits_for_one_second(request):
    names = request.GET.getlist("service")
    tasks = [asyncio.create_task(answer_or_none(name)) for name in names]
    if tasks:
        await asyncio.wait(tasks, timeout=1)
    return shown(names, [task.result() if task.done() else None for task in tasks])
