"""What is demanded of every answer, beside the requirements of its task."""

from __future__ import annotations

import asyncio
from typing import Any

from .beside import Hold
from .holding import Held
from .outcome import Refusal
from .task import Requirement, Task
from .trial import Trial


class NothingToProve(Exception):
    """The answer waits for nothing, so that nobody could be held up."""


PATIENCE = 3.0
"""Seconds that a call may take while another one waits inside."""


def general_requirements(task: Task) -> list[Requirement]:
    """The requirements that come after those of the task, as far as it is not excused from them."""
    if "beside itself" in task.excused:
        return []
    return [Requirement("does the same while another call of it waits inside", does_the_same_beside_itself)]


LEAVES_THE_LOOP_FREE = "leaves the event loop free for others"
"""Said only of an answer that does not: many tasks state it themselves, and show it in their own way."""


def excused_holder(task: Task) -> bool:
    """Whether an answer to this task may hold the event loop."""
    return any(name.startswith("holder") for name in task.excused)


def held_the_loop(held: Held) -> Refusal:
    """The refusal of an answer that held the event loop."""
    return Refusal(
        sent="every request and call of this check",
        expected="no step that keeps the event loop from everybody else",
        got=f"the loop stood still, {held.doing} in {held.place}",
        next="await something async there, or hand that line to a thread",
    )


async def does_the_same_beside_itself(trial: Trial) -> None:
    """Hold one call at its first wait, and prove a requirement of the task anew meanwhile, then let the first go on."""
    requirement = trial.task.requirement_beside
    with Hold() as hold:
        first = asyncio.ensure_future(requirement.proof(Trial(trial.answer, trial.task)))
    inside = asyncio.ensure_future(hold.inside.wait())
    second: asyncio.Future[Any] | None = None
    try:
        await asyncio.wait([first, inside], return_when=asyncio.FIRST_COMPLETED)
        if first.done():
            raise NothingToProve
        second = asyncio.ensure_future(requirement.proof(trial))
        await asyncio.wait([second], timeout=PATIENCE)
        waited = not second.done()
        hold.released.set()
        await asyncio.wait([first, second], timeout=PATIENCE)
        if waited:
            raise _held_up(trial, ended=second.done())
        for call in (second, first):
            _demand(call)
    finally:
        hold.released.set()
        for left in filter(None, (first, inside, second)):
            left.cancel()


def _held_up(trial: Trial, ended: bool) -> Refusal:
    return Refusal(
        sent=f"{trial.sent}  while another one waits inside",
        expected="an answer: the other one holds nobody up",
        got=f"none within {PATIENCE:g} seconds" + (", and one when the other was over" if ended else ""),
    )


def _demand(call: asyncio.Future[Any]) -> None:
    """Pass on what a proof has refused beside another one, which it had accepted alone."""
    if not call.done() or call.cancelled():
        return
    error = call.exception()
    if isinstance(error, Refusal):
        raise Refusal(
            sent=f"{error.sent}  while another one was under way",
            expected=error.expected,
            got=error.got,
            because="alone it gave the right answer: two calls share something that each of them needs for itself",
        ) from error
    if error is not None:
        raise error
