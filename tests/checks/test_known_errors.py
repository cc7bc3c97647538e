"""The causes that verdicts state: each is proven by an error that really happens, and others get none."""

from __future__ import annotations

import asyncio
import gc
import json
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async

from tutorial_project.checks import known_errors
from tutorial_project.checks.known_errors import explain
from tutorial_project.questions.store import all_questions


async def ask() -> dict[str, int]:
    return {"price": 12}


async def tell() -> Any:
    yield 1


class NoQuerySet:
    def __aiter__(self) -> None: ...


@pytest.fixture(autouse=True)
def nobody_awaits() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="coroutine .* was never awaited")
        yield
        gc.collect()


def raised_by(call: Callable[[], Any]) -> BaseException:
    with pytest.raises(BaseException) as error:  # noqa: PT011, PT012
        made = call()
        if asyncio.iscoroutine(made):
            asyncio.run(made)
    return error.value


async def each(of: Any) -> None:
    async for _ in of:
        pass


async def awaited(what: Any) -> None:
    await what


async def in_async(call: Callable[[], Any]) -> None:
    made = call()
    if asyncio.iscoroutine(made) or asyncio.isfuture(made):
        await made


def in_a_thread() -> None:
    with ThreadPoolExecutor() as pool:
        pool.submit({"price": 12}).result()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("call", "because"),
    [
        (lambda: ask()["price"], "a coroutine was used in place of its result"),
        (lambda: ask().price, "a coroutine was used in place of its result"),
        (lambda: len(ask()), "a coroutine was used in place of its result"),
        (lambda: ask() + 1, "a coroutine was used in place of its result"),
        (lambda: ask() > 1, "a coroutine was used in place of its result"),
        (lambda: int(ask()), "a coroutine was used in place of its result"),
        (lambda: "price" in ask(), "a coroutine was used in place of its result"),
        (lambda: json.dumps(ask()), "a coroutine was put into the answer"),
        (lambda: each(ask()), "was not awaited, or that was meant to `yield`"),
        (lambda: each([1]), "an ordinary iterable"),
        (lambda: each(ask), "it was not called"),
        (lambda: [*tell()], "an async generator was used where a plain loop runs"),
        (lambda: "1" < 2, "text was compared with a number"),
        (lambda: awaited(ask), "before a function that was not called"),
        (lambda: awaited(None), "before something that is not awaitable"),
        (lambda: awaited(sync_to_async(len)), "it was not called"),
        (lambda: sync_to_async(ask), "no sync function"),
        (lambda: in_async(lambda: async_to_sync(ask)()), "an event loop is running already"),
        (lambda: in_async(lambda: asyncio.run(ask())), "`asyncio.run` starts an event loop"),
        (lambda: in_async(lambda: asyncio.gather([ask()])), "it takes the awaitables one by one"),
        (lambda: asyncio.create_task(ask()), "none runs in this thread"),
        (in_a_thread, "the thread was given its result"),
    ],
)  # fmt: skip
def test_an_error_that_really_happens_gets_its_cause(call: Callable[[], Any], because: str) -> None:
    found, step = explain(raised_by(call))
    assert because in (found or "")
    assert step


def test_a_lost_stop_iteration_is_called_so() -> None:
    # Python 3.11 hangs where later versions raise: the sentence is the same.
    for kind in (TypeError, RuntimeError):
        because, step = explain(
            kind("StopIteration interacts badly with generators and cannot be raised into a Future")
        )
        assert "raised `StopIteration`" in (because or "")
        assert "next(iterator, None)" in (step or "")


@pytest.mark.parametrize(
    "call",
    [
        lambda: {}["name"],
        lambda: dict()(),
        lambda: {list("a"): 2},
        lambda: each(NoQuerySet()),
        lambda: json.dumps(object()),
        lambda: int("the event loop is closed"),
        lambda: (_ for _ in ()).throw(ValueError("it said: RuntimeError: Event loop is closed")),
    ],
)
def test_what_the_text_does_not_prove_gets_no_cause(call: Callable[[], Any]) -> None:
    assert explain(raised_by(call)) == (None, None)


def test_of_a_group_the_first_that_is_recognised_counts() -> None:
    group = ExceptionGroup("all", [KeyError("a"), RuntimeError("no running event loop")])
    assert "none runs in this thread" in (explain(group)[0] or "")


def test_no_two_proven_questions_claim_the_same_words() -> None:
    claimed: dict[object, str] = {}
    for question in (one for one in all_questions() if one.is_proven):
        for quote in question.quotes:
            key = (quote.kind, quote.message.rstrip("."), quote.raised_in, quote.through)
            assert claimed.setdefault(key, question.title) == question.title


def test_the_frames_of_an_error_are_written_once(monkeypatch: pytest.MonkeyPatch) -> None:
    written = []
    monkeypatch.setattr(known_errors.traceback, "format_tb", lambda frames: written.append(frames) or [])
    known_errors.explain(TypeError("Object of type Task is not JSON serializable"))
    assert len(written) == 1
