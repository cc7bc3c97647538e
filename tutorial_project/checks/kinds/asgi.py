"""Answers that are ASGI applications, called as a server calls them: with a scope and two functions."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from tutorial_project.checks.beside import holdable
from tutorial_project.checks.outcome import NotStarted, Outcome, Refusal, described, quoted
from tutorial_project.checks.trial import Trial

from .messages import Message, fault

REQUEST: Message = {"type": "http.request", "body": b"", "more_body": False}


def http_scope(path: str, **more: Any) -> dict[str, Any]:
    """The scope of a GET request to this path."""
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "scheme": "http",
        "query_string": b"",
        "headers": [(b"host", b"testserver")],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8000),
        **more,
    }


def application_from(trial: Trial, *arguments: Any) -> Callable[..., Any]:
    """The ASGI application that an answer makes when it is called with these arguments.

    Raises:
        NotStarted: when the answer is still the stub.
        Refusal: when it fails, or gives back something that cannot be called.
    """
    sent = f"{trial.task.name}(…)"
    try:
        made = trial.answer(*arguments)
    except NotImplementedError as error:
        raise NotStarted from error
    except Exception as error:
        raise Refusal(sent=sent, expected="an ASGI application", got=described(error)) from error
    if callable(made):
        return made
    because = None
    if inspect.iscoroutine(made):
        made.close()
        because = f"`{trial.task.name}` is called, and not awaited: it makes the application"
    got = "a coroutine" if because else quoted(made)
    raise Refusal(sent=sent, expected="an ASGI application: a coroutine function", got=got, because=because)


@dataclass
class Exchange(Outcome):
    """One connection from the call of the application to its end; `messages` are what it sent."""

    messages: list[Message] = field(default_factory=list)

    @property
    def start(self) -> Message:
        """The message that started the answer; refuses an answer that no server could pass on."""
        self.expect_that(True, "an answer")
        if wrong := fault(self.messages, self.value):
            got, because, step = wrong
            self.refuse(expected="an answer that a server can pass on", got=got, because=because, next=step)
        return self.messages[0]

    @property
    def headers(self) -> list[tuple[str, str]]:
        """The headers of the answer, names in lower case."""
        pairs = self.start.get("headers", ())
        return [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in pairs]

    @property
    def body(self) -> bytes:
        """The whole body of the answer."""
        return b"".join(message.get("body", b"") for message in self.messages if self.start)

    def expect_answer(
        self, status: int, body: bytes, headers: Iterable[tuple[str, str]] = (), **words: str | None
    ) -> None:
        """Refuse unless the answer has this status and body, and these headers among others."""
        right = (self.start["status"], self.body) == (status, body) and set(headers) <= set(self.headers)
        expected = " ".join([str(status), *(f"{n}: {v}" for n, v in headers), _text(body)])
        self.expect_that(right, expected, got=self._answer(dict(headers)), **words)

    def _answer(self, asked: Iterable[str]) -> str:
        shown = [f"{name}: {value}" for name, value in self.headers if name in asked]
        return " ".join([str(self.start["status"]), *shown, _text(self.body)])


async def exchange(
    application: Callable[..., Any],
    scope: dict[str, Any],
    *incoming: Message,
    on_message: Callable[[Message], Any] = lambda message: None,
) -> Exchange:
    """Call the application for one connection, and return what it did.

    Args:
        application: what a server would call.
        scope: of the connection, such as `http_scope("/departures/")`.
        incoming: messages from the client; by default those of a request without a body.
        on_message: called with every message at the moment the application sends it.

    Raises:
        NotStarted: when the answer is still the stub.
        Refusal: when the application is no coroutine function.
    """
    found = Exchange(f"{scope.get('method', scope['type'])} {scope.get('path', '')}".strip())
    inbox: asyncio.Queue[Message] = asyncio.Queue()
    for message in incoming or (REQUEST,):
        inbox.put_nowait(message)

    async def send(message: Message) -> None:
        found.messages.append(dict(message) if isinstance(message, dict) else message)
        on_message(message)
        await _the_client_takes_it()

    try:
        found.value = await holdable(awaitable(application(scope, inbox.get, send), found.sent))
    except NotImplementedError as error:
        raise NotStarted from error
    except Refusal:
        raise
    except Exception as error:
        found.error = error
    return found


async def _the_client_takes_it() -> None:
    """Wait as a server does for a client, so that others have their turn."""
    # Trap: `asyncio.sleep(0)` gives way and waits for nothing: nobody could be held there.
    taken = asyncio.Event()
    asyncio.get_running_loop().call_soon(taken.set)
    await taken.wait()


def awaitable(result: Any, sent: str) -> Any:
    """What the call of an application gave back, for a server to await; refuses anything else."""
    if inspect.isawaitable(result):
        return result
    raise Refusal(
        sent=sent,
        expected="a call that the server can await",
        got=f"{quoted(result)} at once",
        because="an ASGI application is a coroutine function, and this one is a plain function",
        next="`async def`",
    )


def _text(body: bytes) -> str:
    return quoted(repr(body.decode("utf-8", "backslashreplace")))
