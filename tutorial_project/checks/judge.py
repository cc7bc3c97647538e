"""Judging an answer: every requirement of its task, one after another, each within its time."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from django.test import override_settings

from tutorial_project.classroom.data.connections import connected_to
from tutorial_project.classroom.opening import fresh_sample_database

from .known_errors import explain
from .outcome import NotStarted, Refusal, described
from .task import Requirement, Task
from .trial import Trial
from .verdict import Result, Verdict


async def judge(task: Task, answer: Any, restore: Callable[[], None] | None = None) -> Verdict:
    """Prove every requirement of a task against an answer.

    Args:
        task: what the answer must do.
        answer: what the learner wrote.
        restore: called in a thread before each requirement, so that each starts on fresh data.

    Returns:
        The verdict: not started, not yet or done.
    """
    if problem := unusable(task, answer):
        return Verdict(task, [], problem)
    results: list[Result] = []
    with override_settings(**{"DEBUG_PROPAGATE_EXCEPTIONS": True, **task.settings}):
        for requirement in task.requirements:
            with ExitStack() as stack:
                await asyncio.to_thread(stack.enter_context, _fresh_data(task, restore))
                try:
                    refusal = await _refusal(task, requirement, answer)
                except NotStarted:
                    return Verdict(task, [], started=False)
            results.append(Result(requirement.sentence, requirement.name, refusal))
    return Verdict(task, results)


@contextmanager
def _fresh_data(task: Task, restore: Callable[[], None] | None) -> Iterator[None]:
    if task.database is not None:
        with connected_to({"default": task.database()}):
            fresh_sample_database()
            yield
        return
    if restore is not None:
        restore()
    yield


async def _refusal(task: Task, requirement: Requirement, answer: Any) -> Refusal | None:
    try:
        async with asyncio.timeout(task.limit) as deadline:
            await requirement.proof(Trial(answer, task))
    except Refusal as refusal:
        return refusal
    except NotStarted:
        raise
    except TimeoutError as error:
        if deadline.expired():
            return _hangs(task)
        return _raised(task, error)
    except Exception as error:
        return _raised(task, error)
    return None


def _hangs(task: Task) -> Refusal:
    return Refusal(
        sent=f"the call of {task.name}",
        expected="an answer",
        got=f"none within {task.limit:g} seconds",
        because="it awaits something that never comes",
        next="look for an `await` on an event, a lock or a queue that nobody sets, frees or fills",
    )


def _raised(task: Task, error: Exception) -> Refusal:
    because, step = explain(error)
    return Refusal(
        sent=f"the call of {task.name}", expected="no error", got=described(error), because=because, next=step
    )


def unusable(task: Task, answer: Any) -> Refusal | None:
    """The refusal of something that is no answer at all, or None."""
    if inspect.iscoroutine(answer):
        answer.close()
        got, step = "a coroutine: the answer was called", f"await exercise.check({task.name})"
    elif not callable(answer):
        got, step = (
            f"{type(answer).__name__} {answer!r:.80}",
            f"pass the function itself: exercise.check({task.name})",
        )
    else:
        return None
    return Refusal(
        sent=f"exercise.check({task.name})", expected="a function or a class to call", got=got, next=step
    )
