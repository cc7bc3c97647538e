import asyncio
from collections import Counter
from hashlib import sha256
from urllib.parse import quote
from uuid import uuid4
from weakref import WeakValueDictionary

from django.core.cache import cache
from django.http import JsonResponse
from django.views.decorators.cache import cache_page

from tutorial_project.checks import known_answer
from tutorial_project.services.client import ServiceError, ask, ask_blocking


def no_forecast():
    return JsonResponse({"error": "no forecast"}, status=502)


def no_such_city():
    return JsonResponse({"error": "no such city"}, status=404)


def key_of(city):
    return f"forecast:{quote(city, safe='')}"


async def asked_and_kept(city):
    found = await ask(f"weather/{quote(city, safe='')}")
    await cache.aset(key_of(city), found, timeout=60)
    return found


queues, failures = WeakValueDictionary(), Counter()


def queue_for(city):
    return queues.setdefault((asyncio.get_running_loop(), city), asyncio.Lock())


@known_answer(
    "forecast", when="Where the visitor's own request shall ask, and no task of its own goes on without it."
)
async def queue_that_tells_of_a_failure(request, city):
    if len(key_of(city)) > 250:
        return no_such_city()
    failed = failures[city]
    async with queue_for(city):
        found = await cache.aget(key_of(city))
        if found is None:
            if failures[city] != failed:
                return no_forecast()
            try:
                found = await asked_and_kept(city)
            except ServiceError:
                failures[city] += 1
                return no_forecast()
    return JsonResponse(found)


questions = {}


async def looked_again(city):
    return await cache.aget(key_of(city)) or await asked_and_kept(city)


async def from_one_task(city, asking):
    """What all are told who come while the task is under way that the first of them makes."""
    if city not in questions:
        questions[city] = asyncio.ensure_future(asking(city))
        questions[city].add_done_callback(lambda _: questions.pop(city, None))
    try:
        return JsonResponse(await asyncio.shield(questions[city]))
    except ServiceError:
        return no_forecast()


@known_answer("forecast")
async def one_task_that_all_await(request, city):
    if len(key_of(city)) > 250:
        return no_such_city()
    found = await cache.aget(key_of(city))
    return JsonResponse(found) if found else await from_one_task(city, looked_again)


@known_answer("forecast", when="Where a task for each visitor is no matter: there is one look to write.")
async def looks_in_the_task_alone(request, city):
    if len(key_of(city)) > 250:
        return no_such_city()
    return await from_one_task(city, looked_again)


@known_answer("forecast")
async def one_task_and_one_look(request, city):
    if len(key_of(city)) > 250:
        return no_such_city()
    found = await cache.aget(key_of(city))
    return JsonResponse(found) if found else await from_one_task(city, asked_and_kept)


@known_answer("forecast", breaks="survives_a_stampede", says="forgotten before its answer was in the cache")
async def forgets_before_it_keeps(request, city):
    async def forgotten_and_kept(city):
        found = await cache.aget(key_of(city))
        if found is None:
            found = await ask(f"weather/{quote(city, safe='')}")
            questions.pop(city, None)
            await cache.aset(key_of(city), found, timeout=60)
        return found

    found = await cache.aget(key_of(city))
    return JsonResponse(found) if found else await from_one_task(city, forgotten_and_kept)


@known_answer(
    "forecast", when="Where several processes serve the site: the cache, which they share, decides who asks."
)
async def the_cache_itself_decides(request, city):
    key = key_of(city)
    if len(key) > 200:
        return no_such_city()
    failed = f"{key}:failed"
    came = await cache.aget(failed)
    while (found := await cache.aget(key)) is None:
        if await cache.aget(failed) != came:
            return no_forecast()
        if await cache.aadd(f"{key}:busy", True, timeout=10):
            try:
                if await cache.aget(failed) != came:  # it has failed since the look above
                    return no_forecast()
                found = await cache.aget(key) or await asked_and_kept(city)
                break
            except ServiceError:
                await cache.aset(failed, uuid4().hex, timeout=60)
                return no_forecast()
            finally:
                await cache.adelete(f"{key}:busy")
        await asyncio.sleep(0.01)
    return JsonResponse(found)


unshielded = {}


@known_answer("forecast", breaks="survives_a_leaver", says="has left")
async def one_task_that_ends_with_its_first_visitor(request, city):
    if len(key_of(city)) > 250:
        return no_such_city()
    found = await cache.aget(key_of(city))
    if found is None:
        if city not in unshielded:
            unshielded[city] = asyncio.ensure_future(looked_again(city))
            unshielded[city].add_done_callback(lambda _: unshielded.pop(city))
        try:
            found = await unshielded[city]
        except ServiceError:
            return no_forecast()
    return JsonResponse(found)


@known_answer("forecast", breaks="shares_a_silence", says="after one limit and a half")
async def queue_before_the_first_look(request, city):
    if len(key_of(city)) > 250:
        return no_such_city()
    async with queue_for(city):
        try:
            found = await cache.aget(key_of(city)) or await asked_and_kept(city)
        except ServiceError:
            return no_forecast()
    return JsonResponse(found)


def kept_for(timeout):
    async def answer(request, city):
        async with queue_for(city):
            if (found := await cache.aget(key_of(city))) is None:
                try:
                    found = await ask(f"weather/{quote(city, safe='')}")
                except ServiceError:
                    return no_forecast()
                await cache.aset(key_of(city), found, timeout=timeout)
        return JsonResponse(found)

    return answer


@known_answer("forecast", breaks="keeps_it_for_a_minute", says="got the old answer")
async def kept_for_ever(request, city):
    return await kept_for(None)(request, city)


@known_answer("forecast", breaks="keeps_it_for_a_minute", says="got a new question")
async def kept_for_half_a_minute(request, city):
    return await kept_for(30)(request, city)


@known_answer("forecast", breaks="keeps_it_for_a_minute", says="got the old answer")
async def kept_for_djangos_five_minutes(request, city):
    return await kept_for(300)(request, city)


@known_answer("forecast", breaks="takes_odd_cities", says="quote(city")
async def asks_as_it_was_written(request, city):
    async with queue_for(city):
        if (found := await cache.aget(key_of(city))) is None:
            try:
                found = await ask(f"weather/{city}")
            except ServiceError:
                return no_forecast()
            await cache.aset(key_of(city), found, timeout=60)
    return JsonResponse(found)


@known_answer("forecast", breaks="takes_odd_cities", says="in the key as well")
async def spaces_in_the_key(request, city):
    async with queue_for(city):
        if (found := await cache.aget(f"forecast:{city}")) is None:
            try:
                found = await ask(f"weather/{quote(city, safe='')}")
            except ServiceError:
                return no_forecast()
            await cache.aset(f"forecast:{city}", found, timeout=60)
    return JsonResponse(found)


@known_answer("forecast", breaks="survives_a_failing_service", says="expected 200")
async def busy_for_ever_after_a_failure(request, city):
    key = key_of(city)
    if len(key) > 200:
        return no_such_city()
    for _ in range(40):
        if found := await cache.aget(key):
            return JsonResponse(found)
        if await cache.aadd(f"{key}:busy", True, timeout=60):
            try:
                found = await looked_again(city)
            except ServiceError:
                return no_forecast()
            await cache.adelete(f"{key}:busy")
            return JsonResponse(found)
        await asyncio.sleep(0.01)
    return no_forecast()


@known_answer("forecast", breaks="tells_the_weather", says="holds the event loop")
async def blocks_while_it_asks(request, city):
    import time

    time.sleep(0.01)
    return await asks_well(city)


async def asks_well(city):
    try:
        return JsonResponse(await cache.aget(f"forecast:{city}") or await asked_and_kept(city))
    except ServiceError:
        return no_forecast()


@known_answer("forecast", breaks="tells_the_weather", says="a blocking call holds the event loop")
async def asks_with_the_blocking_client(request, city):
    try:
        return JsonResponse(ask_blocking(f"weather/{city}"))
    except ServiceError:
        return no_forecast()


@known_answer("forecast", breaks="tells_the_weather", says="cannot pickle 'coroutine' object")
async def async_default(request, city):
    async def weather():
        return await ask(f"weather/{city}")

    return JsonResponse(await cache.aget_or_set(f"forecast:{city}", weather, timeout=60))


@known_answer("forecast", breaks="asks_once_for_two", says="2 questions")
async def asks_before_it_looks(request, city):
    try:
        found = await ask(f"weather/{city}")
    except ServiceError:
        return no_forecast()
    return JsonResponse(await cache.aget_or_set(f"forecast:{city}", found, timeout=60))


@known_answer("forecast", breaks="asks_once_for_two", says="`cache.aset` was called and not awaited")
async def forgets_to_await_the_cache(request, city):
    key = f"forecast:{city}"
    found = await cache.aget(key)
    if found is None:
        try:
            found = await ask(f"weather/{city}")
        except ServiceError:
            return no_forecast()
        cache.aset(key, found, timeout=60)
    return JsonResponse(found)


@known_answer("forecast", breaks="keeps_it_in_the_cache", says="forecast:Lisbon: None")
async def kept_under_another_key(request, city):
    if (found := await cache.aget(city)) is None:
        try:
            found = await ask(f"weather/{city}")
        except ServiceError:
            return no_forecast()
        await cache.aset(city, found, timeout=60)
    return JsonResponse(found)


@known_answer("forecast", breaks="keeps_it_in_the_cache", says="forecast:Lisbon: None")
@cache_page(60)
async def cached_by_a_decorator(request, city):
    return JsonResponse(await ask(f"weather/{city}"))


@known_answer("forecast", breaks="keeps_it_in_the_cache", says="a key for each city")
async def one_key_for_all_cities(request, city):
    async with queue_for(city):
        found = await cache.aget("forecast:Lisbon")
        if found is None:
            try:
                found = await ask(f"weather/{city}")
            except ServiceError:
                return no_forecast()
            await cache.aset("forecast:Lisbon", found, timeout=60)
        return JsonResponse(found)


@known_answer("forecast", breaks="awaits_the_cache", says="`await cache.aget(…)`")
async def reads_the_cache_in_the_event_loop(request, city):
    async with queue_for(city):
        found = cache.get(f"forecast:{city}")
        try:
            return JsonResponse(found or await asked_and_kept(city))
        except ServiceError:
            return no_forecast()


@known_answer(
    "forecast",
    breaks="survives_a_stampede",
    says="10 questions",
    because="visitors looked while the first answer was on its way, found",
)
async def everybody_asks(request, city):
    return await asks_well(city)


@known_answer(
    "forecast",
    breaks="survives_a_stampede",
    says="10 questions",
    because="visitors looked while the first answer was on its way, found",
)
async def no_second_look(request, city):
    if found := await cache.aget(f"forecast:{city}"):
        return JsonResponse(found)
    async with queue_for(city):
        try:
            return JsonResponse(await asked_and_kept(city))
        except ServiceError:
            return no_forecast()


@known_answer(
    "forecast",
    breaks="survives_a_stampede",
    says="10 questions",
    because="visitors looked while the first answer was on its way, found",
)
async def a_lock_for_each_visitor(request, city):
    async with asyncio.Lock():
        return await asks_well(city)


@known_answer("forecast", breaks="two_cities_at_once", says="waits for the other's")
async def one_lock_for_all_cities(request, city):
    async with queue_for("all cities"):
        return await asks_well(city)


@known_answer("forecast", breaks="survives_a_failing_service", says="`except ServiceError:`")
async def lets_the_error_out(request, city):
    async with queue_for(city):
        found = await cache.aget(f"forecast:{city}") or await asked_and_kept(city)
    return JsonResponse(found)


@known_answer("forecast", breaks="survives_a_failing_service", says="the failure was kept")
async def keeps_the_failure(request, city):
    key = f"forecast:{city}"
    async with queue_for(city):
        found = await cache.aget(key)
        if found is None:
            try:
                found = await ask(f"weather/{city}")
            except ServiceError:
                found = {"error": "no forecast"}
            await cache.aset(key, found, timeout=60)
    return JsonResponse(found, status=502 if "error" in found else 200)


waiting = {}


@known_answer(
    "forecast",
    breaks="survives_a_failing_service",
    says="`await arrived.wait()`, in `never_wakes_the_others_up`",
)
async def never_wakes_the_others_up(request, city):
    if found := await cache.aget(f"forecast:{city}"):
        return JsonResponse(found)
    if arrived := waiting.get(city):
        await arrived.wait()
        return JsonResponse(await cache.aget(f"forecast:{city}"))
    waiting[city] = asyncio.Event()
    try:
        found = await looked_again(city)
    except ServiceError:
        return no_forecast()
    waiting.pop(city).set()
    return JsonResponse(found)


def one_task_under(key):
    """The right answer with one task, and another key."""

    async def answer(request, city):
        found = await cache.aget(key(city))
        if found is None:
            place = key(city)
            if place not in questions:
                questions[place] = asyncio.ensure_future(asked(place, city))
                questions[place].add_done_callback(lambda _: questions.pop(place))
            try:
                found = await asyncio.shield(questions[place])
            except ServiceError:
                return no_forecast()
        return JsonResponse(found)

    async def asked(place, city):
        if (found := await cache.aget(place)) is None:
            found = await ask(f"weather/{quote(city, safe='')}")
            await cache.aset(place, found, timeout=60)
        return found

    return answer


@known_answer("forecast", breaks="keeps_it_in_the_cache", says="another city's name begins in the same way")
async def cuts_the_key(request, city):
    return await one_task_under(lambda city: key_of(city)[:60])(request, city)


@known_answer("forecast", breaks="takes_odd_cities", says="longer than 250 characters")
async def takes_a_name_of_any_length(request, city):
    return await one_task_under(key_of)(request, city)


remembered = {}


@known_answer("forecast", breaks="tells_the_weather", says="remembered somewhere else as well")
async def remembers_in_the_module(request, city):
    if city not in remembered:
        remembered[city] = await ask(f"weather/{quote(city, safe='')}")
        await cache.aset(key_of(city), remembered[city], timeout=60)
    return JsonResponse(remembered[city])


@known_answer("forecast", breaks="two_cities_at_once", says="under one key, or under each other's")
async def keeps_the_key_in_the_module(request, city):
    return await from_one_task(city, kept_under_the_last_key)


last_key = ""


async def kept_under_the_last_key(city):
    global last_key
    last_key = key_of(city)
    found = await cache.aget(last_key)
    if found is None:
        found = await ask(f"weather/{quote(city, safe='')}")
        await cache.aset(last_key, found, timeout=60)
    return found


def one_task_for(city_of_url, name_of_key):
    """An answer that is right but for how it writes the city."""
    under_way = {}

    async def looked_and_asked(city):
        key = f"forecast:{name_of_key(city)}"
        found = await cache.aget(key)
        if found is None:
            found = await ask(f"weather/{city_of_url(city)}")
            await cache.aset(key, found, timeout=60)
        return found

    async def answer(request, city):
        if city not in under_way:
            under_way[city] = asyncio.create_task(looked_and_asked(city))
            under_way[city].add_done_callback(lambda _: under_way.pop(city))
        try:
            return JsonResponse(await asyncio.shield(under_way[city]))
        except ServiceError:
            return no_forecast()

    return answer


def quoted(city):
    return quote(city, safe="")


def short(name):
    return name if len(name) <= 200 else sha256(name.encode()).hexdigest()


@known_answer("forecast")
async def long_names_by_their_digest(request, city):
    return await digests(request, city)


digests = one_task_for(quoted, lambda city: short(quoted(city)))


@known_answer("forecast", breaks="takes_odd_cities", says="the service asked for 'Porto?wait=0'")
async def quotes_twice(request, city):
    return await quoted_twice(request, city)


quoted_twice = one_task_for(lambda city: quoted(quoted(city)), lambda city: short(quoted(city)))


@known_answer(
    "forecast",
    breaks="takes_odd_cities",
    says="with a name of 100 characters",
    because="characters: Memcached refuses it, and other caches warn of that",
)
async def counts_the_name_before_it_is_quoted(request, city):
    return await counted_before(request, city)


counted_before = one_task_for(
    quoted, lambda city: quoted(city) if len(city) <= 200 else sha256(city.encode()).hexdigest()
)


@known_answer(
    "forecast",
    breaks="takes_odd_cities",
    says="with a name of 245 characters",
    because="characters: Memcached refuses it, and other caches warn of that",
)
async def forgets_the_prefix_of_the_key(request, city):
    return await without_the_prefix(request, city)


without_the_prefix = one_task_for(
    quoted, lambda city: quoted(city) if len(quoted(city)) <= 250 else sha256(city.encode()).hexdigest()
)


@known_answer("forecast", breaks="takes_odd_cities", says="whose name begins in the same way")
async def cuts_a_key_that_is_too_long(request, city):
    return await cut_at_the_end(request, city)


cut_at_the_end = one_task_for(quoted, lambda city: quoted(city)[:200])


@known_answer("forecast", breaks="keeps_it_for_a_minute", says="a look makes the minute no longer")
async def begins_the_minute_anew(request, city):
    await cache.atouch(key_of(city), 60)
    return await digests(request, city)


under_way = {}


@known_answer(
    "forecast",
    breaks="two_cities_at_once",
    says="one question after the other",
    because="one city's question waits for the other's",
)
async def one_task_for_names_that_begin_alike(request, city):
    found = await cache.aget(key_of(city))
    if found is not None:
        return JsonResponse(found)
    place = city[:12]
    if place not in under_way:
        under_way[place] = asyncio.create_task(asked_and_kept(city))
        under_way[place].add_done_callback(lambda _: under_way.pop(place))
    try:
        return JsonResponse(await asyncio.shield(under_way[place]))
    except ServiceError:
        return no_forecast()


forgotten_by_the_first = {}


@known_answer(
    "forecast", breaks="survives_a_leaver", says="after that, when the answer is gone from the cache"
)
async def leaves_it_to_the_first_to_forget(request, city):
    name = key_of(city)
    if len(name) > 250:
        return no_such_city()
    if (found := await cache.aget(name)) is None:
        place = asyncio.get_running_loop(), name
        if first := place not in forgotten_by_the_first:
            forgotten_by_the_first[place] = asyncio.create_task(asked_and_kept(city))
        try:
            found = await asyncio.shield(forgotten_by_the_first[place])
        except ServiceError:
            forgotten_by_the_first.pop(place, None)
            return no_forecast()
        if first:
            del forgotten_by_the_first[place]
    return JsonResponse(found)


@known_answer("forecast", breaks="survives_a_failing_service", says="expected 502")
async def tells_an_old_forecast_meanwhile(request, city):
    name = key_of(city)
    if len(name) > 240:
        return no_such_city()
    if (found := await cache.aget(name)) is None:
        try:
            found = await shared_by_all(name, city)
            await cache.aset(f"{name}:old", found, timeout=None)
        except ServiceError:
            if (found := await cache.aget(f"{name}:old")) is None:
                return no_forecast()
    return JsonResponse(found)


def shared_by_all(name, city):
    place = asyncio.get_running_loop(), name
    if place not in under_way:
        under_way[place] = asyncio.create_task(asked_and_kept(city))
        under_way[place].add_done_callback(lambda _: under_way.pop(place))
    return asyncio.shield(under_way[place])


under_way = {}


EQUAL_MUTANTS = {
    "assignment: found = await cache.aget(key)  # it may have come … → found = None …": "the task forbids nobody who looked too early to ask once more",
    "arg removal: found = await cache.aget(key)  # it may have come … → found = await cache.aget(None) …": "the task forbids nobody who looked too early to ask once more",
    "condition: if found is None: → if True: (2)": "the task forbids nobody who looked too early to ask once more",
    'arg removal: name = quote(city, safe="") → …': "a `str` of a route has no slash, which is all that `safe` is about",
    'text: name = quote(city, safe="") → …': "letters are never quoted",
    "…if len(name) > 200:…": "where a name is too long is the answer's own choice, as long as each cache takes the key",
    '…return JsonResponse({"error": "no such city"}, status=404) → …': "for a name that is too long, any status but 500 will do",
    'assignment: found = await cache.aget(f"forecast:{name}") → found = None': "the look of the task finds it, too",
    'arg removal: found = await cache.aget(f"forecast:{name}") → …': "the look of the task finds it, too",
    "condition: if found is None: → if True:": "the look of the task finds it, too",
    "kind of error: …": "`ask` raises `ServiceError`, and the cache of the site raises nothing",
}
