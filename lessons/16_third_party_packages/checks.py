from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any
from weakref import WeakSet

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpResponse
from django.utils.decorators import async_only_middleware, sync_and_async_middleware, sync_only_middleware
from django.utils.deprecation import MiddlewareMixin

from tutorial_project.classroom.checks import NotStarted, Outcome, Reply, Task, Trial
from tutorial_project.services import ServiceError, running_services
from tutorial_project.services.airline import NotFlownTo
from tutorial_project.trips.models import Trip

journey_costs = Task(
    "journey_costs",
    routes=["trips/<int:pk>/costs/"],
    hints=(
        "Two packages wait without saying so. Which function of `asyncio` lets a thread wait for them, and which one starts both?",
        "`asyncio.gather` of two `asyncio.to_thread` calls. `NotFlownTo` comes out where you await: catch it in a small "
        "coroutine around that one call.",
        "`async def fare_to(city): try: return await asyncio.to_thread(cheapest_fare, city)`, `except NotFlownTo: return None`; "
        "then `fare, insurance = await asyncio.gather(fare_to(…), asyncio.to_thread(premium, trip.nights))`",
    ),
    praise="Right: both packages wait on threads, side by side, and nobody else waits for them. A `TaskGroup`, or "
    "`sync_to_async(…, thread_sensitive=False)`, would do the same.",
)


async def costs(pk: int, flight: int | None) -> dict[str, Any]:
    trip = await Trip.objects.aget(pk=pk)
    return {"trip": trip.title, "flight": flight, "insurance": round(trip.nights * 3.4 / 0.85, 2)}


@journey_costs.requirement(
    'answers `GET /trips/7/costs/` with the trip\'s title and the prices that both packages give, `{"trip": "…", '
    '"flight": 890, "insurance": …}`: `cheapest_fare` for the name of its destination, `premium` for its nights'
)
async def tells_the_costs(trial: Trial) -> None:
    for pk, flight in ((7, 890), (1, 129)):
        reply = await trial.get(f"/trips/{pk}/costs/")
        expect_no_query_on_the_loop(reply)
        reply.expect(200, json=await costs(pk, flight))


def expect_no_query_on_the_loop(reply: Reply) -> None:
    if type(reply.error).__name__ == "SynchronousOnlyOperation":
        reply.refuse(expected="200, and the costs")


@journey_costs.requirement(
    "has `null` for `flight` where nobody flies, as for trip 21, and the insurance all the same"
)
async def flies_nowhere(trial: Trial) -> None:
    reply = await trial.get("/trips/21/costs/")
    words = {}
    if isinstance(reply.error, NotFlownTo):
        words = {
            "because": "`NotFlownTo` comes out where the call is awaited, and nothing catches it there",
            "next": "`try` and `except NotFlownTo:` around that one `await`",
        }
    elif "NotFlownTo is not JSON serializable" in str(reply.error):
        words = {
            "because": "with `return_exceptions=True` the error stands in the place of the fare",
            "next": "look at it: `None` for a `NotFlownTo`, and `raise` every other error",
        }
    elif reply.status == 200 and isinstance(reply.json, dict) and reply.json.get("insurance", 0) is None:
        words = {
            "because": "the insurance is lost with the flight: one `try` is around both",
            "next": "`try` and `except NotFlownTo:` around the call that raises, and around no other",
        }
    reply.expect(200, json=await costs(21, None), **words)


@journey_costs.requirement("answers 404 when there is no such trip")
async def knows_its_trips(trial: Trial) -> None:
    reply = await trial.get("/trips/7000/costs/")
    missed = isinstance(reply.error, Trip.DoesNotExist)
    reply.expect(
        404,
        because="`aget` raises when there is no such row, and the traveller gets a 500" if missed else None,
        next="`await aget_object_or_404(…)`" if missed else None,
    )


@journey_costs.requirement("is an async view, and leaves the event loop free for others while it asks")
async def leaves_the_loop_free(trial: Trial) -> None:
    running_services()  # started here, and not by the answer: to start them blocks
    await trial.runs_on_the_loop("/trips/7/costs/")
    (await trial.leaves_the_loop_free("/trips/7/costs/")).expect(200)


@journey_costs.requirement("asks the airlines and the insurer at the same time")
async def asks_both_at_once(trial: Trial) -> None:
    with running_services().expect_together(2, ("/flights/", "/rates/"), timeout=0.7) as barrier:
        reply = await trial.get("/trips/7/costs/")
    found = Outcome(reply.sent, f"at most {barrier.most_waiting} of 2 questions was waiting at the same time")
    words = {}
    if barrier.most_waiting == 1:
        words = {
            "because": "the second question is sent when the first is answered",
            "next": "start both, then wait: `await asyncio.gather(asyncio.to_thread(…), asyncio.to_thread(…))`; "
            "plain `sync_to_async` has one thread for the whole request",
        }
    found.expect_that(barrier.met, "two questions waiting at the same time", **words)
    reply.expect(200)


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


class SDK:
    """Stands in for a package: holds each call until it is let go, and counts how many are inside.

    Args:
        answer: gives the answer for the nights, or raises.
        held: whether a call stays inside until `let_go`.
    """

    def __init__(
        self, answer: Callable[[int], Any] = lambda nights: nights * 4.0, held: bool = False
    ) -> None:
        self.answer = answer
        self.loop_thread = threading.get_ident()
        self.calls = self.inside = self.most = 0
        self.on_the_loop = False
        self._counting = threading.Lock()
        self._go = threading.Event()
        if not held:
            self._go.set()

    def premium(self, nights: int) -> Any:
        """One call, as a sync package answers it."""
        with self._counting:
            self.calls += 1
            self.inside += 1
            self.most = max(self.most, self.inside)
        try:
            if threading.get_ident() == self.loop_thread:
                self.on_the_loop = True  # never wait here: nobody could let it go
            else:
                self._go.wait(3)
            return self.answer(nights)
        finally:
            with self._counting:
                self.inside -= 1

    def let_go(self) -> None:
        """Let every call answer, those inside and those to come."""
        self._go.set()

    async def until(self, calls: int, patience: float) -> bool:
        """Wait until so many calls were inside at once; False when they do not come within `patience` seconds."""
        try:
            async with asyncio.timeout(patience):
                while self.most < calls:
                    await asyncio.sleep(0.005)
        except TimeoutError:
            return False
        return True

    async def empty(self) -> None:
        """Wait until no call is inside."""
        while self.inside:
            await asyncio.sleep(0.005)


@contextmanager
def held_sdk() -> Any:
    """An SDK that holds its calls, and in any case lets them go at the end."""
    sdk = SDK(held=True)
    try:
        yield sdk
    finally:
        sdk.let_go()


AsyncInsurer = Task(
    "AsyncInsurer",
    hints=(
        "A time limit stops your waiting, not the thread. What can limit the threads themselves?",
        "A `ThreadPoolExecutor(max_workers=…)` of each client's own, `run_in_executor`, `asyncio.timeout` around it, and one "
        "`try` with two kinds of `except`.",
        "`async with asyncio.timeout(self.timeout):` `return await loop.run_in_executor(self.threads, self.sdk.premium, "
        "nights)`, then `except (ServiceError, TimeoutError) as error:` `raise InsurerError(…) from error`",
    ),
    praise="Right: a supplier that hangs costs its own few threads and nothing else. A semaphore would do too, if it is "
    "released when the thread comes back, and not when the caller leaves.",
)


async def outcome_of(trial: Trial, sdk: SDK, sent: str, *nights: int, **options: Any) -> Outcome:
    """Make a client of the SDK and call it, once or several times together."""
    try:
        client = client_of(trial, sdk, **options)
        calls = (client.premium(each) for each in nights)
        if len(nights) == 1:
            return Outcome(sent, await next(calls))
        return Outcome(sent, await asyncio.gather(*calls, return_exceptions=True))
    except NotImplementedError as error:
        raise NotStarted from error
    except Exception as error:
        return Outcome(sent, error=error)


def client_of(trial: Trial, sdk: SDK, *, at_most: int = 2, timeout: float = 5.0) -> Any:
    try:
        return trial.answer(sdk, at_most=at_most, timeout=timeout)
    except NotImplementedError as error:
        raise NotStarted from error


ONE_CALL = "await AsyncInsurer(sdk, at_most=2, timeout=5).premium(7)"


@AsyncInsurer.requirement(
    "`AsyncInsurer(sdk, at_most=2, timeout=5)` has an async method `premium(nights)`, which gives what "
    "`sdk.premium(nights)` returns"
)
async def gives_the_premium(trial: Trial) -> None:
    outcome, words = await outcome_of(trial, SDK(), ONE_CALL, 7), {}
    if isinstance(outcome.error, TypeError) and re.search("float.*await", str(outcome.error)):
        Outcome(ONE_CALL).refuse(
            expected="28.0, when it is awaited",
            got="28.0 without being awaited",
            because="`premium` is a plain method: it has waited for the SDK before anybody could await it",
            next="`async def premium(self, nights):`",
        )
    if asyncio.iscoroutine(outcome.value) or asyncio.isfuture(outcome.value):
        words = {"because": "something was called and not awaited", "next": "`return await …`"}
    outcome.expect(28.0, **words)


blocking: WeakSet[Any] = WeakSet()
"""The answers that wait for a thread on the event loop; each of their calls would hold up the checks."""


def refuse_what_blocks(trial: Trial) -> None:
    """Refuse an answer that was seen to wait for its thread on the event loop."""
    if trial.answer in blocking:
        Outcome(ONE_CALL).refuse(
            expected="other work has its turn while the SDK answers",
            got="the event loop stood still until the thread came back",
            because="the thread was waited for without `await`, for example with `.result()`",
            next="`await asyncio.get_running_loop().run_in_executor(threads, self.sdk.premium, nights)`",
        )


@AsyncInsurer.requirement("calls the SDK in a thread, never on the event loop")
async def stays_off_the_loop(trial: Trial) -> None:
    loop, stood_still = asyncio.get_running_loop(), []

    def watches_the_loop(nights: int) -> float:
        turn = threading.Event()
        loop.call_soon_threadsafe(turn.set)
        if threading.get_ident() != sdk.loop_thread and not turn.wait(1):
            stood_still.append(nights)
        return nights * 4.0

    sdk = SDK(watches_the_loop)
    outcome = await outcome_of(trial, sdk, ONE_CALL, 7)
    outcome.expect_that(True, "28.0")
    if stood_still:
        blocking.add(trial.answer)
    refuse_what_blocks(trial)
    outcome.expect_that(
        not sdk.on_the_loop,
        "the SDK called in a thread",
        got="the SDK called on the event loop",
        because="`sdk.premium` waits, and everybody else waits with it",
        next="hand the function to a thread: `run_in_executor(threads, self.sdk.premium, nights)`",
    )


@AsyncInsurer.requirement(
    "raises `InsurerError` where the SDK raises `ServiceError`, with the first error as its `__cause__`"
)
async def translates_errors(trial: Trial) -> None:
    def fails(nights: int) -> None:
        raise ServiceError("rates answered 503", 503)

    outcome = await outcome_of(trial, SDK(fails), ONE_CALL, 7)
    expect_insurer_error(trial, outcome)
    outcome.error, cause = None, outcome.error.__cause__
    outcome.expect_that(
        isinstance(cause, ServiceError),
        "InsurerError, with the ServiceError as its __cause__",
        got=f"InsurerError, with {cause!r} as its __cause__",
        next="`raise InsurerError(…) from error`",
    )


def expect_insurer_error(trial: Trial, outcome: Outcome, **words: str) -> None:
    """Refuse unless the exercise's own error came out."""
    if type(outcome.error).__name__ == "InsurerError":
        return
    got = {} if outcome.error is not None else {"got": f"{outcome.value!r} returned"}
    outcome.refuse(**({"expected": "InsurerError to be raised"} | got | words))


@AsyncInsurer.requirement(
    "lets every other error through as it is: a `ValueError` of the SDK is a mistake in our code"
)
async def lets_others_through(trial: Trial) -> None:
    def fails(nights: int) -> None:
        raise ValueError("nights must be 1 or more")

    outcome = await outcome_of(
        trial, SDK(fails), "await AsyncInsurer(sdk, at_most=2, timeout=5).premium(0)", 0
    )
    outcome.expect_error(
        ValueError,
        expected="the SDK's ValueError",
        because="every error became one of the insurer's: a mistake of our own looks like a failing service",
        next="catch the two kinds that you translate, and no more",
    )


@AsyncInsurer.requirement(
    "raises `InsurerError` when `timeout` seconds are over, waiting for a turn included"
)
async def gives_up_in_time(trial: Trial) -> None:
    refuse_what_blocks(trial)
    with held_sdk() as sdk:
        sent = "await AsyncInsurer(sdk, at_most=2, timeout=0.05).premium(7)  with an SDK that does not answer"
        try:
            async with asyncio.timeout(1.5):
                outcome = await outcome_of(trial, sdk, sent, 7, timeout=0.05)
        except TimeoutError:
            Outcome(sent, "no end after 1.5 seconds").refuse(
                expected="InsurerError to be raised",
                got="the call still waits after 1.5 seconds",
                next="`async with asyncio.timeout(self.timeout):` around the call",
            )
        words = {}
        if isinstance(outcome.error, TimeoutError):
            words = {
                "because": "the time limit works, and its error is not translated",
                "next": "`except (ServiceError, TimeoutError) as error:` around the `async with asyncio.timeout(…)`",
            }
        expect_insurer_error(trial, outcome, **words)
        sdk.let_go()
        await sdk.empty()


@AsyncInsurer.requirement("has up to `at_most` calls inside the SDK at the same time, and never more")
async def keeps_the_limit(trial: Trial) -> None:
    refuse_what_blocks(trial)
    with held_sdk() as sdk:
        sent = "five calls together, at_most=3"
        calls = asyncio.ensure_future(outcome_of(trial, sdk, sent, 1, 2, 3, 4, 5, at_most=3))
        reached = await sdk.until(3, patience=1.0)
        most = sdk.most
        too_many = await sdk.until(4, patience=0.15)
        sdk.let_go()
        outcome = await calls
        outcome.expect_that(
            reached,
            "three calls inside the SDK at the same time",
            got=f"at most {most} inside the SDK",
            because="the calls wait for each other",
            next="`ThreadPoolExecutor(max_workers=at_most)`, one for each client",
        )
        outcome.expect_that(
            not too_many,
            "at most three calls inside the SDK",
            got=f"{sdk.most} calls inside the SDK",
            because="nothing holds the others back: there is a thread for each of them",
            next="`ThreadPoolExecutor(max_workers=at_most)`, one for each client",
        )
        outcome.expect([4.0, 8.0, 12.0, 16.0, 20.0])


@AsyncInsurer.requirement(
    "counts a call that was given up for as long as it is inside the SDK: its thread goes on"
)
async def counts_what_was_given_up(trial: Trial) -> None:
    refuse_what_blocks(trial)
    with held_sdk() as sdk:
        client = client_of(trial, sdk, at_most=1, timeout=0.1)
        for nights in (1, 2):
            try:
                await client.premium(nights)
            except NotImplementedError as error:
                raise NotStarted from error
            except Exception:
                continue  # both are given up
        most = sdk.most
        sdk.let_go()
        await sdk.empty()
    sent = "two calls one after the other, both given up, at_most=1"
    Outcome(sent, f"{most} calls inside the SDK").expect_that(
        most == 1,
        "one call inside the SDK",
        got=f"{most} calls inside the SDK at the same time",
        because="the place is free again when the caller leaves, and the thread is still inside",
        next="let the threads be the limit: `ThreadPoolExecutor(max_workers=at_most)`",
    )
