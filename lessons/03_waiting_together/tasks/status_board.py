import asyncio
import random
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Any
from unittest.mock import patch

from asgiref.sync import iscoroutinefunction
from django.test import AsyncRequestFactory

from tutorial_project.checks import Outcome, Reply, Task, Trial
from tutorial_project.checks.kinds.made_up import made_up_flights, made_up_rate, made_up_weather
from tutorial_project.checks.kinds.questions import all_saying, expect_free_while_waiting, held_questions
from tutorial_project.services import client, running_services
from tutorial_project.services.places import flights, weather

from ..shared import Said, expect_all_waiting, expect_news

status_board = Task(
    "status_board",
    routes=["status-board/"],
    hints=(
        "Where can you catch the error so that it costs one answer, and not all of them?",
        "Put `try` and `except ServiceError` into a small async function that asks one service, and gather those.",
        "`async def answer_or_none(name):` returns `await ask(name)`, or None when it caught a `ServiceError`; "
        "then `found = await asyncio.gather(*(answer_or_none(name) for name in names))`",
    ),
    praise="Right: one failure costs one answer, and a mistake in the code still shows as an error. "
    "`gather(…, return_exceptions=True)` does it too, as long as you raise what is not a `ServiceError`.",
)


@status_board.requirement(
    "answers `GET /status-board/?service=weather/Lisbon&service=flights/Kyoto` with "
    '`{"answers": {"weather/Lisbon": …, "flights/Kyoto": …}, "failed": []}`, what these services say now; both are empty '
    "when the URL names none"
)
async def answers_by_name(trial: Trial) -> None:
    names = ["weather/Lisbon", "flights/Kyoto"]
    as_ever = {"weather/Lisbon": weather("Lisbon"), "flights/Kyoto": flights("Kyoto")}
    (await trial.get(board(*names))).expect(200, json={"answers": as_ever, "failed": []})
    for others in (["flights/Bergen", "weather/Bergen"], ["rates/USD"]):
        await expect_news(trial, board(*others), lambda names=others: shown(made_up(*names)))  # type: ignore[misc]
    (await trial.get("/status-board/")).expect(200, json={"answers": {}, "failed": []})


@status_board.requirement("leaves the event loop free while it waits, for whichever service")
async def leaves_the_loop_free_for_others(trial: Trial) -> None:
    said = dict(made_up("weather/Lisbon", "rates/USD"))
    await expect_free_while_waiting(trial, board(*said), said)


@status_board.requirement(
    "answers 200 when services fail, too: it keeps the other answers, and lists the failed ones in the order of the URL"
)
async def keeps_the_good_answers(trial: Trial) -> None:
    good = ["rates/NZD", "rates/ISK"]
    bad = shuffled(["broken-json", "busy", "half"])
    names = [bad[0], good[0], bad[1], good[1], bad[2]]
    said, _ = shown(made_up(*good))
    reply = await one_after_another(trial, names, said, [bad[2], good[1], bad[0], good[0], bad[1]])
    reply.expect(200, json={"answers": said, "failed": bad}, **what_one_failure_cost(reply, bad, good))
    one = random.choice(bad)
    for failed in ([one], [f"{one}?again", one]):
        reply = await trial.get(board(*failed))
        reply.expect(200, json={"answers": {}, "failed": failed}, **what_one_failure_cost(reply, failed))


async def one_after_another(trial: Trial, names: list[str], said: Said, order: list[str]) -> Reply:
    """The reply to a request for these names, whose services answer one after another, in this order."""
    with all_saying(said):
        async with held_questions(trial, board(*names), at=[f"/{name}" for name in names]) as held:
            await held.until_waiting(len(names))
            all_wait = len(held.waited) == len(names)  # else none of them can be the first to answer
            for name in order * all_wait:
                held.holds[f"/{name}"].release()
                await held.until_quiet()
            return (await held.replies())[0]


def shuffled(names: list[str]) -> list[str]:
    """The names in an order that is not that of the alphabet, and whose third, first, second is not either."""
    orders = [names, names[1:] + names[:1], names[2:] + names[:2]]
    backwards = [order[::-1] for order in orders]
    return random.choice(
        [o for o in orders + backwards if sorted(names) not in (o, o[::-1], [o[2], o[0], o[1]])]
    )


def what_one_failure_cost(reply: Reply, failed: list[str], good: Sequence[str] = ()) -> dict[str, str]:
    """The cause and the next step, where the reply shows them."""
    around_each = {"next": "put `try` and `except ServiceError` around each question, not around all of them"}
    if "ServiceError is not JSON serializable" in reply.got:
        return {
            "because": "with `return_exceptions=True`, errors stand in the list in the place of answers",
            "next": "sort them out: `isinstance(answer, ServiceError)`",
        }
    if "CancelledError" in reply.got:
        return {"because": "the first error in a `TaskGroup` cancels all of its other tasks"} | around_each
    if "ServiceError" in reply.got:
        return {"because": "the error of one service ends the whole view"} | around_each
    if reply.status != 200 or not isinstance(found := reply.json, dict):
        return {}
    if found.get("answers") == {} and good and set(found.get("failed", [])) == {*failed, *good}:
        return {"because": "the answers that came are lost with those that did not"} | around_each
    return what_the_order_is(found.get("failed"), failed)


def what_the_order_is(listed: Any, failed: list[str]) -> dict[str, str]:
    orders = {
        "the names stand in the order in which they failed": [failed[2:] + failed[:2]],
        "the names are sorted by the alphabet": [sorted(failed)],
    }
    return next(({"because": text} for text, order in orders.items() if [listed] == order), {})


@status_board.requirement(
    "counts only a `ServiceError` as a failure: every other error is raised as ever, and so is a cancellation"
)
async def raises_every_other_error(trial: Trial) -> None:
    for kind in (TimeoutError, RuntimeError, LookupError, KeyError, ValueError, TypeError, OSError):
        await raises_the_mistake(trial, kind("a mistake in the code"), "weather/Lisbon", "rates/USD")
    for names in (["busy", "rates/USD"], ["rates/USD", "busy"]):
        await raises_the_mistake(trial, RuntimeError("a mistake in the code"), *names)
    await ends_when_it_is_cancelled(trial)
    await raises_the_cancellation_of_a_question(trial)
    await waits_for_a_slow_service(trial)
    with all_saying({"rates/USD": {}}):
        reply = await trial.get(board("rates/USD"))
    reply.expect(
        200, json={"answers": {"rates/USD": {}}, "failed": []}, because="an empty answer is an answer"
    )


async def ends_when_it_is_cancelled(trial: Trial) -> None:
    """Cancel the view itself while its question waits: Django does, when the visitor leaves."""
    view = trial.answer.as_view() if hasattr(trial.answer, "as_view") else trial.answer
    if not iscoroutinefunction(view):
        return
    services = running_services()
    services.forget()
    with services.held("/rates/") as hold:
        visit = asyncio.ensure_future(view(AsyncRequestFactory().get(board("rates/USD"))))
        with suppress(TimeoutError):
            await services.arrived(timeout=2.0)
        visit.cancel()
        await asyncio.sleep(0)
        hold.release()
        await asyncio.wait([visit])
    went_on = not visit.cancelled() and visit.exception() is None
    Outcome(f"GET {board('rates/USD')}, cancelled while it waits, as when the visitor leaves").expect_that(
        visit.cancelled(),
        "the cancellation to be raised",
        got="the view went on, and gave a response" if went_on else "another error",
    )


async def raises_the_cancellation_of_a_question(trial: Trial) -> None:
    """Cancel one question, and not the view."""
    view = trial.answer.as_view() if hasattr(trial.answer, "as_view") else trial.answer
    if not iscoroutinefunction(view):
        return
    with mistake_in_the_client("rates/USD", asyncio.CancelledError()):
        visit = asyncio.ensure_future(view(AsyncRequestFactory().get(board("rates/USD"))))
        await asyncio.wait([visit])
    ended = visit.cancelled() or visit.exception() is not None
    Outcome(f"GET {board('rates/USD')}, and its question is cancelled").expect_that(
        ended, "the cancellation to be raised", got="the view went on, and gave a response"
    )


async def waits_for_a_slow_service(trial: Trial) -> None:
    """Let a service take two seconds: what fails is for `ask` to say, after its five."""
    said = made_up("weather/Lisbon", "rates/USD")
    with all_saying(said):
        async with held_questions(trial, board(*said), at=["/rates/"]) as held:
            await held.until_waiting(1)
            await held.visit.clock.advance(2.0)
            reply = (await held.replies("while one of them takes two seconds"))[0]
    reply.expect(200, json={"answers": said, "failed": []})


async def raises_the_mistake(trial: Trial, mistake: Exception, *names: str) -> None:
    with mistake_in_the_client("rates/USD", mistake):
        reply = await trial.get(board(*names))
    Outcome(reply.sent, reply.got).expect_that(
        reply.error is not None,
        f"{type(mistake).__name__}, or a group that holds it, to be raised: with this request, there is a mistake in the "
        "code of `ask`",
        because="the view catches more than `ServiceError`, and so it hides mistakes in the code"
        if reply.status == 200
        else None,
        next="catch `ServiceError` alone; of the results of `return_exceptions=True`, raise those that are other errors"
        if reply.status == 200
        else None,
    )


@contextmanager
def mistake_in_the_client(service: str, mistake: BaseException) -> Iterator[None]:
    """Let `ask` and `ask_blocking` raise this error when they read this service's answer."""
    really = client._content

    def content(asked: str, response: Any) -> Any:
        if asked == service:
            raise mistake
        return really(asked, response)

    with patch.object(client, "_content", content):
        yield


AT = ["/weather/", "/flights/", "/rates/"]
CITIES = "Lisbon", "Kyoto", "Bergen"
MANY_CITIES = *CITIES, "Oslo", "Porto", "Rome", "Lima", "Hanoi", "Cairo", "Quito", "Dakar"


@status_board.requirement(
    "has all questions waiting at the services at the same time, those that will fail among them, and those of two "
    "requests as well"
)
async def asks_all_together(trial: Trial) -> None:
    services, good = running_services(), ["weather/Lisbon", "rates/USD", "weather/Kyoto", "rates/JPY"]
    said, _ = shown(made_up(*good))
    bad = {"flights/Lisbon": "/failing?status=500", "flights/Kyoto": "/failing?status=503"}
    answers = {}
    for city, currency in (("Lisbon", "USD"), ("Kyoto", "JPY")):
        names = [f"weather/{city}", f"flights/{city}", f"rates/{currency}"]
        kept = {name: said[name] for name in names if name in said}
        answers[board(*names)] = {"answers": kept, "failed": [f"flights/{city}"]}
    with ExitStack() as failures:
        for name, by in bad.items():
            failures.enter_context(services.replaced(f"/{name}", by=by))
        asked_on_this_thread = await expect_all_waiting(trial, {**said, **bad}, answers, AT)
    said = made_up(*(f"{service}/{city}" for service in ("weather", "flights") for city in CITIES))
    await expect_all_waiting(trial, said, {board(*said): {"answers": said, "failed": []}}, AT)
    if asked_on_this_thread:  # threads are few on a small machine
        said = made_up(*(f"{service}/{city}" for service in ("weather", "flights") for city in MANY_CITIES))
        await expect_all_waiting(trial, said, {board(*said): {"answers": said, "failed": []}}, AT)


def made_up(*names: str) -> Said:
    kinds = {"weather": made_up_weather, "flights": made_up_flights, "rates": made_up_rate}
    return {name: kinds[name.partition("/")[0]](name.partition("/")[2]) for name in names}


def shown(said: Said) -> tuple[Said, Any]:
    return said, {"answers": said, "failed": []}


def board(*names: str) -> str:
    return "/status-board/?" + "&".join(f"service={name}" for name in names)
