from __future__ import annotations

from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpResponse
from django.utils.decorators import async_only_middleware, sync_and_async_middleware, sync_only_middleware
from django.utils.deprecation import MiddlewareMixin

from tutorial_project.checks import NotStarted, Outcome, Task, Trial

# Middleware to judge.


class Plain:
    """No flags: sync, as most are."""

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> Any:
        return self.get_response(request)


class AsyncOnly(Plain):
    sync_capable, async_capable = False, True

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


class AnswersItself(AsyncOnly):
    async def __call__(self, request: Any) -> Any:
        return HttpResponse("back soon", status=503)


class OfDjangosMixin(MiddlewareMixin):
    def process_response(self, request: Any, response: Any) -> Any:
        return response


class Neither(Plain):
    sync_capable = async_capable = False


class Maintenance(MiddlewareMixin):
    """Looks async from outside: its own `__call__` hides the one of the mixin, which would await."""

    def __call__(self, request: Any) -> HttpResponse:
        return HttpResponse("back soon", status=503)


class CopiedFlags(Plain):
    async_capable = True

    def __call__(self, request: Any) -> HttpResponse:
        return HttpResponse("closed")


class CannotStart(Plain):
    async_capable = True

    def __init__(self, get_response: Any) -> None:
        raise RuntimeError("this middleware wants a sync get_response")


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


judge = Task(
    "judge",
    hints=(
        "Which two attributes does Django read, and what does it take for granted where one is missing? And how do you find "
        "out whether a promise is kept?",
        "`getattr` with a default for the two flags. Then be Django: build it around an async view, call it with a request, "
        "await what it gives, and look at what you hold.",
        "`try:` `response = await middleware(async_view)(request)`, `works = isinstance(response, HttpResponse)`, "
        "`except Exception:` `works = False`",
    ),
    praise="Right: the flags say what Django believes, and one request says whether that is true. "
    "`inspect.isawaitable` on what the middleware gives back would tell as well.",
)


async def expect_verdict(trial: Trial, middleware: Any, key: str, value: bool, **words: str) -> None:
    """Refuse unless the answer says so of this middleware."""
    try:
        value_of = trial.answer(middleware)
        verdict = await value_of
    except NotImplementedError as error:
        raise NotStarted from error
    except Exception as error:
        Outcome(f"await judge({middleware.__name__})", error=error).refuse(
            expected=f"a dictionary with {key!r}: {value}", **words
        )
    told = verdict.get(key) if isinstance(verdict, dict) else verdict
    found = Outcome(f"await judge({middleware.__name__})", verdict)
    found.expect_that(told is value, f"a dictionary with {key!r}: {value}", **words)


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
            await expect_verdict(trial, middleware, key, value)


@judge.requirement(
    'takes what Django takes where an attribute is missing: `"sync"` is `True`, `"async"` is `False`'
)
async def takes_djangos_defaults(trial: Trial) -> None:
    words = {
        "because": "the class has no such attribute, and Django then takes it for sync only",
        "next": '`getattr(middleware, "sync_capable", True)` and `getattr(middleware, "async_capable", False)`',
    }
    for key, value in (("sync", True), ("async", False)):
        await expect_verdict(trial, Plain, key, value, **words)
        await expect_verdict(trial, CopiedFlags, key, True, **(words if key == "sync" else {}))


@judge.requirement('has `"works": False` for one that is neither, which Django refuses to build')
async def refuses_neither(trial: Trial) -> None:
    await expect_verdict(
        trial,
        Neither,
        "works",
        False,
        because="with both flags False there is no way to call it, and Django raises RuntimeError",
    )


@judge.requirement(
    'has `"works": False` for one that says it is async and breaks around an async view: it raises, or what it gives back '
    "cannot be awaited"
)
async def finds_broken_promises(trial: Trial) -> None:
    for middleware in (CopiedFlags, Maintenance, CannotStart):
        words = {"because": "it says async, and gives back a response where Django awaits"}
        if middleware is Maintenance:
            words = {
                "because": "the mixin marks it as a coroutine function, so it looks async; its own `__call__` gives back a "
                "response, which cannot be awaited",
                "next": "call it with a request, and await what it gives",
            }
        if middleware is CannotStart:
            words = {"because": "it raises when it is built around an async view"}
        await expect_verdict(trial, middleware, "works", False, **words)


@judge.requirement(
    'has `"works": True` for every other one: sync ones, which Django puts into a thread, and async ones of every form, '
    "classes and functions, also one that answers 503 by itself"
)
async def trusts_honest_ones(trial: Trial) -> None:
    plain = (Plain, decorated_sync)
    honest = (AsyncOnly, ForBoth, AnswersItself, OfDjangosMixin, decorated_async, decorated_both, *plain)
    for middleware in honest:
        words = {}
        if middleware is AnswersItself:
            words = {
                "because": "it answers 503 in place of the view, as it should: the status is not its promise"
            }
        if middleware is ForBoth:
            words = {
                "because": "its `__call__` is a plain function and gives back a coroutine: Django can await that",
                "next": "look at what a call gives back, and not at how `__call__` is declared",
            }
        if middleware in plain:
            words = {
                "because": "it never said that it is async: Django calls it in a thread, with a sync `get_response`"
            }
        await expect_verdict(trial, middleware, "works", True, **words)
