"""Django's ASGI handler, which also tells the timeline what its views do."""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator
from time import perf_counter
from typing import Any

import django
from asgiref.sync import iscoroutinefunction
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpRequest
from django.test.client import AsyncClientHandler

from tutorial_project.classroom.watching.recording import Recording, active_recording, request_number

REQUEST_NUMBER = "X-Request-Number"
"""The header by which a request says which lane of the timeline it belongs to."""


class _Steps:
    """Awaits a coroutine as `await` does, and reports each stretch in which it runs."""

    def __init__(self, coroutine: Any, recording: Recording) -> None:
        self.coroutine, self.recording = coroutine, recording

    def __await__(self) -> Generator[Any, Any, Any]:
        step: Callable[[], Any] = functools.partial(self.coroutine.send, None)
        while True:
            started = perf_counter()
            try:
                waits_for = step()
            except StopIteration as stop:
                return stop.value
            finally:
                self.recording.add("runs", "async", started)
            try:
                step = functools.partial(self.coroutine.send, (yield waits_for))
            except GeneratorExit:
                self.coroutine.close()
                raise
            except BaseException as error:  # a cancellation belongs to the view as well
                step = functools.partial(self.coroutine.throw, error)


def recorded(view: Callable[..., Any], recording: Recording) -> Callable[..., Any]:
    """The same view, sync or async as before, reporting to `recording`."""

    async def async_view(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        request_number.set(int(request.headers.get(REQUEST_NUMBER, 0)))
        with recording.measure("view", "async"):
            return await _Steps(view(request, *args, **kwargs), recording)

    def sync_view(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        request_number.set(int(request.headers.get(REQUEST_NUMBER, 0)))
        with recording.measure("runs", "sync"), recording.measure("view", "sync"):
            return view(request, *args, **kwargs)

    return functools.wraps(view)(async_view if iscoroutinefunction(view) else sync_view)


class _Recorded:
    """Mixed into a handler: views report to the timeline while one is recorded."""

    def make_view_atomic(self, view: Callable[..., Any]) -> Callable[..., Any]:
        view = super().make_view_atomic(view)  # type: ignore[misc]
        recording = active_recording()
        return view if recording is None else recorded(view, recording)


class RecordedASGIHandler(_Recorded, ASGIHandler):
    """What `get_asgi_application()` returns, with the timeline."""


class RecordedAsyncClientHandler(_Recorded, AsyncClientHandler):
    """What `AsyncClient` calls, with the timeline."""


def asgi_application() -> RecordedASGIHandler:
    """An ASGI application of the configured Django, as `get_asgi_application` makes it."""
    django.setup(set_prefix=False)
    return RecordedASGIHandler()
