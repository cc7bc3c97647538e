from __future__ import annotations

import copy
import math
import random
from statistics import fmean
from typing import Any

from tutorial_project.checks import Outcome, Task, Trial

from ..shared import made_up_seconds

summary = Task(
    "summary",
    hints=(
        "Which time has 95 of a hundred answers at or below it, when all of them stand in order?",
        "Put the times of all runs into one sorted list. The nearest rank of p is the smallest whole number that is at "
        "least p / 100 × the number of answers; ranks count from one, lists from zero.",
        "`times = sorted(time for run in runs for time in run)`; `rank = math.ceil(percent * len(times) / 100)`; "
        "`times[rank - 1]`",
    ),
    praise="Right: percentiles come from all times, never from other percentiles. The mean of such runs is a time that "
    "nobody waited: one answer in a hundred that takes a hundred times as long doubles it, and p50 does not move.",
    excused={"memory": "the summary of the same times is always the same"},
)

KEYS = ("answers", "mean", "p50", "p95", "p99")


def right(runs: list[list[float]]) -> dict[str, Any]:
    times = sorted(time for run in runs for time in run)
    ranks = {percent: -(-percent * len(times) // 100) for percent in (50, 95, 99)}
    percentiles = {f"p{percent}": times[rank - 1] for percent, rank in ranks.items()}
    return {"answers": len(times), "mean": fmean(times), **percentiles}


def same(value: Any, expected: dict[str, Any]) -> bool:
    if not isinstance(value, dict) or set(value) != set(expected):
        return False
    numbers = [value[key] for key in KEYS]
    if not all(isinstance(number, int | float) for number in numbers):
        return False
    return all(math.isclose(value[key], expected[key], rel_tol=1e-6) for key in KEYS)


def made_up(*lengths: int) -> list[list[float]]:
    """Runs of so many answers each, no two of them alike, a few much slower than the others."""
    times: set[float] = set()
    while len(times) < sum(lengths):
        times.add(made_up_seconds() * random.choice([0.01] * 30 + [1, 10]))
    shuffled = random.sample(sorted(times), len(times))
    return [[shuffled.pop() for _ in range(length)] for length in lengths]


async def expect_summary(trial: Trial, runs: list[list[float]]) -> None:
    given = copy.deepcopy(runs)
    outcome = await trial.call(given)
    outcome.sent = f"summary(…)  of {' + '.join(str(len(run)) for run in runs)} times"
    expected = right(runs)
    outcome.expect_that(
        same(outcome.value, expected), shown(expected), got=shown(outcome.value), **words(outcome, runs)
    )


def shown(value: Any) -> str:
    if not isinstance(value, dict):
        return repr(value)
    return repr({key: round(v, 6) if isinstance(v, float) else v for key, v in value.items()})


def words(outcome: Outcome, runs: list[list[float]]) -> dict[str, str]:
    value, expected = outcome.value, right(runs)
    if not isinstance(value, dict) or set(value) != set(KEYS):
        return {}
    filled = [run for run in runs if run]
    averaged = fmean(right([run])["p99"] for run in filled)
    if len(filled) > 1 and is_close(value["p99"], averaged):
        return {
            "because": "p99 is the average of the runs' own: percentiles cannot be averaged",
            "next": "put the times of all runs into one list first",
        }
    times = sorted(time for run in runs for time in run)
    if value["answers"] == len(set(times)) < len(times):
        return {"because": "two answers that took the same time are two answers"}
    if value["answers"] < expected["answers"]:
        return {"because": "answers are missing: each counts, the slowest and one of 0 seconds, too"}
    position = times.index(expected["p50"])
    if position + 1 < len(times) and is_close(value["p50"], times[position + 1]):
        return {"because": "the time is one rank too high: ranks count from one, lists from zero"}
    return {}


def is_close(value: Any, other: float) -> bool:
    return isinstance(value, int | float) and math.isclose(value, other, rel_tol=1e-6)


@summary.requirement(
    '`summary(runs)`, of a list with one list of seconds, gives a dictionary: `"answers"` is their number, `"mean"` their '
    'mean, and `"p50"`, `"p95"`, `"p99"` are nearest ranks: of 200 answers p95 is the 190th fastest, whatever order they '
    "came in"
)
async def ranks_the_times(trial: Trial) -> None:
    for length in (200, 100, 100 * random.randint(3, 9)):
        await expect_summary(trial, made_up(length))
    coarse = [
        [0.0, *(round(time, 3) for time in run)] for run in made_up(199)
    ]  # as a coarse clock gives them
    await expect_summary(trial, coarse)


@summary.requirement(
    "where the share is no whole number it takes the next rank: of 50 answers p99 is the slowest, of 3 p50 is the second, of "
    "one all three are that one"
)
async def takes_the_next_rank(trial: Trial) -> None:
    for length in (50, 3, 1, 2, 10, 101, random.randint(11, 49)):
        await expect_summary(trial, made_up(length))


@summary.requirement("of several runs it gives one summary of all their times together; a run may be empty")
async def joins_the_runs(trial: Trial) -> None:
    await expect_summary(trial, made_up(100, 300))
    await expect_summary(trial, made_up(random.randint(2, 9), random.randint(150, 300), 40))
    await expect_summary(trial, made_up(0, random.randint(30, 60), 0))


@summary.requirement("leaves the runs as they were given")
async def leaves_the_runs_alone(trial: Trial) -> None:
    for lengths in ((30, 20), (30,), (0, 20, 0)):
        await expect_runs_left_alone(trial, made_up(*lengths))


async def expect_runs_left_alone(trial: Trial, runs: list[list[float]]) -> None:
    given = copy.deepcopy(runs)
    outcome = await trial.call(given)
    outcome.sent = f"summary(…)  of {' + '.join(str(len(run)) for run in runs)} times, and a look at the runs"
    outcome.expect_that(
        given == runs,
        "the runs as they were",
        got="times in another order, or other runs",
        because="a list was changed in place",
        next="`sorted(…)` makes a new list",
    )


@summary.requirement("raises ValueError when there is no answer at all")
async def refuses_nothing(trial: Trial) -> None:
    for runs in ([], [[]], [[], []]):
        outcome = await trial.call(runs)
        outcome.expect_error(ValueError)
