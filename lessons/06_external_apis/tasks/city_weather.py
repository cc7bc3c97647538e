from __future__ import annotations

from tutorial_project.checks import (
    Task,
    Trial,
)
from tutorial_project.services import running_services

from ..shared import (
    LISBON,
    REYKJAVIK,
    SAYS_NOTHING,
    SILENT,
    counting_anew,
    expect_closed,
    keeping_every_client,
    patient_get,
    unclosed_words,
    words_about_limits,
)

TRICKLING = "/trickle?chunks=25&wait=0.1"


city_weather = Task(
    "city_weather",
    beside="waits_without_blocking",
    routes=["weather/<str:city>/"],
    hints=(
        "Which limits of your client start anew with each piece of the answer, and which one is for the whole call?",
        "`aiohttp.ClientTimeout(total=…)` or `asyncio.timeout(…)` limit the whole call; `async with` closes the client "
        "on every way out.",
        "`try:` `async with httpx.AsyncClient() as client, asyncio.timeout(LIMIT):` `response = await client.get(…)`, "
        "then `except TimeoutError:` `return JsonResponse({…}, status=504)`",
    ),
    praise="Right: one limit for the whole call, and no connection left behind. "
    "`asyncio.timeout` and the `total` of aiohttp come to the same here.",
)


@city_weather.requirement(
    'answers `GET /weather/Lisbon/` with 200 and what the service says: `{"city": "Lisbon", "celsius": 24, "sky": "sunny"}`'
)
@keeping_every_client
async def tells_the_weather(trial: Trial) -> None:
    (await trial.get("/weather/Lisbon/")).expect(200, json=LISBON)
    (await trial.get("/weather/Reykjavik/")).expect(200, json=REYKJAVIK)


@city_weather.requirement("leaves the event loop free for others while it waits for the service")
@keeping_every_client
async def waits_without_blocking(trial: Trial) -> None:
    await trial.never_holds_the_loop("/weather/Lisbon/")


@city_weather.requirement("answers 504 when the service says nothing within `LIMIT` seconds, and hangs up")
@keeping_every_client
async def gives_up_on_silence(trial: Trial) -> None:
    with running_services().replaced("/weather", by=SILENT):
        reply = await patient_get(
            trial,
            "/weather/Lisbon/",
            SAYS_NOTHING,
            because="nothing limits the call, or not to `LIMIT`: by itself aiohttp waits for five minutes, "
            "and httpx for five seconds",
            next="`async with asyncio.timeout(LIMIT):` around the call",
        )
        reply.expect(504, **words_about_limits(reply))
        try:
            await running_services().left(timeout=0.5)
        except TimeoutError:
            reply.refuse(
                expected="504, and the call to the service given up",
                got="504, and the service is still working for a client that waits",
                because="the view stopped waiting, but what it waited for goes on: a task that nobody cancels, or a thread, "
                "which nobody can cancel",
                next="await the call of an async client in the view itself, with `asyncio.timeout(LIMIT)` around it",
            )


@city_weather.requirement(
    "answers 504 as well when the answer comes in small pieces, and is not complete after `LIMIT` seconds"
)
@keeping_every_client
async def gives_up_on_a_trickle(trial: Trial) -> None:
    with running_services().replaced("/weather", by=TRICKLING):
        reply = await patient_get(
            trial,
            "/weather/Lisbon/",
            "while the service sends its answer in pieces",
            because="the service sends a piece every 0.1 seconds: a limit on the wait for the next piece starts anew "
            "with each of them",
            next="limit the whole call: `asyncio.timeout(LIMIT)`, or `aiohttp.ClientTimeout(total=LIMIT)`",
        )
    reply.expect(504, **words_about_limits(reply))


@city_weather.requirement(
    "closes its connection to the service before it answers, also when the answer is no JSON"
)
@keeping_every_client
async def leaves_no_connection(trial: Trial) -> None:
    services = counting_anew()
    (await trial.get("/weather/Lisbon/")).expect(200)
    await expect_closed(services, "GET /weather/Lisbon/", unclosed_words("when the view had answered"))
    with services.replaced("/weather", by="/broken-json"):
        await trial.get("/weather/Lisbon/")
    await expect_closed(
        services,
        "GET /weather/Lisbon/  answered by the service with broken JSON",
        unclosed_words("when the view had failed"),
    )
