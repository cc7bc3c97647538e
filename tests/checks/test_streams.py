"""The stream that a check reads while the view still makes it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from django.http import HttpRequest, StreamingHttpResponse
from django.test import override_settings

from tutorial_project.checks import NotStarted, Refusal, Task, Trial
from tutorial_project.checks.kinds.streams import OpenStream

said: list[str] = []


async def feed(request: HttpRequest) -> StreamingHttpResponse:
    async def lines() -> Any:
        try:
            for line in ("one\n", "two\n", "three\n"):
                said.append(line)
                yield line
                await asyncio.sleep(0)
            await asyncio.Event().wait()
        finally:
            said.append("left")

    said.clear()
    return StreamingHttpResponse(lines(), headers={"X-Agency": "sun"})


def play(use: Callable[[OpenStream], Awaitable[None]], view: Any = feed, **options: Any) -> None:
    async def main() -> None:
        trial = Trial(view, Task("feed", hints=(), praise="", routes=["feed/"]))
        async with OpenStream(trial, "/feed/", **options) as stream:
            await use(stream)

    with override_settings(DEBUG_PROPAGATE_EXCEPTIONS=True):  # as while an answer is judged
        asyncio.run(main())


def found() -> dict[str, str | None]:
    return {"got": "something else"}


def test_what_is_sent_can_be_read_while_the_stream_is_open() -> None:
    async def use(stream: OpenStream) -> None:
        await stream.until(lambda: "three" in stream.text, "three lines", found)
        assert (stream.status, stream.headers["x-agency"], stream.ended) == (200, "sun", False)

    play(use)


def test_a_slow_client_holds_the_view_back() -> None:
    async def use(stream: OpenStream) -> None:
        await stream.until(lambda: stream.held, "one line", found)
        await asyncio.sleep(0)
        assert said == ["one\n"]

    play(use, slow_at=lambda text: "one" in text)


def test_a_client_that_leaves_ends_the_view() -> None:
    async def use(stream: OpenStream) -> None:
        await stream.until(lambda: "three" in stream.text, "three lines", found)
        stream.leave()
        await stream.until(lambda: stream.ended, "the end", found)
        assert said[-1] == "left"

    play(use)


def test_what_does_not_come_is_refused_in_words() -> None:
    async def use(stream: OpenStream) -> None:
        await stream.until(lambda: "four" in stream.text, "four lines", found)

    with pytest.raises(Refusal, match="GET /feed/: expected four lines, got something else"):
        play(use)


def test_a_view_that_fails_is_refused_with_its_error() -> None:
    async def broken(request: HttpRequest) -> StreamingHttpResponse:
        raise LookupError("no feed")

    async def use(stream: OpenStream) -> None:
        await stream.until(lambda: bool(stream.messages), "an answer", found)

    with pytest.raises(Refusal, match="expected an answer, got LookupError: no feed"):
        play(use, broken)


@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")
def test_a_type_error_of_the_view_is_told_although_django_hides_it() -> None:
    async def mistaken(request: HttpRequest) -> StreamingHttpResponse:
        async def lines() -> Any:
            yield "a line" + 1

        return StreamingHttpResponse(lines())

    async def use(stream: OpenStream) -> None:
        await stream.until(lambda: stream.text != "", "a line", found)

    with pytest.raises(Refusal, match="can only concatenate str"):
        play(use, mistaken)


def test_the_stub_is_not_started() -> None:
    async def stub(request: HttpRequest) -> StreamingHttpResponse:
        raise NotImplementedError

    async def use(stream: OpenStream) -> None:
        await stream.until(lambda: bool(stream.messages), "an answer", found)

    with pytest.raises(NotStarted):
        play(use, stub)


def test_an_answer_that_catches_its_cancellation_is_ended_all_the_same() -> None:
    async def stubborn(request: HttpRequest) -> StreamingHttpResponse:
        async def lines() -> Any:
            while True:
                yield "still here\n"
                try:
                    await asyncio.sleep(0.01)
                except asyncio.CancelledError:
                    said.append("caught")

        return StreamingHttpResponse(lines())

    async def use(stream: OpenStream) -> None:
        await stream.until(lambda: stream.text != "", "a line", found)

    play(use, stubborn)
    assert "caught" in said
