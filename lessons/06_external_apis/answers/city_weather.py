import asyncio
import json
import urllib.request
from urllib.parse import quote_plus
from weakref import WeakKeyDictionary

import aiohttp
import httpx
import yarl
from django.http import HttpResponse, JsonResponse

from tutorial_project.checks import known_answer
from tutorial_project.services import running_services

from ..shared import LIMIT, TOTAL, json_object, no_good, too_slow, weather_url

TROUBLE = (aiohttp.ClientError, httpx.HTTPError, ValueError)


def checked(response):
    """The report in a response of httpx."""
    return json_object(response.raise_for_status().json())


async def checked_body(response):
    """The report in a response of aiohttp."""
    response.raise_for_status()
    return json_object(await response.json())


@known_answer("city_weather", when="Where everything that a session asks has the same limit.")
async def limits_the_session(request, city):
    try:
        async with (
            aiohttp.ClientSession(timeout=TOTAL) as session,
            session.get(weather_url(city)) as response,
        ):
            return JsonResponse(await checked_body(response))
    except TimeoutError:
        return too_slow()
    except TROUBLE:
        return no_good()


@known_answer("city_weather")
async def waits_for_the_whole_call(request, city):
    async def fetch():
        async with httpx.AsyncClient(timeout=60) as client:
            return await client.get(weather_url(city))

    try:
        response = await asyncio.wait_for(fetch(), LIMIT)
        checked(response)
    except TimeoutError:
        return HttpResponse("too slow", status=504)
    except TROUBLE as error:
        return HttpResponse(str(error), status=502)
    return HttpResponse(response.content, content_type="application/json")


@known_answer("city_weather")
async def closes_in_finally(request, city):
    session = aiohttp.ClientSession()
    try:
        async with asyncio.timeout(LIMIT):
            return JsonResponse(await checked_body(await session.get(weather_url(city))))
    except TimeoutError:
        return too_slow()
    except TROUBLE:
        return no_good()
    finally:
        await session.close()


@known_answer("city_weather", when="Where a silent service shall be given up sooner than a slow one.")
async def limits_the_pieces_and_the_whole(request, city):
    client = httpx.AsyncClient(timeout=LIMIT)
    try:
        async with asyncio.timeout(LIMIT):
            return JsonResponse(checked(await client.get(weather_url(city))))
    except (TimeoutError, httpx.TimeoutException):
        return too_slow()
    except TROUBLE:
        return no_good()
    finally:
        await client.aclose()


@known_answer(
    "city_weather", when="Where addresses are put together from parts: the library quotes each of them."
)
async def joins_the_url_with_yarl(request, city):
    try:
        async with asyncio.timeout(LIMIT), aiohttp.ClientSession() as session:
            response = await session.get(yarl.URL(running_services().url) / "weather" / city)
            report = await response.json() if response.ok else None
    except TimeoutError:
        return too_slow()
    except TROUBLE:
        return no_good()
    return JsonResponse(report) if isinstance(report, dict) else no_good()


@known_answer("city_weather")
async def asks_in_a_task_that_it_cancels(request, city):
    task = asyncio.create_task(fetched(city))
    try:
        done, _ = await asyncio.wait({task}, timeout=LIMIT)
        return JsonResponse(task.result()) if done else too_slow()
    except TROUBLE:
        return no_good()
    finally:
        task.cancel()
        await asyncio.wait({task})


async def fetched(city):
    async with httpx.AsyncClient(timeout=60) as client:
        return checked(await client.get(weather_url(city)))


first_reports = {}


@known_answer(
    "city_weather", breaks="tells_the_weather", says="what the service said when it was asked before"
)
async def remembers_the_first_report(request, city):
    if city not in first_reports:
        async with httpx.AsyncClient() as client:
            first_reports[city] = (await client.get(weather_url(city))).json()
    return JsonResponse(first_reports[city])


def pasted_url(city):
    return f"{running_services().url}/weather/{city}"


@known_answer("city_weather", breaks="asks_for_the_city", says="`?`, `#` and `%` mean something there")
async def pastes_the_city_into_the_url(request, city):
    async with httpx.AsyncClient() as client, asyncio.timeout(LIMIT):
        return JsonResponse((await client.get(pasted_url(city))).json())


@known_answer("city_weather", breaks="asks_for_the_city", says="`?`, `#` and `%` mean something there")
async def pastes_it_for_aiohttp(request, city):
    async with aiohttp.ClientSession() as session, session.get(pasted_url(city)) as response:
        return JsonResponse(await response.json())


@known_answer("city_weather", breaks="asks_for_the_city", says="asked for /weather/")
async def quotes_it_as_in_a_query(request, city):
    async with httpx.AsyncClient() as client, asyncio.timeout(LIMIT):
        return JsonResponse((await client.get(pasted_url(quote_plus(city)))).json())


doors = WeakKeyDictionary()


@known_answer(
    "city_weather", breaks="waits_without_blocking", says="not sent before the first had its answer"
)
async def lets_one_visitor_in_at_a_time(request, city):
    async with doors.setdefault(asyncio.get_running_loop(), asyncio.Lock()):
        return await limits_the_session(request, city)


@known_answer("city_weather", breaks="gives_up_on_silence", says="gave up before `LIMIT` seconds were over")
async def gives_up_after_a_quarter(request, city):
    try:
        return JsonResponse(await asyncio.wait_for(fetched(city), LIMIT / 4))
    except TimeoutError:
        return too_slow()


@known_answer("city_weather", breaks="gives_up_on_silence", says="nothing limits the call, or not to `LIMIT`")
async def waits_twice_as_long(request, city):
    try:
        return JsonResponse(await asyncio.wait_for(fetched(city), 2 * LIMIT))
    except TimeoutError:
        return too_slow()


@known_answer(
    "city_weather", breaks="gives_up_on_silence", says="an `httpx.HTTPError`, and no `TimeoutError`"
)
async def catches_another_family_first(request, city):
    try:
        async with httpx.AsyncClient(timeout=LIMIT) as client:
            return JsonResponse(checked(await client.get(weather_url(city))))
    except TimeoutError:
        return too_slow()
    except httpx.HTTPError:
        return no_good()


@known_answer("city_weather", breaks="gives_up_on_silence", says="it gave nothing in time")
async def catches_everything_first(request, city):
    try:
        return JsonResponse(await asyncio.wait_for(fetched(city), LIMIT))
    except Exception:
        return no_good()


@known_answer(
    "city_weather",
    breaks="calls_what_is_no_good_502",
    says="the error of the service went on as if all were well",
)
async def trusts_every_answer(request, city):
    try:
        async with (
            aiohttp.ClientSession(timeout=TOTAL) as session,
            session.get(weather_url(city)) as response,
        ):
            return JsonResponse(await response.json())
    except TimeoutError:
        return too_slow()


@known_answer(
    "city_weather", breaks="calls_what_is_no_good_502", says="the error of `raise_for_status` left the view"
)
async def lets_the_status_error_out(request, city):
    try:
        return JsonResponse(await asyncio.wait_for(fetched(city), LIMIT))
    except TimeoutError:
        return too_slow()


@known_answer(
    "city_weather", breaks="calls_what_is_no_good_502", says="`JsonResponse` was given no dictionary"
)
async def expects_an_object(request, city):
    try:
        async with httpx.AsyncClient(timeout=None) as client, asyncio.timeout(LIMIT):
            response = await client.get(weather_url(city))
        return JsonResponse(response.raise_for_status().json())
    except TimeoutError:
        return too_slow()
    except TROUBLE:
        return no_good()


@known_answer("city_weather", breaks="calls_what_is_no_good_502", says="no error of the HTTP library")
async def thinks_of_the_library_only(request, city):
    try:
        return JsonResponse(await asyncio.wait_for(fetched(city), LIMIT))
    except TimeoutError:
        return too_slow()
    except httpx.HTTPError:
        return no_good()


@known_answer("city_weather", breaks="calls_what_is_no_good_502", says="went on to the visitor")
async def passes_everything_on(request, city):
    try:
        async with httpx.AsyncClient(timeout=None) as client, asyncio.timeout(LIMIT):
            response = await client.get(weather_url(city))
        return JsonResponse(response.raise_for_status().json(), safe=False)
    except TimeoutError:
        return too_slow()
    except TROUBLE:
        return no_good()


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


@known_answer("city_weather", breaks="gives_up_on_a_trickle", says="starts anew with each")
async def limits_each_piece_with_httpx(request, city):
    try:
        async with httpx.AsyncClient(timeout=LIMIT) as client:
            return JsonResponse((await client.get(weather_url(city))).json())
    except httpx.TimeoutException:
        return too_slow()


@known_answer("city_weather", breaks="gives_up_on_a_trickle", says="starts anew with each")
async def limits_each_piece_with_aiohttp(request, city):
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(sock_read=LIMIT)) as session:
            return JsonResponse(await (await session.get(weather_url(city))).json())
    except TimeoutError:
        return too_slow()


@known_answer("city_weather", breaks="gives_up_on_a_trickle", says="ends with the headers")
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
        return JsonResponse(await checked_body(await session.get(weather_url(city))))
    except TimeoutError:
        return too_slow()
    except TROUBLE:
        return no_good()


@known_answer(
    "city_weather",
    breaks="leaves_no_connection",
    says="answered by the service with broken JSON",
    because="the client was still open when the view had answered. aiohttp",
)
async def closes_when_all_went_well(request, city):
    client = httpx.AsyncClient()
    try:
        async with asyncio.timeout(LIMIT):
            report = checked(await client.get(weather_url(city)))
    except TimeoutError:
        await client.aclose()
        return too_slow()
    except TROUBLE:
        return no_good()
    await client.aclose()
    return JsonResponse(report)


@known_answer(
    "city_weather",
    breaks="leaves_no_connection",
    says="1 of 1 connection still open",
    because="the client was still open when the view had answered. aiohttp",
)
async def forgets_to_await_the_end(request, city):
    client = httpx.AsyncClient()
    try:
        async with asyncio.timeout(LIMIT):
            return JsonResponse(checked(await client.get(weather_url(city))))
    except TimeoutError:
        return too_slow()
    except TROUBLE:
        return no_good()
    finally:
        client.aclose()


@known_answer("city_weather", breaks="calls_what_is_no_good_502", says="while the service answers 504")
async def passes_a_504_on(request, city):
    try:
        async with asyncio.timeout(LIMIT), httpx.AsyncClient(timeout=None) as client:
            response = await client.get(weather_url(city))
        return too_slow() if response.status_code == 504 else JsonResponse(checked(response))
    except TimeoutError:
        return too_slow()
    except TROUBLE:
        return no_good()


@known_answer(
    "city_weather",
    breaks="calls_what_is_no_good_502",
    says="answers a JSON list of pairs",
    because="what is no JSON object went on to the visitor, as if all were",
)
async def makes_a_dictionary_of_it(request, city):
    try:
        async with asyncio.timeout(LIMIT), httpx.AsyncClient(timeout=None) as client:
            response = await client.get(weather_url(city))
        return JsonResponse(dict(response.raise_for_status().json()))
    except TimeoutError:
        return too_slow()
    except (*TROUBLE, TypeError):
        return no_good()


@known_answer("city_weather", breaks="tells_the_weather", says="asked_at")
async def takes_the_fields_that_it_knows(request, city):
    try:
        report = await asyncio.wait_for(fetched(city), LIMIT)
        return JsonResponse({name: report[name] for name in ("city", "celsius", "sky")})
    except TimeoutError:
        return too_slow()
    except TROUBLE:
        return no_good()


NO_SLASH = "a `str` of a route has no slash, which is all that `safe` is about"


@known_answer("city_weather", breaks="gives_up_on_a_trickle", says="one for the body comes on top")
async def limits_headers_and_body_one_after_the_other(request, city):
    try:
        async with aiohttp.ClientSession() as session:
            response = await asyncio.wait_for(session.get(weather_url(city)), LIMIT)
            return JsonResponse(await asyncio.wait_for(checked_body(response), LIMIT))
    except TimeoutError:
        return too_slow()
    except TROUBLE:
        return no_good()


@known_answer(
    "city_weather",
    breaks="leaves_no_connection",
    says="answered by the service with 500",
    because="the client was still open when the view had answered. aiohttp",
)
async def leaves_it_open_after_an_error(request, city):
    client = httpx.AsyncClient()
    try:
        async with asyncio.timeout(LIMIT):
            response = await client.get(weather_url(city))
        if response.is_error:
            return no_good()
        report = checked(response)
    except TimeoutError:
        await client.aclose()
        return too_slow()
    except TROUBLE:
        await client.aclose()
        return no_good()
    await client.aclose()
    return JsonResponse(report)


@known_answer(
    "city_weather",
    breaks="leaves_no_connection",
    says="a client that is closed only afterwards",
    because="something closes it that nobody waits for",
)
async def closes_it_in_the_background(request, city):
    client = httpx.AsyncClient()
    try:
        async with asyncio.timeout(LIMIT):
            report = checked(await client.get(weather_url(city)))
    except TimeoutError:
        return too_slow()
    except TROUBLE:
        return no_good()
    finally:
        asyncio.get_running_loop().call_later(0.1, asyncio.ensure_future, client.aclose())
    return JsonResponse(report)


@known_answer(
    "city_weather",
    breaks="calls_what_is_no_good_502",
    says="while the service answers bytes that are no text",
    because="which is no error of the HTTP library",
)
async def knows_json_errors_only(request, city):
    try:
        async with asyncio.timeout(LIMIT), httpx.AsyncClient() as client:
            report = (await client.get(weather_url(city))).raise_for_status().json()
    except TimeoutError:
        return too_slow()
    except (httpx.HTTPError, json.JSONDecodeError):
        return no_good()
    return JsonResponse(report) if isinstance(report, dict) else no_good()


@known_answer(
    "city_weather",
    breaks="calls_what_is_no_good_502",
    says="something that calls itself packed, and is not",
)
async def knows_errors_of_the_network_only(request, city):
    try:
        async with asyncio.timeout(LIMIT), httpx.AsyncClient() as client:
            return JsonResponse(checked(await client.get(weather_url(city))))
    except TimeoutError:
        return too_slow()
    except (httpx.HTTPStatusError, httpx.TransportError, ValueError):
        return no_good()


@known_answer(
    "city_weather",
    breaks="gives_up_on_silence",
    says="a question that was given up, and another one",
    because="a question was given up before `LIMIT`",
)
async def tries_twice_for_half_of_the_time(request, city):
    for _ in range(2):
        try:
            async with asyncio.timeout(LIMIT / 2), httpx.AsyncClient() as client:
                return JsonResponse(checked(await client.get(weather_url(city))))
        except TimeoutError:
            continue
        except TROUBLE:
            return no_good()
    return too_slow()


@known_answer(
    "city_weather",
    breaks="calls_what_is_no_good_502",
    says="500 with the JSON of a good answer",
    because="the error of the service went on as if all were well",
)
async def looks_for_an_error_in_the_body(request, city):
    try:
        async with asyncio.timeout(LIMIT), httpx.AsyncClient() as client:
            report = json_object((await client.get(weather_url(city))).json())
    except TimeoutError:
        return too_slow()
    except TROUBLE:
        return no_good()
    return no_good() if "error" in report else JsonResponse(report)


EQUAL_MUTANTS = {
    "arg removal: url = …": NO_SLASH,
    "text: url = …safe='XXXX')}\"": NO_SLASH,
    "only keyword: …": "httpx's own limit is longer than `LIMIT`",
    "kind of error: except (httpx.HTTPError, ValueError): → …": "an answer that is no good raises nothing else",
}
