from __future__ import annotations

import asyncio
import math
import random
import re
import sys
import threading
import traceback
import uuid
from collections.abc import Callable
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from traceback import FrameSummary
from typing import Any

from tutorial_project.checks import NotStarted, Outcome, Task, Trial
from tutorial_project.checks.own_code import function_of
from tutorial_project.checks.proofs.clock import held_clock
from tutorial_project.services import ServiceError

PATIENCE = 1.5
"""Real seconds after which a call is given up that should have given up by itself."""
STANDSTILL = 0.5
"""Seconds without a sign of the event loop after which it stands still."""


class SDK:
    """Stands in for a package: holds each call until it is let go, and counts how many are inside.

    A held call goes on by itself when the event loop stands still, which it notes.

    Args:
        answer: gives the answer for the nights, or raises.
        held: whether a call stays inside until `let_go`.
    """

    def __init__(
        self, answer: Callable[[int], Any] = lambda nights: nights * 4.0, held: bool = False
    ) -> None:
        self.answer = answer
        self.loop, self.loop_thread = asyncio.get_running_loop(), threading.get_ident()
        self.calls = self.inside = self.most = 0
        self.on_the_loop = False
        self.stood_still: list[FrameSummary] = []
        self._counting = threading.Lock()
        self._moving = threading.Condition()
        self._may_go: float = 0 if held else math.inf

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
                self._stay_inside()
            return self.answer(nights)
        finally:
            with self._counting:
                self.inside -= 1

    def _stay_inside(self) -> None:
        while self._loop_turns():
            with self._moving:
                if self._moving.wait_for(lambda: self._may_go, 0.05):
                    self._may_go -= 1
                    return

    def _loop_turns(self) -> bool:
        """Whether the event loop gives a sign; where it stands is noted if not."""
        if self.stood_still:
            return False
        turn = threading.Event()
        self.loop.call_soon_threadsafe(turn.set)
        if turn.wait(STANDSTILL):
            return True
        self.stood_still = traceback.extract_stack(sys._current_frames()[self.loop_thread])
        return False

    def let_go(self) -> None:
        """Let every call answer, those inside and those to come."""
        self._let(math.inf)

    def let_one_go(self) -> None:
        """Let one call answer."""
        self._let(1)

    def _let(self, number: float) -> None:
        with self._moving:
            self._may_go += number
            self._moving.notify_all()

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
        "`try`. An executor carries no context variables: `contextvars.copy_context().run` does.",
        "`async with asyncio.timeout(self.timeout):` `return await loop.run_in_executor(self.threads, copy_context().run, "
        "self.sdk.premium, nights)`, then `except (ServiceError, TimeoutError) as error:` `raise InsurerError(…) from error`",
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
            outcome = Outcome(sent, await next(calls))
        else:
            outcome = Outcome(sent, await asyncio.gather(*calls, return_exceptions=True))
    except NotImplementedError as error:
        raise NotStarted from error
    except Exception as error:
        outcome = Outcome(sent, error=error)
    refuse_a_standstill(trial, sdk, sent)
    return outcome


def client_of(trial: Trial, sdk: SDK, *, at_most: int = 2, timeout: float = 5.0) -> Any:
    try:
        return trial.answer(sdk, at_most=at_most, timeout=timeout)
    except NotImplementedError as error:
        raise NotStarted from error


def refuse_a_standstill(trial: Trial, sdk: SDK, sent: str) -> None:
    """Refuse an answer that was seen to keep the event loop while a call was inside the SDK."""
    if not sdk.stood_still:
        return
    file = function_of(trial.answer).__code__.co_filename
    own = [frame for frame in sdk.stood_still if frame.filename == file]
    innermost = {Path(frame.filename).name for frame in sdk.stood_still[-3:]}
    for_a_thread = bool(innermost & {"threading.py", "_base.py", "thread.py"})
    where = f", in `{own[-1].line}`" if own else ""
    words = {}
    if for_a_thread:
        words = {
            "because": "a thread was waited for without `await`: `.result()`, `.join()` and the end of a `with` around an "
            "executor do so",
            "next": "`await asyncio.get_running_loop().run_in_executor(threads, …)`, and one executor for each client",
        }
    Outcome(sent).refuse(
        expected="other work has its turn while the SDK answers",
        got=f"the event loop stood still{where}",
        **words,
    )


async def stop(*calls: asyncio.Future[Any]) -> None:
    """End calls that nobody waits for any more."""
    for call in calls:
        call.cancel()
    await asyncio.wait(calls, timeout=1)


def result_and_error(call: asyncio.Future[Any]) -> tuple[Any, BaseException | None]:
    """What a call that has ended gave, and by which error it ended."""
    error = call.exception()
    return (None, error) if error else (call.result(), None)


ONE_CALL = "await AsyncInsurer(sdk, at_most=2, timeout=5).premium({nights})"


@AsyncInsurer.requirement(
    "`AsyncInsurer(sdk, at_most=2, timeout=5)` has an async method `premium(nights)`, which gives what "
    "`sdk.premium(nights)` returns"
)
async def gives_the_premium(trial: Trial) -> None:
    price = random.randint(200, 900) / 100
    sdk = SDK(lambda nights: round(nights * price, 2))
    for nights in random.sample(range(1, 30), 3):
        await expect_premium(trial, sdk, nights)
    price += 1
    await expect_premium(trial, sdk, nights)
    await expect_both_premiums(trial)


async def expect_both_premiums(trial: Trial) -> None:
    """Refuse unless one client gives what its SDK returns now, and not what it returned before."""
    prices = random.sample(range(20, 90), 2)
    sdk = SDK(lambda nights: prices[sdk.calls - 1])
    client = client_of(trial, sdk)
    for number, price in enumerate(prices, start=1):
        outcome = Outcome(f"call {number} of one client: await client.premium(7)", await client.premium(7))
        outcome.expect(price)


async def expect_premium(trial: Trial, sdk: SDK, nights: int) -> None:
    sent, right = ONE_CALL.format(nights=nights), sdk.answer(nights)
    outcome, words = await outcome_of(trial, sdk, sent, nights), {}
    if isinstance(outcome.error, TypeError) and re.search("float.*await", str(outcome.error)):
        Outcome(sent).refuse(
            expected=f"{right}, when it is awaited",
            got=f"{right} without being awaited",
            because="`premium` is a plain method: it has waited for the SDK before anybody could await it",
            next="`async def premium(self, nights):`",
        )
    if asyncio.iscoroutine(outcome.value) or asyncio.isfuture(outcome.value):
        words = {"because": "something was called and not awaited", "next": "`return await …`"}
    outcome.expect(right, **words)


@AsyncInsurer.requirement("calls the SDK in a thread, never on the event loop")
async def stays_off_the_loop(trial: Trial) -> None:
    sdk, sent = SDK(), ONE_CALL.format(nights=7)
    outcome = await outcome_of(trial, sdk, sent, 7)
    outcome.expect_that(
        not sdk.on_the_loop,
        "the SDK called in a thread",
        got="the SDK called on the event loop",
        because="`sdk.premium` waits, and everybody else waits with it",
        next="hand the function to a thread: `run_in_executor(threads, self.sdk.premium, nights)`",
    )
    outcome.expect(28.0)


request_id: ContextVar[str] = ContextVar("request_id", default="none")


@AsyncInsurer.requirement(
    "lets the SDK see the context variables of its caller, such as the request id that its log lines carry"
)
async def carries_the_context(trial: Trial) -> None:
    for _ in range(2):
        request_id.set(given := uuid.uuid4().hex[:6])
        outcome = await outcome_of(trial, SDK(lambda nights: request_id.get()), ONE_CALL.format(nights=7), 7)
        seen = outcome.value
        outcome.expect_that(
            seen == given,
            f"the SDK sees the request id {given}",
            got=f"the SDK saw {seen}",
            next="`run_in_executor(threads, copy_context().run, self.sdk.premium, nights)`; `asyncio.to_thread` carries "
            "the context by itself"
            if seen == "none"
            else None,
        )
    await carries_each_context(trial)


async def carries_each_context(trial: Trial) -> None:
    """Refuse a client that keeps the context in which it was made, or that of its first call."""
    request_id.set(uuid.uuid4().hex[:6])
    client = client_of(trial, SDK(lambda nights: request_id.get()))
    for number in (1, 2):
        before = request_id.get()
        request_id.set(given := uuid.uuid4().hex[:6])
        outcome = Outcome(f"call {number} of one client: await client.premium(7)", await client.premium(7))
        outcome.expect_that(
            outcome.value == given,
            f"the SDK sees the request id {given}",
            got=f"the SDK saw {outcome.value}",
            because="that is the id of before this call: its context was kept"
            if outcome.value == before
            else None,
            next="`copy_context()` in `premium`, for each call" if outcome.value == before else None,
        )
    await carries_two_contexts(client)


async def carries_two_contexts(client: Any) -> None:
    """Refuse when two callers who ask for as many nights at the same time share a call."""
    names = [uuid.uuid4().hex[:6] for _ in range(2)]

    async def ask(name: str) -> Any:
        request_id.set(name)
        return await client.premium(7)

    seen = await asyncio.gather(*map(ask, names))
    Outcome("two calls of one client together: await client.premium(7)").expect_that(
        seen == names, f"the SDK sees the request ids {names}", got=f"the SDK saw {seen}"
    )


class ServiceIsFull(ServiceError):
    """A kind of `ServiceError`, as a new version of a package may raise it."""


@AsyncInsurer.requirement(
    "raises `InsurerError` where the SDK raises `ServiceError` or `TimeoutError`, with that error as its `__cause__`"
)
async def translates_errors(trial: Trial) -> None:
    for trouble in (
        ServiceError("rates answered 503", 503),
        TimeoutError("the socket of the SDK"),
        ServiceIsFull("rates answered 429", 429),
    ):
        outcome = await outcome_of(trial, SDK(raising(trouble)), ONE_CALL.format(nights=7), 7)
        expect_insurer_error(outcome)
        outcome.error, cause = None, outcome.error.__cause__
        outcome.expect_that(
            type(cause) is type(trouble) and cause.args == trouble.args,  # asyncio copies a TimeoutError
            f"InsurerError, with the {type(trouble).__name__} as its __cause__",
            got=f"InsurerError, with {cause!r} as its __cause__",
            next="`raise InsurerError(…) from error`" if cause is None else None,
        )
    await gives_the_turn_back(trial)


async def gives_the_turn_back(trial: Trial) -> None:
    """Refuse when a call that failed keeps others out of the SDK."""
    sdk = SDK(raising(ServiceError("rates answered 503", 503)))
    client, sent = client_of(trial, sdk, at_most=1, timeout=1.0), "two calls one after the other, at_most=1"
    for _ in range(2):
        try:
            await client.premium(7)
        except NotImplementedError as error:
            raise NotStarted from error
        except Exception:
            continue  # both fail
    refuse_a_standstill(trial, sdk, sent)
    Outcome(sent).expect_that(
        sdk.calls >= 2,
        "both inside the SDK, which raises ServiceError",
        got=f"{sdk.calls} of them inside the SDK",
        because="the turn of the call that failed was not given back",
    )


def raising(error: Exception) -> Callable[[int], Any]:
    """What an SDK answers that fails."""

    def fails(nights: int) -> None:
        raise error

    return fails


def expect_insurer_error(outcome: Outcome, **words: str) -> None:
    """Refuse unless the exercise's own error came out."""
    if type(outcome.error).__name__ == "InsurerError":
        return
    got = {} if outcome.error is not None else {"got": f"{outcome.value!r} returned"}
    outcome.refuse(**({"expected": "InsurerError to be raised"} | got | words))


@AsyncInsurer.requirement(
    "lets every other error through as it is, and a cancellation of its caller: a `ValueError` of the SDK is a mistake in "
    "our code"
)
async def lets_others_through(trial: Trial) -> None:
    for kind in (ValueError, KeyError, TypeError, ArithmeticError, RuntimeError, PermissionError):
        mistake = kind("nights must be 1 or more")
        outcome = await outcome_of(trial, SDK(raising(mistake)), ONE_CALL.format(nights=0), 0)
        if outcome.error is not mistake:
            translated = type(outcome.error).__name__ == "InsurerError"
            Outcome(outcome.sent, outcome.value, outcome.error, cause=_of_a_translation(translated)).refuse(
                expected=f"the SDK's {kind.__name__}"
            )
    await lets_a_cancellation_through(trial)


async def lets_a_cancellation_through(trial: Trial) -> None:
    """Refuse when one that is cancelled ends in another way."""
    with held_sdk() as sdk:
        call = asyncio.ensure_future(client_of(trial, sdk, timeout=30).premium(1))
        await sdk.until(1, patience=1.0)
        call.cancel()
        await asyncio.wait([call], timeout=0.2)  # an answer may wait for its thread before it ends
        sdk.let_go()
        await stop(call)
        await sdk.empty()
    if call.done() and not call.cancelled():
        sent = "one call, which is cancelled while it is inside the SDK"
        Outcome(sent, *result_and_error(call)).refuse(expected="CancelledError")


def _of_a_translation(translated: bool) -> tuple[str | None, str | None]:
    if not translated:
        return None, None
    return (
        "a mistake of our own looks like a failing service when its error becomes one of the insurer's",
        "catch the two kinds that you translate, and no more",
    )


@AsyncInsurer.requirement(
    "takes an answer that comes before `timeout` seconds are over, and raises `InsurerError` when they are, waiting for "
    "a turn included"
)
async def gives_up_in_time(trial: Trial) -> None:
    await takes_what_is_in_time(trial)
    with held_sdk() as sdk:
        sent = "two calls together, at_most=1, timeout=0.1, with an SDK that does not answer"
        calls = asyncio.ensure_future(outcome_of(trial, sdk, sent, 7, 8, at_most=1, timeout=0.1))
        await asyncio.wait([calls], timeout=PATIENCE)
        waits, inside = not calls.done(), sdk.inside
        sdk.let_go()
        outcome = await calls
        await sdk.empty()
    if waits:
        Outcome(sent).refuse(
            expected="InsurerError from both", got=f"no end after {PATIENCE} seconds, {inside} inside the SDK"
        )
    for error in outcome.value if outcome.error is None else [outcome.error]:
        found = Outcome(sent, error=error) if isinstance(error, Exception) else Outcome(sent, error)
        if isinstance(error, TimeoutError):
            found.cause = (
                "the time limit works, and its error is not translated",
                "`except (ServiceError, TimeoutError) as error:` around the `async with asyncio.timeout(…)`",
            )
        expect_insurer_error(found)
    await ends_in_time(trial)
    await counts_the_wait_for_a_turn(trial)


async def takes_what_is_in_time(trial: Trial) -> None:
    with held_sdk() as sdk:
        client = client_of(trial, sdk, timeout=0.5)
        with held_clock() as clock:
            for number in (1, 2):
                call = asyncio.ensure_future(client.premium(number))
                await clock.until(lambda call=call: sdk.inside or call.done())
                await clock.advance(0.3)
                sdk.let_one_go()
                await clock.until(call.done, patience=1.5)
                sent = f"call {number} of one client, timeout=0.5, with an SDK that answers after 0.3 seconds"
                Outcome(sent).expect_that(call.done(), f"{number * 4.0} after 0.3 seconds", got="no end")
                Outcome(sent, *result_and_error(call)).expect(number * 4.0)


async def ends_in_time(trial: Trial) -> None:
    with held_sdk() as sdk:
        sent = "one call, timeout=0.5, with an SDK that does not answer"
        with held_clock() as clock:
            call = asyncio.ensure_future(outcome_of(trial, sdk, sent, 7, timeout=0.5))
            await clock.until(lambda: sdk.inside or call.done())
            await clock.advance(0.6)
            in_time = await clock.until(call.done, patience=1.5)
        sdk.let_go()
        await call
        await sdk.empty()
    Outcome(sent).expect_that(in_time, "an end after 0.5 seconds", got="none after 0.6 seconds")


async def counts_the_wait_for_a_turn(trial: Trial) -> None:
    """Refuse when the limit begins anew for a call that had to wait for its turn."""
    with held_sdk() as sdk:
        sent = "two calls together, at_most=1, timeout=0.5, with an SDK that answers one of them after 0.3 seconds"
        with held_clock() as clock:
            calls = asyncio.ensure_future(outcome_of(trial, sdk, sent, 7, 8, at_most=1, timeout=0.5))
            await clock.until(lambda: sdk.inside or calls.done())
            await clock.advance(0.3)
            sdk.let_one_go()
            await clock.until(lambda: sdk.calls == 2 or calls.done())
            await clock.advance(0.3)
            in_time = await clock.until(calls.done, patience=1.5)
        sdk.let_go()
        await stop(calls)
        await sdk.empty()
    Outcome(sent).expect_that(
        in_time,
        "an end of both after 0.5 seconds",
        got="one that still waited after 0.6 seconds",
        next="one `asyncio.timeout` around all that is waited for",
    )


@AsyncInsurer.requirement(
    "has up to `at_most` calls inside the SDK at the same time, and never more; each client counts its own"
)
async def keeps_the_limit(trial: Trial) -> None:
    at_most = random.choice([2, 3])  # the threads of `asyncio.to_thread` are five on the smallest machine
    with held_sdk() as other, held_sdk() as twin, held_sdk() as sdk:
        sent = f"{at_most + 2} calls together, at_most={at_most}, and two other clients: with as many, and at_most=1"
        calls = [
            asyncio.ensure_future(outcome_of(trial, other, sent, 1, 2, at_most=1)),
            asyncio.ensure_future(outcome_of(trial, sdk, sent, *range(at_most + 2), at_most=at_most)),
            asyncio.ensure_future(outcome_of(trial, twin, sent, 1, at_most=at_most)),
        ]
        reached = await sdk.until(at_most, patience=1.0) and await other.until(1, patience=0.3)
        reached = reached and await twin.until(1, patience=0.3)
        most = sdk.most
        too_many = await sdk.until(at_most + 1, patience=0.15) or other.most > 1
        other.let_go()
        twin.let_go()
        sdk.let_go()
        await asyncio.wait(calls)
    outcome = calls[1].result()
    outcome.expect_that(
        reached,
        f"{at_most} calls inside its SDK at the same time, 1 and 1 inside those of the others",
        got=f"at most {most} inside, {twin.most} and {other.most} inside those of the others",
        next="`ThreadPoolExecutor(max_workers=at_most)`, one for each client",
    )
    outcome.expect_that(
        not too_many,
        f"at most {at_most} calls inside its SDK, and 1 inside that with at_most=1",
        got=f"{sdk.most} calls inside, and {other.most} inside that one",
        next="`ThreadPoolExecutor(max_workers=at_most)`, one for each client",
    )
    outcome.expect([nights * 4.0 for nights in range(at_most + 2)])


@AsyncInsurer.requirement(
    "counts a call that was given up for as long as it is inside the SDK, and no longer: its thread goes on"
)
async def counts_what_was_given_up(trial: Trial) -> None:
    sent = "two calls one after the other, both given up, at_most=1"
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
    refuse_a_standstill(trial, sdk, sent)
    Outcome(sent, f"{most} calls inside the SDK").expect_that(
        most == 1,
        "one call inside the SDK",
        got=f"{most} calls inside the SDK at the same time",
        because="the place is free again when the caller leaves, and the thread is still inside",
        next="let the threads be the limit: `ThreadPoolExecutor(max_workers=at_most)`",
    )
    await counts_the_call_of_one_who_left(trial)
    await gives_a_turn_that_nobody_takes(trial)


async def counts_the_call_of_one_who_left(trial: Trial) -> None:
    """Refuse when a cancelled caller's place is free while its thread is still inside."""
    sent = "two calls one after the other, the first one cancelled, at_most=1"
    with held_sdk() as sdk:
        client = client_of(trial, sdk, at_most=1, timeout=30)
        first = asyncio.ensure_future(client.premium(1))
        await sdk.until(1, patience=1.0)
        first.cancel()
        await asyncio.wait([first], timeout=0.2)
        second = asyncio.ensure_future(client.premium(2))
        too_many = await sdk.until(2, patience=0.1)
        sdk.let_go()
        await asyncio.wait([second], timeout=1)
        answered = second.done()
        await stop(first, second)
        await sdk.empty()
    refuse_a_standstill(trial, sdk, sent)
    Outcome(sent).expect_that(
        not too_many,
        "one call inside the SDK",
        got="2 calls inside the SDK at the same time",
        because="the place is free again when the caller leaves, and the thread is still inside",
        next="let the threads be the limit: `ThreadPoolExecutor(max_workers=at_most)`",
    )
    Outcome(sent).expect_that(
        answered, "an answer to the second, when the first is out of the SDK", got="none"
    )


async def gives_a_turn_that_nobody_takes(trial: Trial) -> None:
    """Refuse when one that gave up while it waited for a turn has it for ever."""
    sent = "two calls together, both given up, and a third one when the SDK is empty again, at_most=1"
    with held_sdk() as sdk:
        client = client_of(trial, sdk, at_most=1, timeout=0.5)
        with held_clock() as clock:
            both = [asyncio.ensure_future(client.premium(nights)) for nights in (1, 2)]
            await clock.until(lambda: sdk.inside)
            await clock.advance(0.6)
            await clock.until(lambda: all(call.done() for call in both))
            sdk.let_go()
            await clock.until(lambda: not sdk.inside)
            third = asyncio.ensure_future(client.premium(3))
            answered = await clock.until(third.done, patience=1.0)
        await stop(*both, third)
        await sdk.empty()
    Outcome(sent).expect_that(answered, "an answer to the third", got="none: it waits for a turn")
    Outcome(sent, *result_and_error(third)).expect(12.0)
