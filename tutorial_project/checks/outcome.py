"""What an answer did when it was called, and the refusal that quotes it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, NoReturn, cast

import httpx

from tutorial_project.words import counted

from .known_errors import explain

LONGEST = 300
"""Characters of a value that a verdict quotes."""

ANY = object()

heard: ContextVar[Callable[[], None]] = ContextVar("heard", default=lambda: None)
"""Called whenever something came back from the answer on trial: it is not hanging."""


class NotStarted(Exception):
    """The answer is still the stub, or a part of it is."""


class Refusal(Exception):
    """A requirement does not hold.

    Args:
        sent: what was sent or called.
        expected: what should have come back.
        got: what came back.
        because: the cause, only where nothing else gives this evidence.
        next: one step that helps, only where it is certain.
        at: the line of the answer's own code that was reached, as code.
        drawn: what came back beside what should have, as a drawing of several lines.
    """

    def __init__(
        self,
        *,
        sent: str,
        expected: str,
        got: str,
        because: str | None = None,
        next: str | None = None,
        at: str | None = None,
        drawn: str | None = None,
    ) -> None:
        self.sent, self.expected, self.got, self.at, self.drawn = sent, expected, got, at, drawn
        self.because, self.next = because, next
        super().__init__(f"{sent}: expected {expected}, got {got}")


class DidNotFinish(Refusal):
    """An answer hangs; what else it would do is not tried.

    Args:
        sent: what was sent or called.
        seconds: how long nothing came back.
        places: the lines of the answer's own code that were not done, as code.
        doing: "waiting" or "running", where that was measured.
        blocked: whether the event loop stood still meanwhile.
        expected: what should have come back.
    """

    def __init__(
        self,
        *,
        sent: str,
        seconds: float,
        places: Sequence[str] = (),
        doing: str = "",
        blocked: bool = False,
        expected: str = "an answer",
    ) -> None:
        got = f"it did not finish within {counted(math.floor(seconds), 'second')}"
        got += f": it was still {doing}" if doing else ""
        got += ", and the event loop stood still" if blocked else ""
        super().__init__(sent=sent, expected=expected, got=got, at="; ".join(places) or None)


def quoted(value: Any) -> str:
    """A value as a verdict shows it: short, and without memory addresses."""
    text = value if isinstance(value, str) else repr(value)
    text = re.sub(r" at 0x[0-9A-Fa-f]+", "", text)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def described(error: BaseException) -> str:
    """An error in one line: its type and message."""
    if isinstance(error, BaseExceptionGroup):
        return f"{type(error).__name__} of " + ", ".join(described(e) for e in error.exceptions)
    return quoted(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)


@dataclass
class Outcome:
    """What came back from one call: a value or an error.

    An error is kept until something is expected, so that the refusal can say what was expected. `cause`
    is what is certain about this error: `because` and `next`.
    """

    sent: str
    value: Any = None
    error: BaseException | None = None
    cause: tuple[str | None, str | None] = field(default=(None, None), kw_only=True)

    def __post_init__(self) -> None:
        heard.get()()

    def expect(self, value: Any, **words: str | None) -> None:
        """Refuse unless exactly this value came back.

        Args:
            value: what should have come back.
            words: `because` and `next`, for when the check is certain; `expected` to say it in words.
        """
        self.expect_that(self.error is None and self.value == value, quoted(value), **words)

    def expect_that(self, holds: bool, expected: str, **words: str | None) -> None:
        """Refuse unless `holds`; an error that was raised always refuses."""
        if self.error is not None or not holds:
            self.refuse(**{"expected": expected, **words})  # type: ignore[arg-type]

    def expect_error(self, kind: type[BaseException], **words: str | None) -> None:
        """Refuse unless an error of this kind was raised."""
        if not isinstance(self.error, kind):
            self.refuse(**{"expected": f"{kind.__name__} to be raised", **words})  # type: ignore[arg-type]

    def refuse(
        self,
        *,
        expected: str,
        because: str | None = None,
        next: str | None = None,
        got: str | None = None,
        drawn: str | None = None,
    ) -> NoReturn:
        """Raise the refusal; an error that is recognised explains itself, and a stub stays one."""
        if isinstance(self.error, NotStarted):
            raise self.error
        if self.error is not None:
            known, got = self.cause if any(self.cause) else explain(self.error), None
            because, next = known if known != (None, None) else (because, next)
        got = self.got if got is None else got
        raise Refusal(
            sent=self.sent, expected=expected, got=got, because=because, next=next, drawn=drawn
        ) from self.error

    @property
    def got(self) -> str:
        """What came back, as the verdict says it."""
        return quoted(self.value) if self.error is None else described(self.error)


class Reply(Outcome):
    """The response to one request, or the error that came instead."""

    value: httpx.Response | None

    @property
    def response(self) -> httpx.Response:
        """The response; refuses when an error came instead."""
        self.expect_that(self.value is not None, "a response")
        return cast(httpx.Response, self.value)

    @property
    def status(self) -> int | None:
        return self.value.status_code if self.value is not None else None

    @property
    def json(self) -> Any:
        """The body as JSON; refuses when it is none."""
        try:
            return self.response.json()
        except ValueError:
            self.refuse(expected="a body of JSON")

    @property
    def text(self) -> str:
        return self.response.text

    def expect(  # type: ignore[override]
        self,
        status: int = 200,
        *,
        json: Any = ANY,
        text: Any = ANY,
        headers: dict[str, str] | None = None,
        **words: Any,
    ) -> None:
        """Refuse unless the response has this status, and this body and these headers where given."""
        headers = headers or {}
        expected = " ".join(
            [
                str(status),
                *([_json(json)] if json is not ANY else []),
                *([quoted(text)] if text is not ANY else []),
                *(f"{name}: {value}" for name, value in headers.items()),
            ]
        )
        holds = (
            self.value is not None
            and self.status == status
            and (json is ANY or self._body_as_json() == json)
            and (text is ANY or self.value.text == text)
            and all(self.value.headers.get(name) == value for name, value in headers.items())
        )
        self.expect_that(holds, expected, **words)

    def _body_as_json(self) -> Any:
        try:
            return self.response.json()
        except ValueError:
            return ANY

    @property
    def got(self) -> str:
        if self.value is None:
            return super().got
        return f"{self.status} {quoted(readable(self.value.text))}".rstrip()


def readable(body: str) -> str:
    """A body in the alphabet that `expected` is written in: JSON without escapes, and all other text as it is."""
    try:
        value = json.loads(body)
    except ValueError:
        return body
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else body


def _json(value: Any) -> str:
    return quoted(json.dumps(value, ensure_ascii=False))
