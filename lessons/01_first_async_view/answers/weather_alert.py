import json
import re
from functools import wraps
from urllib.parse import quote

from asgiref.sync import sync_to_async
from django.core.exceptions import BadRequest
from django.http import Http404, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.views import View
from django.views.decorators.http import require_http_methods, require_POST

from tutorial_project.checks import known_answer
from tutorial_project.services.client import ServiceError, ask, ask_blocking


def address(city):
    return f"weather/{quote(city, safe='')}"


@known_answer("weather_alert")
@require_POST
async def decorated(request):
    try:
        city = json.loads(request.body)["city"]
    except (ValueError, KeyError, TypeError):
        raise BadRequest from None
    try:
        return JsonResponse({"city": city, "sky": (await ask(address(city)))["sky"]}, status=201)
    except (ServiceError, KeyError):
        raise Http404 from None


@known_answer("weather_alert")
@require_http_methods(["POST"])
async def asks_in_a_thread(request):
    try:
        city = json.loads(request.body.decode()).get("city")
    except (ValueError, AttributeError):
        city = None
    if not isinstance(city, str):
        return HttpResponse(status=400)
    try:
        report = await sync_to_async(ask_blocking)(address(city))
    except ServiceError:
        report = {}
    if "sky" not in report:
        return HttpResponse(status=404)
    return JsonResponse({"sky": report["sky"], "city": city}, status=201)


@known_answer("weather_alert")
class WeatherAlertView(View):
    http_method_names = ["post"]

    async def post(self, request):
        try:
            report = await ask(address(json.loads(request.body)["city"]))
        except ServiceError:
            return JsonResponse({"error": "no weather there"}, status=404)
        except (ValueError, KeyError, TypeError):
            return JsonResponse({"error": "send a city"}, status=400)
        if not report.get("sky"):
            return JsonResponse({"error": "no weather there"}, status=404)
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


@known_answer(
    "weather_alert",
    breaks="refuses_bad_bodies",
    says="KeyError: 'city'",
    because="to an error that it does not know, Django answers",
)
@require_POST
async def trusts_every_object(request):
    try:
        return await sky(request)
    except ValueError:
        return HttpResponse(status=400)


@known_answer("weather_alert", breaks="refuses_bad_bodies", says="TypeError")
@require_POST
async def trusts_every_kind_of_json(request):
    try:
        return await sky(request)
    except ValueError:
        return HttpResponse(status=400)
    except KeyError:
        return HttpResponse(status=400)


@known_answer("weather_alert", breaks="tells_the_sky", says="expected 201")
@require_POST
async def knows_two_cities(request):
    skies = {"Lisbon": "sunny", "Reykjavik": "snow"}
    city = json.loads(request.body)["city"]
    return JsonResponse({"city": city, "sky": skies.get(city, "sunny")}, status=201)


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
    except (ValueError, KeyError, TypeError):
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


@known_answer(
    "weather_alert",
    breaks="takes_post_only",
    says="405 without the header Allow",
    because="has to name the methods that are allowed",
)
async def forgets_to_say_what_is_allowed(request):
    return await sky_or_400(request) if request.method == "POST" else HttpResponse(status=405)


@known_answer(
    "weather_alert",
    breaks="takes_post_only",
    says="Allow: P, O, S, T",
    because="has to name the methods that are allowed",
)
@require_http_methods("POST")
async def names_the_method_in_a_string(request):
    return await sky_or_400(request)


def blocking_sky(request):
    try:
        city = json.loads(request.body)["city"]
    except (ValueError, KeyError, TypeError):
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


skies = {}


@known_answer("weather_alert", breaks="tells_the_sky", says='"sky": ')
@require_POST
async def remembers_the_sky(request):
    city = json.loads(request.body)["city"]
    if city not in skies:
        skies[city] = (await ask(f"weather/{city}"))["sky"]
    return JsonResponse({"city": city, "sky": skies[city]}, status=201)


@known_answer("weather_alert", breaks="refuses_bad_bodies", says="catch `UnicodeDecodeError` as well")
@require_POST
async def knows_json_errors_only(request):
    try:
        city = json.loads(request.body)["city"]
    except (json.JSONDecodeError, KeyError, TypeError):
        return JsonResponse({"error": "send a city"}, status=400)
    report = await ask(f"weather/{city}")
    return JsonResponse({"city": city, "sky": report["sky"]}, status=201)


@known_answer("weather_alert", breaks="asks_for_this_city", says="catch `ServiceError` as well")
@require_POST
async def lets_the_error_of_the_service_out(request):
    try:
        city = json.loads(request.body)["city"]
        place = address(city)
    except (ValueError, KeyError, TypeError):
        return JsonResponse({"error": "send a city"}, status=400)
    return JsonResponse({"city": city, "sky": (await ask(place))["sky"]}, status=201)


@known_answer("weather_alert", breaks="asks_for_this_city", says="a letter that has a meaning in an address")
@require_POST
async def writes_the_city_as_it_is_into_the_address(request):
    try:
        city = json.loads(request.body)["city"]
    except (ValueError, KeyError, TypeError):
        return JsonResponse({"error": "send a city"}, status=400)
    try:
        return JsonResponse({"city": city, "sky": (await ask(f"weather/{city}"))["sky"]}, status=201)
    except (ServiceError, KeyError):
        return JsonResponse({"error": "no weather there"}, status=404)


def an_alert(data, place=lambda city: quote(city, safe="")):
    """The rest of a view that has read the body."""

    async def answer():
        try:
            city = data["city"]
            asked = place(city)
        except (KeyError, TypeError):
            return HttpResponse(status=400)
        try:
            return JsonResponse({"city": city, "sky": (await ask(f"weather/{asked}"))["sky"]}, status=201)
        except (ServiceError, KeyError):
            return HttpResponse(status=404)

    return answer()


async def alert_in(body, place=lambda city: quote(city, safe="")):
    """The whole of a view for one method, but for its own mistake."""
    try:
        data = json.loads(body)
    except ValueError:
        return HttpResponse(status=400)
    return await an_alert(data, place)


@known_answer(
    "weather_alert",
    breaks="refuses_bad_bodies",
    says="201",
    because="the view went on although the body holds no city",
)
@require_POST
async def lisbon_for_an_empty_object(request):
    try:
        data = json.loads(request.body) or {"city": "Lisbon"}
    except ValueError:
        return HttpResponse(status=400)
    return await an_alert(data)


@known_answer("weather_alert", breaks="takes_post_only", says="the view went on to the body of the request")
async def answers_delete_as_well(request):
    if request.method not in ("POST", "DELETE"):
        return HttpResponseNotAllowed(["POST"])
    return await alert_in(request.body)


@known_answer("weather_alert", breaks="asks_for_this_city", says="expected a question for /weather/lisbon")
@require_POST
async def leaves_out_what_is_no_ascii(request):
    return await alert_in(request.body, lambda city: quote(city.encode("ascii", "ignore"), safe=""))


@known_answer("weather_alert", breaks="asks_for_this_city", says="expected a question for /weather/Lisbon")
@require_POST
async def quotes_twice(request):
    return await alert_in(request.body, lambda city: quote(quote(city, safe=""), safe=""))


@known_answer("weather_alert", breaks="asks_for_this_city", says="expected a question for /weather/lisbon")
@require_POST
async def begins_with_a_capital_letter(request):
    return await alert_in(request.body, lambda city: quote(city[:1].upper() + city[1:], safe=""))


@known_answer(
    "weather_alert",
    breaks="takes_post_only",
    says="REPORT /weather-alerts/",
    because="has to name the methods that are allowed",
)
async def names_the_methods_that_it_refuses(request):
    if request.method in ("GET", "HEAD", "PUT", "PATCH", "DELETE"):
        return HttpResponseNotAllowed(["POST"])
    if request.method != "POST":
        return HttpResponse(status=405)
    return await alert_in(request.body)


class NoCity(Exception):
    pass


def city_in(body):
    try:
        match json.loads(body):
            case {"city": str(city)}:
                return city
    except ValueError:
        pass
    raise NoCity


@known_answer("weather_alert")
@require_POST
async def matches_the_body(request):
    try:
        city = city_in(request.body)
    except NoCity:
        return HttpResponse("send a city", status=400)
    try:
        match await ask(address(city)):
            case {"sky": sky}:
                return JsonResponse({"city": city, "sky": sky}, status=201)
    except ServiceError:
        pass
    return HttpResponse("no weather there", status=404)


@known_answer("weather_alert", breaks="tells_the_sky", says="charset=utf-8")
@require_POST
async def wants_the_header_to_the_letter(request):
    if request.headers.get("Content-Type") != "application/json":
        return HttpResponse(status=400)
    return await alert_in(request.body)


@known_answer("weather_alert")
@require_POST
async def wants_json_by_its_type(request):
    if request.content_type != "application/json":
        return HttpResponse(status=400)
    return await alert_in(request.body)


@known_answer("weather_alert", breaks="asks_for_this_city", says="expected a question for /weather/ Lisbon")
@require_POST
async def strips_the_city(request):
    return await alert_in(request.body, lambda city: quote(city.strip(), safe=""))


@known_answer("weather_alert", breaks="refuses_bad_bodies", says="201")
@require_POST
async def reads_the_body_by_a_pattern(request):
    found = re.search(rb'"city":\s*"([^"]*)"', request.body)
    try:
        return await an_alert({"city": found[1].decode()})
    except (TypeError, ValueError):
        return HttpResponse(status=400)


EQUAL_MUTANTS = {
    'text: place = quote(city, safe="") → place = quote(city, safe="XXXX")': "the letter X needs no quotes",
    "kind of error: except (ValueError, KeyError, TypeError, RecursionError): → except Exception:": "a bad body raises "
    "nothing else",
    "kind of error: except (ValueError, KeyError, TypeError, RecursionError): → except (ValueError, KeyError, TypeError):": "the "
    "words ask for no body that nests thousands deep",
    "kind of error: except (ServiceError, KeyError): → except Exception:": "`ask` raises nothing but a `ServiceError`",
}
