"""Judging mutants in child processes, so that one that hangs or exits takes no other with it."""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
import warnings
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, TimeoutError
from dataclasses import dataclass
from typing import Any

from pebble import ProcessExpired, ProcessPool

from .making import Mutant

SECONDS = 45
"""For one mutant: more than the longest limit of a task; a mutant that blocks its process ends so."""
JUDGED_BY_ONE = 50
"""Mutants that a process judges before a new one takes its place: each leaves something behind."""


@dataclass(frozen=True)
class Job:
    """One mutant to judge; no mutant is the solution as it is, which shows that the way of judging is right."""

    lesson: str
    task: str
    mutant: Mutant | None = None


def judge_all(jobs: Iterable[Job], processes: int) -> Iterator[tuple[Job, str]]:
    """Each job with what refused it: a requirement, "the end of its process", or nothing where it is accepted.

    Args:
        jobs: what to judge.
        processes: how many are judged at the same time.
    """
    spawn = multiprocessing.get_context("spawn")
    with ProcessPool(processes, JUDGED_BY_ONE, initializer=prepare_process, context=spawn) as pool:
        for job, judging in [(job, pool.schedule(judge_one, (job,), timeout=SECONDS)) for job in jobs]:
            yield job, _refused_by(judging)


def _refused_by(judging: Future[str]) -> str:
    try:
        return judging.result()
    except TimeoutError:
        return f"{SECONDS} seconds"
    except ProcessExpired:
        return "the end of its process"


def prepare_process() -> None:
    """Set up Django and its sample data, as the proofs have them; what mutants print is nobody's business."""
    warnings.simplefilter("ignore")
    sys.stdout = sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - as long as the process
    os.environ["SSL_CERT_DIR"] = (
        tempfile.gettempdir()
    )  # or each httpx client reads all of certifi's certificates
    from tutorial_project.classroom.opening import prepare

    global database
    database = prepare(ROOT_URLCONF="tutorial_project.urls")


database: Any = None


def judge_one(job: Job) -> str:
    """What refuses a mutant, or an empty string."""
    from adversaries.checks import load_task
    from adversaries.meeting import judged

    try:
        database.restore()
        answer = answer_of(job)
        verdict = judged(load_task(job.lesson, job.task), answer, database.restore)
    except BaseException as error:  # also SystemExit: a mutant may do whatever it likes
        return type(error).__name__
    return verdict.broken or ("" if verdict.state == "done" else verdict.state)


def answer_of(job: Job) -> Any:
    """The solution of a job's task, with its mutant in the place of the answer."""
    import build
    from solved import answer_in, cell_of

    folder = build.LESSONS / job.lesson
    notebook = build.solution_notebook(folder)
    if job.mutant is not None:
        cell_of(notebook, job.task).source = job.mutant.source
    return answer_in(notebook, job.task, folder)
