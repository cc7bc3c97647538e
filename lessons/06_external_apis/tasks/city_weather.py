from __future__ import annotations

from urllib.parse import quote

from tutorial_project.checks import (
    Reply,
    Task,
    Trial,
)
from tutorial_project.checks.kinds.made_up import made_up_weather, mixed
from tutorial_project.services import running_services

from ..shared import (
    GOOD_LOOKING,
    NO_OBJECTS,
    SOMETHING_MORE,
    counting_anew,
    every_client_kept,
    expect_504,
    expect_504_for_a_trickle,
    expect_asked_for,
    expect_closed,
    expect_taken,
    expect_two_visitors_together,
    get,
    get_while,
    keeping_every_client,
    noting_open_clients,
    odd_cities,
    unclosed_words,
    words_about_broken,
    words_about_memory,
)

city_weather = Task(
    "city_weather",
    beside="waits_without_blocking",
    routes=["weather/<str:city>/"],
    hints=(
        "Which limits of your client start anew with each piece of the answer, and which one is for the whole call?",
        "`aiohttp.ClientTimeout(total=…)` or `asyncio.timeout(…)` limit the whole call; `raise_for_status()` and "
        "`json_object` raise what you answer 502 for; `async with` closes the client on every way out.",
        "`try:` `async with httpx.AsyncClient() as client, asyncio.timeout(LIMIT):` `response = await client.get(…)` with "
        '`quote(city, safe="")` in its URL; `return JsonResponse(json_object(response.raise_for_status().json()))`; '
        "`except TimeoutError:` 504, `except (httpx.HTTPError, ValueError):` 502",
    ),
    praise="Right: one limit for the whole call, no trust in the answer, and no connection left behind. "
    "`asyncio.timeout` and the `total` of aiohttp come to the same here.",
)


@city_weather.requirement(
    "answers `GET /weather/Lisbon/` with 200 and what the service says at that moment, such as "
    '`{"city": "Lisbon", "celsius": 24, "sky": "sunny"}`'
)
@keeping_every_client
async def tells_the_weather(trial: Trial) -> None:
    earlier = None
    for city in ("Lisbon", "Reykjavik", "Lisbon"):
        report = made_up_weather(city) | SOMETHING_MORE
        with running_services().saying(f"/weather/{city}", report):
            reply = await get(trial, f"/weather/{city}/")
        reply.expect(200, json=report, **words_about_memory(reply, earlier))
        earlier = earlier or report


@city_weather.requirement(
    "asks for the city whatever its characters: `GET /weather/Lisbon%3Fwait=0/` is about the city `Lisbon?wait=0`"
)
@keeping_every_client
async def asks_for_the_city(trial: Trial) -> None:
    for city in ("Lisbon?wait=0", *odd_cities()):
        counting_anew()
        reply = await get(trial, f"/weather/{quote(city, safe='')}/")
        expect_asked_for(reply, "weather", city)
        reply.expect(200)


@city_weather.requirement(
    "leaves the event loop free for others: the questions of two visitors wait at the service together"
)
@keeping_every_client
async def waits_without_blocking(trial: Trial) -> None:
    await trial.never_holds_the_loop("/weather/Lisbon/")
    await expect_two_visitors_together(trial, "weather", made_up_weather)


@city_weather.requirement(
    "takes an answer that comes shortly before `LIMIT` seconds are over; when they are, it answers 504 and hangs up"
)
@keeping_every_client
async def gives_up_on_silence(trial: Trial) -> None:
    await expect_taken(trial, "weather", made_up_weather)
    await expect_504(trial, "weather", hangs_up=True)


@city_weather.requirement(
    "answers 504 as well when the answer comes in small pieces, and is not complete after `LIMIT` seconds"
)
@keeping_every_client
async def gives_up_on_a_trickle(trial: Trial) -> None:
    await expect_504_for_a_trickle(trial, "weather")


@city_weather.requirement(
    "answers 502 when the service answers with an error, or with something that is no JSON object"
)
@keeping_every_client
async def calls_what_is_no_good_502(trial: Trial) -> None:
    for status in mixed([404, 403, 408, 418, 429, 451, 500, 503, 504]):
        reply = await get_while(trial, "/weather/Lisbon/", f"/failing?status={status}", str(status))
        reply.expect(502, **_words_about_status(reply))
    reply = await get_while(trial, "/weather/Lisbon/", "/failing?as=report", GOOD_LOOKING)
    reply.expect(502, **_words_about_status(reply))
    for by, named in NO_OBJECTS.items():
        reply = await get_while(trial, "/weather/Lisbon/", by, named)
        reply.expect(502, **words_about_broken(reply))


@city_weather.requirement(
    "closes its connection to the service before it answers, also when the answer is no JSON"
)
async def leaves_no_connection(trial: Trial) -> None:
    services, words = counting_anew(), unclosed_words("when the view had answered")
    async with every_client_kept() as kept:
        trial, open_then = noting_open_clients(trial, kept)
        (await get(trial, "/weather/Lisbon/")).expect(200)
        await expect_closed(services, "GET /weather/Lisbon/", words, open_then)
        for by, named in (NO_OBJECTS | {"/failing?status=500": "500"}).items():
            await get_while(trial, "/weather/Lisbon/", by, named)
            sent = f"GET /weather/Lisbon/  answered by the service with {named}"
            await expect_closed(services, sent, words, open_then)


def _words_about_status(reply: Reply) -> dict[str, str]:
    if reply.status == 200:
        return {
            "because": "the error of the service went on as if all were well: for the client an error is an answer like any other",
            "next": "`response.raise_for_status()` raises for every error; where you look at the status, take only a good one",
        }
    return words_about_broken(reply)
