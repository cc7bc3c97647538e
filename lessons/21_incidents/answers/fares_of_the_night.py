import asyncio
import threading
from urllib.parse import quote

import httpx
from asgiref.sync import async_to_sync

from tutorial_project.checks.known_answers import known_answer
from tutorial_project.services import running_services

BROKEN = "gives_the_fares"

TROUBLE = (httpx.HTTPError, ValueError, KeyError, TypeError)
OPTIONS = {"timeout": 5, "trust_env": False, "verify": False}


def url(city):
    return f"{running_services().url}/flights/{quote(city, safe='')}"


def cheapest(response):
    return min(flight["price"] for flight in response.raise_for_status().json()["flights"])


async def fare_to(city, client):
    try:
        return cheapest(await client.get(url(city)))
    except TROUBLE:
        return None


def fare_by(client, city):
    try:
        return cheapest(client.get(url(city)))
    except TROUBLE:
        return None


@known_answer("fares_of_the_night", when="Where the list is long: all cities are asked at once.")
def all_at_once(cities):
    async def fares():
        async with httpx.AsyncClient(**OPTIONS) as client:
            return await asyncio.gather(*(fare_to(city, client) for city in cities))

    return dict(zip(cities, asyncio.run(fares()), strict=True))


@known_answer("fares_of_the_night", when="Where nothing else in the script is async: it needs no loop.")
def with_a_sync_client(cities):
    with httpx.Client(**OPTIONS) as client:
        return {city: fare_by(client, city) for city in cities}


@known_answer("fares_of_the_night", when="Where `fare_to` is called in many places, and seldom.")
def a_client_for_each_city(cities):
    @async_to_sync
    async def fare(city):
        async with httpx.AsyncClient(**OPTIONS) as client:
            return await fare_to(city, client)

    return {city: fare(city) for city in cities}


kept = httpx.AsyncClient(**OPTIONS)


@known_answer("fares_of_the_night", breaks="gives_the_fares", says="Event loop is closed")
def with_asyncio_run(cities):
    return {city: asyncio.run(fare_to(city, kept)) for city in cities}


@known_answer("fares_of_the_night", breaks="gives_the_fares", says="None")
def takes_it_for_trouble(cities):
    def fare(city):
        try:
            return async_to_sync(fare_to)(city, kept)
        except RuntimeError:
            return None

    return {city: fare(city) for city in cities}


@known_answer("fares_of_the_night", breaks="gives_the_fares", says="Event loop is closed")
def one_loop_a_night_and_the_old_client(cities):
    async def fares():
        return {city: await fare_to(city, kept) for city in cities}

    return async_to_sync(fares)()


@known_answer("fares_of_the_night", breaks="asks_once_for_each", says="questions at the airline")
def tries_again(cities):
    client = httpx.AsyncClient(**OPTIONS)

    def fare(city):
        while True:
            try:
                return async_to_sync(fare_to)(city, client)
            except RuntimeError:
                pass

    return {city: fare(city) for city in cities}


@known_answer("fares_of_the_night", breaks="closes_its_connections", says="not on the loop on which")
def a_client_that_nobody_closes(cities):
    return {city: async_to_sync(fare_to)(city, httpx.AsyncClient(**OPTIONS)) for city in cities}


@known_answer("fares_of_the_night", breaks="gives_the_fares", says="expected {")
def remembers(cities):
    missing = [city for city in cities if city not in known]
    known.update(with_a_sync_client(missing))
    return {city: known[city] for city in cities}


known = {}


@known_answer("fares_of_the_night", breaks="gives_the_fares", says="coroutine")
async def everything_async(cities):
    async with httpx.AsyncClient(**OPTIONS) as client:
        return {city: await fare_to(city, client) for city in cities}


@known_answer("fares_of_the_night", breaks="goes_on_without_one", says="HTTPStatusError")
def lets_the_error_out(cities):
    with httpx.Client(**OPTIONS) as client:
        return {
            city: min(f["price"] for f in client.get(url(city)).raise_for_status().json()["flights"])
            for city in cities
        }


@known_answer("fares_of_the_night", breaks="asks_once_for_each", says="questions at the airline")
def asks_first_whether_it_works(cities):
    with_a_sync_client(cities)
    return with_a_sync_client(cities)


guard = threading.Lock()


@known_answer("fares_of_the_night", breaks="works_on_two_threads", says="after the other thread")
def behind_a_lock(cities):
    with guard:
        return with_a_sync_client(cities)


@known_answer("fares_of_the_night", breaks="asks_once_for_each", says="6 questions")
def asks_again_when_it_fails(cities):
    with httpx.Client(**OPTIONS) as client:
        return {city: fare_by(client, city) or fare_by(client, city) for city in cities}


@known_answer("fares_of_the_night", breaks="closes_its_connections", says="an earlier call had left open")
def with_a_client_of_the_module(cities):
    return {city: fare_by(of_the_module, city) for city in cities}


of_the_module = httpx.Client(**OPTIONS)
now = {}


@known_answer(
    "fares_of_the_night",
    breaks="works_on_two_threads",
    says="client has been closed",
    because="both threads use the same thing",
)
def the_client_in_a_global(cities):
    async def fares():
        async with httpx.AsyncClient(**OPTIONS) as now["client"]:
            return {city: await fare_to(city, now["client"]) for city in cities}

    return asyncio.run(fares())


@known_answer("fares_of_the_night", breaks="goes_on_without_one", says="while the airline breaks off")
def knows_one_kind_of_trouble(cities):
    def fare(client, city):
        try:
            answer = client.get(url(city)).raise_for_status()
        except httpx.HTTPStatusError:
            return None
        return min(flight["price"] for flight in answer.json()["flights"])

    with httpx.Client(**OPTIONS) as client:
        return {city: fare(client, city) for city in cities}


@known_answer(
    "fares_of_the_night",
    breaks="closes_its_connections",
    says="while the airline fails",
    because="a client was not closed, or not on the loop on which it had",
)
def closes_when_all_is_well(cities):
    fares = {}
    for city in cities:
        client = httpx.Client(**OPTIONS)
        if fares.setdefault(city, fare_by(client, city)) is not None:
            client.close()
    return fares


EQUAL_MUTANTS = {
    "kind of error: except (httpx.HTTPError, …": "the service of this night fails or breaks off, and says nothing strange",
    "arg removal: …quote(city, safe='')… → …": "only a slash makes a difference, and no city has one in its name",
    "text: …quote(city, safe='')… → …": "only a slash makes a difference, and no city has one in its name",
    "kind of error: except (…): → except Exception:": "whatever goes wrong there is answered alike",
}
