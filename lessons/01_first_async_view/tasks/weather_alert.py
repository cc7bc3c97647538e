from random import choice, randint
from uuid import uuid4

from django.utils.datastructures import MultiValueDictKeyError

from tutorial_project.checks import Reply, Task, Trial
from tutorial_project.checks.kinds.questions import questions
from tutorial_project.services import running_services
from tutorial_project.services.client import ServiceError
from tutorial_project.services.places import weather

from ..shared import WRAPPERS_TOO, about

SKIES = ("fog", "hail", "thunder")

weather_alert = Task(
    "weather_alert",
    routes=["weather-alerts/"],
    hints=(
        "Where is the body of a request that is no form, and which of your lines can fail for a bad one?",
        "`json.loads(request.body)` needs no `await`, `ask(…)` does; the method is restricted by a decorator "
        "or by an `HttpResponseNotAllowed`.",
        '`@require_POST` above the function; `city = json.loads(request.body)["city"]` in a `try` that catches '
        "`(ValueError, KeyError, TypeError)`; in another `try` `report = await ask(f\"weather/{quote(city, safe='')}\")`, "
        "and a 404 for a `ServiceError` or a report without a sky",
    ),
    praise="Right: bad bodies and other methods are refused, and the loop is free while the service is asked. "
    "`@require_POST` above the view and `HttpResponseNotAllowed` inside it come to the same.",
)


@weather_alert.requirement(
    'answers 201 and `{"city": "Lisbon", "sky": "sunny"}` to `POST /weather-alerts/` with `{"city": "Lisbon"}`, '
    "as the weather service says"
)
async def tells_the_sky(trial: Trial) -> None:
    first, second = f"Lisbon-{uuid4().hex}", f"Reykjavik-{uuid4().hex}"
    for city in (first, second, first):  # the sky changes
        headers = {"Content-Type": "application/json; charset=utf-8"} if city == second else {}
        sky = f"{choice(SKIES)} at {randint(2, 12)}"
        with running_services().saying(f"/weather/{city}", {"city": city, "celsius": 7, "sky": sky}):
            reply = await trial.post("/weather-alerts/", json={"city": city}, headers=headers)
            words = await about_a_form(trial, reply, city)
        reply.expect(201, json={"city": city, "sky": sky}, **words)


@weather_alert.requirement(
    'answers 400 when the body is not JSON, when it is JSON but no object, such as `[1]`, and when it holds no `"city"`'
)
async def refuses_bad_bodies(trial: Trial) -> None:
    for body in (
        *({"content": content} for content in ("Lisbon", b"", b'{"city": "Qu\xe9bec"}', '{"city": "Lisbon"')),
        *({"json": value} for value in ({"town": "Lisbon"}, [1], "Lisbon", "my city", ["city"], None, 7)),
        *({"json": value} for value in ([{"city": "Lisbon"}], {"trip": {"city": "Lisbon"}})),
        *({"json": value} for value in ({}, [], "", 0, False)),  # as false as no body
    ):
        reply = await trial.post("/weather-alerts/", **body)
        words = about(
            reply,
            (ValueError, KeyError, TypeError),
            "to an error that it does not know, Django answers 500",
            f"catch `{type(reply.error).__name__}` as well, and return a response with `status=400`",
        )
        if reply.status == 201 and isinstance(body.get("json"), dict):
            words = {"because": "the view went on although the body holds no city"}
            if reply.json.get("city") is None:
                words["next"] = '`["city"]` raises a `KeyError` to catch, where `.get("city")` gives None'
        reply.expect(400, **words)


@weather_alert.requirement("answers 405 to every other method, with the header `Allow: POST`")
async def takes_post_only(trial: Trial) -> None:
    for method in ("PUT", "GET", "PATCH", "DELETE", "HEAD", "REPORT"):
        body = {} if method in ("GET", "HEAD") else {"json": {"city": "Lisbon"}}
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


@weather_alert.requirement(
    'answers 404 when the weather service does not know the city, and when its answer holds no `"sky"`; asks for just '
    "this city, letter by letter, also for `Lisbon/Belém`, and for ` Lisbon` with a space before it"
)
async def asks_for_this_city(trial: Trial) -> None:
    services, unknown, skyless = running_services(), f"Atlantis-{uuid4().hex}", f"Vineta-{uuid4().hex}"
    with (
        services.replaced(f"/weather/{unknown}", by="/failing?status=404"),
        services.saying(f"/weather/{skyless}", {"city": skyless}),
    ):
        for city in (unknown, skyless):
            reply = await trial.post("/weather-alerts/", json={"city": city})
            why = "to an error that it does not know, Django answers 500"
            words = about(
                reply, (ServiceError, KeyError), why, f"catch `{type(reply.error).__name__}` as well"
            )
            reply.expect(404, **words)
    for begins, between in (
        ("Lisbon", "/"),
        ("Lisbon", "?"),
        ("lisbon", " 100%+ö #"),
        ("Lisbon", " and " * 50),
        (" Lisbon", '\\ "'),
    ):
        city = f"{begins}{between}{(unique := uuid4().hex)}"
        services.forget()
        reply = await trial.post("/weather-alerts/", json={"city": city})
        words = about_the_address(between, unique)
        reply.expect(201, **words)
        asked = [question.path for question in questions()]  # the sky alone is that of every fifth city
        expected, got = f"a question for /weather/{city}", f"a question for {', '.join(asked)}"
        reply.expect_that(f"/weather/{city}" in asked, expected, got=got, **words)
        reply.expect(201, json={"city": city, "sky": weather(city)["sky"]})


def about_the_address(between: str, unique: str) -> dict[str, str]:
    """The words about a letter that ended the city too early, where the question shows it."""
    asked = questions()
    unknown = between == "/" and any(question.status == 404 for question in asked)
    cut = between != "/" and any(unique not in question.path for question in asked)
    if unknown or cut:
        return {
            "because": "a letter that has a meaning in an address changed what the service was asked for",
            "next": '`quote(city, safe="")`',
        }
    return {}


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
    if reply.status == 400 and method not in ("GET", "HEAD"):
        return {"because": "the body was good; what is refused is the method, and its status is 405"}
    if reply.status == 400:
        return {
            "because": "the view looked at the body before it looked at the method",
            "next": "look at the method first, or `@require_POST` above the function",
        }
    return {}
