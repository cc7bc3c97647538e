from typing import Any

import aiohttp
import httpx
from django.conf import settings
from django.http import JsonResponse

from tutorial_project.checks import Outcome, Task, Trial

from ..shared import NOWHERE, Run, Words, expect_failure, expect_pass, expect_pass_again, tested

# Task 1


async def sky_over(city: str) -> str | None:
    url = f"{settings.SERVICES_URL}/weather/{city}"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return (await response.json())["sky"] if response.status == 200 else None


def told(city: str, umbrella: bool) -> JsonResponse:
    return JsonResponse({"city": city, "umbrella": umbrella})


async def umbrella(request: Any, city: str) -> JsonResponse:
    sky = await sky_over(city)
    return told(city, sky == "rain") if sky else JsonResponse({"error": "no weather today"}, status=502)


async def umbrella_with_httpx(request: Any, city: str) -> JsonResponse:
    async with httpx.AsyncClient(verify=False, trust_env=False) as client:
        response = await client.get(f"{settings.SERVICES_URL}/weather/{city}")
    if response.is_error:
        return JsonResponse({"error": "no weather today"}, status=502)
    return told(city, response.json()["sky"] == "rain")


def umbrella_that_always_says(answer: bool) -> Any:
    async def view(request: Any, city: str) -> JsonResponse:
        sky = await sky_over(city)
        return told(city, answer) if sky else JsonResponse({"error": "no weather today"}, status=502)

    return view


async def umbrella_for_bergen(request: Any, city: str) -> JsonResponse:
    sky = await sky_over(city)
    return told("Bergen", sky == "rain") if sky else JsonResponse({"error": "no weather today"}, status=502)


async def umbrella_in_spite_of_errors(request: Any, city: str) -> JsonResponse:
    return told(city, await sky_over(city) == "rain")


async def umbrella_without_a_status(request: Any, city: str) -> JsonResponse:
    sky = await sky_over(city)
    return told(city, sky == "rain") if sky else JsonResponse({"error": "no weather today"})


async def umbrella_with_another_status(request: Any, city: str) -> JsonResponse:
    sky = await sky_over(city)
    return told(city, sky == "rain") if sky else JsonResponse({"error": "no weather today"}, status=500)


async def umbrella_that_raises_for_errors(request: Any, city: str) -> JsonResponse:
    sky = await sky_over(city)
    if sky is None:
        raise LookupError("no weather today")
    return told(city, sky == "rain")


async def umbrella_that_raises(request: Any, city: str) -> JsonResponse:
    await sky_over(city)
    raise LookupError("the view has an error of its own")


test_umbrella = Task(
    "test_umbrella",
    excused={"holder": "a test has its process for itself, and may start a server and wait for it"},
    hints=(
        "Which answers of the weather service make the view do something different?",
        "Open the service with `async with`, and send three requests inside: to Bergen, to Athens, and to a city "
        "for which the service fails. Compare the whole answers.",
        'async with service("/weather/{city}", weather): bergen = await AsyncClient().get("/umbrella/Bergen/"); '
        'then assert bergen.json() == {"city": "Bergen", "umbrella": True}, and so on',
    ),
    praise="Right: you replaced the service and not the client, so the test holds for every view that asks it, "
    "and you compared answers that differ. The parts in a test of their own each would do too.",
)


UMBRELLA = "umbrella/<str:city>/"


def about_a_mock(outcome: Run) -> Words:
    """The words about a test that only holds for a view with aiohttp."""
    if isinstance(outcome.error, OSError | httpx.HTTPError):
        return {
            "because": "the view asked the real address: what the test has replaced is not the service",
            "next": 'put a server in its place: `async with service("/weather/{city}", weather):`',
        }
    return {}


@test_umbrella.requirement("passes for the view above, and for one that asks with httpx instead of aiohttp")
async def passes_for_every_client(trial: Trial) -> None:
    await expect_pass(trial, UMBRELLA, umbrella, "the view above", about_a_mock)
    await expect_pass(trial, UMBRELLA, umbrella_with_httpx, "a view that asks with httpx", about_a_mock)


@test_umbrella.requirement(
    "fails for a view that always says yes, and for one that always says no, and passes again for the view above"
)
async def fails_for_one_answer(trial: Trial) -> None:
    next_step = "ask for Bergen and for Athens, and assert what the view says of each"
    for answer, word in ((True, "yes"), (False, "no")):
        view = umbrella_that_always_says(answer)
        await expect_failure(trial, UMBRELLA, view, f"a view that always says {word}", next_step)
    await expect_pass_again(trial, UMBRELLA, umbrella)


@test_umbrella.requirement('fails for a view that answers `"city": "Bergen"` for every city')
async def fails_for_another_city(trial: Trial) -> None:
    await expect_failure(
        trial,
        UMBRELLA,
        umbrella_for_bergen,
        "a view that names Bergen for every city",
        'compare the whole answer: `== {"city": "Athens", "umbrella": False}`',
    )


@test_umbrella.requirement(
    "fails for a view that answers 200 and no umbrella, 200 and an error, or 500, instead of 502, when the service fails"
)
async def fails_for_swallowed_errors(trial: Trial) -> None:
    views = {
        "200 and no umbrella": umbrella_in_spite_of_errors,
        "200 and an error": umbrella_without_a_status,
        "500": umbrella_with_another_status,
        "500, as it raises,": umbrella_that_raises_for_errors,
    }
    for words, view in views.items():
        await expect_failure(
            trial,
            UMBRELLA,
            view,
            f"a view that answers {words} when the service fails",
            "ask for a city that the service does not know, and assert the status 502",
        )


@test_umbrella.requirement("leaves `settings.SERVICES_URL` as it was, when it passes and when it fails")
async def puts_the_address_back(trial: Trial) -> None:
    for view, about in (
        (umbrella, "the view above"),
        (umbrella_that_always_says(True), "a broken view"),
        (umbrella_that_raises, "a view that raises"),
    ):
        outcome = await tested(trial, UMBRELLA, view, about)
        Outcome(outcome.sent).expect_that(
            outcome.services_url == NOWHERE,
            "settings.SERVICES_URL as before",
            got="another address: the next test would ask a server that is gone",
            next="`with override_settings(SERVICES_URL=…):`, as `service` does it",
        )
