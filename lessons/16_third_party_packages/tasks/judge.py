from __future__ import annotations

import asyncio
import random
import uuid
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpResponse, StreamingHttpResponse
from django.utils.decorators import async_only_middleware, sync_and_async_middleware, sync_only_middleware
from django.utils.deprecation import MiddlewareMixin

from tutorial_project.checks import Outcome, Task, Trial

# Middleware to judge.


class Closed(HttpResponse):
    """The answer of middleware that answers where Django awaits."""


class Plain:
    """No flags: sync, as most are."""

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> Any:
        return self.get_response(request)


class StampsTheAnswer(Plain):
    """No flags, and it needs the answer itself: around an async view, Django would have to adapt it."""

    def __call__(self, request: Any) -> Any:
        response = self.get_response(request)
        response.headers["X-Agency"] = "travel"
        return response


class AsyncOnly(Plain):
    sync_capable, async_capable = False, True

    def __init__(self, get_response: Any) -> None:
        super().__init__(get_response)
        markcoroutinefunction(self)

    async def __call__(self, request: Any) -> Any:
        return await self.get_response(request)


class Waits(AsyncOnly):
    """As one that asks another server before it goes on."""

    async def __call__(self, request: Any) -> Any:
        await asyncio.sleep(0.001)
        return await self.get_response(request)


class IsHeld(AsyncOnly):
    """Goes on when it is let go, or when it has waited for too long."""

    let_go = False

    async def __call__(self, request: Any) -> Any:
        for _ in range(400):
            if type(self).let_go:
                break
            await asyncio.sleep(0.005)
        return await self.get_response(request)


class ReadsTheRequest(AsyncOnly):
    """As one that puts an id into its log lines; notes that there was a request to read."""

    has_read = False

    async def __call__(self, request: Any) -> Any:
        name = request.headers.get("X-Request-ID", request.path)
        type(self).has_read = True
        response = await self.get_response(request)
        response.headers["X-Request-ID"] = name
        return response


class OneFlag(Plain):
    """Says that it is async, and nothing about sync."""

    async_capable = True

    def __init__(self, get_response: Any) -> None:
        super().__init__(get_response)
        markcoroutinefunction(self)

    async def __call__(self, request: Any) -> Any:
        return await self.get_response(request)


class ForBoth(Plain):
    """As django-cors-headers does it: a plain `__call__`, which gives back a coroutine."""

    sync_capable = async_capable = True

    def __init__(self, get_response: Any) -> None:
        super().__init__(get_response)
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: Any) -> Any:
        return self._acall(request) if iscoroutinefunction(self) else self.get_response(request)

    async def _acall(self, request: Any) -> Any:
        return await self.get_response(request)


class GivesATask(AsyncOnly):
    """Its `__call__` gives back a task: awaitable, and no coroutine."""

    def __call__(self, request: Any) -> Any:
        return asyncio.ensure_future(self._acall(request))

    async def _acall(self, request: Any) -> Any:
        return await self.get_response(request)


class NotForSync(OneFlag):
    """Says async, and nothing about sync; raises around a sync view."""

    def __init__(self, get_response: Any) -> None:
        if not iscoroutinefunction(get_response):
            raise RuntimeError("this middleware wants an async get_response")
        super().__init__(get_response)


class AnswersItself(AsyncOnly):
    async def __call__(self, request: Any) -> Any:
        return HttpResponse("back soon", status=503)


class Streams(AsyncOnly):
    async def __call__(self, request: Any) -> Any:
        return StreamingHttpResponse(iter([b"a film"]))


class OfDjangosMixin(MiddlewareMixin):
    def process_response(self, request: Any, response: Any) -> Any:
        return response


class SyncAndBroken(Plain):
    """Raises at every request, in its thread: no promise about async is broken by that."""

    sync_capable, async_capable = True, False

    def __call__(self, request: Any) -> Any:
        raise LookupError("this middleware wants its cache")


class SyncAndNotBuilt(Plain):
    """Raises when it is built, as one does that wants a setting."""

    def __init__(self, get_response: Any) -> None:
        raise LookupError("this middleware wants a setting")


class Neither(Plain):
    sync_capable = async_capable = False


class Maintenance(MiddlewareMixin):
    """Looks async from outside: its own `__call__` hides the one of the mixin, which would await."""

    def __call__(self, request: Any) -> HttpResponse:
        return Closed("back soon", status=503)


class CopiedFlags(Plain):
    async_capable = True

    def __call__(self, request: Any) -> HttpResponse:
        return Closed("closed")


class CannotStart(Plain):
    async_capable = True
    trouble = "this middleware wants a sync get_response"

    def __init__(self, get_response: Any) -> None:
        raise RuntimeError(self.trouble)


class FailsWhenCalled(AsyncOnly):
    """Raises before there is anything to await."""

    trouble = "this middleware wants a request of its own kind"

    def __call__(self, request: Any) -> Any:
        raise LookupError(self.trouble)


class FailsAtARequest(AsyncOnly):
    trouble = "this middleware has lost its cache"

    async def __call__(self, request: Any) -> Any:
        await self.get_response(request)
        raise LookupError(self.trouble)


@sync_only_middleware
def decorated_sync(get_response: Any) -> Any:
    return lambda request: get_response(request)


@async_only_middleware
def decorated_async(get_response: Any) -> Any:
    async def middleware(request: Any) -> Any:
        return await get_response(request)

    return middleware


@sync_and_async_middleware
def decorated_both(get_response: Any) -> Any:
    async def middleware(request: Any) -> Any:
        return await get_response(request)

    return middleware if iscoroutinefunction(get_response) else lambda request: get_response(request)


@sync_and_async_middleware
def decorated_and_sync(get_response: Any) -> Any:
    return lambda request: Closed("closed")


def of_today(kind: type) -> type:
    """A new class that does the same, under the same name: nobody has judged it before."""
    return type(kind)(kind.__name__, (kind,), {"made": uuid.uuid4().hex})


def new(middleware: Any) -> Any:
    """A new class of the kind, or the function itself."""
    return of_today(middleware) if isinstance(middleware, type) else middleware


judge = Task(
    "judge",
    beside="trusts_honest_ones",
    hints=(
        "Which two attributes does Django read, and what does it take for granted where one is missing? And how do you find "
        "out whether a promise is kept?",
        "`getattr` with a default for the two flags. Then be Django: build it around an async view, call it with a request, "
        "await what it gives, and look at what you hold.",
        "`try:` `response = await middleware(page)(request)`, `works = isinstance(response, HttpResponseBase)`, "
        "`except Exception:` `works = False`; only for one that says it is async",
    ),
    praise="Right: the flags say what Django believes, and one request says whether that is true. "
    "`inspect.isawaitable` on what the middleware gives back would tell as well.",
)


async def verdict_of(trial: Trial, middleware: Any) -> Outcome:
    """What the answer says of this middleware; a refusal names it."""
    outcome = await trial.call(middleware)
    outcome.sent = f"await judge({middleware.__name__})"
    if outcome.error is not None and (cause := _of_the_middleware(outcome.error)):
        outcome.cause = cause
    return outcome


def _of_the_middleware(error: BaseException) -> tuple[str, str] | None:
    """Words for an error that the middleware under trial has made, which only a broken one does."""
    step = "`try:` around the trial, and `except Exception:` `works = False`"
    if str(error) in (CannotStart.trouble, FailsWhenCalled.trouble, FailsAtARequest.trouble):
        return "this middleware raises around an async view, and `judge` raises with it", step
    if isinstance(error, TypeError) and f"object {Closed.__name__} can't be used in 'await'" in str(error):
        return "it gives back a response where Django awaits, and `judge` raises the error of the site", step
    return None


async def expect_verdict(trial: Trial, middleware: Any, key: str, value: bool, **words: str) -> None:
    """Refuse unless the answer says so of this middleware.

    Args:
        words: about a dictionary that says otherwise, and about the error that a missing attribute raises.
    """
    outcome = await verdict_of(trial, middleware)
    if isinstance(outcome.error, AttributeError) and outcome.error.name == f"{key}_capable" and words:
        outcome.cause = (words["because"], words["next"])
    told = outcome.value.get(key) if isinstance(outcome.value, dict) else None
    said_otherwise = outcome.error is None and told is (not value)
    outcome.expect_that(
        told is value, f"a dictionary with {key!r}: {value}", **(words if said_otherwise else {})
    )


@judge.requirement(
    'gives a dictionary whose `"sync"` and `"async"` are what the attributes `sync_capable` and `async_capable` of the '
    "middleware say"
)
async def reads_the_flags(trial: Trial) -> None:
    expected = {
        ForBoth: (True, True),
        AsyncOnly: (False, True),
        Neither: (False, False),
        decorated_sync: (True, False),
        decorated_async: (False, True),
        decorated_both: (True, True),
        OfDjangosMixin: (True, True),
    }
    for middleware, flags in expected.items():
        for key, value in zip(("sync", "async"), flags, strict=True):
            await expect_verdict(trial, new(middleware), key, value)
    for flags in random.choices([(True, True), (True, False), (False, True)], k=5):
        middleware = type("MadeUp", (ForBoth,), {"sync_capable": flags[0], "async_capable": flags[1]})
        for key, value in zip(("sync", "async"), flags, strict=True):
            await expect_verdict(trial, middleware, key, value)


@judge.requirement(
    'takes what Django takes where an attribute is missing: `"sync"` is `True`, `"async"` is `False`'
)
async def takes_djangos_defaults(trial: Trial) -> None:
    words = {
        "because": "the class has no such attribute, and Django then takes it for sync only",
        "next": '`getattr(middleware, "sync_capable", True)` and `getattr(middleware, "async_capable", False)`',
    }
    plain = of_today(Plain)
    for key, value in (("sync", True), ("async", False)):
        await expect_verdict(trial, plain, key, value, **words)
    await expect_verdict(trial, of_today(OneFlag), "sync", True, **words)
    await expect_verdict(trial, of_today(OneFlag), "async", True)


@judge.requirement('has `"works": False` for one that is neither, which Django refuses to build')
async def refuses_neither(trial: Trial) -> None:
    await expect_verdict(
        trial,
        of_today(Neither),
        "works",
        False,
        because="with both flags False there is no way to call it, and Django raises RuntimeError",
    )


BREAKS = {
    CopiedFlags: {"because": "it says async, and gives back a response where Django awaits"},
    Maintenance: {
        "because": "the mixin marks it as a coroutine function, so it looks async; its own `__call__` gives back a "
        "response, which cannot be awaited",
        "next": "call it with a request, and await what it gives",
    },
    decorated_and_sync: {
        "because": "its decorator says async, and it gives back a response where Django awaits"
    },
    CannotStart: {"because": "it raises when it is built around an async view"},
    FailsWhenCalled: {"because": "it raises when it is called with a request"},
    FailsAtARequest: {"because": "it raises when what it gives back for a request is awaited"},
}
"""Middleware that break their promise, and why."""


@judge.requirement(
    'has `"works": False` for one that says it is async and breaks around an async view: it raises, or what it gives back '
    "cannot be awaited"
)
async def finds_broken_promises(trial: Trial) -> None:
    for middleware, words in BREAKS.items():
        await expect_verdict(trial, new(middleware), "works", False, **words)
    await judges_two_at_once(trial)


async def judges_two_at_once(trial: Trial) -> None:
    """Refuse when the verdict on one is mixed up with the verdict on another, asked for while the first one waits."""
    alone = of_today(IsHeld)
    alone.let_go = True
    await expect_verdict(trial, alone, "works", True)
    held, broken = of_today(IsHeld), of_today(CopiedFlags)
    first = asyncio.ensure_future(verdict_of(trial, held))
    await asyncio.sleep(0)  # its task begins
    second = asyncio.ensure_future(verdict_of(trial, broken))
    await asyncio.wait([second], timeout=0.5)
    held.let_go = True
    outcome = await first
    expected = {"sync": False, "async": True, "works": True}
    mixed = "the verdict is kept where every call finds it, and another call has written over it"
    outcome.sent += f"  while {broken.__name__} is judged as well"
    outcome.expect(expected, because=mixed if outcome.error is None else None)
    (await second).expect({"sync": True, "async": True, "works": False})


NOTHING: dict[str, str] = {}
NEVER_SAID = {
    "because": "it never said that it is async: Django calls it in a thread, with a sync `get_response`"
}
NO_TRIAL = {"next": "try only one that says it is async"}
WORKS = {
    Waits: NOTHING,  # the first, so that another verdict can be asked for while this one waits
    AnswersItself: {"because": "it answers 503 in place of the view, and that breaks no promise"},
    Streams: {
        "because": "it answers with a `StreamingHttpResponse`: that has no `content`, and is no `HttpResponse`, and both are "
        "`HttpResponseBase`"
    },
    ForBoth: {
        "because": "its `__call__` is a plain function and gives back a coroutine: Django can await that",
        "next": "look at what a call gives back, and not at how `__call__` is declared",
    },
    GivesATask: {
        "because": "what it gives back is a task, and no coroutine: Django can await that as well",
        "next": "await what a call gives back",
    },
    NotForSync: {"because": "around an async view, it does what it says"},
    Plain: NEVER_SAID,
    StampsTheAnswer: NEVER_SAID,
    decorated_sync: NEVER_SAID,
    SyncAndBroken: NEVER_SAID | NO_TRIAL,
    SyncAndNotBuilt: NEVER_SAID | NO_TRIAL,
    **{each: NOTHING for each in (AsyncOnly, OfDjangosMixin, decorated_async, decorated_both)},
}
"""Middleware that work, and what is special about them."""


@judge.requirement(
    'has `"works": True` for every other one: sync ones, which need no trial, as Django puts them into a thread, and async '
    "ones of every form, classes and functions, also one that answers 503 by itself, or with a stream"
)
async def trusts_honest_ones(trial: Trial) -> None:
    for middleware, words in WORKS.items():
        await expect_verdict(trial, new(middleware), "works", True, **words)
    await tries_with_a_request(trial)


async def tries_with_a_request(trial: Trial) -> None:
    outcome = await verdict_of(trial, reading := of_today(ReadsTheRequest))
    works = outcome.error is None and isinstance(outcome.value, dict) and outcome.value.get("works")
    words = {} if reading.has_read or outcome.error is not None else WANTS_A_REQUEST
    outcome.expect_that(works is True, "a dictionary with 'works': True", **words)


WANTS_A_REQUEST = {
    "because": "it reads its request, as most do: a trial needs one",
    "next": "call it with `request`",
}
