"""The check of every solution, timed in a process of its own: `python -m bench.checked ROUNDS`."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from time import perf_counter

import build

from tutorial_project.classroom import open_exercise


def seconds(folder: Path, task: str) -> float:
    """Seconds of one check.

    Raises:
        RuntimeError: when the solution is not done.
    """
    # Trap: it loads all tasks when it is imported, which Django has to be configured for.
    from test_exercises import answer_in

    exercise = open_exercise(folder.name)
    # Trap: a new one each time. An answer may hold a lock that belongs to the loop of its first check.
    solution = answer_in(build.solution_notebook(folder), task, folder)
    started = perf_counter()
    verdict = asyncio.run(exercise.judge(solution, task))
    passed = perf_counter() - started
    if verdict.state != "done":
        raise RuntimeError(verdict.text)
    return passed


def checks() -> list[tuple[Path, str]]:
    """The folder and the name of every task."""
    folders = [folder for folder in build.lesson_folders() if (folder / "exercise.md").is_file()]
    return [(folder, task) for folder in folders for task in open_exercise(folder.name).tasks]


if __name__ == "__main__":
    rounds = range(int(sys.argv[1]))
    print(
        json.dumps(
            {f"{folder.name} {task}": [seconds(folder, task) for _ in rounds] for folder, task in checks()}
        )
    )
