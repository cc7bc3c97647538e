import asyncio
from urllib.parse import quote
from weakref import WeakKeyDictionary

import aiohttp
import httpx
from django.http import Http404, HttpResponse, JsonResponse

from tutorial_project.checks import known_answer
from tutorial_project.services import running_services
from tutorial_project.services.client import ServiceError, ask_blocking

from ..shared import LIMIT, TOTAL, json_object, too_slow


def flights_url(city):
    return f"{running_services().url}/flights/{quote(city, safe='')}"


def busy(response):
    """503, with the partner's `Retry-After` when it sent one."""
    later = response.headers.get("Retry-After")
    return HttpResponse(status=503, headers={"Retry-After": later} if later else {})


@known_answer("flights", when="Where most statuses are errors, and one `except` answers them.")
async def raises_for_status(request, city):
    try:
        async with asyncio.timeout(LIMIT), httpx.AsyncClient() as client:
            response = await client.get(flights_url(city))
        response.raise_for_status()
        return JsonResponse(json_object(response.json()))
    except (TimeoutError, httpx.TimeoutException):
        return too_slow()
    except httpx.HTTPStatusError as error:
        if error.response.status_code == 404:
            raise Http404 from error
        if error.response.status_code != 429:
            return HttpResponse(status=502)
        return busy(error.response)
    except (httpx.HTTPError, ValueError):
        return HttpResponse(status=502)


@known_answer(
    "flights", when="Where each status of the partner has one of your own: a table is read at a glance."
)
async def looks_in_a_table(request, city):
    try:
        async with (
            aiohttp.ClientSession(timeout=TOTAL) as session,
            session.get(flights_url(city)) as response,
        ):
            if response.status == 200:
                return JsonResponse(json_object(await response.json()))
    except TimeoutError:
        return too_slow()
    except (aiohttp.ClientError, ValueError):
        return JsonResponse({"error": "broken"}, status=502)
    answer = JsonResponse({"error": "trouble"}, status={404: 404, 429: 503}.get(response.status, 502))
    if later := response.headers.get("Retry-After"):
        answer["Retry-After"] = later
    return answer


@known_answer(
    "flights", breaks="calls_silence_504", says="still waiting", because="none of the pieces is late"
)
def asks_in_djangos_thread(request, city):
    try:
        response = httpx.get(flights_url(city), timeout=LIMIT)
        if response.status_code == 200:
            return JsonResponse(json_object(response.json()))
    except httpx.TimeoutException:
        return too_slow()
    except (httpx.HTTPError, ValueError):
        return HttpResponse(status=502)
    answer = HttpResponse(status={404: 404, 429: 503}.get(response.status_code, 502))
    if later := response.headers.get("Retry-After"):
        answer["Retry-After"] = later
    return answer


@known_answer("flights", breaks="lists_the_flights", says="something was called and not awaited")
async def forgets_to_await_the_session(request, city):
    async with aiohttp.ClientSession(timeout=TOTAL) as session:
        return JsonResponse({"city": city, "flights": session_json(session, city)})


async def session_json(session, city):
    async with session.get(flights_url(city)) as response:
        return await response.json()


@known_answer(
    "flights", breaks="waits_for_the_partner_without_blocking", says="a blocking call holds the event loop"
)
async def asks_blocking(request, city):
    try:
        return JsonResponse(ask_blocking(f"flights/{quote(city, safe='')}"))
    except ServiceError as error:
        return HttpResponse(status={404: 404, 429: 503, None: 504}.get(error.status, 502))


@known_answer("flights", breaks="passes_404_on", says="the error of the service went on as if all were well")
async def trusts_every_answer(request, city):
    try:
        async with (
            aiohttp.ClientSession(timeout=TOTAL) as session,
            session.get(flights_url(city)) as response,
        ):
            return JsonResponse(await response.json())
    except TimeoutError:
        return too_slow()


@known_answer("flights", breaks="passes_404_on", says="left the view, which is a 500 for the visitor")
async def raises_and_does_not_catch(request, city):
    async with httpx.AsyncClient(timeout=LIMIT) as client:
        response = await client.get(flights_url(city))
    response.raise_for_status()
    return JsonResponse(response.json())


async def asked(city):
    """The service's status, answer and headers; errors of the library come out."""
    async with aiohttp.ClientSession(timeout=TOTAL) as session, session.get(flights_url(city)) as response:
        answer = {} if response.content_type == "text/html" else await response.json()
        return response.status, answer, response.headers


@known_answer("flights", breaks="passes_404_on", says="got 502")
async def calls_everything_502(request, city):
    try:
        status, answer, _ = await asked(city)
    except (aiohttp.ClientError, ValueError, TimeoutError):
        return HttpResponse(status=502)
    return JsonResponse(answer) if status == 200 else HttpResponse(status=502)


@known_answer("flights", breaks="says_when_to_come_back", says="it was your site that did")
async def passes_every_status_on(request, city):
    status, answer, _ = await asked(city)
    return JsonResponse(answer, status=status)


@known_answer(
    "flights",
    breaks="says_when_to_come_back",
    says="503 without Retry-After",
    because="the service said when it can be asked again, and the visitor",
)
async def does_not_say_when(request, city):
    status, answer, _ = await asked(city)
    return JsonResponse(answer, status={200: 200, 404: 404, 429: 503}.get(status, 502))


@known_answer(
    "flights",
    breaks="says_when_to_come_back",
    says="Retry-After: 1",
    because="the service said when it can be asked again, and the visitor",
)
async def makes_up_when(request, city):
    status, answer, _ = await asked(city)
    return JsonResponse(
        answer, status={200: 200, 404: 404, 429: 503}.get(status, 502), headers={"Retry-After": "1"}
    )


def translated(status, answer, headers):
    """The answer of the view, with other errors left as they are."""
    if status == 429:
        later = headers.get("Retry-After")
        return HttpResponse(status=503, headers={"Retry-After": later} if later else {})
    return JsonResponse(json_object(answer), status=status)


@known_answer("flights", breaks="calls_other_errors_502", says="the trouble is the partner's")
async def passes_other_errors_on(request, city):
    return translated(*await asked(city))


@known_answer("flights", breaks="says_when_to_come_back", says="read as if it were always there")
async def expects_the_header(request, city):
    status, answer, headers = await asked(city)
    if status == 429:
        return HttpResponse(status=503, headers={"Retry-After": headers["Retry-After"]})
    return translated(status, answer, headers)


@known_answer(
    "flights", breaks="says_when_to_come_back", says="503 Retry-After: None", because="nobody said that"
)
async def passes_none_on(request, city):
    status, answer, headers = await asked(city)
    if status == 429:
        return HttpResponse(status=503, headers={"Retry-After": headers.get("Retry-After")})
    return translated(status, answer, headers)


@known_answer("flights", breaks="says_when_to_come_back", says="and its visitor with it")
async def sleeps_until_then(request, city):
    status, answer, headers = await asked(city)
    if status == 429:
        await asyncio.sleep(int(headers.get("Retry-After", 1)))
        status, answer, headers = await asked(city)
    return translated(status, answer, headers)


@known_answer("flights", breaks="says_when_to_come_back", says="it asked again")
async def asks_until_it_is_free(request, city):
    while (found := await asked(city))[0] == 429:
        await asyncio.sleep(0.2)
    return translated(*found)


@known_answer("flights", breaks="lists_the_flights", says="`?`, `#` and `%` mean something there")
async def pastes_the_city_into_the_url(request, city):
    async with httpx.AsyncClient(base_url=running_services().url, timeout=LIMIT) as client:
        return JsonResponse((await client.get(f"/flights/{city}")).json())


first_lists = {}


@known_answer("flights", breaks="lists_the_flights", says="what the service said when it was asked before")
async def remembers_the_first_list(request, city):
    if city not in first_lists:
        first_lists[city] = await asked(city)
    return translated(*first_lists[city])


doors = WeakKeyDictionary()


@known_answer(
    "flights",
    breaks="waits_for_the_partner_without_blocking",
    says="not sent before the first had its answer",
)
async def lets_one_visitor_in_at_a_time(request, city):
    async with doors.setdefault(asyncio.get_running_loop(), asyncio.Lock()):
        return await looks_in_a_table(request, city)


@known_answer(
    "flights",
    breaks="calls_other_errors_502",
    says="got 418",
    because="would tell the visitor something about your site; the trouble is",
)
async def knows_three_errors(request, city):
    status, answer, headers = await asked(city)
    return translated(502 if status in (403, 500, 503) else status, answer, headers)


@known_answer("flights", breaks="calls_broken_answers_502", says="`JsonResponse` was given no dictionary")
async def expects_an_object(request, city):
    try:
        status, answer, headers = await asked(city)
        return JsonResponse(answer) if status == 200 else all_translated(status, answer, headers)
    except TimeoutError:
        return too_slow()
    except (aiohttp.ClientError, ValueError):
        return HttpResponse(status=502)


@known_answer("flights", breaks="calls_silence_504", says="gave up before `LIMIT` seconds were over")
async def gives_up_after_a_quarter(request, city):
    try:
        async with asyncio.timeout(LIMIT / 4):
            return all_translated(*await asked(city))
    except TimeoutError:
        return too_slow()
    except (aiohttp.ClientError, ValueError):
        return HttpResponse(status=502)


@known_answer(
    "flights",
    breaks="calls_other_errors_502",
    says="got 403",
    because="would tell the visitor something about your site; the trouble is",
)
async def thinks_of_servers_only(request, city):
    status, answer, headers = await asked(city)
    return translated(502 if status >= 500 else status, answer, headers)


def all_translated(status, answer, headers):
    """The answer of the view, by all rules."""
    return translated(status if status in (200, 404, 429) else 502, answer, headers)


@known_answer("flights", breaks="calls_broken_answers_502", says="which is no error of the HTTP library")
async def catches_one_family(request, city):
    try:
        return all_translated(*await asked(city))
    except TimeoutError:
        return too_slow()
    except aiohttp.ClientError:
        return HttpResponse(status=502)


@known_answer(
    "flights", breaks="calls_broken_answers_502", says="the connection broke while the answer was read"
)
async def thinks_of_json_only(request, city):
    try:
        return all_translated(*await asked(city))
    except TimeoutError:
        return too_slow()
    except ValueError:
        return HttpResponse(status=502)


@known_answer("flights", breaks="calls_silence_504", says="by itself aiohttp waits for five minutes")
async def waits_for_ever(request, city):
    try:
        async with aiohttp.ClientSession() as session, session.get(flights_url(city)) as response:
            answer = await response.json() if response.status == 200 else {}
            return all_translated(response.status, answer, response.headers)
    except TimeoutError:
        return too_slow()
    except (aiohttp.ClientError, ValueError):
        return HttpResponse(status=502)


@known_answer("flights", breaks="calls_silence_504", says="before the `except` for other errors")
async def catches_the_time_too_late(request, city):
    try:
        async with httpx.AsyncClient(timeout=LIMIT) as client:
            response = await client.get(flights_url(city))
        answer = response.json() if response.status_code == 200 else {}
        return all_translated(response.status_code, answer, response.headers)
    except (httpx.HTTPError, ValueError):
        return HttpResponse(status=502)
    except httpx.TimeoutException:
        return too_slow()


@known_answer("flights", breaks="passes_404_on", says="with its status in it")
async def answers_with_a_tuple(request, city):
    status, answer, headers = await asked(city)
    if status == 404:
        return JsonResponse(answer), 404
    return all_translated(status, answer, headers)


@known_answer("flights", breaks="calls_silence_504", says="what httpx raises is not a `TimeoutError`")
async def catches_the_wrong_timeout(request, city):
    try:
        async with httpx.AsyncClient(timeout=LIMIT) as client:
            response = await client.get(flights_url(city))
        answer = response.json() if response.status_code == 200 else {}
        return all_translated(response.status_code, answer, response.headers)
    except (TimeoutError, httpx.HTTPStatusError):
        return too_slow()
    except (httpx.NetworkError, httpx.ProtocolError, httpx.DecodingError, ValueError):
        return HttpResponse(status=502)


kept_clients = WeakKeyDictionary()


def kept_client():
    loop = asyncio.get_running_loop()
    if loop not in kept_clients:
        kept_clients[loop] = httpx.AsyncClient(timeout=None)
    return kept_clients[loop]


@known_answer(
    "flights", when="Where requests are many: one client for each event loop keeps its connections."
)
async def one_client_for_each_loop(request, city):
    try:
        async with asyncio.timeout(LIMIT):
            response = await kept_client().get(flights_url(city))
        if response.status_code == 404:
            return HttpResponse(status=404)
        if response.status_code == 429:
            return busy(response)
        return JsonResponse(json_object(response.raise_for_status().json()))
    except TimeoutError:
        return too_slow()
    except (httpx.HTTPError, ValueError):
        return HttpResponse(status=502)


@known_answer("flights", breaks="calls_silence_504", says="ends with the headers")
async def limits_the_wait_for_the_headers(request, city):
    try:
        async with aiohttp.ClientSession() as session:
            async with asyncio.timeout(LIMIT):
                response = await session.get(flights_url(city))
            if response.status == 404:
                return HttpResponse(status=404)
            if response.status == 429:
                return busy(response)
            response.raise_for_status()
            return JsonResponse(json_object(await response.json()))
    except TimeoutError:
        return too_slow()
    except (aiohttp.ClientError, ValueError):
        return HttpResponse(status=502)


@known_answer("flights", breaks="passes_404_on", says="404 with a page of HTML")
async def reads_the_body_before_the_status(request, city):
    try:
        async with (
            aiohttp.ClientSession(timeout=TOTAL) as session,
            session.get(flights_url(city)) as response,
        ):
            answer = await response.json()
    except TimeoutError:
        return too_slow()
    except (aiohttp.ClientError, ValueError):
        return HttpResponse(status=502)
    if response.status in (404, 429):
        return HttpResponse(status=404) if response.status == 404 else busy(response)
    return JsonResponse(json_object(answer)) if response.status == 200 else HttpResponse(status=502)


@known_answer(
    "flights",
    breaks="says_when_to_come_back",
    says="503 without Retry-After",
    because="the service said when it can be asked again, and the visitor",
)
async def passes_seconds_on_and_no_moment(request, city):
    status, answer, headers = await asked(city)
    if status == 429 and not headers.get("Retry-After", "").isdigit():
        return HttpResponse(status=503)
    return translated(status, answer, headers)


@known_answer("flights", breaks="calls_silence_504", says="one for the body comes on top")
async def limits_headers_and_body_one_after_the_other(request, city):
    try:
        async with aiohttp.ClientSession() as session:
            response = await asyncio.wait_for(session.get(flights_url(city)), LIMIT)
            if response.status == 200:
                return JsonResponse(json_object(await asyncio.wait_for(response.json(), LIMIT)))
    except TimeoutError:
        return too_slow()
    except (aiohttp.ClientError, ValueError):
        return HttpResponse(status=502)
    if response.status == 429:
        return busy(response)
    return HttpResponse(status=404 if response.status == 404 else 502)


@known_answer("flights")
async def takes_the_header_as_it_came(request, city):
    try:
        async with asyncio.timeout(LIMIT), httpx.AsyncClient(timeout=None) as client:
            response = await client.get(flights_url(city))
        if response.status_code == 429:
            sent = response.headers.items()
            later = {name: value for name, value in sent if name.lower() == "retry-after"}
            return HttpResponse(status=503, headers=later)
        if response.status_code == 404:
            return HttpResponse(status=404)
        return JsonResponse(json_object(response.raise_for_status().json()))
    except TimeoutError:
        return too_slow()
    except (httpx.HTTPError, ValueError):
        return HttpResponse(status=502)


@known_answer(
    "flights",
    breaks="calls_other_errors_502",
    says="while the service answers 504",
    because="would tell the visitor something about your site; the trouble is",
)
async def passes_a_504_on(request, city):
    try:
        async with asyncio.timeout(LIMIT), httpx.AsyncClient(timeout=None) as client:
            response = await client.get(flights_url(city))
        if response.status_code == 429:
            return busy(response)
        if response.status_code in (404, 504):
            return HttpResponse(status=response.status_code)
        return JsonResponse(json_object(response.raise_for_status().json()))
    except TimeoutError:
        return too_slow()
    except (httpx.HTTPError, ValueError):
        return HttpResponse(status=502)


@known_answer(
    "flights",
    breaks="says_when_to_come_back",
    says="Retry-After: 0",
    because="the service said when it can be asked again, and the visitor",
)
async def takes_zero_seconds_for_nothing(request, city):
    try:
        async with asyncio.timeout(LIMIT), httpx.AsyncClient(timeout=None) as client:
            response = await client.get(flights_url(city))
        if response.status_code == 429:
            later = response.headers.get("Retry-After")
            known = later and (not later.isdigit() or int(later))
            return HttpResponse(status=503, headers={"Retry-After": later} if known else {})
        if response.status_code == 404:
            return HttpResponse(status=404)
        return JsonResponse(json_object(response.raise_for_status().json()))
    except TimeoutError:
        return too_slow()
    except (httpx.HTTPError, ValueError):
        return HttpResponse(status=502)


@known_answer("flights", breaks="says_when_to_come_back", says="429 with a page of HTML")
async def reads_the_json_first(request, city):
    try:
        async with asyncio.timeout(LIMIT), httpx.AsyncClient(timeout=None) as client:
            response = await client.get(flights_url(city))
        if response.status_code == 404:
            return HttpResponse(status=404)
        said = json_object(response.json())
        if response.status_code == 429:
            return busy(response)
        response.raise_for_status()
        return JsonResponse(said)
    except TimeoutError:
        return too_slow()
    except (httpx.HTTPError, ValueError):
        return HttpResponse(status=502)


NO_SLASH = "a `str` of a route has no slash, which is all that `safe` is about"


async def asked_with_httpx(city):
    async with asyncio.timeout(LIMIT), httpx.AsyncClient() as client:
        return await client.get(flights_url(city))


def no_good():
    return JsonResponse({"error": "our partner is in trouble"}, status=502)


@known_answer(
    "flights", breaks="calls_other_errors_502", says="/flights/Gate%20404/ while the service answers 500"
)
async def looks_for_the_number_in_the_text(request, city):
    try:
        return JsonResponse(json_object((await asked_with_httpx(city)).raise_for_status().json()))
    except TimeoutError:
        return too_slow()
    except httpx.HTTPStatusError as error:
        if "429" in str(error):
            later = error.response.headers.get("Retry-After")
            return JsonResponse({}, status=503, headers={"Retry-After": later} if later else {})
        return JsonResponse({}, status=404) if "404" in str(error) else no_good()
    except (httpx.HTTPError, ValueError):
        return no_good()


@known_answer("flights", breaks="calls_other_errors_502", says="503 and Retry-After: 30 expected 502")
async def takes_each_retry_after_for_busy(request, city):
    try:
        response = await asked_with_httpx(city)
        if later := response.headers.get("Retry-After"):
            return JsonResponse({}, status=503, headers={"Retry-After": later})
        if response.is_error:
            return JsonResponse({}, status={404: 404, 429: 503}.get(response.status_code, 502))
        return JsonResponse(json_object(response.json()))
    except TimeoutError:
        return too_slow()
    except (httpx.HTTPError, ValueError):
        return no_good()


EQUAL_MUTANTS = {
    "arg removal: session.get(…": NO_SLASH,
    "text: session.get(…safe='XXXX')}\") as response,": NO_SLASH,
    "kind of error: except (aiohttp.ClientError, ValueError): → …": "an answer that is no good raises nothing else",
}
