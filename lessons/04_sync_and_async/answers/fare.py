import asyncio
from urllib.parse import quote

from asgiref.sync import sync_to_async
from django.http import Http404, HttpResponseNotFound, JsonResponse
from django.views import View

from tutorial_project.checks import known_answer
from tutorial_project.services.airline import NotFlownTo, cheapest_fare
from tutorial_project.services.client import ask


@known_answer(
    "fare", when="Where the library may use Django, or you do not know: it stays on the request's thread."
)
async def asks_on_the_requests_thread(request, city):
    try:
        return JsonResponse({"city": city, "euros": await sync_to_async(cheapest_fare)(city)})
    except NotFlownTo:
        return HttpResponseNotFound("nobody flies there")


@known_answer("fare", when="Where neither the library nor its caller knows of Django.")
async def asks_in_a_thread_of_asyncio(request, city):
    try:
        euros = await asyncio.to_thread(cheapest_fare, city)
    except NotFlownTo:
        raise Http404 from None
    return JsonResponse({"euros": euros, "city": city})


@sync_to_async
def fare_or_none(city):
    try:
        return cheapest_fare(city)
    except NotFlownTo:
        return None


@known_answer("fare")
class FareView(View):
    async def get(self, request, city):
        euros = await fare_or_none(city)
        if euros is None:
            raise Http404
        return JsonResponse({"city": city, "euros": euros})


@known_answer("fare", breaks="tells_the_fare", says="the result of a call, or it is async already")
async def wraps_the_result(request, city):
    try:
        return JsonResponse({"city": city, "euros": await sync_to_async(cheapest_fare(city))})
    except NotFlownTo:
        raise Http404 from None


@known_answer("fare", breaks="tells_the_fare", says="wrap, call, await")
async def awaits_the_wrapper(request, city):
    try:
        return JsonResponse({"city": city, "euros": await sync_to_async(cheapest_fare)})
    except NotFlownTo:
        raise Http404 from None


@known_answer("fare", breaks="tells_the_fare", says="something was called and not awaited")
async def forgets_the_await(request, city):
    try:
        return JsonResponse({"city": city, "euros": sync_to_async(cheapest_fare)(city)})
    except NotFlownTo:
        raise Http404 from None


@known_answer("fare", breaks="knows_where_nobody_flies", says="the error comes out where the call is awaited")
async def tries_the_wrong_line(request, city):
    try:
        question = sync_to_async(cheapest_fare)(city)
    except NotFlownTo:
        raise Http404 from None
    return JsonResponse({"city": city, "euros": await question})


@known_answer("fare", breaks="tells_the_fare", says='{"city": "Reykjavik"')
async def writes_each_word_with_a_capital(request, city):
    try:
        return JsonResponse({"city": city.title(), "euros": await asyncio.to_thread(cheapest_fare, city)})
    except NotFlownTo:
        raise Http404 from None


@known_answer("fare", breaks="tells_the_fare", says="takes the function alone")
async def hands_the_city_to_the_wrapper(request, city):
    return JsonResponse({"city": city, "euros": await sync_to_async(cheapest_fare, city)})


@known_answer("fare", breaks="tells_the_fare", says="the thread was given its result")
async def calls_before_the_thread(request, city):
    return JsonResponse({"city": city, "euros": await asyncio.to_thread(cheapest_fare(city))})


@known_answer("fare", breaks="knows_where_nobody_flies", says="an exception was returned")
async def returns_the_exception(request, city):
    try:
        return JsonResponse({"city": city, "euros": await sync_to_async(cheapest_fare)(city)})
    except NotFlownTo:
        return Http404("nobody flies there")


@known_answer("fare", breaks="knows_where_nobody_flies", says='"euros": null')
async def answers_with_nothing(request, city):
    return JsonResponse({"city": city, "euros": await fare_or_none(city)})


@known_answer("fare", breaks="is_async", says="plain `def`")
def stays_sync(request, city):
    try:
        return JsonResponse({"city": city, "euros": cheapest_fare(city)})
    except NotFlownTo:
        raise Http404 from None


@known_answer("fare", breaks="leaves_the_loop_free", says="a blocking call holds the event loop")
async def calls_the_library_on_the_loop(request, city):
    try:
        return JsonResponse({"city": city, "euros": cheapest_fare(city)})
    except NotFlownTo:
        raise Http404 from None


@known_answer("fare", breaks="tells_the_fare", says='"euros": 1035')
async def takes_the_first_flight(request, city):
    try:
        await asyncio.to_thread(cheapest_fare, city)
    except NotFlownTo:
        raise Http404 from None
    flights = (await ask(f"flights/{city}"))["flights"]
    return JsonResponse({"city": city, "euros": flights[0]["price"]})


door = asyncio.Lock()


@known_answer("fare", breaks="lets_travellers_wait_together", says="at most 1 of 3")
async def lets_one_traveller_in(request, city):
    try:
        async with door:
            euros = await asyncio.to_thread(cheapest_fare, city)
    except NotFlownTo:
        raise Http404 from None
    return JsonResponse({"city": city, "euros": euros})


@known_answer("fare", breaks="knows_where_nobody_flies", says="the view takes a `ServiceError`")
async def takes_every_error_for_no_flight(request, city):
    try:
        return JsonResponse({"city": city, "euros": await sync_to_async(cheapest_fare)(city)})
    except Exception:
        raise Http404 from None


@known_answer("fare", breaks="tells_the_fare", says='expected 200 {"city": "Kyoto", "euros": 0}')
async def takes_a_free_flight_for_none(request, city):
    euros = await fare_or_none(city)
    return JsonResponse({"city": city, "euros": euros}) if euros else HttpResponseNotFound()


without_flights = set()


@known_answer("fare", breaks="knows_where_nobody_flies", says="a moment ago nobody flew there")
async def remembers_where_nobody_flew(request, city):
    euros = None if city in without_flights else await fare_or_none(city)
    if euros is None:
        without_flights.add(city)
        raise Http404
    return JsonResponse({"city": city, "euros": euros})


@known_answer(
    "fare",
    breaks="knows_where_nobody_flies",
    says="expected 404",
    because="the error comes out where the call is awaited, and nothing",
)
async def knows_atlantis(request, city):
    if city == "Atlantis":
        raise Http404
    return JsonResponse({"city": city, "euros": await sync_to_async(cheapest_fare)(city)})


@known_answer("fare", breaks="knows_where_nobody_flies", says="the view catches more than `NotFlownTo`")
async def catches_a_value_error_as_well(request, city):
    try:
        euros = await asyncio.to_thread(cheapest_fare, city)
    except (NotFlownTo, ValueError):
        raise Http404 from None
    return JsonResponse({"city": city, "euros": euros})


@known_answer("fare", breaks="knows_where_nobody_flies", says="the view catches more than `NotFlownTo`")
async def takes_every_lookup_error_for_no_flight(request, city):
    try:
        euros = await asyncio.to_thread(cheapest_fare, city)
    except LookupError:
        raise Http404 from None
    return JsonResponse({"city": city, "euros": euros})


@known_answer("fare", breaks="tells_the_fare", says="GET /fares/Reykjavík/")
async def quotes_the_city_for_the_package(request, city):
    try:
        euros = await asyncio.to_thread(cheapest_fare, quote(city))
    except NotFlownTo:
        raise Http404 from None
    return JsonResponse({"city": city, "euros": euros})


TROUBLE = "what becomes of airlines that do not answer is left open, as long as it is no 200 and no 404"
ANY_THREAD = "the request has this one call for a thread: it waits alone in either mode"

EQUAL_MUTANTS = {
    "part of a try: except ServiceError: ⏎ …": TROUBLE,
    "kind of error: except ServiceError: → …": TROUBLE,
    '…: return JsonResponse({"error": "the airlines do not answer"}, status=502) → …': TROUBLE,
    "arg removal: euros = await sync_to_async(cheapest_fare, thread_sensitive=False)(city) → …": ANY_THREAD,
    "name: euros = await sync_to_async(cheapest_fare, thread_sensitive=False)(city) → …": ANY_THREAD,
}
