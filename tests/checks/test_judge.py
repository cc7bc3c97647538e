"""What holds while an answer is judged, whatever is asked of it."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import Any

from tutorial_project.checks import Outcome, Task, Trial
from tutorial_project.checks.judge import judge


class LeftOpen:
    """What closes itself when Python throws it away: in a circle, so that only the collector can."""

    def __init__(self) -> None:
        self.itself = self


def test_what_an_answer_leaves_behind_is_there_when_the_proof_looks_for_it() -> None:
    task, left = Task("page", hints=("Why?",), praise=""), list[weakref.ref[LeftOpen]]()

    @task.requirement("leaves nothing behind")
    async def leaves_nothing(trial: Trial) -> None:
        trial.answer()
        [[] for _ in range(100_000)]  # more than the collector lets pass before it comes
        Outcome("page()").expect_that(left[0]() is None, "nothing left behind", got="something")

    def answer() -> None:
        left.append(weakref.ref(LeftOpen()))

    verdict: Any = asyncio.run(judge(task, answer))
    assert (verdict.state, verdict.broken) == ("not yet", "leaves_nothing")


def test_the_collector_comes_again_afterwards() -> None:
    asyncio.run(judge(Task("page", hints=("Why?",), praise=""), lambda: None))
    assert gc.isenabled()
