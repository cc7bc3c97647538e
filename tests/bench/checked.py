"""The check of every solution, timed in a process of its own: `python -m bench.checked ROUNDS`."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import build

from tutorial_project.classroom import open_exercise


@dataclass
class Checks:
    """The checks of all solutions: seconds by task, and the verdicts on those that were refused."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)

    def add(self, folder: Path, task: str) -> None:
        """Check a solution once."""
        # Trap: it loads all tasks when it is imported, which Django has to be configured for.
        from test_exercises import answer_in

        exercise = open_exercise(folder.name)
        # Trap: a new one each time. An answer may hold a lock that belongs to the loop of its first check.
        solution = answer_in(build.solution_notebook(folder), task, folder)
        verdict, seconds = asyncio.run(judged(exercise, solution, task))
        self.seconds.setdefault(f"{folder.name} {task}", []).append(seconds)
        if verdict.state != "done":
            self.refused.append(verdict.text)


async def judged(exercise: Any, answer: Any, task: str) -> tuple[Any, float]:
    """The verdict on an answer, and the seconds that it took, without those of the event loop's own end."""
    started = perf_counter()
    verdict = await exercise.judge(answer, task)
    return verdict, perf_counter() - started


def tasks() -> list[tuple[Path, str]]:
    """The folder and the name of every task."""
    folders = [folder for folder in build.lesson_folders() if (folder / "exercise.md").is_file()]
    return [(folder, task) for folder in folders for task in open_exercise(folder.name).tasks]


def main() -> None:
    checks = Checks()
    for folder, task in tasks():
        for _ in range(int(sys.argv[1])):
            checks.add(folder, task)
    print(json.dumps(asdict(checks)))


if __name__ == "__main__":
    main()
