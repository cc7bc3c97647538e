from __future__ import annotations

import aiohttp
import httpx

from tutorial_project.checks import (
    Reply,
    Task,
    Trial,
)
from tutorial_project.services import running_services

from ..shared import SAYS_NOTHING, SILENT, keeping_every_client, patient_get, words_about_limits

flights = Task(
    "flights",
    routes=["flights/<str:city>/"],
    hints=(
        "Which of these troubles raises an error by itself in your library, and which only when you ask for the status?",
        "Look at the status first (404, 429, others); catch the library's base class and `ValueError` for 502; and let "
        "the `except` for the time come before the others.",
        "`except TimeoutError:` 504 (with httpx also `httpx.TimeoutException`), then `except (aiohttp.ClientError, "
        'ValueError):` 502; for 429 `JsonResponse({…}, status=503, headers={"Retry-After": …})`',
    ),
    praise="Right: every trouble of the partner has its status. Looking at `response.status` and catching what "
    "`raise_for_status()` raises come to the same.",
)


KYOTO = {
    "city": "Kyoto",
    "flights": [
        {"number": "JL 408", "price": 1035},
        {"number": "NH 204", "price": 890},
        {"number": "OZ 116", "price": 912},
    ],
}


@flights.requirement(
    "answers `GET /flights/Kyoto/` with 200 and what the service says: "
    '`{"city": "Kyoto", "flights": [{"number": "JL 408", "price": 1035}, …]}`'
)
@keeping_every_client
async def lists_the_flights(trial: Trial) -> None:
    (await trial.get("/flights/Kyoto/")).expect(200, json=KYOTO)


@flights.requirement("leaves the event loop free for others while it waits for the service")
@keeping_every_client
async def waits_for_the_partner_without_blocking(trial: Trial) -> None:
    await trial.never_holds_the_loop("/flights/Kyoto/")


@flights.requirement("answers 404 when the service answers 404")
@keeping_every_client
async def passes_404_on(trial: Trial) -> None:
    reply = await _get_while(trial, "/failing?status=404", "404")
    reply.expect(404, **_words_about_status(reply))


@flights.requirement(
    "answers 503 when the service answers 429 (too many requests), with the service's `Retry-After`"
)
@keeping_every_client
async def says_when_to_come_back(trial: Trial) -> None:
    for seconds in ("7", "120"):
        reply = await _get_while(trial, f"/busy?retry_after={seconds}", f"429 and Retry-After: {seconds}")
        expected = f"503  Retry-After: {seconds}"
        reply.expect_that(reply.status == 503, expected, **_words_about_status(reply))
        header = reply.response.headers.get("Retry-After")
        reply.expect_that(
            header == seconds,
            expected,
            got=f"503  Retry-After: {header}" if header else "503 without Retry-After",
            because="the service said in how many seconds it can be asked again, and the visitor does not get to know",
            next='`JsonResponse({…}, status=503, headers={"Retry-After": …})`',
        )


@flights.requirement("answers 502 when the service answers any other error, such as 403, 500 or 503")
@keeping_every_client
async def calls_other_errors_502(trial: Trial) -> None:
    for status in (403, 500, 503):
        reply = await _get_while(trial, f"/failing?status={status}", str(status))
        reply.expect(502, **_words_about_status(reply, status))


@flights.requirement("answers 502 when the service's answer is broken JSON, or breaks off half-way")
@keeping_every_client
async def calls_broken_answers_502(trial: Trial) -> None:
    for trouble, named in (("/broken-json", "broken JSON"), ("/half", "half of its answer")):
        reply = await _get_while(trial, trouble, named)
        reply.expect(502, **_words_about_broken(reply))


@flights.requirement("answers 504 when the service has not answered within `LIMIT` seconds")
@keeping_every_client
async def calls_silence_504(trial: Trial) -> None:
    with running_services().replaced("/flights", by=SILENT):
        reply = await patient_get(
            trial,
            "/flights/Kyoto/",
            SAYS_NOTHING,
            because="nothing limits the call, or not to `LIMIT`: by itself aiohttp waits for five minutes, "
            "and httpx for five seconds",
            next="`async with asyncio.timeout(LIMIT):` around the call",
        )
    reply.expect(504, **words_about_limits(reply))


async def _get_while(trial: Trial, trouble: str, named: str) -> Reply:
    with running_services().replaced("/flights", by=trouble):
        reply = await trial.get("/flights/Kyoto/")
    reply.sent = f"{reply.sent}  while the service answers {named}"
    return reply


def _words_about_status(reply: Reply, status: int | None = None) -> dict[str, str]:
    if isinstance(reply.error, aiohttp.ClientResponseError | httpx.HTTPStatusError):
        return {
            "because": "the error of `raise_for_status` left the view, which is a 500 for the visitor",
            "next": f"catch `{'httpx.HTTPStatusError' if isinstance(reply.error, httpx.HTTPError) else 'aiohttp.ClientResponseError'}`"
            " and look at the status",
        }
    if reply.status == 200:
        return {
            "because": "the status of the service was not looked at: for the client an error is an answer like any other",
            "next": "`response.raise_for_status()`, or look at the status",
        }
    if reply.status == 429:
        return {
            "because": "429 tells the visitor that they ask too often; it was your site that did",
            "next": "answer 503, with the `Retry-After` of the service",
        }
    if status is not None and reply.status == status:
        return {
            "because": f"{status} would tell the visitor something about your site; the trouble is the partner's",
            "next": "answer 502 for every status that has no rule of its own",
        }
    return {}


def _words_about_broken(reply: Reply) -> dict[str, str]:
    if isinstance(reply.error, ValueError):
        return {
            "because": "broken JSON is a `ValueError`, and no error of the HTTP library",
            "next": "`except (aiohttp.ClientError, ValueError)`, or `except (httpx.HTTPError, ValueError)`",
        }
    if isinstance(reply.error, aiohttp.ClientError | httpx.HTTPError):
        return {
            "because": "the connection broke while the answer was read, after its status had come",
            "next": "`except aiohttp.ClientError`, or `except httpx.HTTPError`, around the whole call",
        }
    return {}
