"""Answers that are ASGI applications: what the checks make of their messages."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tutorial_project.checks import NotStarted, Refusal, Task, Trial
from tutorial_project.checks.kinds.asgi import Exchange, application_from, exchange, http_scope
from tutorial_project.checks.kinds.lifespan import Lifespan

START = {"type": "http.response.start", "status": 200, "headers": [(b"X-Agency", b"sun")]}
BODY = {"type": "http.response.body", "body": b"sunny"}


def sends(*messages: Any) -> Any:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)

    return application


def answer_of(application: Any) -> Exchange:
    return asyncio.run(exchange(application, http_scope("/weather/")))


def refusal_of(application: Any) -> str:
    with pytest.raises(Refusal) as refused:
        answer_of(application).expect_answer(200, b"sunny")
    return f"{refused.value.got} | {refused.value.because}"


def test_a_right_answer_passes_whole_or_in_pieces() -> None:
    answer_of(sends(START, BODY)).expect_answer(200, b"sunny", [("x-agency", "sun")])
    pieces = [{**BODY, "body": b"sun", "more_body": True}, {**BODY, "body": b"ny"}]
    answer_of(sends(START, *pieces)).expect_answer(200, b"sunny")


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        ([], "nothing was sent"),
        ([None], 'every message is a dictionary with a "type"'),
        ([BODY], "an answer starts once"),
        ([START, START, BODY], "an answer starts once"),
        ([{**START, "status": "200"}, BODY], "a status is a number"),
        ([{**START, "headers": [("x-agency", "sun")]}, BODY], "ASGI headers are bytes"),
        ([{**START, "headers": {"x-agency": "sun"}}, BODY], "ASGI headers are bytes"),
        ([START, {**BODY, "body": "sunny"}], "the body 'sunny' | a body is bytes"),
        ([START], "has no `more_body`"),
        ([START, {**BODY, "more_body": True}], "has no `more_body`"),
        ([START, BODY, BODY], "has no `more_body`"),
        ([{**START, "status": 404}, BODY], "404 'sunny'"),
    ],
)
def test_what_no_server_could_pass_on_is_named(messages: list[Any], words: str) -> None:
    assert words in refusal_of(sends(*messages))


def test_a_plain_function_is_named() -> None:
    assert "a plain function" in refusal_of(lambda scope, receive, send: None)


def test_a_stub_is_not_started() -> None:
    async def stub(scope: Any, receive: Any, send: Any) -> None:
        raise NotImplementedError

    async def lifespan() -> None:
        async with Lifespan(stub) as server:
            await server.start()

    with pytest.raises(NotStarted):
        answer_of(stub)
    with pytest.raises(NotStarted):
        asyncio.run(lifespan())


@pytest.mark.parametrize(
    ("made", "words"), [(None, "None"), ("coroutine", "a coroutine"), (ZeroDivisionError, "ZeroDivision")]
)
def test_an_answer_that_makes_no_application_is_refused(made: Any, words: str) -> None:
    def maker(application: Any) -> Any:
        if made is ZeroDivisionError:
            raise made
        return asyncio.sleep(0) if made == "coroutine" else made

    with pytest.raises(Refusal) as refused:
        application_from(Trial(maker, Task("maker", (), "")), None)
    assert words in refused.value.got


async def told(application: Any, *moments: str) -> list[Any]:
    async with Lifespan(application) as server:
        outcomes = [await getattr(server, moment)() for moment in moments]
    return [outcome.error or outcome.value for outcome in outcomes]


def test_the_servers_life_is_answered_step_by_step() -> None:
    async def lives(scope: Any, receive: Any, send: Any) -> None:
        for _ in range(2):
            await send({"type": f"{(await receive())['type']}.complete"})

    answers = asyncio.run(told(lives, "start", "stop"))
    assert answers == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


def test_no_answer_is_said_and_never_waited_for() -> None:
    async def listens_only(scope: Any, receive: Any, send: Any) -> None:
        while True:
            await receive()

    async def fails(scope: Any, receive: Any, send: Any) -> None:
        raise ValueError("not lifespan")

    async def is_cancelled(scope: Any, receive: Any, send: Any) -> None:
        raise asyncio.CancelledError

    waits = "no answer: the application waits for the next message"
    cancelled = "no answer: a CancelledError has ended the application"
    assert asyncio.run(told(is_cancelled, "start")) == [cancelled]
    assert asyncio.run(told(listens_only, "start", "stop")) == [waits, waits]
    assert asyncio.run(told(sends(), "start")) == ["no answer: the application had returned"]
    assert repr(asyncio.run(told(fails, "start"))) == "[ValueError('not lifespan')]"
