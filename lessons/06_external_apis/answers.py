import asyncio
import json
import threading
import urllib.request
from functools import cached_property

import aiohttp
import httpx
from django.http import Http404, HttpResponse, JsonResponse

from tutorial_project.classroom.checks import known_answer
from tutorial_project.services import running_services
from tutorial_project.services.client import ServiceError, ask_blocking

LIMIT = 0.5
TOTAL = aiohttp.ClientTimeout(total=LIMIT)


def weather_url(city):
    return f"{running_services().url}/weather/{city}"


def flights_url(city):
    return f"{running_services().url}/flights/{city}"


def too_slow():
    return JsonResponse({"error": "the service does not answer"}, status=504)


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


@known_answer("WeatherClient")
class SessionsOfAiohttp:
    def __init__(self):
        self.sessions = {}

    async def ask(self, city):
        loop = asyncio.get_running_loop()
        if (session := self.sessions.get(loop)) is None or session.closed:
            session = self.sessions[loop] = aiohttp.ClientSession(timeout=TOTAL)
        async with session.get(weather_url(city)) as response:
            return await response.json()

    async def close(self):
        session = self.sessions.pop(asyncio.get_running_loop(), None)
        if session is not None:
            await session.close()


@known_answer("WeatherClient")
class ClientThatStays:
    def __init__(self):
        self.clients = {}

    async def ask(self, city):
        client = self.clients.get(id(asyncio.get_running_loop()))
        if client is None or client.is_closed:
            client = self.clients[id(asyncio.get_running_loop())] = httpx.AsyncClient(verify=False)
        return (await client.get(weather_url(city))).json()

    async def close(self):
        if client := self.clients.get(id(asyncio.get_running_loop())):
            await client.aclose()


class OneClient:
    """The parts that most of the wrong answers share: one client, made at the first call."""

    client = None

    async def ask(self, city):
        if self.client is None:
            self.client = httpx.AsyncClient()
        return (await self.client.get(weather_url(city))).json()

    async def close(self):
        if self.client is not None:
            await self.client.aclose()
            self.client = None


class OneClientEach:
    """One client for each loop, closed as it should be."""

    def __init__(self):
        self.clients = {}

    async def ask(self, city):
        loop = asyncio.get_running_loop()
        if loop not in self.clients:
            self.clients[loop] = httpx.AsyncClient()
        return (await self.clients[loop].get(weather_url(city))).json()

    async def close(self):
        if client := self.clients.pop(asyncio.get_running_loop(), None):
            await client.aclose()


@known_answer("WeatherClient", breaks="is_made_at_import_and_asks_later", says="no running event loop")
class SessionAtImport(OneClient):
    def __init__(self):
        self.session = aiohttp.ClientSession()


@known_answer(
    "WeatherClient", breaks="is_made_at_import_and_asks_later", says="something was called and not awaited"
)
class ForgetsTheAwait(OneClientEach):
    async def ask(self, city):
        async with httpx.AsyncClient() as client:
            return client.get(weather_url(city)).json()


@known_answer("WeatherClient", breaks="is_made_at_import_and_asks_later", says="Response [200 OK]")
class GivesTheResponse(OneClientEach):
    async def ask(self, city):
        async with httpx.AsyncClient() as client:
            return await client.get(weather_url(city))


@known_answer(
    "WeatherClient", breaks="is_made_at_import_and_asks_later", says="no `async with` around the kept client"
)
class ClosesAfterEachCall(OneClientEach):
    async def ask(self, city):
        loop = asyncio.get_running_loop()
        async with self.clients.setdefault(loop, httpx.AsyncClient()) as client:
            return (await client.get(weather_url(city))).json()


@known_answer("WeatherClient", breaks="is_made_at_import_and_asks_later", says="ended without a `return`")
class ForgetsTheReturn(OneClientEach):
    async def ask(self, city):
        await super().ask(city)


@known_answer("WeatherClient", breaks="keeps_its_connection", says="a new client was made for each call")
class ClientForEachCall(OneClientEach):
    async def ask(self, city):
        async with aiohttp.ClientSession() as session, session.get(weather_url(city)) as response:
            return await response.json()


@known_answer("WeatherClient", breaks="keeps_its_connection", says="10 connections")
class OverwritesItsClient(OneClientEach):
    async def ask(self, city):
        self.clients[asyncio.get_running_loop()] = client = httpx.AsyncClient()
        return (await client.get(weather_url(city))).json()


@known_answer("WeatherClient", breaks="asks_two_at_once", says="a blocking call holds the event loop")
class SyncClient(OneClientEach):
    def __init__(self):
        self.client = httpx.Client()

    async def ask(self, city):
        return self.client.get(weather_url(city)).json()

    async def close(self):
        self.client.close()


@known_answer("WeatherClient", breaks="asks_two_at_once", says="no lock around it")
class OneAtATime(OneClientEach):
    def __init__(self):
        super().__init__()
        self.lock = asyncio.Lock()

    async def ask(self, city):
        async with self.lock:
            return await super().ask(city)


@known_answer("WeatherClient", breaks="serves_a_second_loop", says="this one was used on two")
class OneForAll(OneClient):
    pass


@known_answer("WeatherClient", breaks="serves_a_second_loop", says="this one was used on two")
class OneSessionForAll(OneClient):
    async def ask(self, city):
        if self.client is None:
            self.client = aiohttp.ClientSession()
        async with self.client.get(weather_url(city)) as response:
            return await response.json()

    async def close(self):
        await self.client.close()


@known_answer("WeatherClient", breaks="serves_a_second_loop", says="this one was used on two")
class Cached(OneClient):
    @cached_property
    def client(self):
        return httpx.AsyncClient()

    async def close(self):
        await self.client.aclose()


@known_answer("WeatherClient", breaks="serves_a_second_loop", says="this one was used on two")
class OneForEachThread(OneClient):
    def __init__(self):
        self.local = threading.local()

    @property
    def client(self):
        return getattr(self.local, "client", None)

    @client.setter
    def client(self, client):
        self.local.client = client


@known_answer("WeatherClient", breaks="closes_its_connection", says="httpx says nothing")
class ForgetsAndDoesNotClose(OneClientEach):
    async def close(self):
        self.clients.pop(asyncio.get_running_loop(), None)


@known_answer("WeatherClient", breaks="closes_its_connection", says="1 of 1 connections still open")
class ForgetsToAwaitTheEnd(OneClientEach):
    async def close(self):
        if client := self.clients.pop(asyncio.get_running_loop(), None):
            client.aclose()


@known_answer("WeatherClient", breaks="closes_its_connection", says="`await client.aclose()` with httpx")
class ClosesAsAiohttpDoes(OneClientEach):
    async def close(self):
        if client := self.clients.pop(asyncio.get_running_loop(), None):
            await client.close()


@known_answer("WeatherClient", breaks="closes_no_other_client", says="closed the client of the first one")
class ClosesAll(OneClientEach):
    async def close(self):
        for client in list(self.clients.values()):
            await client.aclose()
        self.clients.clear()


@known_answer("WeatherClient", breaks="opens_again", says="still kept as the client of this loop")
class KeepsTheClosedClient(OneClientEach):
    async def close(self):
        if client := self.clients.get(asyncio.get_running_loop()):
            await client.aclose()


@known_answer("WeatherClient", breaks="closes_when_there_is_nothing", says="KeyError")
class ExpectsAClient(OneClientEach):
    async def close(self):
        await self.clients.pop(asyncio.get_running_loop()).aclose()


@known_answer("flights")
async def raises_for_status(request, city):
    try:
        async with asyncio.timeout(LIMIT), httpx.AsyncClient() as client:
            response = await client.get(flights_url(city))
        response.raise_for_status()
        return JsonResponse(response.json())
    except (TimeoutError, httpx.TimeoutException):
        return too_slow()
    except httpx.HTTPStatusError as error:
        if error.response.status_code == 404:
            raise Http404 from error
        if error.response.status_code != 429:
            return HttpResponse(status=502)
        return HttpResponse(status=503, headers={"Retry-After": error.response.headers["Retry-After"]})
    except (httpx.HTTPError, ValueError):
        return HttpResponse(status=502)


@known_answer("flights")
async def looks_in_a_table(request, city):
    try:
        async with (
            aiohttp.ClientSession(timeout=TOTAL) as session,
            session.get(flights_url(city)) as response,
        ):
            if response.status == 200:
                return JsonResponse(await response.json())
    except TimeoutError:
        return too_slow()
    except (aiohttp.ClientError, json.JSONDecodeError):
        return JsonResponse({"error": "broken"}, status=502)
    answer = JsonResponse({"error": "trouble"}, status={404: 404, 429: 503}.get(response.status, 502))
    if later := response.headers.get("Retry-After"):
        answer["Retry-After"] = later
    return answer


@known_answer("flights")
def asks_in_djangos_thread(request, city):
    try:
        response = httpx.get(flights_url(city), timeout=LIMIT)
        if response.status_code == 200:
            return JsonResponse(response.json())
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
        return JsonResponse(ask_blocking(f"flights/{city}"))
    except ServiceError as error:
        return HttpResponse(status={404: 404, 429: 503, None: 504}.get(error.status, 502))


@known_answer("flights", breaks="passes_404_on", says="the status of the service was not looked at")
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
        return response.status, await response.json(), response.headers


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


@known_answer("flights", breaks="says_when_to_come_back", says="503 without Retry-After")
async def does_not_say_when(request, city):
    status, answer, _ = await asked(city)
    return JsonResponse(answer, status={200: 200, 404: 404, 429: 503}.get(status, 502))


@known_answer("flights", breaks="says_when_to_come_back", says="Retry-After: 1")
async def makes_up_when(request, city):
    status, answer, _ = await asked(city)
    return JsonResponse(
        answer, status={200: 200, 404: 404, 429: 503}.get(status, 502), headers={"Retry-After": "1"}
    )


def translated(status, answer, headers):
    """The answer of the view, with other errors left as they are."""
    if status == 429:
        return HttpResponse(status=503, headers={"Retry-After": headers["Retry-After"]})
    return JsonResponse(answer, status=status)


@known_answer("flights", breaks="calls_other_errors_502", says="the trouble is the partner's")
async def passes_other_errors_on(request, city):
    return translated(*await asked(city))


@known_answer("flights", breaks="calls_other_errors_502", says="got 403")
async def thinks_of_servers_only(request, city):
    status, answer, headers = await asked(city)
    return translated(502 if status >= 500 else status, answer, headers)


def all_translated(status, answer, headers):
    """The answer of the view, by all rules."""
    return translated(status if status in (200, 404, 429) else 502, answer, headers)


@known_answer("flights", breaks="calls_broken_answers_502", says="broken JSON is a `ValueError`")
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
            return all_translated(response.status, await response.json(), response.headers)
    except TimeoutError:
        return too_slow()
    except (aiohttp.ClientError, ValueError):
        return HttpResponse(status=502)


@known_answer("flights", breaks="calls_silence_504", says="the `except` for other errors caught it")
async def catches_the_time_too_late(request, city):
    try:
        async with httpx.AsyncClient(timeout=LIMIT) as client:
            response = await client.get(flights_url(city))
        return all_translated(response.status_code, response.json(), response.headers)
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
        return all_translated(response.status_code, response.json(), response.headers)
    except (TimeoutError, httpx.HTTPStatusError):
        return too_slow()
    except (httpx.NetworkError, httpx.ProtocolError, ValueError):
        return HttpResponse(status=502)
