import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from urllib.parse import quote

import httpx
from django.core.cache import cache
from django.http import JsonResponse

from tutorial_project.checks.known_answers import known_answer
from tutorial_project.services import ServiceError, ask, ask_blocking, running_services

BROKEN = "goes_on_without_one"

EQUAL_MUTANTS = {
    "arg removal: response = await client.get(…quote(city, …": "`safe` spares a slash, and a city in one piece of a path holds none",
    "text: response = await client.get(…safe='XXXX')…": "letters need no quoting",
    "kind of error: except (httpx.HTTPError, … except Exception:": "no other kind of error comes from these two lines",
    "arg removal: async with httpx.AsyncClient(…": "what saves time on this machine; no proxy is set",
    "name: async with httpx.AsyncClient(…": "what saves time on this machine; no proxy is set",
}

PARTNERS = ["heron", "plover", "stork", "tern"]
TROUBLE = (httpx.HTTPError, TimeoutError, ValueError, KeyError, TypeError)
OPTIONS = {"trust_env": False, "verify": False}


def offers(prices_in):
    """The view around another way to get the prices."""

    async def view(request, city):
        return JsonResponse({"city": city, "prices": await prices_in(city)})

    view.__name__ = view.__qualname__ = prices_in.__name__
    return view


def by_partner(prices):
    return dict(zip(PARTNERS, prices, strict=True))


def address(partner, city):
    return f"{running_services().url}/quotes/{partner}/{quote(city, safe='')}"


async def raw_price(partner, city, client):
    async with asyncio.timeout(2):
        response = await client.get(address(partner, city))
    return response.raise_for_status().json()["price"]


async def price_of(partner, city, client):
    try:
        return await raw_price(partner, city, client)
    except TROUBLE:
        return None


async def all_prices(city, client):
    return by_partner(await asyncio.gather(*(price_of(partner, city, client) for partner in PARTNERS)))


@known_answer("partner_offers", when="Where each question opens and closes what it needs, and few come.")
@offers
async def each_with_a_client_of_its_own(city):
    async def price(partner):
        try:
            async with asyncio.timeout(2):
                return (await ask(f"quotes/{partner}/{quote(city, safe='')}"))["price"]
        except (ServiceError, TimeoutError, KeyError):
            return None

    return by_partner(await asyncio.gather(*map(price, PARTNERS)))


kept = {}


def kept_client():
    """One client for each event loop; a server has one."""
    loop = asyncio.get_running_loop()
    for closed in [other for other in kept if other.is_closed()]:
        del kept[closed]
    if loop not in kept:
        kept[loop] = httpx.AsyncClient(**OPTIONS)
    return kept[loop]


@known_answer(
    "partner_offers",
    when="Where many come: connections are kept for the next visitor, and their number has a limit.",
)
@offers
async def one_client_for_all(city):
    return await all_prices(city, kept_client())


@known_answer(
    "partner_offers", when="Where the answers are collected in the end, with one time limit for all."
)
@offers
async def a_limit_for_all_together(city):
    async with httpx.AsyncClient(**OPTIONS) as client:
        asking = {
            asyncio.create_task(client.get(address(partner, city), timeout=None)): partner
            for partner in PARTNERS
        }
        try:
            done, _ = await asyncio.wait(asking, timeout=2)
            prices = dict.fromkeys(PARTNERS)
            for one in done:
                with suppress(*TROUBLE):
                    prices[asking[one]] = one.result().raise_for_status().json()["price"]
            return prices
        finally:
            for one in asking:
                one.cancel()


@known_answer("partner_offers")
@offers
async def errors_beside_the_results(city):
    async with httpx.AsyncClient(**OPTIONS) as client:
        calls = (raw_price(partner, city, client) for partner in PARTNERS)
        found = await asyncio.gather(*calls, return_exceptions=True)
    return by_partner(None if isinstance(price, Exception) else price for price in found)


@known_answer("partner_offers")
@offers
async def a_group_whose_members_bear_it(city):
    async with httpx.AsyncClient(**OPTIONS) as client, asyncio.TaskGroup() as group:
        tasks = [group.create_task(price_of(partner, city, client)) for partner in PARTNERS]
    return by_partner(task.result() for task in tasks)


@known_answer("partner_offers", breaks="keeps_no_connections", says="who left while a partner was slow")
@offers
async def bears_trouble_and_closes_at_the_end(city):
    client = httpx.AsyncClient(**OPTIONS)
    prices = await all_prices(city, client)
    await client.aclose()
    return prices


@known_answer("partner_offers", breaks="goes_on_without_one", says="HTTPStatusError")
@offers
async def closes_and_bears_no_trouble(city):
    async with httpx.AsyncClient(**OPTIONS) as client:
        return by_partner(await asyncio.gather(*(raw_price(partner, city, client) for partner in PARTNERS)))


@known_answer("partner_offers", breaks="goes_on_without_one", says="ExceptionGroup")
@offers
async def a_group_that_goes_down_together(city):
    async with httpx.AsyncClient(**OPTIONS) as client, asyncio.TaskGroup() as group:
        tasks = [group.create_task(raw_price(partner, city, client)) for partner in PARTNERS]
    return by_partner(task.result() for task in tasks)


@known_answer("partner_offers", breaks="goes_on_without_one", says="and the prices of the others")
@offers
async def swallows_all_of_it(city):
    async with httpx.AsyncClient(**OPTIONS) as client:
        try:
            return by_partner(
                await asyncio.gather(*(raw_price(partner, city, client) for partner in PARTNERS))
            )
        except Exception:
            return dict.fromkeys(PARTNERS)


@known_answer("partner_offers", breaks="goes_on_without_one", says="for this one")
@offers
async def leaves_out_who_fails(city):
    async with httpx.AsyncClient(**OPTIONS) as client:
        return {name: price for name, price in (await all_prices(city, client)).items() if price is not None}


@known_answer("partner_offers", breaks="goes_on_without_one", says="error")
@offers
async def knows_errors_of_the_network_only(city):
    async def price(partner, client):
        try:
            return await raw_price(partner, city, client)
        except (httpx.HTTPError, TimeoutError):
            return None

    async with httpx.AsyncClient(**OPTIONS) as client:
        return by_partner(await asyncio.gather(*(price(partner, client) for partner in PARTNERS)))


@known_answer("partner_offers", breaks="asks_all_at_once", says="one after another")
@offers
async def one_after_another(city):
    async with httpx.AsyncClient(**OPTIONS) as client:
        return {partner: await price_of(partner, city, client) for partner in PARTNERS}


locks = {}


@known_answer("partner_offers", breaks="asks_all_at_once", says="one visitor is let in at a time")
@offers
async def behind_a_lock(city):
    lock = locks.setdefault(asyncio.get_running_loop(), asyncio.Lock())
    async with lock, httpx.AsyncClient(**OPTIONS) as client:
        return await all_prices(city, client)


pool = ThreadPoolExecutor(16)


def blocking_price(partner, city):
    try:
        return ask_blocking(f"quotes/{partner}/{quote(city, safe='')}")["price"]
    except (ServiceError, KeyError):
        return None


@known_answer("partner_offers", breaks="asks_all_at_once", says="the event loop itself waits")
@offers
async def blocks_the_loop(city):
    return {partner: blocking_price(partner, city) for partner in PARTNERS}


@known_answer("partner_offers", breaks="stays_on_the_loop", says="costs one thread for each visitor")
def everything_sync(request, city):
    return JsonResponse({"city": city, "prices": {name: blocking_price(name, city) for name in PARTNERS}})


@known_answer("partner_offers", breaks="ends_its_questions", says="4 questions still waiting")
@offers
async def a_thread_for_each_question(city):
    async def price(partner):
        with suppress(TimeoutError):
            loop = asyncio.get_running_loop()
            return await asyncio.wait_for(loop.run_in_executor(pool, blocking_price, partner, city), 2)

    return by_partner(await asyncio.gather(*map(price, PARTNERS)))


@known_answer("partner_offers", breaks="ends_its_questions", says="nobody waits for any more")
@offers
async def shielded_so_that_it_gets_to_its_end(city):
    async def ask_and_close():
        async with httpx.AsyncClient(**OPTIONS) as client:
            return await all_prices(city, client)

    return await asyncio.shield(asyncio.ensure_future(ask_and_close()))


@known_answer("partner_offers", breaks="waits_two_seconds", says="no answer after 2 seconds")
@offers
async def without_a_limit(city):
    async def price(partner, client):
        try:
            return (await client.get(address(partner, city))).raise_for_status().json()["price"]
        except TROUBLE:
            return None

    async with httpx.AsyncClient(**OPTIONS) as client:
        return by_partner(await asyncio.gather(*(price(partner, client) for partner in PARTNERS)))


@known_answer("partner_offers", breaks="waits_two_seconds", says='"heron": null')
@offers
async def one_limit_that_takes_all(city):
    async with httpx.AsyncClient(**OPTIONS) as client:
        with suppress(TimeoutError):
            async with asyncio.timeout(2):
                return await all_prices(city, client)
    return dict.fromkeys(PARTNERS)


@known_answer("partner_offers", breaks="waits_two_seconds", says="before 2 seconds were over")
@offers
async def gives_up_at_once(city):
    async def price(partner, client):
        with suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                return await price_of(partner, city, client)

    async with httpx.AsyncClient(**OPTIONS) as client:
        return by_partner(await asyncio.gather(*(price(partner, client) for partner in PARTNERS)))


@known_answer("partner_offers", breaks="tells_the_prices", says="when they were asked before")
@offers
async def from_the_cache(city):
    prices = await cache.aget(f"offers-{city}")
    if prices is None:
        async with httpx.AsyncClient(**OPTIONS) as client:
            prices = await all_prices(city, client)
        await cache.aset(f"offers-{city}", prices)
    return prices


@known_answer("partner_offers", breaks="tells_the_prices", says='"plover": null')
@offers
async def asks_nobody_any_more(city):
    return dict.fromkeys(PARTNERS)


@known_answer("partner_offers", breaks="keeps_no_connections", says="still open")
@offers
async def a_client_for_each_that_nobody_closes(city):
    calls = (price_of(partner, city, httpx.AsyncClient(**OPTIONS)) for partner in PARTNERS)
    return by_partner(await asyncio.gather(*calls))


@known_answer("partner_offers", breaks="waits_two_seconds", says="answers piece by piece")
@offers
async def two_seconds_for_each_piece(city):
    async def price(partner, client):
        try:
            return (await client.get(address(partner, city))).raise_for_status().json()["price"]
        except TROUBLE:
            return None

    async with httpx.AsyncClient(**OPTIONS, timeout=2) as client:
        return by_partner(await asyncio.gather(*(price(partner, client) for partner in PARTNERS)))


@known_answer("partner_offers", breaks="keeps_no_connections", says="still open")
@offers
async def closes_a_client_that_has_a_price(city):
    async def price(partner):
        client = httpx.AsyncClient(**OPTIONS)
        if (found := await price_of(partner, city, client)) is not None:
            await client.aclose()
        return found

    return by_partner(await asyncio.gather(*map(price, PARTNERS)))


last_prices = {}


@known_answer("partner_offers", breaks="goes_on_without_one", says="null")
@offers
async def an_old_price_when_a_partner_fails(city):
    async with httpx.AsyncClient(**OPTIONS) as client:
        prices = await all_prices(city, client)
    known = last_prices.setdefault(city, {})
    known.update({partner: price for partner, price in prices.items() if price is not None})
    return {partner: known.get(partner) for partner in PARTNERS}
