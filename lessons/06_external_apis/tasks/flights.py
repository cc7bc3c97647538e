from __future__ import annotations

import random
import time
from urllib.parse import quote

from django.utils.http import http_date

from tutorial_project.checks import (
    Reply,
    Task,
    Trial,
)
from tutorial_project.checks.kinds.made_up import made_up_flights, mixed
from tutorial_project.checks.kinds.visits import visits
from tutorial_project.services import running_services

from ..shared import (
    GOOD_LOOKING,
    NO_OBJECTS,
    SOMETHING_MORE,
    counting_anew,
    expect_504,
    expect_504_for_a_trickle,
    expect_asked_for,
    expect_taken,
    expect_two_visitors_together,
    get,
    get_while,
    leaving_clients_open,
    odd_cities,
    words_about_broken,
    words_about_memory,
)

PATIENCE = 1.0
"""Real seconds after which a view is given up that should have answered."""


flights = Task(
    "flights",
    beside="waits_for_the_partner_without_blocking",
    routes=["flights/<str:city>/"],
    hints=(
        "Which of these troubles raises an error by itself in your library, and which only when you ask for the status?",
        "Look at the status first (404, 429, others); catch the library's base class and `ValueError` for 502; and let "
        "the `except` for the time come before the others.",
        "`except TimeoutError:` 504 (with httpx also `httpx.TimeoutException`), then `except (aiohttp.ClientError, "
        'ValueError):` 502; for 429 `later = response.headers.get("Retry-After")` and '
        '`JsonResponse({…}, status=503, headers={"Retry-After": later} if later else {})`',
    ),
    praise="Right: every trouble of the partner has its status. Looking at `response.status` and catching what "
    "`raise_for_status()` raises come to the same.",
)


@flights.requirement(
    "answers `GET /flights/Kyoto/` with 200 and what the service says at that moment, such as "
    '`{"city": "Kyoto", "flights": [{"number": "JL 408", "price": 1035}, …]}`, for a city of any characters'
)
@leaving_clients_open
async def lists_the_flights(trial: Trial) -> None:
    earlier = None
    for city in ("Kyoto", "Lisbon", "Kyoto"):
        said = made_up_flights(city) | SOMETHING_MORE
        with running_services().saying(f"/flights/{city}", said):
            reply = await get(trial, f"/flights/{city}/")
        reply.expect(200, json=said, **words_about_memory(reply, earlier))
        earlier = earlier or said
    (await get(trial, "/flights/Queenstown/")).expect(200, json={"city": "Queenstown", "flights": []})
    for city in ("Lisbon?wait=0", *odd_cities()):
        counting_anew()
        reply = await get(trial, f"/flights/{quote(city, safe='')}/")
        expect_asked_for(reply, "flights", city)
        reply.expect(200)


@flights.requirement(
    "leaves the event loop free for others: the questions of two visitors wait at the service together"
)
@leaving_clients_open
async def waits_for_the_partner_without_blocking(trial: Trial) -> None:
    await trial.never_holds_the_loop("/flights/Kyoto/")
    await expect_two_visitors_together(trial, "flights", made_up_flights)


@flights.requirement("answers 404 when the service answers 404")
@leaving_clients_open
async def passes_404_on(trial: Trial) -> None:
    for by, named in (
        ("/failing?status=404", "404"),
        ("/failing?status=404&as=page", "404 with a page of HTML"),
    ):
        reply = await get_while(trial, "/flights/Kyoto/", by, named)
        reply.expect(404, **_words_about_status(reply))


@flights.requirement(
    "answers 503 at once when the service answers 429 (too many requests), with the service's `Retry-After` if it sent one"
)
@leaving_clients_open
async def says_when_to_come_back(trial: Trial) -> None:
    moment = http_date(time.time() + random.randint(20, 900))
    for seconds in ("7", str(random.randint(20, 900)), moment, "0"):
        by = f"/busy?at={quote(seconds)}" if seconds == moment else f"/busy?retry_after={seconds}"
        reply = await _answer_to_busy(trial, by, f"429 and Retry-After: {seconds}")
        expected = f"503  Retry-After: {seconds}"
        reply.expect_that(reply.status == 503, expected, **_words_about_status(reply))
        header = reply.response.headers.get("Retry-After")
        reply.expect_that(
            header == seconds,
            expected,
            got=f"503  Retry-After: {header}" if header else "503 without Retry-After",
            because="the service said when it can be asked again, and the visitor does not get to know",
            next='`JsonResponse({…}, status=503, headers={"Retry-After": …})`',
        )
    reply = await _answer_to_busy(trial, "/failing?status=429", "429 without Retry-After")
    words = {}
    if isinstance(reply.error, KeyError):
        words = {
            "because": "the service sent no `Retry-After`, and the header was read as if it were always there",
            "next": '`response.headers.get("Retry-After")`, and a header of your own only when there is one',
        }
    reply.expect_that(reply.status == 503, "503", **words)
    header = reply.response.headers.get("Retry-After")
    reply.expect_that(
        header is None,
        "503 without Retry-After",
        got=f"503  Retry-After: {header}",
        because="nobody said that",
    )
    await _expect_503_whatever_the_body(trial)


async def _expect_503_whatever_the_body(trial: Trial) -> None:
    by, named = "/failing?status=429&as=page", "429 with a page of HTML"
    reply = await _answer_to_busy(trial, by, named)
    words = {}
    if reply.status == 502:
        words = {"next": "look at the status before you read the body as JSON"}
    reply.expect_that(reply.status == 503, "503", **words)


@flights.requirement("answers 502 when the service answers any other error, such as 403, 500 or 503")
@leaving_clients_open
async def calls_other_errors_502(trial: Trial) -> None:
    for status in (403, 500, 503, 418, *mixed([400, 401, 405, 408, 410, 422, 451, 501, 504, 511])):
        reply = await get_while(trial, "/flights/Kyoto/", f"/failing?status={status}", str(status))
        reply.expect(502, **_words_about_status(reply, status))
    for city in ("Gate%20404", "Gate%20429"):  # numbers that are no status
        reply = await get_while(trial, f"/flights/{city}/", "/failing?status=500", "500")
        reply.expect(502, **_words_about_status(reply))
    reply = await get_while(trial, "/flights/Kyoto/", "/failing?as=report", GOOD_LOOKING)
    reply.expect(502, **_words_about_status(reply))
    by, named = "/failing?status=503&retry_after=30", "503 and Retry-After: 30"
    reply = await get_while(trial, "/flights/Kyoto/", by, named)
    reply.expect(502)


@flights.requirement("answers 502 when the service's answer breaks off half-way, or is no JSON object")
@leaving_clients_open
async def calls_broken_answers_502(trial: Trial) -> None:
    for by, named in NO_OBJECTS.items():
        reply = await get_while(trial, "/flights/Kyoto/", by, named)
        reply.expect(502, **words_about_broken(reply))


@flights.requirement(
    "takes an answer that comes shortly before `LIMIT` seconds are over, and answers 504 when they are and it is not "
    "complete"
)
@leaving_clients_open
async def calls_silence_504(trial: Trial) -> None:
    await expect_taken(trial, "flights", made_up_flights)
    await expect_504(trial, "flights")
    await expect_504_for_a_trickle(trial, "flights")


async def _answer_to_busy(trial: Trial, by: str, named: str) -> Reply:
    """Send a request while the service says that it is busy; refuse a view that waits for it to be free again."""
    services = counting_anew()
    with services.replaced("/flights", by=by):
        async with visits(trial, "/flights/Kyoto/", may_block=True) as visit:
            replies = await visit.replies(PATIENCE)
            if not replies:
                await visit.clock.advance(PATIENCE)  # what it does with its time
    sent, asked = f"GET /flights/Kyoto/  while the service answers {named}", len(services.requests)
    if not replies:
        Reply(sent).refuse(
            expected="503",
            got=f"no answer, although the service had answered: it was asked {asked} time{'s' * (asked > 1)}",
            because="it asked again, and its visitor waited meanwhile"
            if asked > 1
            else "the service had said when to come back; the view went on waiting, and its visitor with it",
            next="answer 503 at once, with the `Retry-After` of the service",
        )
    replies[0].sent = sent
    return replies[0]


def _words_about_status(reply: Reply, status: int | None = None) -> dict[str, str]:
    if reply.status == 200:
        return {
            "because": "the error of the service went on as if all were well: for the client an error is an answer like any other",
            "next": "`response.raise_for_status()` raises for every error; where you look at the status, take only a good one",
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
    return words_about_broken(reply)
