"""Judging an answer: every requirement of its task, one after another, each within its time."""

from __future__ import annotations

import asyncio
import gc
import inspect
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from time import monotonic
from typing import Any

from blockbuster import BlockingError
from django.test import override_settings

from tutorial_project.classroom.data.connections import connected_to
from tutorial_project.classroom.opening import fresh_sample_database

from .general import LEAVES_THE_LOOP_FREE, NothingToProve, excused_holder, general_requirements, held_the_loop
from .holding import HoldingWatch
from .known_errors import explain
from .outcome import DidNotFinish, NotStarted, Refusal, described, heard
from .own_code import OwnCode, frames_of, shown_function
from .proofs.event_loop import as_the_judge, judging
from .task import Requirement, Task
from .trial import Trial
from .unchanged import is_unchanged
from .unfinished import Surroundings, end_tasks, frames_of_task
from .verdict import NOT_TRIED, Result, Verdict
from .watchdog import Watchdog, done_within

LIMIT, LATER_LIMIT = 4.5, 3.5
"""Seconds without a sign of the answer after which it hangs: in a check of its own, and where others took their time."""
REFUSED_LIMIT = 4.7
"""Seconds after which the check of an answer that is refused already tries nothing more."""
GRACE = 0.8
"""Seconds that a proof has to clean up when it is cancelled."""

_one_at_a_time = asyncio.Lock()


async def judge(
    task: Task,
    answer: Any,
    restore: Callable[[], None] | None = None,
    *,
    until_refused: bool = False,
    until_held: bool = False,
) -> Verdict:
    """Prove every requirement of a task against an answer.

    Whatever the answer does, this ends, and the process goes on: an answer that hangs is given up, and one that
    blocks the event loop for ever is interrupted.

    Args:
        task: what the answer must do.
        answer: what the learner wrote.
        restore: called in a thread before each requirement, so that each starts on fresh data.
        until_refused: prove no more after the first requirement that does not hold.
        until_held: the same, and ask after each requirement, not only at the end, whether the answer held the event
            loop in it.

    Returns:
        The verdict: not started, not yet or done. Broken code that is unchanged is not started, and the verdict
        shows what it does.
    """
    if problem := unusable(task, answer):
        return Verdict(task, [], problem)
    unchanged = bool(task.broken) and is_unchanged(answer, task.broken)
    own = OwnCode(answer, [requirement.proof for requirement in task.requirements])
    settings = override_settings(**{"DEBUG_PROPAGATE_EXCEPTIONS": True, **task.settings})
    async with _one_at_a_time:
        with (
            settings,
            as_the_judge(),
            without_the_collector(),
            Watchdog(own, judge.__code__) as watchdog,
            HoldingWatch(own) as holding,
        ):
            way = _Judging(task, answer, restore, own, watchdog, holding)
            verdict = await way.verdict(until_refused or unchanged, until_held)
    return replace(verdict, started=False) if unchanged else verdict


@contextmanager
def without_the_collector() -> Iterator[None]:
    """Keep Python from closing what an answer has left open, now and then, and so from hiding it from the proofs.

    A proof that wants what nobody holds any more to be gone calls `gc.collect()`.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class _Judging:
    """The way to one verdict."""

    def __init__(
        self,
        task: Task,
        answer: Any,
        restore: Callable[[], None] | None,
        own: OwnCode,
        watchdog: Watchdog,
        holding: HoldingWatch,
    ) -> None:
        self.task, self.answer, self.restore, self.own, self.watchdog = task, answer, restore, own, watchdog
        self.holding, self.holds = holding, list[Requirement]()
        self.surroundings = Surroundings(own)
        self.began = monotonic()
        self.results: list[Result] = []

    async def verdict(self, until_refused: bool, until_held: bool) -> Verdict:
        for requirement in self.task.requirements:
            try:
                refusal = await self.refusal(requirement) if self.goes_on else NOT_TRIED
            except NotStarted as stub:
                if not self.results:
                    return Verdict(self.task, [], started=False)
                refusal = still_the_stub(self.task, stub)
            self.results.append(Result(requirement.sentence, requirement.name, refusal))
            if until_held:
                await self.refuse_a_holder()
            if self.refused and (until_refused or until_held):
                break
        await self.refuse_a_holder()
        for requirement in [] if self.refused else general_requirements(self.task):
            with suppress(NothingToProve):
                refusal = await self.refusal(requirement) if self.goes_on else NOT_TRIED
                self.results.append(Result(requirement.sentence, requirement.name, refusal))
        return Verdict(self.task, self.results)

    async def refuse_a_holder(self) -> None:
        """Refuse an answer that holds the event loop a second time: once may be the machine's doing."""
        if not self.holds or self.refused or excused_holder(self.task):
            return
        requirement = self.holds[0]
        self.holds.clear()
        await self.refusal(requirement)
        if self.holds:
            refusal = held_the_loop(self.holding.held[0])
            self.results.append(Result(LEAVES_THE_LOOP_FREE, "leaves_the_loop_free", refusal))

    @property
    def refused(self) -> bool:
        return any(result.refusal is not None for result in self.results)

    @property
    def goes_on(self) -> bool:
        hangs = any(isinstance(result.refusal, DidNotFinish) for result in self.results)
        return not hangs and not (self.refused and monotonic() - self.began > REFUSED_LIMIT)

    async def refusal(self, requirement: Requirement) -> Refusal | None:
        """What is wrong; `NOT_TRIED` when the time is over for an answer that is refused already."""
        trial = Trial(self.answer, self.task)
        with ExitStack() as stack:
            await asyncio.to_thread(stack.enter_context, fresh_data(self.task, self.restore))
            self.watchdog.escaped.clear()
            self.holding.held.clear()
            self.sign_of_life()
            proving = asyncio.ensure_future(self.prove(requirement, trial))
            try:
                if await self.watchdog.in_time(proving):
                    self.holds += [requirement] if self.holding.held else []
                    return self.found(proving, trial)
                return await self.given_up(proving, trial)
            except asyncio.CancelledError:  # somebody stops the check
                await self.end(proving)
                raise
            finally:
                self.watchdog.deadline = float("inf")

    async def prove(self, requirement: Requirement, trial: Trial) -> None:
        judging.set(False)
        heard.set(self.sign_of_life)
        await requirement.proof(trial)

    def sign_of_life(self) -> None:
        """Begin to count the seconds anew."""
        now = monotonic()
        self.patience = max(LIMIT - (now - self.began), LATER_LIMIT)
        self.watchdog.deadline = now + self.patience
        if self.refused:
            self.watchdog.deadline = min(self.watchdog.deadline, self.began + REFUSED_LIMIT)

    def found(self, proving: asyncio.Task[None], trial: Trial) -> Refusal | None:
        """What a proof that has ended says."""
        error = asyncio.CancelledError() if proving.cancelled() else proving.exception()
        if (
            isinstance(error, NotStarted)
            and error.__cause__ is not None
            and not self.own.raised(error.__cause__)
        ):
            error = error.__cause__
        if isinstance(error, NotStarted | NothingToProve):
            raise error
        if error is None and self.watchdog.escaped:
            return raised(
                trial, self.watchdog.escaped[0], ", in a task or a callback that the answer left behind"
            )
        if error is not None and not isinstance(error, Refusal):
            error = raised(trial, error)
        if error is not None and error.at is None:
            error.at = self.line_that_blocks(error.__cause__)
        return error

    def line_that_blocks(self, error: BaseException | None) -> str | None:
        """The learner's line that made a blocking call, as code, where this error or one in this group says so."""
        if isinstance(error, BaseExceptionGroup):
            return next(filter(None, map(self.line_that_blocks, error.exceptions)), None)
        return self.own.line_passed_by(error) if isinstance(error, BlockingError) else None

    async def given_up(self, proving: asyncio.Task[None], trial: Trial) -> Refusal:
        """End a proof that has not ended, and say what the answer was doing."""
        places, doing = self.surroundings.places(), await self.surroundings.doing()
        sent, cut = trial.sent, self.refused and monotonic() - self.began >= REFUSED_LIMIT
        await self.end(proving)
        if cut:
            return NOT_TRIED
        if standstill := self.watchdog.standstill:
            places, doing = [place for place in (standstill.place, *places) if place], standstill.doing
        return DidNotFinish(
            sent=sent,
            seconds=self.patience,
            places=list(dict.fromkeys(places)),
            doing=doing if places else "",
            blocked=standstill is not None,
        )

    async def end(self, proving: asyncio.Task[None]) -> None:
        """Cancel a proof, let it clean up, and end what the answer has left."""
        proving.cancel()
        until = monotonic() + GRACE
        while not proving.done() and monotonic() < until:
            await done_within(0.1, proving)
            if self.own.innermost(frames_of_task(proving)) is not None:
                break  # the answer has caught the cancellation
        await end_tasks([proving], self.watchdog)
        await self.surroundings.end(self.watchdog)


@contextmanager
def fresh_data(task: Task, restore: Callable[[], None] | None) -> Iterator[None]:
    """The sample data as it was, in the database of the task."""
    if task.database is not None:
        with connected_to({"default": task.database()}):
            fresh_sample_database()
            yield
        return
    if restore is not None:
        restore()
    yield


def raised(trial: Trial, error: BaseException, where: str = "") -> Refusal:
    """The refusal of an answer that raised an error where none was expected."""
    because, step = explain(error)
    got = f"{described(error)}{where}"
    return Refusal(sent=trial.sent, expected="no error", got=got, because=because, next=step)


def still_the_stub(task: Task, stub: NotStarted) -> Refusal:
    """The refusal of an answer of which another part is done."""
    frames = frames_of(stub.__cause__.__traceback__) if stub.__cause__ else []
    where = f", in {shown_function(frames[-1])}" if frames else ""
    return Refusal(
        sent=str(stub) or f"the call of {task.name}",
        expected="an answer",
        got=f"NotImplementedError{where}",
        because="this part is still the stub",
        next="write it in the place of `raise NotImplementedError`",
    )


def unusable(task: Task, answer: Any) -> Refusal | None:
    """The refusal of something that is no answer at all, or None."""
    if inspect.iscoroutine(answer):
        answer.close()
        got, step = "a coroutine: the answer was called", f"await exercise.check({task.name})"
    elif not callable(answer):
        got, step = (
            f"{type(answer).__name__} {answer!r:.80}",
            f"pass the function itself: exercise.check({task.name})",
        )
    else:
        return None
    return Refusal(
        sent=f"exercise.check({task.name})", expected="a function or a class to call", got=got, next=step
    )
