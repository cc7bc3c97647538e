import asyncio
from contextlib import suppress
from urllib.parse import quote

from django.http import HttpResponse, StreamingHttpResponse
from django.utils.html import escape

from tutorial_project.checks.known_answers import known_answer
from tutorial_project.services import ServiceError, ask, ask_blocking

BROKEN = "sends_each_at_once"


async def line(city):
    try:
        sky = (await ask(f"weather/{quote(city, safe='')}"))["sky"]
    except (ServiceError, KeyError):
        sky = "unknown"
    return f"{city}: {sky}\n"


def blocking_line(city):
    try:
        sky = ask_blocking(f"weather/{quote(city, safe='')}")["sky"]
    except (ServiceError, KeyError):
        sky = "unknown"
    return f"{city}: {sky}\n"


def stream(lines):
    return StreamingHttpResponse(lines, content_type="text/plain; charset=utf-8")


@known_answer("sky_feed", when="Where the screen has many cities: all of them are asked at once.")
async def all_asked_at_once(request):
    async def lines():
        asking = [asyncio.ensure_future(line(city)) for city in request.GET.getlist("city")]
        try:
            for one in asking:
                yield await one
        finally:
            for one in asking:
                one.cancel()

    return stream(lines())


@known_answer("sky_feed", when="Where the client is a package that you cannot change.")
async def the_old_client_in_a_thread(request):
    async def lines():
        for city in request.GET.getlist("city"):
            yield await asyncio.to_thread(blocking_line, city)

    return stream(lines())


@known_answer("sky_feed", breaks="sends_each_at_once", says="nothing")
async def an_async_view_and_a_sync_generator(request):
    return stream(blocking_line(city) for city in request.GET.getlist("city"))


@known_answer("sky_feed", breaks="sends_each_at_once", says="nothing")
async def collects_first(request):
    lines = await asyncio.gather(*(line(city) for city in request.GET.getlist("city")))

    async def ready():
        for one in lines:
            yield one

    return stream(ready())


@known_answer("sky_feed", breaks="sends_each_at_once", says="nothing")
async def no_stream_any_more(request):
    lines = [await line(city) for city in request.GET.getlist("city")]
    return HttpResponse("".join(lines), content_type="text/plain")


@known_answer(
    "sky_feed",
    breaks="holds_up_nobody",
    says="Block",
    because="a blocking call holds the event loop: nothing else in this",
)
async def async_in_name_only(request):
    async def lines():
        for city in request.GET.getlist("city"):
            yield blocking_line(city)
            await asyncio.sleep(0)

    return stream(lines())


@known_answer("sky_feed", breaks="goes_on_without_one", says="ServiceError")
async def ends_with_the_first_error(request):
    async def lines():
        for city in request.GET.getlist("city"):
            yield f"{city}: {(await ask(f'weather/{quote(city)}'))['sky']}\n"

    return stream(lines())


@known_answer("sky_feed", breaks="writes_a_line_for_each", says="expected 200")
async def the_order_of_the_answers(request):
    async def lines():
        for asking in asyncio.as_completed([line(city) for city in reversed(request.GET.getlist("city"))]):
            yield await asking

    return stream(lines())


locks = {}


@known_answer("sky_feed", breaks="holds_up_nobody", says="one screen after another")
async def behind_a_lock(request):
    async def lines():
        async with locks.setdefault(asyncio.get_running_loop(), asyncio.Lock()):
            for city in request.GET.getlist("city"):
                yield await line(city)

    return stream(lines())


@known_answer("sky_feed", breaks="sends_each_at_once", says="unknown")
async def gives_up_early(request):
    async def lines():
        for city in request.GET.getlist("city"):
            try:
                yield await asyncio.wait_for(line(city), 0.3)
            except TimeoutError:
                yield f"{city}: unknown\n"

    return stream(lines())


@known_answer("sky_feed", breaks="writes_a_line_for_each", says="expected 200")
async def each_city_once(request):
    async def lines():
        for city in dict.fromkeys(request.GET.getlist("city")):
            yield await line(city)

    return stream(lines())


@known_answer("sky_feed", breaks="writes_a_line_for_each", says="expected 200")
async def asks_for_the_name_as_it_is(request):
    async def lines():
        for city in request.GET.getlist("city"):
            try:
                yield f"{city}: {(await ask(f'weather/{city}'))['sky']}\n"
            except ServiceError:
                yield f"{city}: unknown\n"

    return stream(lines())


last_seen = {}


@known_answer("sky_feed", breaks="goes_on_without_one", says="unknown")
async def tells_an_old_sky_when_nobody_answers(request):
    async def lines():
        for city in request.GET.getlist("city"):
            with suppress(ServiceError, KeyError):
                last_seen[city] = (await ask(f"weather/{quote(city, safe='')}"))["sky"]
            yield f"{city}: {last_seen.get(city, 'unknown')}\n"

    return stream(lines())


@known_answer("sky_feed", breaks="writes_a_line_for_each", says="&amp;")
async def a_name_for_a_browser(request):
    async def lines():
        for city in request.GET.getlist("city"):
            yield escape(await line(city))

    return stream(lines())


EQUAL_MUTANTS = {
    "kind of error: except (ServiceError, KeyError): → except ServiceError:": "no incident is about an answer without a sky",
    "arg removal: …quote(city, safe='')… → …": "only a slash makes a difference, and no city has one in its name",
    "text: …quote(city, safe='')… → …": "only a slash makes a difference, and no city has one in its name",
    "kind of error: except (ServiceError, KeyError): → except Exception:": "whatever goes wrong there is answered alike",
}
