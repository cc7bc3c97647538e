import asyncio
import threading
from functools import cached_property
from urllib.parse import quote

import aiohttp
import httpx

from tutorial_project.checks import known_answer
from tutorial_project.services import running_services

from ..shared import LIMIT, TOTAL, json_object, weather_url


@known_answer(
    "WeatherClient", when="Where the site uses aiohttp elsewhere, too: one library, one kind of error."
)
class SessionsOfAiohttp:
    def __init__(self):
        self.sessions = {}

    async def ask(self, city):
        loop = asyncio.get_running_loop()
        if (session := self.sessions.get(loop)) is None or session.closed:
            session = self.sessions[loop] = aiohttp.ClientSession(timeout=TOTAL)
        async with session.get(weather_url(city), raise_for_status=True) as response:
            return json_object(await response.json())

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
        return await report(client, city)

    async def close(self):
        if client := self.clients.get(id(asyncio.get_running_loop())):
            await client.aclose()


async def report(client, city):
    """What the service says, asked with a client of httpx."""
    async with asyncio.timeout(LIMIT):
        response = await client.get(weather_url(city))
    return json_object(response.raise_for_status().json())


class OneClient:
    """The parts that most of the wrong answers share: one client, made at the first call."""

    client = None

    async def ask(self, city):
        if self.client is None:
            self.client = httpx.AsyncClient()
        return await report(self.client, city)

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
        return await report(self.clients[loop], city)

    async def close(self):
        if client := self.clients.pop(asyncio.get_running_loop(), None):
            await client.aclose()


@known_answer(
    "WeatherClient",
    breaks="is_made_at_import_and_asks_later",
    says="no running event loop",
    because="something asked for an event loop, and none runs in this thread:",
)
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


@known_answer(
    "WeatherClient", breaks="keeps_its_connection", says="no call found a connection that was still open"
)
class ClientForEachCall(OneClientEach):
    async def ask(self, city):
        async with aiohttp.ClientSession() as session, session.get(weather_url(city)) as response:
            return await response.json()


@known_answer(
    "WeatherClient",
    breaks="keeps_its_connection",
    says="6 connections",
    because="no call found a connection that was still open: a new client has",
)
class OverwritesItsClient(OneClientEach):
    async def ask(self, city):
        self.clients[asyncio.get_running_loop()] = client = httpx.AsyncClient()
        return await report(client, city)


@known_answer("WeatherClient", breaks="asks_two_at_once", says="a blocking call holds the event loop")
class SyncClient(OneClientEach):
    def __init__(self):
        self.client = httpx.Client()

    async def ask(self, city):
        return json_object(self.client.get(weather_url(city)).raise_for_status().json())

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


@known_answer(
    "WeatherClient",
    breaks="is_made_at_import_and_asks_later",
    says="what the service said when it was asked before",
)
class RemembersItsReports(OneClientEach):
    def __init__(self):
        super().__init__()
        self.reports = {}

    async def ask(self, city):
        if city not in self.reports:
            self.reports[city] = await super().ask(city)
        return self.reports[city]


@known_answer(
    "WeatherClient", breaks="is_made_at_import_and_asks_later", says="`?`, `#` and `%` mean something there"
)
class PastesTheCity(OneClientEach):
    async def ask(self, city):
        async with httpx.AsyncClient(base_url=running_services().url) as client:
            return (await client.get(f"/weather/{city}")).json()


class TakesWhatComes(OneClientEach):
    """Trusts the answer, and sets no limit."""

    options = {}

    async def ask(self, city):
        loop = asyncio.get_running_loop()
        if loop not in self.clients:
            self.clients[loop] = httpx.AsyncClient(**self.options)
        return self.content(await self.clients[loop].get(weather_url(city)))

    def content(self, response):
        return response.json()


@known_answer("WeatherClient", breaks="raises_what_is_no_report", says="look at the status")
class GivesTheErrorAsWeather(TakesWhatComes):
    pass


@known_answer("WeatherClient", breaks="raises_what_is_no_report", says="got [17]")
class GivesTheListAsWeather(TakesWhatComes):
    def content(self, response):
        return response.raise_for_status().json()


@known_answer(
    "WeatherClient", breaks="limits_the_whole_call", says="nothing limits the call, or not to `LIMIT`"
)
class SetsNoLimit(TakesWhatComes):
    def content(self, response):
        return json_object(response.raise_for_status().json())


@known_answer("WeatherClient", breaks="limits_the_whole_call", says="starts anew with each")
class LimitsThePieces(SetsNoLimit):
    options = {"timeout": LIMIT}


@known_answer(
    "WeatherClient", breaks="limits_the_whole_call", says="while the service answers after 0.4 seconds"
)
class GivesUpAfterAQuarter(SetsNoLimit):
    options = {"timeout": LIMIT / 4}


@known_answer("WeatherClient", breaks="serves_a_second_loop", says="this one was used on two")
class OneForAll(OneClient):
    pass


@known_answer("WeatherClient", breaks="serves_a_second_loop", says="this one was used on two")
class OneSessionForAll(OneClient):
    async def ask(self, city):
        if self.client is None:
            self.client = aiohttp.ClientSession()
        async with self.client.get(weather_url(city), timeout=TOTAL, raise_for_status=True) as response:
            return json_object(await response.json())

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


@known_answer(
    "WeatherClient",
    breaks="closes_its_connection",
    says="2 of 2 connections still open",
    because="the client was still open after it. aiohttp logs `Unclosed",
)
class ForgetsToAwaitTheEnd(OneClientEach):
    async def close(self):
        if client := self.clients.pop(asyncio.get_running_loop(), None):
            client.aclose()


@known_answer("WeatherClient", breaks="closes_its_connection", says="`await client.aclose()` with httpx")
class ClosesAsAiohttpDoes(OneClientEach):
    async def close(self):
        if client := self.clients.pop(asyncio.get_running_loop(), None):
            await client.close()


@known_answer("WeatherClient", breaks="closes_no_other_client", says="the first one has lost its client")
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


@known_answer(
    "WeatherClient",
    breaks="closes_when_there_is_nothing",
    says="KeyError",
    because="this loop has no client, and it was looked up as if it had",
)
class ExpectsAClient(OneClientEach):
    async def close(self):
        await self.clients.pop(asyncio.get_running_loop()).aclose()


@known_answer(
    "WeatherClient",
    breaks="is_made_at_import_and_asks_later",
    says="Bergen/",
    because="`?`, `#` and `%` mean something there, and one of them did not",
)
class LeavesTheSlash(OneClientEach):
    async def ask(self, city):
        loop = asyncio.get_running_loop()
        if loop not in self.clients:
            self.clients[loop] = httpx.AsyncClient(timeout=LIMIT)
        response = await self.clients[loop].get(f"{running_services().url}/weather/{quote(city)}")
        return response.raise_for_status().json()


@known_answer("WeatherClient", breaks="raises_what_is_no_report", says="when it was asked before")
class FallsBackOnItsLastReport(OneClientEach):
    def __init__(self):
        super().__init__()
        self.reports = {}

    async def ask(self, city):
        try:
            self.reports[city] = await super().ask(city)
        except (httpx.HTTPError, ValueError):
            if city not in self.reports:
                raise
        return self.reports[city]


@known_answer(
    "WeatherClient",
    breaks="limits_the_whole_call",
    says="while the service says nothing",
    because="the call came back with no error, although the service had said",
)
class FallsBackWhenItIsTooLate(FallsBackOnItsLastReport):
    async def ask(self, city):
        try:
            self.reports[city] = await OneClientEach.ask(self, city)
        except TimeoutError:
            if city not in self.reports:
                raise
        return self.reports[city]


@known_answer("WeatherClient", breaks="closes_its_connection", says="httpx says nothing")
class ForgetsTheClientAfterAnError(OneClientEach):
    async def ask(self, city):
        try:
            return await super().ask(city)
        except httpx.HTTPError:
            self.clients.pop(asyncio.get_running_loop(), None)
            raise


@known_answer("WeatherClient", breaks="limits_the_whole_call", says="one for the body comes on top")
class LimitsHeadersAndBody(OneClientEach):
    async def ask(self, city):
        loop = asyncio.get_running_loop()
        if loop not in self.clients:
            self.clients[loop] = aiohttp.ClientSession(raise_for_status=True)
        response = await asyncio.wait_for(self.clients[loop].get(weather_url(city)), LIMIT)
        return json_object(await asyncio.wait_for(response.json(), LIMIT))

    async def close(self):
        if session := self.clients.pop(asyncio.get_running_loop(), None):
            await session.close()


@known_answer("WeatherClient", breaks="raises_what_is_no_report", says="look at the status")
class RaisesForTheClientsErrorsOnly(TakesWhatComes):
    def content(self, response):
        if response.is_client_error:
            response.raise_for_status()
        return json_object(response.json())


@known_answer("WeatherClient", breaks="asks_two_at_once", says="while another call fails")
class FreshAfterAnError(OneClientEach):
    async def ask(self, city):
        try:
            return await super().ask(city)
        except Exception:
            await self.close()
            raise


@known_answer("WeatherClient", breaks="keeps_its_connection", says="6 clients")
class MakesOneToThrowItAway(OneClientEach):
    async def ask(self, city):
        client = self.clients.setdefault(asyncio.get_running_loop(), httpx.AsyncClient())
        async with asyncio.timeout(LIMIT):
            return await report(client, city)


@known_answer("WeatherClient", breaks="serves_a_second_loop", says="when others have asked")
class ForgetsTheOtherLoops(OneClientEach):
    async def ask(self, city):
        for other in [loop for loop in self.clients if loop is not asyncio.get_running_loop()]:
            del self.clients[other]
        return await super().ask(city)


@known_answer(
    "WeatherClient",
    breaks="closes_its_connection",
    says="a client that is closed only afterwards",
    because="something closes it that nobody waits for",
)
class ClosesInTheBackground(OneClientEach):
    async def close(self):
        if client := self.clients.pop(asyncio.get_running_loop(), None):
            self.closing = asyncio.create_task(client.aclose())


@known_answer("WeatherClient", breaks="closes_when_there_is_nothing", says="a second time")
class KeepsNoneForTheClosed(OneClientEach):
    async def ask(self, city):
        loop = asyncio.get_running_loop()
        if self.clients.get(loop) is None:
            self.clients[loop] = httpx.AsyncClient()
        return await report(self.clients[loop], city)

    async def close(self):
        loop = asyncio.get_running_loop()
        if loop in self.clients:
            await self.clients[loop].aclose()
            self.clients[loop] = None


@known_answer("WeatherClient", breaks="raises_what_is_no_report", says="500 with the JSON of a good answer")
class LooksForAnErrorInTheBody(TakesWhatComes):
    def content(self, response):
        if "error" in (said := json_object(response.json())):
            raise ValueError(said["error"])
        return said


EQUAL_MUTANTS = {
    "arg removal: self.clients[loop] = httpx.AsyncClient(base_url=services.url, timeout=None) → …": "httpx's own limit is longer",
    "text: response = …safe='XXXX')}\")": "letters are never quoted",
}
