from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any
from weakref import WeakSet

from tutorial_project.checks import NotStarted, Outcome, Task, Trial
from tutorial_project.services import ServiceError


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
