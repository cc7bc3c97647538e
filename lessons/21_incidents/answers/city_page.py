import asyncio
import functools
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from urllib.parse import quote

import httpx
from asgiref.sync import sync_to_async
from django.http import JsonResponse

from tutorial_project.checks.known_answers import known_answer
from tutorial_project.services import ServiceError, ask, running_services
from tutorial_project.trips.models import Trip

BROKEN = "keeps_nobody_waiting"


def blocking_sky(city):
    url = f"{running_services().url}/weather/{quote(city, safe='')}"
    try:
        return httpx.get(url, timeout=5, trust_env=False, verify=False).raise_for_status().json()["sky"]
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return None


async def sky(city):
    try:
        return (await ask(f"weather/{quote(city, safe='')}"))["sky"]
    except (ServiceError, KeyError):
        return None


async def titles_in(city):
    trips = Trip.objects.filter(destination__name=city, active=True).values_list("title", flat=True)
    return [title async for title in trips]


@known_answer(
    "city_page", when="Where the blocking client is a package that you cannot change, and few wait at a time."
)
async def the_old_function_in_a_thread(request, city):
    titles = await titles_in(city)
    return JsonResponse({"city": city, "sky": await asyncio.to_thread(blocking_sky, city), "trips": titles})


@known_answer("city_page", when="Where the page has two waits that do not need each other.")
async def both_at_once(request, city):
    seen, titles = await asyncio.gather(sky(city), titles_in(city))
    return JsonResponse({"city": city, "sky": seen, "trips": titles})


@known_answer("city_page")
async def through_sync_to_async(request, city):
    seen = await sync_to_async(blocking_sky)(city)
    return JsonResponse({"city": city, "sky": seen, "trips": await titles_in(city)})


@known_answer("city_page", breaks="keeps_nobody_waiting", says="the event loop itself waited")
async def async_in_name_only(request, city):
    async def sky_over(city):
        return blocking_sky(city)

    return JsonResponse({"city": city, "sky": await sky_over(city), "trips": await titles_in(city)})


@known_answer("city_page", breaks="keeps_nobody_waiting", says="the event loop itself waited")
async def waits_for_the_thread(request, city):
    titles = await titles_in(city)
    with ThreadPoolExecutor() as pool:
        return JsonResponse({"city": city, "sky": pool.submit(blocking_sky, city).result(), "trips": titles})


@known_answer("city_page", breaks="tells_sky_and_trips", says='"sky": null')
async def without_the_sky(request, city):
    return JsonResponse({"city": city, "sky": None, "trips": await titles_in(city)})


@functools.cache
def remembered(city):
    return blocking_sky(city)


@known_answer("city_page", breaks="tells_sky_and_trips", says="expected 200")
async def remembers_the_sky_for_ever(request, city):
    return JsonResponse({"city": city, "sky": remembered(city), "trips": await titles_in(city)})


@known_answer("city_page", breaks="bears_a_failing_service", says="ServiceError")
async def fails_with_the_service(request, city):
    seen = await ask(f"weather/{quote(city, safe='')}")
    return JsonResponse({"city": city, "sky": seen["sky"], "trips": await titles_in(city)})


@known_answer("city_page", breaks="stays_on_the_loop", says="costs one thread for each visitor")
def everything_sync(request, city):
    trips = Trip.objects.filter(destination__name=city, active=True).values_list("title", flat=True)
    return JsonResponse({"city": city, "sky": blocking_sky(city), "trips": list(trips)})


locks = {}


@known_answer("city_page", breaks="keeps_nobody_waiting", says="lets in only so many visitors")
async def behind_a_lock(request, city):
    lock = locks.setdefault(asyncio.get_running_loop(), asyncio.Lock())
    async with lock:
        return JsonResponse({"city": city, "sky": await sky(city), "trips": await titles_in(city)})


@known_answer("city_page", breaks="keeps_nobody_waiting", says="while the weather service takes 2 seconds")
async def gives_up_after_a_second(request, city):
    try:
        seen = await asyncio.wait_for(sky(city), 1.0)
    except TimeoutError:
        seen = None
    return JsonResponse({"city": city, "sky": seen, "trips": await titles_in(city)})


@known_answer("city_page", breaks="keeps_nobody_waiting", says="the event loop itself waited")
async def sleeps_before_it_blocks(request, city):
    await asyncio.sleep(0.01)
    return JsonResponse({"city": city, "sky": blocking_sky(city), "trips": await titles_in(city)})


@known_answer("city_page", breaks="tells_sky_and_trips", says="expected 200")
async def asks_for_the_name_as_it_is(request, city):
    try:
        seen = (await ask(f"weather/{city}"))["sky"]
    except ServiceError:
        seen = None
    return JsonResponse({"city": city, "sky": seen, "trips": await titles_in(city)})


@known_answer(
    "city_page", when="Where the page has more to ask at once, and one failure shall not end the rest."
)
async def in_a_group(request, city):
    async with asyncio.TaskGroup() as group:
        asked = group.create_task(sky(city))
        found = group.create_task(titles_in(city))
    return JsonResponse({"city": city, "sky": asked.result(), "trips": found.result()})


@known_answer("city_page", breaks="keeps_nobody_waiting", says="lets in only so many visitors")
async def a_pool_of_three(request, city):
    seen = await asyncio.get_running_loop().run_in_executor(three, blocking_sky, city)
    return JsonResponse({"city": city, "sky": seen, "trips": await titles_in(city)})


three = ThreadPoolExecutor(3)
last_seen = {}


@known_answer("city_page", breaks="bears_a_failing_service", says='"sky": null')
async def tells_an_old_sky_when_nobody_answers(request, city):
    last_seen[city] = await sky(city) or last_seen.get(city)
    return JsonResponse({"city": city, "sky": last_seen[city], "trips": await titles_in(city)})


@known_answer("city_page", breaks="tells_sky_and_trips", says="expected 200")
async def every_city_with_such_a_name(request, city):
    trips = Trip.objects.filter(destination__name__icontains=city, active=True)
    titles = [trip.title async for trip in trips]
    return JsonResponse({"city": city, "sky": await sky(city), "trips": titles})


@known_answer("city_page", breaks="bears_a_failing_service", says="while the weather service breaks off")
async def knows_one_kind_of_trouble(request, city):
    url, seen = f"{running_services().url}/weather/{quote(city, safe='')}", None
    async with httpx.AsyncClient(trust_env=False, verify=False) as client:
        with suppress(httpx.HTTPStatusError):
            seen = (await client.get(url)).raise_for_status().json()["sky"]
    return JsonResponse({"city": city, "sky": seen, "trips": await titles_in(city)})


@known_answer("city_page", breaks="tells_sky_and_trips", says="expected 200")
async def ten_trips_at_most(request, city):
    return JsonResponse({"city": city, "sky": await sky(city), "trips": (await titles_in(city))[:10]})


titles_of_the_page = []


@known_answer("city_page", breaks="keeps_nobody_waiting", says="expected 200")
async def keeps_the_titles_in_the_module(request, city):
    global titles_of_the_page
    titles_of_the_page = await titles_in(city)
    return JsonResponse({"city": city, "sky": await sky(city), "trips": titles_of_the_page})


EQUAL_MUTANTS = {
    "kind of error: except (ServiceError, KeyError): → except ServiceError:": "no incident is about an answer without a sky",
    "arg removal: …quote(city, safe='')… → …": "a route's `str` holds no slash, and no other sign changes",
    "text: …quote(city, safe='')… → …": "a route's `str` holds no slash, and no other sign changes",
    "kind of error: except (ServiceError, KeyError): → except Exception:": "whatever goes wrong there is answered alike",
}
