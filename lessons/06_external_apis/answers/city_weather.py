import asyncio
import json
import urllib.request

import aiohttp
import httpx
from django.http import HttpResponse, JsonResponse

from tutorial_project.checks import known_answer

from ..shared import LIMIT, TOTAL, too_slow, weather_url


@known_answer("city_weather")
async def limits_the_session(request, city):
    try:
        async with (
            aiohttp.ClientSession(timeout=TOTAL) as session,
            session.get(weather_url(city)) as response,
        ):
            return JsonResponse(await response.json())
    except TimeoutError:
        return too_slow()


@known_answer("city_weather")
async def waits_for_the_whole_call(request, city):
    async def fetch():
        async with httpx.AsyncClient(timeout=60) as client:
            return await client.get(weather_url(city))

    try:
        response = await asyncio.wait_for(fetch(), LIMIT)
    except TimeoutError:
        return HttpResponse("too slow", status=504)
    return HttpResponse(response.content, content_type="application/json")


@known_answer("city_weather")
async def closes_in_finally(request, city):
    session = aiohttp.ClientSession()
    try:
        async with asyncio.timeout(LIMIT):
            response = await session.get(weather_url(city))
            return JsonResponse(await response.json())
    except TimeoutError:
        return too_slow()
    finally:
        await session.close()


@known_answer("city_weather")
async def limits_the_pieces_and_the_whole(request, city):
    client = httpx.AsyncClient(timeout=LIMIT)
    try:
        async with asyncio.timeout(LIMIT):
            return JsonResponse((await client.get(weather_url(city))).json())
    except (TimeoutError, httpx.TimeoutException):
        return too_slow()
    finally:
        await client.aclose()


@known_answer("city_weather", breaks="tells_the_weather", says="something was called and not awaited")
async def forgets_to_await_the_body(request, city):
    async with aiohttp.ClientSession(timeout=TOTAL) as session, session.get(weather_url(city)) as response:
        return JsonResponse({"report": response.json()})


@known_answer("city_weather", breaks="tells_the_weather", says="a coroutine that nobody awaited")
async def answers_with_the_coroutine(request, city):
    async with aiohttp.ClientSession(timeout=TOTAL) as session, session.get(weather_url(city)) as response:
        return JsonResponse(response.json())


@known_answer("city_weather", breaks="tells_the_weather", says="`async with session.get(…) as response:`")
async def awaits_the_end_of_the_chain(request, city):
    async with aiohttp.ClientSession(timeout=TOTAL) as session:
        return JsonResponse(await session.get(weather_url(city)).json())


@known_answer("city_weather", breaks="tells_the_weather", says="a plain `with` cannot do it")
async def limits_it_with_a_plain_with(request, city):
    async with httpx.AsyncClient() as client:
        with asyncio.timeout(LIMIT):
            return JsonResponse((await client.get(weather_url(city))).json())


@known_answer("city_weather", breaks="tells_the_weather", says="something that is not awaitable")
async def awaits_the_json_of_httpx(request, city):
    async with httpx.AsyncClient() as client, asyncio.timeout(LIMIT):
        response = await client.get(weather_url(city))
        return JsonResponse(await response.json())


@known_answer("city_weather", breaks="waits_without_blocking", says="a blocking call holds the event loop")
async def asks_with_the_sync_client(request, city):
    try:
        return JsonResponse(httpx.get(weather_url(city), timeout=LIMIT).json())
    except httpx.TimeoutException:
        return too_slow()


@known_answer("city_weather", breaks="waits_without_blocking", says="a blocking call holds the event loop")
async def asks_with_urllib(request, city):
    try:
        with urllib.request.urlopen(weather_url(city), timeout=LIMIT) as response:
            return JsonResponse(json.load(response))
    except TimeoutError:
        return too_slow()


@known_answer("city_weather", breaks="gives_up_on_silence", says="by itself aiohttp waits for five minutes")
async def sets_no_limit(request, city):
    async with aiohttp.ClientSession() as session, session.get(weather_url(city)) as response:
        return JsonResponse(await response.json())


@known_answer("city_weather", breaks="gives_up_on_silence", says="what httpx raises is not a `TimeoutError`")
async def catches_the_other_timeout(request, city):
    try:
        async with httpx.AsyncClient(timeout=LIMIT) as client:
            return JsonResponse((await client.get(weather_url(city))).json())
    except TimeoutError:
        return too_slow()


@known_answer("city_weather", breaks="gives_up_on_silence", says="nobody makes an answer of the error")
async def lets_the_error_out(request, city):
    async with aiohttp.ClientSession(timeout=TOTAL) as session, session.get(weather_url(city)) as response:
        return JsonResponse(await response.json())


async def fetched(city):
    async with httpx.AsyncClient(timeout=60) as client:
        return (await client.get(weather_url(city))).json()


@known_answer("city_weather", breaks="gives_up_on_silence", says="what it waited for goes on")
async def leaves_the_call_running(request, city):
    done, _ = await asyncio.wait({asyncio.ensure_future(fetched(city))}, timeout=LIMIT)
    return JsonResponse(done.pop().result()) if done else too_slow()


@known_answer("city_weather", breaks="gives_up_on_silence", says="a thread, which nobody can cancel")
async def leaves_a_thread_running(request, city):
    try:
        response = await asyncio.wait_for(asyncio.to_thread(httpx.get, weather_url(city), timeout=2), LIMIT)
    except TimeoutError:
        return too_slow()
    return JsonResponse(response.json())


@known_answer("city_weather", breaks="gives_up_on_silence", says="200 says that all went well")
async def swallows_the_error(request, city):
    try:
        return JsonResponse(await asyncio.wait_for(fetched(city), LIMIT))
    except TimeoutError:
        return JsonResponse({"error": "too slow"})


@known_answer("city_weather", breaks="gives_up_on_a_trickle", says="starts anew with each of them")
async def limits_each_piece_with_httpx(request, city):
    try:
        async with httpx.AsyncClient(timeout=LIMIT) as client:
            return JsonResponse((await client.get(weather_url(city))).json())
    except httpx.TimeoutException:
        return too_slow()


@known_answer("city_weather", breaks="gives_up_on_a_trickle", says="starts anew with each of them")
async def limits_each_piece_with_aiohttp(request, city):
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(sock_read=LIMIT)) as session:
            return JsonResponse(await (await session.get(weather_url(city))).json())
    except TimeoutError:
        return too_slow()


@known_answer("city_weather", breaks="gives_up_on_a_trickle", says="starts anew with each of them")
async def limits_the_way_to_the_headers(request, city):
    async with aiohttp.ClientSession() as session:
        try:
            response = await asyncio.wait_for(session.get(weather_url(city)), LIMIT)
        except TimeoutError:
            return too_slow()
        return JsonResponse(await response.json())


@known_answer("city_weather", breaks="leaves_no_connection", says="Unclosed client session")
async def never_closes(request, city):
    session = aiohttp.ClientSession(timeout=TOTAL)
    try:
        return JsonResponse(await (await session.get(weather_url(city))).json())
    except TimeoutError:
        return too_slow()


@known_answer("city_weather", breaks="leaves_no_connection", says="when the view had failed")
async def closes_when_all_went_well(request, city):
    client = httpx.AsyncClient()
    try:
        async with asyncio.timeout(LIMIT):
            report = (await client.get(weather_url(city))).json()
    except TimeoutError:
        await client.aclose()
        return too_slow()
    await client.aclose()
    return JsonResponse(report)


@known_answer("city_weather", breaks="leaves_no_connection", says="1 of 1 connections still open")
async def forgets_to_await_the_end(request, city):
    client = httpx.AsyncClient()
    try:
        async with asyncio.timeout(LIMIT):
            return JsonResponse((await client.get(weather_url(city))).json())
    except TimeoutError:
        return too_slow()
    finally:
        client.aclose()
