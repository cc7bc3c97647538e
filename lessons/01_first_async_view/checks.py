from typing import Any

from django.utils.datastructures import MultiValueDictKeyError

from tutorial_project.classroom.checks import Reply, Task, Trial
from tutorial_project.services import running_services

WRAPPERS_TOO = "declare the view with `async def`, and every wrapper around it"

greeting = Task(
    "greeting",
    routes=["greeting/"],
    hints=(
        "Which way of waiting gives the event loop back, so that other requests can go on?",
        "`asyncio.sleep` is a coroutine function: calling it waits for nothing, awaiting the call does.",
        "`await asyncio.sleep(0.1)`, and then `return JsonResponse({…})`",
    ),
    praise="Right: the view gives the event loop back at its `await`. `await asyncio.to_thread(time.sleep, 0.1)` "
    "would leave the loop free as well, at the price of a thread for each visitor.",
)


@greeting.requirement('answers `GET /greeting/` with 200 and `{"greeting": "Welcome to the travel agency"}`')
async def greets(trial: Trial) -> None:
    reply = await trial.get("/greeting/")
    words = {}
    if reply.error is None and reply.text == "greeting":
        words = {
            "because": "`HttpResponse` took the keys of a dictionary as its text",
            "next": "`JsonResponse(…)`",
        }
    reply.expect(200, json={"greeting": "Welcome to the travel agency"}, **words)


@greeting.requirement("is an async view, which Django awaits on the event loop")
async def is_async(trial: Trial) -> None:
    await trial.runs_on_the_loop("/greeting/", next=WRAPPERS_TOO)


@greeting.requirement("waits before it answers, and leaves the event loop free for others meanwhile")
async def waits_without_blocking(trial: Trial) -> None:
    await trial.leaves_the_loop_free("/greeting/")


exchange = Task(
    "exchange",
    routes=["exchange/<str:currency>/"],
    hints=(
        "What is the type of everything in `request.GET`, and what if the name is not in it?",
        '`int(request.GET.get("euros", 1))` raises `ValueError` for text that is no whole number, and it takes `-5`.',
        "`raise Http404(…)` for the currency; for the amount `try: euros = int(…)`, `except ValueError:`, "
        "and then `return JsonResponse({…}, status=400)`, the same for `euros < 1`",
    ),
    praise="Right: every bad input has its status. `raise BadRequest(…)` would answer 400 too, and so would "
    "`HttpResponseBadRequest`.",
)


@exchange.requirement(
    'answers `GET /exchange/JPY/?euros=100` with 200 and `{"currency": "JPY", "euros": 100, "amount": 16200}`, '
    "by the rates in `RATES`"
)
async def multiplies(trial: Trial) -> None:
    for currency, euros, amount in (("JPY", 100, 16200), ("MAD", 7, 77)):
        reply = await trial.get(f"/exchange/{currency}/?euros={euros}")
        reply.expect(
            200,
            json={"currency": currency, "euros": euros, "amount": amount},
            **about_text(reply, euros, amount),
        )


@exchange.requirement("changes one euro when the query string names no amount")
async def has_a_default(trial: Trial) -> None:
    reply = await trial.get("/exchange/ISK/")
    why = "`request.GET[…]` raises when the query string does not hold the name"
    if "'NoneType'" in str(reply.error):
        why = "`request.GET.get(…)` gives None when the query string does not hold the name"
    words = about(reply, (MultiValueDictKeyError, TypeError), why, '`request.GET.get("euros", 1)`')
    reply.expect(200, json={"currency": "ISK", "euros": 1, "amount": 149}, **words)


@exchange.requirement("answers 404 when the currency is not in `RATES`, as in `GET /exchange/XXX/`")
async def knows_its_currencies(trial: Trial) -> None:
    reply = await trial.get("/exchange/XXX/?euros=100")
    why = "to an error that it does not know, Django answers 500"
    if "'NoneType'" in str(reply.error):
        why = "the rate of a currency that is not in `RATES` is None here, and calculating with None raises"
    reply.expect(404, **about(reply, (KeyError, TypeError), why, "`raise Http404(…)` for it"))


@exchange.requirement("answers 400 when `euros` is no whole number, such as `ten` or `2.5`")
async def refuses_text(trial: Trial) -> None:
    for euros in ("ten", "2.5"):
        reply = await trial.get(f"/exchange/JPY/?euros={euros}")
        words = about(
            reply,
            ValueError,
            "converting such a text raises, and to an error that it does not know Django answers 500",
            "catch the `ValueError`, and return a response with `status=400`",
        )
        reply.expect(400, **words)


@exchange.requirement("answers 400 when `euros` is less than one, such as `0` or `-5`")
async def refuses_nothing_and_less(trial: Trial) -> None:
    for euros in (0, -5):
        reply = await trial.get(f"/exchange/JPY/?euros={euros}")
        reply.expect(400)


weather_alert = Task(
    "weather_alert",
    routes=["weather-alerts/"],
    hints=(
        "Where is the body of a request that is no form, and which of your lines can fail for a bad one?",
        "`json.loads(request.body)` needs no `await`, `ask(…)` does; the method is restricted by a decorator "
        "or by an `HttpResponseNotAllowed`.",
        '`@require_POST` above the function; `city = json.loads(request.body)["city"]` in a `try` that catches '
        '`(ValueError, KeyError)`; `report = await ask(f"weather/{city}")`',
    ),
    praise="Right: bad bodies and other methods are refused, and the loop is free while the service is asked. "
    "`@require_POST` above the view and `HttpResponseNotAllowed` inside it come to the same.",
)


@weather_alert.requirement(
    'answers 201 and `{"city": "Lisbon", "sky": "sunny"}` to `POST /weather-alerts/` with `{"city": "Lisbon"}`, '
    "as the weather service says"
)
async def tells_the_sky(trial: Trial) -> None:
    for city, sky in (("Lisbon", "sunny"), ("Reykjavik", "snow")):
        reply = await trial.post("/weather-alerts/", json={"city": city})
        right = {"city": city, "sky": sky}
        words = await about_a_form(trial, reply, city)
        reply.expect(201, json=right, **words)


@weather_alert.requirement('answers 400 when the body is not JSON, and when it holds no `"city"`')
async def refuses_bad_bodies(trial: Trial) -> None:
    for body in ({"content": "Lisbon"}, {"json": {"town": "Lisbon"}}):
        reply = await trial.post("/weather-alerts/", **body)
        words = about(
            reply,
            (ValueError, KeyError),
            "to an error that it does not know, Django answers 500",
            "catch `ValueError` and `KeyError`, and return a response with `status=400`",
        )
        if reply.status == 201 and "json" in body:
            words = {
                "because": "the view went on although the body holds no city",
                "next": '`["city"]` raises a `KeyError` to catch, where `.get("city")` gives None',
            }
        reply.expect(400, **words)


@weather_alert.requirement("answers 405 to every other method, with the header `Allow: POST`")
async def takes_post_only(trial: Trial) -> None:
    for method, body in (("PUT", {"json": {"city": "Lisbon"}}), ("GET", {})):
        reply = await trial.request(method, "/weather-alerts/", **body)
        reply.expect_that(reply.status == 405, "405  Allow: POST", **about_the_method(reply, method))
        allow = reply.response.headers.get("Allow")
        reply.expect_that(
            allow == "POST",
            "405  Allow: POST",
            got=f"405  Allow: {allow}" if allow else "405 without the header Allow",
            because="an answer of 405 has to name the methods that are allowed",
            next='`@require_POST` or `HttpResponseNotAllowed(["POST"])`; names of methods go in a list',
        )


@weather_alert.requirement("is an async view, which Django awaits on the event loop")
async def stays_async(trial: Trial) -> None:
    await trial.runs_on_the_loop(
        "/weather-alerts/", method="POST", next=WRAPPERS_TOO, json={"city": "Lisbon"}
    )


@weather_alert.requirement("leaves the event loop free for others while it asks the weather service")
async def asks_without_blocking(trial: Trial) -> None:
    running_services()  # or starting them would count as the view's blocking call
    await trial.leaves_the_loop_free("/weather-alerts/", method="POST", json={"city": "Lisbon"})


def about(reply: Reply, kind: Any, why: str, step: str) -> dict[str, str]:
    """The words about an error of this kind, or none."""
    return {"because": why, "next": step} if isinstance(reply.error, kind) else {}


def about_text(reply: Reply, euros: int, amount: int) -> dict[str, str]:
    """The words about an amount that came back as text."""
    if reply.error is not None or f'"{euros}"' not in reply.text:
        return {}
    why = "everything in `request.GET` is text"
    if str(euros) * (amount // euros) in reply.text:
        why += ", and text times a number repeats the text"
    return {"because": why, "next": "`int(…)` around what comes out of `request.GET`"}


async def about_a_form(trial: Trial, reply: Reply, city: str) -> dict[str, str]:
    """The words about a view that finds the city where the fields of a form are, and there alone."""
    missed = isinstance(reply.error, MultiValueDictKeyError)
    if reply.value is not None and city not in reply.text:
        as_form = await trial.post("/weather-alerts/", data={"city": city})
        missed = as_form.value is not None and city in as_form.text
    if missed:
        return {
            "because": "`request.POST` holds the fields of a form; a JSON body is in `request.body`",
            "next": '`json.loads(request.body)["city"]`',
        }
    return {}


def about_the_method(reply: Reply, method: str) -> dict[str, str]:
    """The words about a method that was not looked at, or too late, or not answered with 405."""
    if reply.status in (200, 201):
        return {
            "because": "the view went on to the body of the request, whatever the method was",
            "next": "`@require_POST` above the function",
        }
    if reply.status == 400 and method == "PUT":
        return {"because": "the body was good; what is refused is the method, and its status is 405"}
    if reply.status == 400:
        return {
            "because": "the view looked at the body before it looked at the method",
            "next": "look at the method first, or `@require_POST` above the function",
        }
    return {}
