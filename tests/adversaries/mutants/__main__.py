"""`make mutants [ARGS="03 14_the_rest"]`: how many mutants of each solution are refused, and which are not."""

from __future__ import annotations

import argparse
import os
import sys
import time
from dataclasses import dataclass, field

import build
import django
from solved import LESSONS

from adversaries.checks import load_equal_mutants, task_names

from .equal import is_equal
from .judging import Job, judge_all
from .making import Mutant, is_named, mutants_of


@dataclass
class Score:
    """What became of the mutants of one task."""

    job: Job
    total: int = 0
    equal: int = 0
    refusals: list[Mutant] = field(default_factory=list)
    survivors: list[Mutant] = field(default_factory=list)
    unused: set[str] = field(default_factory=set)
    """Names in `EQUAL_MUTANTS` that no accepted mutant has."""
    solution_refused_by: str = ""

    @property
    def refused(self) -> int:
        """How many were refused."""
        return len(self.refusals)

    def add(self, mutant: Mutant, refused_by: str, explained: dict[str, str]) -> None:
        """Count one more mutant."""
        self.total += 1
        if refused_by:
            self.refusals.append(mutant)
            return
        names = {pattern for pattern in explained if is_named(pattern, mutant.name)}
        self.unused -= names
        equal = bool(names) or is_equal(mutant.name)
        self.equal += equal
        if not equal:
            self.survivors.append(mutant)

    @property
    def doubtful(self) -> list[Mutant | None]:
        """What is about to be reported: survivors, refused ones that are called equal, the refused solution."""
        called_equal = [mutant for mutant in self.refusals if self._names(mutant)]
        return [*self.survivors, *called_equal, *([None] if self.solution_refused_by else [])]

    def _names(self, mutant: Mutant) -> set[str]:
        return {pattern for pattern in self.unused if is_named(pattern, mutant.name)}

    def ask_again(self, processes: int) -> None:
        """Ask twice more: what a check makes up may spare a mutant once, and a busy machine refuse what is right."""
        jobs = [Job(self.job.lesson, self.job.task, mutant) for mutant in self.doubtful] * 2
        found = [(job.mutant, bool(refused_by)) for job, refused_by in judge_all(jobs, processes)]
        for mutant in [mutant for mutant in self.survivors if (mutant, True) in found]:
            print(f"accepted once, and then refused: {self.job.lesson} {self.job.task} {mutant.name}")
            self.survivors.remove(mutant)
            self.refusals.append(mutant)
        for mutant in [mutant for mutant in self.refusals if (mutant, False) in found]:
            if names := self._names(mutant):
                self.unused -= names
                self.refusals.remove(mutant)
                self.equal += 1
        if (None, False) in found:
            self.solution_refused_by = ""

    @property
    def is_good(self) -> bool:
        return not (self.survivors or self.unused or self.solution_refused_by)


def jobs_of(lessons: list[str], task_name: str = "") -> list[Job]:
    """Each solution of these lessons, or of one of their tasks, followed by its mutants."""
    chosen = [name for name in LESSONS if not lessons or name.startswith(tuple(lessons))]
    return [
        Job(lesson, task, mutant)
        for lesson in chosen
        for task in task_names(lesson)
        if task_name in ("", task)
        for mutant in [None, *mutants_of(build.LESSONS / lesson / "exercise.md", task)]
    ]


def main() -> int:
    """Print the table and what survived; 1 where a survivor is not explained."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lessons", nargs="*", help="names or numbers, such as 03; without any: all")
    parser.add_argument("--task", default="", help="one task of these lessons")
    parser.add_argument("--processes", type=int, default=2 * (os.cpu_count() or 1))
    options = parser.parse_args()
    began = time.monotonic()
    prepare_to_read_answers()
    scores = scored(jobs_of(options.lessons, options.task), options.processes)
    for score in scores:
        score.ask_again(options.processes)
        print_survivors(score)
    total, refused, equal = (sum(getattr(s, name) for s in scores) for name in ("total", "refused", "equal"))
    print(f"\n{total} mutants, {refused} refused, {equal} equal, {total - refused - equal} survived")
    print(f"{time.monotonic() - began:.0f} seconds")
    return 0 if scores and all(score.is_good for score in scores) else 1


def prepare_to_read_answers() -> None:
    """Set up Django in this process, too: known answers import models."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tutorial_project.settings")
    django.setup()


def scored(jobs: list[Job], processes: int) -> list[Score]:
    """The score of each task, printed as a row of the table when its last mutant is judged."""
    print(f"{'task':<46} mutants refused  equal survived")
    scores: list[Score] = []
    explained: dict[str, str] = {}
    for job, refused_by in judge_all(jobs, processes):
        if job.mutant is None:
            print_row(scores[-1:])
            explained = load_equal_mutants(job.lesson, job.task)
            scores.append(Score(job, unused=set(explained), solution_refused_by=refused_by))
        else:
            scores[-1].add(job.mutant, refused_by, explained)
    print_row(scores[-1:])
    return scores


def print_row(scores: list[Score]) -> None:
    for score in scores:
        name = f"{score.job.lesson} {score.job.task}"
        row = f"{score.total:>7} {score.refused:>7} {score.equal:>6} {len(score.survivors):>8}"
        print(f"{name:<46} {row}", flush=True)


def print_survivors(score: Score) -> None:
    name = f"{score.job.lesson} {score.job.task}"
    if score.solution_refused_by:
        print(f"\n{name}: the solution itself is refused, by {score.solution_refused_by}")
    for mutant in score.survivors:
        print(f"\n{name} accepts  {mutant.name}\n{mutant.diff}")
    for pattern in sorted(score.unused):
        print(f"\n{name}: EQUAL_MUTANTS names no mutant that is accepted: {pattern}")


if __name__ == "__main__":
    sys.exit(main())
