"""One answer on trial: requests to it, calls of it, and what it did meanwhile."""

from __future__ import annotations

import asyncio
import inspect
import json
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import httpx
from asgiref.sync import iscoroutinefunction, sync_to_async
from django.core.signals import request_finished
from django.http import HttpRequest
from django.urls import URLPattern, path

from tutorial_project.checks.proofs.event_loop import blocking_calls_refused
from tutorial_project.classroom.serving.handlers import REQUEST_NUMBER, RecordedASGIHandler
from tutorial_project.classroom.watching.recording import Recording, Span, most_at_once, record
from tutorial_project.services import running_services
from tutorial_project.words import counted

from .beside import holdable, holdable_view
from .outcome import NotStarted, Outcome, Reply, quoted
from .signatures import wrong_signature
from .task import Task
from .watchdog import Interrupted, StoppedByHand


class TrialHandler(RecordedASGIHandler):
    """Django's ASGI handler over the given URL patterns, whatever the notebook's own are."""

    def __init__(self, urlpatterns: Sequence[URLPattern]) -> None:
        super().__init__()
        self.urlpatterns = tuple(urlpatterns)
        self.under_way: set[asyncio.Task[Any]] = set()
        self.bodies: list[Any] = []

    def make_view_atomic(self, view: Callable[..., Any]) -> Callable[..., Any]:
        view = super().make_view_atomic(view)
        return holdable_view(view) if iscoroutinefunction(view) else view

    async def get_response_async(self, request: HttpRequest) -> Any:
        self.under_way.add(current_task())
        request.urlconf = self.urlpatterns
        request._dont_enforce_csrf_checks = True  # as the test client does
        try:
            return await super().get_response_async(request)
        except BaseException:
            # Django closes the body, uploads and the database connections with the response, and there is none.
            request.close()
            await request_finished.asend(sender=type(self))
            raise
        finally:
            self.under_way.discard(current_task())

    async def send_response(self, response: Any, send: Any) -> None:
        try:
            await super().send_response(response, send)
        except Exception as error:
            # Django leaves a stream that fails half-way open. A database cursor in it has to go first: it
            # cannot be closed any more after its connection, which ends with the response.
            traceback.clear_frames(error.__traceback__)
            for _ in range(10):
                await asyncio.sleep(0)  # the loop closes abandoned generators in its next turns
            await sync_to_async(response.close)()
            raise unmasked(error)  # noqa: B904 - the error itself, or the one that it came from

    async def read_body(self, receive: Any) -> Any:
        self.bodies.append(body := await super().read_body(receive))
        return body

    async def listen_for_disconnect(self, receive: Any) -> None:
        self.under_way.add(current_task())
        try:
            await super().listen_for_disconnect(receive)
        finally:
            self.under_way.discard(current_task())

    async def cancel_requests(self) -> None:
        """Cancel the views that are still running, and what waits for their clients to leave.

        Django 5.2 leaves both alone when a server cancels.
        """
        for task in self.under_way:
            task.cancel()
        if self.under_way:
            await asyncio.wait(self.under_way, timeout=0.5)
        for body in self.bodies:
            body.close()


def waits_after_steps(recording: Recording) -> list[bool]:
    """Whether a view is still under way in the event loop's next turn after each of its steps, as they are reported."""
    loop, waits = asyncio.get_running_loop(), list[bool]()

    def look() -> None:
        waits.append(not any(span.kind == "view" for span in recording.spans))

    def hear(span: Span) -> None:
        if span.kind == "runs":
            loop.call_soon_threadsafe(look)

    recording.heard = hear
    return waits


def unmasked(error: Exception) -> Exception:
    """The error of a stream's own code, where Django hides it behind one of its own.

    Django takes a TypeError in an async generator for the sign of a sync iterator, and tries it as one.
    """
    masks = isinstance(error, TypeError) and str(error) == "'async_generator' object is not iterable"
    return error.__context__ if masks and isinstance(error.__context__, TypeError) else error


@dataclass
class Together:
    """Requests that were sent at the same moment: their replies, and what their views did."""

    sent: str
    replies: list[Reply]
    recording: Recording

    @property
    def inside(self) -> int:
        """How many of them were inside the view at the same moment, at most."""
        return most_at_once(span for span in self.recording.spans if span.kind == "view")

    @property
    def threads(self) -> int:
        """How many threads the views ran on."""
        return len({span.thread for span in self.recording.spans if span.kind == "view"})

    def expect_all_inside(self, **words: str | None) -> None:
        """Refuse unless all of them were inside the view at the same moment."""
        for reply in self.replies:
            reply.expect_that(True, "an answer")
        number = len(self.replies)
        Outcome(self.sent, f"at most {self.inside} of them at the same time").expect_that(
            self.inside == number, f"all {number} inside the view at the same time", **words
        )


class Trial:
    """An answer under test: mounted at the routes of its task, with fresh sample data.

    Args:
        answer: what the learner wrote: a view, a class-based view, or any function.
        task: the task that the answer belongs to.
    """

    def __init__(self, answer: Any, task: Task) -> None:
        self.answer, self.task = answer, task
        self.cookies = httpx.Cookies()
        self._asked: list[str] = []

    @property
    def sent(self) -> str:
        """The request or call that has no answer yet; of several the first."""
        return self._asked[0] if self._asked else f"the call of {self.task.name}"

    @contextmanager
    def _asking(self, sent: str) -> Iterator[None]:
        self._asked.append(sent)
        try:
            yield
        except Interrupted:
            raise  # it has no answer
        except BaseException:
            self._asked.remove(sent)
            raise
        self._asked.remove(sent)

    @cached_property
    def application(self) -> Any:
        """The ASGI application that the requests of this trial go to: one for all of them."""
        if self.task.application is not None:
            return self.task.application(self.answer)
        view = self.answer.as_view() if hasattr(self.answer, "as_view") else self.answer
        return TrialHandler([path(route, view, name=self.task.name) for route in self.task.routes])

    async def get(self, path: str, **request: Any) -> Reply:
        """Send a GET request; see `request`."""
        return await self.request("GET", path, **request)

    async def post(self, path: str, **request: Any) -> Reply:
        """Send a POST request; see `request`."""
        return await self.request("POST", path, **request)

    async def request(self, method: str, path: str, **request: Any) -> Reply:
        """Send one request through Django's ASGI handler, and keep the cookies it sets.

        Args:
            method: the HTTP method.
            path: with the query string.
            request: options of `httpx.AsyncClient.request`, such as `json`, `data`, `headers`.

        Returns:
            The reply; an error that the view raised is kept in it.

        Raises:
            NotStarted: when the answer is still the stub.
        """
        sent = described_request(method, path, request)
        asking = asyncio.current_task()
        with self._asking(sent):
            try:
                return Reply(sent, await self._response(method, path, request))
            except NotImplementedError as error:
                raise NotStarted(sent) from error
            except BaseException as error:
                if the_answer_raised(error, asking):
                    return Reply(sent, error=error, cause=self._cause(method, error))
                if isinstance(application := vars(self).get("application"), TrialHandler):
                    await application.cancel_requests()
                raise

    async def _response(self, method: str, path: str, request: dict[str, Any]) -> httpx.Response:
        transport = httpx.ASGITransport(self.application)
        async with httpx.AsyncClient(
            transport=transport,
            base_url="http://testserver",
            cookies=self.cookies,
            timeout=None,
            trust_env=False,
        ) as client:
            response = await client.request(method, path, **request)
            self.cookies.update(client.cookies)
        return response

    def _cause(self, method: str, error: BaseException) -> tuple[str | None, str | None]:
        patterns = (
            self.application.urlpatterns
            if self.task.application is None and len(self.task.routes) == 1
            else ()
        )
        causes = (wrong_signature(self.answer, pattern, method, error) for pattern in patterns)
        return next(causes, (None, None))

    async def call(self, *args: Any, **kwargs: Any) -> Outcome:
        """Call the answer as a cell would, and await what it gives back when that is awaitable.

        Raises:
            NotStarted: when the answer is still the stub.
        """
        sent, asking = described_call(self.task.name, args, kwargs), asyncio.current_task()
        with self._asking(sent):
            try:
                value = self.answer(*args, **kwargs)
                return Outcome(sent, await holdable(value) if inspect.isawaitable(value) else value)
            except NotImplementedError as error:
                raise NotStarted(sent) from error
            except BaseException as error:
                if the_answer_raised(error, asking):
                    return Outcome(sent, error=error)
                raise

    async def log_in(self, username: str) -> None:
        """Let the following requests carry the session of this sample user."""
        from django.contrib.auth import get_user_model
        from django.test import AsyncClient

        client = AsyncClient()
        await client.aforce_login(await get_user_model().objects.aget(username=username))
        for name, morsel in client.cookies.items():
            self.set_cookie(name, morsel.value)

    def set_cookie(self, name: str, value: str) -> None:
        """Let the following requests carry this cookie, until a response changes it."""
        # Trap: under another domain it would stay beside the one that a response sets, and be sent as well.
        self.cookies.set(name, value, domain="testserver.local")

    async def together(self, *paths: str, method: str = "GET", **request: Any) -> Together:
        """Send several requests at the same moment."""
        with record() as recording:
            replies = await asyncio.gather(*(self.request(method, path, **request) for path in paths))
        first = described_request(method, paths[0], request)
        return Together(
            f"{counted(len(paths), 'request')} together, such as {first}", list(replies), recording
        )

    async def leaves_the_loop_free(self, path: str, *, method: str = "GET", **request: Any) -> Reply:
        """Send one request, and refuse unless the event loop can do other work while it waits.

        Blocking calls raise where the answer makes them, and other work must get its turn between
        the start of the view and its end.
        """
        headers = {**request.pop("headers", {}), REQUEST_NUMBER: "1"}
        with record() as recording, blocking_calls_refused(self.answer):
            waits = waits_after_steps(recording)
            reply = await self.request(method, path, headers=headers, **request)
        free = "other work gets its turn while the view waits"
        reply.expect_that(True, free)
        reply.expect_that(
            all(waits[:1]),
            free,
            got="the view ran from its start to its end without giving way",
            because="nothing in the view is awaited that really waits",
        )
        return reply

    async def answers_only_to_post(self, path: str, **request: Any) -> None:
        """Send what a POST would by each other method, and refuse unless all are answered with 405.

        OPTIONS is left out: a class-based view answers it by itself.

        Args:
            path: where the requests go.
            request: options of `request`, such as `json`.
        """
        for method in ("GET", "HEAD", "PUT", "PATCH", "DELETE"):
            reply = await self.request(method, path, **request)
            reply.expect_that(reply.status == 405, "405: only a POST changes something")

    async def never_holds_the_loop(self, path: str, **request: Any) -> Reply:
        """Send one request, and refuse an async view that holds the event loop; a sync view cannot.

        Args:
            path: where the request goes.
            request: options of `leaves_the_loop_free`.
        """
        running_services()  # started here, and not at the first question of the answer: to start them blocks
        view = self.answer.as_view() if hasattr(self.answer, "as_view") else self.answer
        if iscoroutinefunction(view):
            return await self.leaves_the_loop_free(path, **request)
        return await self.request(request.pop("method", "GET"), path, **request)

    async def runs_on_the_loop(
        self,
        path: str,
        *,
        method: str = "GET",
        next: str = "declare the view with `async def`",
        **request: Any,
    ) -> None:
        """Refuse a view that Django runs in a thread; what it answers does not matter here.

        Args:
            path: where the request goes.
            method: the HTTP method.
            next: the step that makes this kind of view async.
            request: options of `request`.
        """
        with record() as recording:
            reply = await self.request(method, path, **request)
        ran = {span.name for span in recording.spans if span.kind == "view"}
        Outcome(reply.sent).expect_that(
            ran == {"async"},
            "Django awaits the view on the event loop",
            got="Django ran the view in a thread, as it does with sync views",
            because="the function that Django calls is a plain `def`",
            next=next,
        )


def current_task() -> asyncio.Task[Any]:
    """The task that runs this."""
    return cast("asyncio.Task[Any]", asyncio.current_task())


def the_answer_raised(error: BaseException, asking: asyncio.Task[Any] | None) -> bool:
    """Whether an error comes from the answer, and not from whoever ends it, or the check.

    Args:
        error: what a call of the answer raised.
        asking: the task that called it.
    """
    if isinstance(error, Interrupted | StoppedByHand):
        return False
    if isinstance(error, asyncio.CancelledError):
        return asking is None or not asking.cancelling()
    # Trap: a coroutine that the garbage collector closes gets a GeneratorExit, too, and runs in no task.
    return not isinstance(error, GeneratorExit) or _current_task() is asking


def _current_task() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:  # no loop runs
        return None


def described_request(method: str, path: str, request: dict[str, Any]) -> str:
    """A request as the verdict shows it."""
    body = f"  {json.dumps(request['json'], ensure_ascii=False)}" if "json" in request else ""
    if content := request.get("content") or request.get("data"):
        body = f"  {quoted(content)}"
    headers = "".join(f"  {k}: {v}" for k, v in request.get("headers", {}).items() if k != REQUEST_NUMBER)
    return f"{method} {path}{body}{headers}"


def described_call(name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> str:
    """A call as the verdict shows it."""
    shown = [repr(arg) for arg in args] + [f"{key}={value!r}" for key, value in kwargs.items()]
    return f"{name}({', '.join(shown)})"
