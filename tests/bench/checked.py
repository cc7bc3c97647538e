"""The check of every solution, timed in a process of its own: `python -m bench.checked ROUNDS`."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import asdict, dataclass, field
from time import perf_counter
from typing import Any

from solved import TASKS, solution

from tutorial_project.classroom import open_exercise


@dataclass
class Checks:
    """The checks of all solutions: seconds by task, and the verdicts on those that were refused."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)

    def add(self, lesson: str, task: str) -> None:
        """Check a solution once."""
        exercise = open_exercise(lesson)
        # Trap: a new one each time. An answer may hold a lock that belongs to the loop of its first check.
        verdict, seconds = asyncio.run(judged(exercise, solution(lesson, task), task))
        self.seconds.setdefault(f"{lesson} {task}", []).append(seconds)
        if verdict.state != "done":
            self.refused.append(verdict.text)


async def judged(exercise: Any, answer: Any, task: str) -> tuple[Any, float]:
    """The verdict on an answer, and the seconds that it took, without those of the event loop's own end."""
    started = perf_counter()
    verdict = await exercise.judge(answer, task)
    return verdict, perf_counter() - started


def main() -> None:
    checks = Checks()
    for lesson, task in TASKS:
        for _ in range(int(sys.argv[1])):
            checks.add(lesson, task)
    print(json.dumps(asdict(checks)))


if __name__ == "__main__":
    main()
