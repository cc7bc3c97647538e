"""Questions that are held at the services: what is proven does not hang on how fast a machine is."""

from __future__ import annotations

import asyncio
from typing import Any

from django.http import HttpRequest, JsonResponse

from tutorial_project.checks import Task, Trial, blocking_calls_refused
from tutorial_project.checks.kinds.made_up import made_up_rate
from tutorial_project.checks.kinds.questions import all_saying, held_questions, questions
from tutorial_project.services import ask, ask_blocking

TASK = Task("page", hints=(), praise="", routes=["page/"])


async def together(request: HttpRequest) -> JsonResponse:
    found = await asyncio.gather(ask("rates/USD"), ask("rates/GBP"))
    return JsonResponse({"found": found})


async def in_turn(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"found": [await ask("rates/USD"), await ask("rates/GBP")]})


def held(view: Any) -> tuple[int, Any]:
    said = {f"rates/{currency}": made_up_rate(currency) for currency in ("USD", "GBP")}

    async def hold() -> tuple[int, Any]:
        with all_saying(said):
            async with held_questions(Trial(view, TASK), "/page/", at=["/rates/"]) as visit:
                await visit.until_waiting(2)
                reply = (await visit.replies())[0]
        assert reply.json == {"found": list(said.values())}
        return len(visit.waited), [question.path for question in questions()]

    return asyncio.run(hold())


def test_questions_that_are_asked_together_wait_together() -> None:
    waited, asked = held(together)
    assert waited == 2
    assert sorted(asked) == ["/rates/GBP", "/rates/USD"]


def test_questions_that_are_asked_in_turn_do_not() -> None:
    waited, asked = held(in_turn)
    assert waited == 1
    assert asked == ["/rates/USD", "/rates/GBP"]


def test_a_loop_of_another_thread_may_block() -> None:
    async def blocks() -> dict[str, Any]:
        return ask_blocking("rates/USD", wait=0)

    async def in_a_thread() -> dict[str, Any]:
        with blocking_calls_refused(blocks):
            return await asyncio.to_thread(asyncio.run, blocks())

    assert asyncio.run(in_a_thread())["currency"] == "USD"
