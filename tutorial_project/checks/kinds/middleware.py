"""Answers that are middleware: built into a chain as Django builds it, under ASGI and under WSGI."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import httpx
from django.core.handlers.wsgi import WSGIHandler
from django.db import connections
from django.http import HttpRequest, HttpResponse
from django.test import override_settings
from django.urls import URLPattern
from django.utils.decorators import sync_only_middleware

from tutorial_project.checks.outcome import NotStarted, Refusal, Reply, described
from tutorial_project.checks.proofs.event_loop import run_without_a_loop
from tutorial_project.checks.trial import Trial, TrialHandler, described_request


def asgi_site(
    answer: Any, views: Sequence[URLPattern], outside: Sequence[str] = (), inside: Sequence[str] = ()
) -> TrialHandler:
    """An ASGI application with the answer among its middleware.

    Args:
        answer: a middleware factory.
        views: the URL patterns behind it.
        outside: dotted paths of the middleware that are called before it.
        inside: dotted paths of those that are called after it.

    Raises:
        whatever the answer raises when it is given `get_response`.
    """
    with _installed(answer, outside, inside):
        return TrialHandler(views)


@sync_only_middleware
def sync_only(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Passes every request on: who is called before it gets a sync `get_response`, under ASGI too."""
    return lambda request: get_response(request)


SYNC_ONLY = f"{__name__}.sync_only"
"""The dotted path of `sync_only`."""


def behind_an_async_server(trial: Trial, views: Sequence[URLPattern]) -> Trial:
    """The same answer on an ASGI site whose next middleware is sync only."""
    site = Trial(trial.answer, trial.task)
    site.application = asgi_site(trial.answer, views, inside=[SYNC_ONLY])
    return site


def expect_for_sync(reply: Reply) -> Reply:
    """Refuse an answer that fails before a sync middleware; return the reply."""
    reply.sent += "  with a middleware behind yours that is sync only"
    if reply.error is not None:
        reply.cause = (
            "`get_response` is a plain function there, though the server is async",
            "`iscoroutinefunction(get_response)` tells which form fits",
        )
        reply.refuse(expected="an answer")
    return reply


OUTSIDE = "django.middleware.security"
"""The module of a middleware to put outside of the answer, for `expect_a_response`."""


def expect_a_response(reply: Reply) -> Reply:
    """Refuse an answer that handed a coroutine to the middleware outside of it; return the reply."""
    if reply.error is None:
        return reply
    frames = [frame for frame, _ in traceback.walk_tb(reply.error.__traceback__)]
    if frames and frames[-1].f_globals["__name__"] == OUTSIDE and "coroutine" in str(reply.error):
        raise Refusal(
            sent=reply.sent,
            expected="a response for the middleware outside of yours",
            got=f"a coroutine, so that it failed with {described(reply.error)}",
            because="that one takes yours for sync: an object with an `async def __call__` is no coroutine "
            "function",
            next="`markcoroutinefunction(self)` in `__init__`",
        ) from reply.error
    return reply


class WSGISite:
    """A site with the answer among its middleware, as a WSGI server has it: one chain, and a thread for each request.

    Args:
        trial: of a middleware factory.
        views: the URL patterns behind it.
    """

    def __init__(self, trial: Trial, views: Sequence[URLPattern]) -> None:
        self._trial, self._views = trial, views
        self._making = threading.Lock()
        self._handler: WSGIHandler | None = None

    async def request(self, path: str, method: str = "GET", **request: Any) -> Reply:
        """Send one request in a thread without an event loop.

        Args:
            path: with the query string.
            method: the HTTP method.
            request: options of `httpx.Client.request`, such as `json`, `headers`.

        Returns:
            The reply; an error that was raised is kept in it.

        Raises:
            NotStarted: when the answer is still the stub.
            Refusal: when the answer gives back a coroutine.
        """
        sent = f"{described_request(method, path, request)}  under WSGI"
        try:
            return Reply(sent, await run_without_a_loop(partial(self._send, path, method, request)))
        except NotImplementedError as error:
            raise NotStarted from error
        except Exception as error:
            if isinstance(error, AttributeError) and "'coroutine' object" in str(error):
                raise _a_coroutine(sent, error) from error
            return Reply(sent, error=error)

    def _send(self, path: str, method: str, request: dict[str, Any]) -> httpx.Response:
        transport = httpx.WSGITransport(self._made())
        try:
            with httpx.Client(transport=transport, base_url="http://testserver", trust_env=False) as client:
                return client.request(method, path, **request)
        finally:
            connections.close_all()

    def _made(self) -> WSGIHandler:
        with self._making:
            if self._handler is None:
                with _installed(self._trial.answer):
                    self._handler = _Handler(self._views)
            return self._handler


def _a_coroutine(sent: str, error: AttributeError) -> Refusal:
    return Refusal(
        sent=sent,
        expected="a response",
        got=described(error),
        because="around a sync view, the middleware gives back a coroutine, and nobody awaits it there",
        next="the async form is for an async `get_response` only: branch, and keep a sync one",
    )


class _Handler(WSGIHandler):
    def __init__(self, urlpatterns: Sequence[URLPattern]) -> None:
        super().__init__()
        self.urlpatterns = tuple(urlpatterns)

    def get_response(self, request: HttpRequest) -> HttpResponse:
        request.urlconf = self.urlpatterns
        return super().get_response(request)


@contextmanager
def _installed(answer: Any, outside: Sequence[str] = (), inside: Sequence[str] = ()) -> Iterator[None]:
    # Django imports middleware by its path: while a chain is built, the answer is an attribute of this module.
    globals()["middleware_on_trial"] = answer
    try:
        with override_settings(MIDDLEWARE=[*outside, f"{__name__}.middleware_on_trial", *inside]):
            yield
    finally:
        del globals()["middleware_on_trial"]
