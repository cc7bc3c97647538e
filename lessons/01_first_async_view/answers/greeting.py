import asyncio
import json
import time

from django.http import HttpResponse, JsonResponse
from django.views import View

from tutorial_project.checks import known_answer

WELCOME = {"greeting": "Welcome to the travel agency"}


@known_answer(
    "greeting", when="Where the wait is a library that knows no async, and the view has other waits that are."
)
async def waits_in_a_thread(request):
    await asyncio.to_thread(time.sleep, 0.1)
    return JsonResponse(WELCOME)


@known_answer("greeting")
async def waits_for_a_timeout(request):
    try:
        async with asyncio.timeout(0.1):
            await asyncio.Event().wait()
    except TimeoutError:
        return HttpResponse(json.dumps(WELCOME), content_type="application/json")


@known_answer("greeting", when="Where the same URL answers several methods.")
class GreetingView(View):
    async def get(self, request):
        await asyncio.sleep(0.1)
        return JsonResponse(WELCOME)


@known_answer("greeting", breaks="greets", says="gives back a response object")
async def greets_with_a_dictionary(request):
    await asyncio.sleep(0.1)
    return WELCOME


@known_answer("greeting", breaks="greets", says="what makes it is not async")
async def awaits_the_response(request):
    await asyncio.sleep(0.1)
    return await JsonResponse(WELCOME)


@known_answer("greeting", breaks="is_async", says="plain `def`")
def sync_view(request):
    time.sleep(0.1)
    return JsonResponse(WELCOME)


@known_answer("greeting", breaks="waits_without_blocking", says="`time.sleep` holds the event loop")
async def sleeps_on_the_loop(request):
    time.sleep(0.1)
    return JsonResponse(WELCOME)


@known_answer("greeting", breaks="waits_without_blocking", says="nothing in the view is awaited")
async def forgets_the_await(request):
    asyncio.sleep(0.1)
    return JsonResponse(WELCOME)


@known_answer("greeting", breaks="waits_without_blocking", says="nothing in the view is awaited")
async def does_not_wait(request):
    return JsonResponse(WELCOME)


@known_answer("greeting", breaks="greets", says="`HttpResponse` took the keys of a dictionary")
async def a_dictionary_as_text(request):
    await asyncio.sleep(0.1)
    return HttpResponse(WELCOME)


@known_answer("greeting", breaks="greets", says="a function that was not called")
async def awaits_the_function(request):
    await asyncio.sleep
    return JsonResponse(WELCOME)


@known_answer("greeting", breaks="waits_without_blocking", says="nothing in the view is awaited")
async def starts_a_task(request):
    request.waiting = asyncio.create_task(asyncio.sleep(0))
    return JsonResponse(WELCOME)


@known_answer("greeting", breaks="waits_without_blocking", says="an answer after more than 0.1 seconds")
async def waits_a_whole_second(request):
    await asyncio.sleep(1)
    return JsonResponse({"greeting": "Welcome to the travel agency"})


@known_answer("greeting", when="Where a callback ends the wait, as in code below asyncio's coroutines.")
async def waits_for_a_future(request):
    loop = asyncio.get_running_loop()
    over = loop.create_future()
    handle = loop.call_later(0.1, over.set_result, None)
    try:
        await over
    finally:
        handle.cancel()
    return JsonResponse(WELCOME)


places = {}


@known_answer("greeting", breaks="waits_without_blocking", says="50 visitors together")
async def has_twenty_places(request):
    place = places.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(20))
    async with place:
        await asyncio.sleep(0.1)
    return JsonResponse(WELCOME)


waits = {}


@known_answer("greeting", breaks="waits_without_blocking", says="0.05 seconds after another visitor")
async def joins_the_wait_of_another(request):
    loop = asyncio.get_running_loop()
    if loop not in waits or waits[loop].done():
        waits[loop] = asyncio.create_task(asyncio.sleep(0.1))
    await asyncio.shield(waits[loop])
    return JsonResponse(WELCOME)


@known_answer("greeting", breaks="waits_without_blocking", says="an answer after 0.0")
async def waits_a_hundredth(request):
    await asyncio.sleep(0.01)
    return JsonResponse(WELCOME)
