import asyncio
import json
import time
from functools import wraps

from asgiref.sync import sync_to_async
from django.core.exceptions import BadRequest
from django.http import Http404, HttpResponse, HttpResponseNotAllowed, HttpResponseNotFound, JsonResponse
from django.views import View
from django.views.decorators.http import require_http_methods, require_POST

from tutorial_project.classroom.checks import known_answer
from tutorial_project.services.client import ask, ask_blocking

WELCOME = {"greeting": "Welcome to the travel agency"}
RATES = {"JPY": 162, "ISK": 149, "MAD": 11}


@known_answer("greeting")
async def waits_in_a_thread(request):
    await asyncio.to_thread(time.sleep, 0.1)
    return JsonResponse(WELCOME)


@known_answer("greeting")
async def waits_for_a_timeout(request):
    try:
        async with asyncio.timeout(0.1):
            await asyncio.Event().wait()
    except TimeoutError:
        return HttpResponse(json.dumps(WELCOME), content_type="application/json")


@known_answer("greeting")
class GreetingView(View):
    async def get(self, request):
        await asyncio.sleep(0.1)
        return JsonResponse(WELCOME)


@known_answer("greeting", breaks="greets", says="gives back a response object")
async def greets_with_a_dictionary(request):
    await asyncio.sleep(0.1)
    return WELCOME


@known_answer("greeting", breaks="greets", says="what makes it is not async")
async def awaits_the_response(request):
    await asyncio.sleep(0.1)
    return await JsonResponse(WELCOME)


@known_answer("greeting", breaks="is_async", says="plain `def`")
def sync_view(request):
    time.sleep(0.1)
    return JsonResponse(WELCOME)


@known_answer("greeting", breaks="waits_without_blocking", says="`time.sleep` holds the event loop")
async def sleeps_on_the_loop(request):
    time.sleep(0.1)
    return JsonResponse(WELCOME)


@known_answer("greeting", breaks="waits_without_blocking", says="nothing in the view is awaited")
async def forgets_the_await(request):
    asyncio.sleep(0.1)
    return JsonResponse(WELCOME)


@known_answer("greeting", breaks="waits_without_blocking", says="nothing in the view is awaited")
async def does_not_wait(request):
    return JsonResponse(WELCOME)


@known_answer("greeting", breaks="greets", says="`HttpResponse` took the keys of a dictionary")
async def a_dictionary_as_text(request):
    await asyncio.sleep(0.1)
    return HttpResponse(WELCOME)


@known_answer("greeting", breaks="greets", says="a function that was not called")
async def awaits_the_function(request):
    await asyncio.sleep
    return JsonResponse(WELCOME)


@known_answer("greeting", breaks="waits_without_blocking", says="nothing in the view is awaited")
async def starts_a_task(request):
    request.waiting = asyncio.create_task(asyncio.sleep(0))
    return JsonResponse(WELCOME)


def exchanged(currency, euros):
    return JsonResponse({"currency": currency, "euros": euros, "amount": RATES[currency] * euros})


@known_answer("exchange")
async def raises_bad_request(request, currency):
    try:
        rate, euros = RATES[currency], int(request.GET.get("euros", 1))
    except KeyError:
        raise Http404 from None
    except ValueError as error:
        raise BadRequest from error
    if euros < 1:
        raise BadRequest("less than one euro")
    return JsonResponse({"currency": currency, "euros": euros, "amount": rate * euros})


@known_answer("exchange")
async def looks_at_the_digits(request, currency):
    euros = request.GET.get("euros", "1")
    if currency not in RATES:
        return HttpResponseNotFound()
    if not euros.isdecimal() or not int(euros):
        return HttpResponse("a whole number, please", status=400)
    return exchanged(currency, int(euros))


@known_answer("exchange", breaks="multiplies", says="text times a number repeats the text")
async def multiplies_text(request, currency):
    return exchanged(currency, request.GET.get("euros", 1))


@known_answer("exchange", breaks="multiplies", says="everything in `request.GET` is text next")
async def answers_with_the_text(request, currency):
    euros = request.GET.get("euros", "1")
    return JsonResponse({"currency": currency, "euros": euros, "amount": RATES[currency] * int(euros)})


@known_answer("exchange", breaks="multiplies", says="the query string in `request.GET`")
async def asks_as_in_another_framework(request, currency):
    return exchanged(currency, int(request.query_params.get("euros", 1)))


@known_answer("exchange", breaks="has_a_default", says="gives None when the query string")
async def converts_none(request, currency):
    return exchanged(currency, int(request.GET.get("euros")))


@known_answer("exchange", breaks="knows_its_currencies", says="calculating with None raises")
async def multiplies_none(request, currency):
    euros = int(request.GET.get("euros", 1))
    return JsonResponse({"currency": currency, "euros": euros, "amount": RATES.get(currency) * euros})


@known_answer("exchange", breaks="knows_its_currencies", says="an exception was returned")
async def returns_the_exception(request, currency):
    if currency not in RATES:
        return Http404("no such currency")
    return exchanged(currency, int(request.GET.get("euros", 1)))


@known_answer("exchange", breaks="has_a_default", says='`request.GET.get("euros", 1)`')
async def insists_on_an_amount(request, currency):
    return exchanged(currency, int(request.GET["euros"]))


@known_answer("exchange", breaks="knows_its_currencies", says="KeyError: 'XXX'")
async def looks_up_any_currency(request, currency):
    return exchanged(currency, int(request.GET.get("euros", 1)))


@known_answer("exchange", breaks="knows_its_currencies", says="got 400")
async def refuses_all_alike(request, currency):
    try:
        return exchanged(currency, int(request.GET.get("euros", 1)))
    except (KeyError, ValueError):
        raise BadRequest from None


def or_404(currency):
    if currency not in RATES:
        raise Http404


@known_answer("exchange", breaks="refuses_text", says="ValueError: invalid literal for int()")
async def converts_anything(request, currency):
    or_404(currency)
    return exchanged(currency, int(request.GET.get("euros", 1)))


@known_answer("exchange", breaks="refuses_text", says='got 200 {"currency": "JPY", "euros": 1')
async def swallows_the_error(request, currency):
    or_404(currency)
    try:
        return exchanged(currency, int(request.GET.get("euros", 1)))
    except ValueError:
        return exchanged(currency, 1)


@known_answer("exchange", breaks="refuses_text", says='got 200 {"error"')
async def forgets_the_status(request, currency):
    or_404(currency)
    try:
        return exchanged(currency, int(request.GET.get("euros", 1)))
    except ValueError:
        return JsonResponse({"error": "a whole number, please"})


@known_answer("exchange", breaks="refuses_text", says="gave back a tuple")
async def returns_response_and_status(request, currency):
    or_404(currency)
    try:
        return exchanged(currency, int(request.GET.get("euros", 1)))
    except ValueError:
        return JsonResponse({"error": "a whole number, please"}), 400


@known_answer("exchange", breaks="refuses_nothing_and_less", says='"euros": 0')
async def takes_zero(request, currency):
    or_404(currency)
    try:
        return exchanged(currency, int(request.GET.get("euros", 1)))
    except ValueError:
        raise BadRequest from None


@known_answer("exchange", breaks="refuses_nothing_and_less", says='"euros": -5')
async def takes_everything_but_zero(request, currency):
    or_404(currency)
    try:
        euros = int(request.GET.get("euros", 1))
    except ValueError:
        raise BadRequest from None
    return exchanged(currency, euros) if euros else HttpResponse(status=400)


@known_answer("weather_alert")
@require_POST
async def decorated(request):
    try:
        city = json.loads(request.body)["city"]
    except (ValueError, KeyError):
        raise BadRequest from None
    return JsonResponse({"city": city, "sky": (await ask(f"weather/{city}"))["sky"]}, status=201)


@known_answer("weather_alert")
@require_http_methods(["POST"])
async def asks_in_a_thread(request):
    try:
        city = json.loads(request.body.decode()).get("city")
    except json.JSONDecodeError:
        city = None
    if city is None:
        return HttpResponse(status=400)
    report = await sync_to_async(ask_blocking)(f"weather/{city}")
    return JsonResponse({"sky": report["sky"], "city": city}, status=201)


@known_answer("weather_alert")
class WeatherAlertView(View):
    http_method_names = ["post"]

    async def post(self, request):
        try:
            report = await ask(f"weather/{json.loads(request.body)['city']}")
        except (ValueError, KeyError):
            return JsonResponse({"error": "send a city"}, status=400)
        return JsonResponse({"city": report["city"], "sky": report["sky"]}, status=201)


@known_answer("weather_alert", breaks="tells_the_sky", says="`request.POST` holds the fields of a form")
@require_POST
async def looks_for_a_form(request):
    report = await ask(f"weather/{request.POST['city']}")
    return JsonResponse({"city": report["city"], "sky": report["sky"]}, status=201)


@known_answer("weather_alert", breaks="tells_the_sky", says="`request.POST` holds the fields of a form")
@require_POST
async def refuses_what_is_no_form(request):
    if not (city := request.POST.get("city")):
        return HttpResponse(status=400)
    return JsonResponse({"city": city, "sky": (await ask(f"weather/{city}"))["sky"]}, status=201)


@known_answer("weather_alert", breaks="tells_the_sky", says="the body is in `request.body`")
@require_POST
async def reads_as_in_another_framework(request):
    city = (await request.json())["city"]
    return JsonResponse({"city": city, "sky": (await ask(f"weather/{city}"))["sky"]}, status=201)


@known_answer("weather_alert", breaks="tells_the_sky", says="`json.load` reads a file")
@require_POST
async def loads_from_a_file(request):
    return JsonResponse({"city": json.load(request.body)["city"]}, status=201)


@known_answer("weather_alert", breaks="tells_the_sky", says="something was called and not awaited")
@require_POST
async def forgets_to_await_the_service(request):
    city = json.loads(request.body)["city"]
    return JsonResponse({"city": city, "sky": ask(f"weather/{city}")["sky"]}, status=201)


@known_answer("weather_alert", breaks="tells_the_sky", says="something that is not awaitable")
@require_POST
async def awaits_the_body(request):
    city = json.loads(await request.body)["city"]
    return JsonResponse({"city": city, "sky": (await ask(f"weather/{city}"))["sky"]}, status=201)


def post_only(view):
    @wraps(view)
    def wrapper(request):
        return view(request) if request.method == "POST" else HttpResponseNotAllowed(["POST"])

    return wrapper


@known_answer("weather_alert", breaks="tells_the_sky", says="the view gave back a coroutine")
@post_only
async def wrapped_by_a_plain_function(request):
    city = json.loads(request.body)["city"]
    return JsonResponse({"city": city, "sky": (await ask(f"weather/{city}"))["sky"]}, status=201)


async def sky(request, status=201):
    city = json.loads(request.body)["city"]
    return JsonResponse({"city": city, "sky": (await ask(f"weather/{city}"))["sky"]}, status=status)


@known_answer("weather_alert", breaks="tells_the_sky", says="got 200")
@require_POST
async def answers_200(request):
    return await sky(request, status=200)


@known_answer("weather_alert", breaks="refuses_bad_bodies", says="JSONDecodeError")
@require_POST
async def trusts_every_body(request):
    return await sky(request)


@known_answer("weather_alert", breaks="refuses_bad_bodies", says="KeyError: 'city'")
@require_POST
async def trusts_every_object(request):
    try:
        return await sky(request)
    except ValueError:
        return HttpResponse(status=400)


@known_answer("weather_alert", breaks="refuses_bad_bodies", says="although the body holds no city")
@require_POST
async def asks_about_no_city(request):
    try:
        city = json.loads(request.body).get("city")
    except ValueError:
        return HttpResponse(status=400)
    return JsonResponse({"city": city, "sky": (await ask(f"weather/{city}"))["sky"]}, status=201)


async def sky_or_400(request):
    try:
        return await sky(request)
    except (ValueError, KeyError):
        return HttpResponse(status=400)


@known_answer("weather_alert", breaks="takes_post_only", says="whatever the method was")
async def takes_every_method(request):
    return await sky_or_400(request)


@known_answer("weather_alert", breaks="takes_post_only", says="its status is 405")
async def refuses_the_method_with_400(request):
    return await sky_or_400(request) if request.method == "POST" else HttpResponse(status=400)


@known_answer("weather_alert", breaks="takes_post_only", says="looked at the body before")
async def looks_at_the_method_last(request):
    response = await sky_or_400(request)
    return (
        response
        if response.status_code == 400 or request.method == "POST"
        else HttpResponseNotAllowed(["POST"])
    )


@known_answer("weather_alert", breaks="takes_post_only", says="405 without the header Allow")
async def forgets_to_say_what_is_allowed(request):
    return await sky_or_400(request) if request.method == "POST" else HttpResponse(status=405)


@known_answer("weather_alert", breaks="takes_post_only", says="Allow: P, O, S, T")
@require_http_methods("POST")
async def names_the_method_in_a_string(request):
    return await sky_or_400(request)


def blocking_sky(request):
    try:
        city = json.loads(request.body)["city"]
    except (ValueError, KeyError):
        return HttpResponse(status=400)
    return JsonResponse({"city": city, "sky": ask_blocking(f"weather/{city}")["sky"]}, status=201)


@known_answer("weather_alert", breaks="stays_async", says="plain `def`")
@require_POST
def stays_sync(request):
    return blocking_sky(request)


@known_answer("weather_alert", breaks="asks_without_blocking", says="a blocking call holds the event loop")
@require_POST
async def asks_with_the_blocking_client(request):
    return blocking_sky(request)
