"""Every exercise is proven four ways: stub, solution, other right answers, known wrong answers."""

from __future__ import annotations

import asyncio
import gc
import os
import re
import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import build
import pytest
from solved import LESSONS, TASKS, answer_in

from tutorial_project.checks.gaps import broken_cell
from tutorial_project.checks.judge import judge
from tutorial_project.checks.known_answers import KnownAnswer
from tutorial_project.checks.loading import load_broken, load_known_answers, load_task
from tutorial_project.checks.task import Task
from tutorial_project.checks.verdict import Verdict

pytestmark = pytest.mark.usefixtures("the_machine_may_be_busy", "clients_start_soon")

RUNS_OF_BROKEN_CODE = int(os.environ.get("RUNS_OF_BROKEN_CODE", "3"))
"""How often broken code is judged: a fault that shows on some runs only could be called repaired."""

ANSWERS = [(name, answer) for name in LESSONS for answer in load_known_answers(name)]

BROKEN = [(lesson, task) for lesson, task in TASKS if broken_cell(build.exercise_text(lesson), task)]

each_task = pytest.mark.parametrize(("lesson_name", "task_name"), TASKS, ids=[f"{n}-{t}" for n, t in TASKS])


each_broken_task = pytest.mark.parametrize(
    ("lesson_name", "task_name"), BROKEN, ids=[f"{n}-{t}" for n, t in BROKEN]
)


def answers(wrong: bool) -> Any:
    chosen = [(name, answer) for name, answer in ANSWERS if bool(answer.breaks) == wrong]
    return pytest.mark.parametrize(
        ("lesson_name", "known"), chosen, ids=[f"{n}-{a.task}-{a.name}" for n, a in chosen]
    )


@pytest.fixture(autouse=True)
def forgotten_awaits_are_collected() -> Iterator[None]:
    # Wrong answers forget `await` on purpose; the warning comes whenever the coroutine is collected.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="coroutine .* was never awaited")
        # A blocking client that is refused while it connects has no time to close its socket; and a client that
        # a wrong answer shares between event loops keeps connections of loops that are closed.
        warnings.filterwarnings(
            "ignore", message="unclosed (<socket|transport|database)", category=ResourceWarning
        )
        warnings.filterwarnings("ignore", message="<psycopg.* was deleted while", category=ResourceWarning)
        yield
        gc.collect()


def verdict(database: Any, task: Task, answer: Any, until_refused: bool = False) -> Verdict:
    return asyncio.run(judge(task, answer, database.restore, until_refused=until_refused))


def fresh_task(lesson_name: str, task_name: str) -> Task:
    return load_task(lesson_name, task_name)


def stub_of(lesson_name: str, task_name: str) -> Any:
    """What the learner begins with: a stub, or broken code."""
    folder = build.LESSONS / lesson_name
    return answer_in(build.exercise_notebook(folder), task_name, folder)


@each_task
def test_the_stub_is_not_started(lesson_name: str, task_name: str, sample_database: Any) -> None:
    stub = stub_of(lesson_name, task_name)
    assert verdict(sample_database, fresh_task(lesson_name, task_name), stub).state == "not started"


@each_broken_task
def test_broken_code_shows_what_it_does_until_it_is_changed(
    lesson_name: str, task_name: str, sample_database: Any
) -> None:
    found = verdict(sample_database, fresh_task(lesson_name, task_name), stub_of(lesson_name, task_name))
    assert found.state == "not started"
    assert found.broken == load_broken(lesson_name, task_name), found.text
    assert {"sent", "expected", "got"} == set(found.evidence), "what operations see, and not its cause"


@each_broken_task
def test_broken_code_is_refused_by_the_requirement_that_is_named(
    lesson_name: str, task_name: str, sample_database: Any
) -> None:
    known_as_any = replace(fresh_task(lesson_name, task_name), broken="")
    for _ in range(RUNS_OF_BROKEN_CODE):
        answer = stub_of(lesson_name, task_name)
        found = verdict(sample_database, known_as_any, answer, until_refused=True)
        assert (found.state, found.broken) == ("not yet", load_broken(lesson_name, task_name)), found.text


@each_task
def test_the_solution_is_done(lesson_name: str, task_name: str, sample_database: Any) -> None:
    folder = build.LESSONS / lesson_name
    solution = answer_in(build.solution_notebook(folder), task_name, folder)
    found = verdict(sample_database, fresh_task(lesson_name, task_name), solution)
    assert found.state == "done", found.text


@answers(wrong=False)
def test_another_right_answer_is_done(lesson_name: str, known: KnownAnswer, sample_database: Any) -> None:
    found = verdict(sample_database, fresh_task(lesson_name, known.task), known.answer)
    assert found.state == "done", found.text


# What a wrong answer opens in a thread of its own, or with Django's guard off, nobody closes: Python 3.13 says so.
@pytest.mark.filterwarnings("ignore:unclosed database:ResourceWarning")
@answers(wrong=True)
def test_a_wrong_answer_is_refused_by_the_requirement_it_breaks(
    lesson_name: str, known: KnownAnswer, sample_database: Any
) -> None:
    task = fresh_task(lesson_name, known.task)
    found = verdict(sample_database, task, known.answer, until_refused=True)
    assert (found.state, found.broken) == ("not yet", known.breaks), found.text
    assert known.says in on_one_line(found.text), found.text
    cause = (on_one_line(found.evidence.get(name, "")) for name in ("because", "next"))
    assert known.is_the_cause(*cause), f"this cause is not the one that the answer declares:\n{found.text}"


def on_one_line(text: str) -> str:
    return " ".join(text.split())


def says_that_it_has_no_hints(lesson_name: str, task_name: str) -> bool:
    """Whether a sentence of the exercise tells a learner not to look for any."""
    return bool(re.search(rf"`{task_name}`[^.]* no hints", build.exercise_text(lesson_name)))


@each_task
def test_a_task_has_hints_and_known_answers_enough(lesson_name: str, task_name: str) -> None:
    task = fresh_task(lesson_name, task_name)
    known = [answer for name, answer in ANSWERS if (name, answer.task) == (lesson_name, task_name)]
    assert len(task.hints) == 3 or says_that_it_has_no_hints(lesson_name, task_name)
    assert len([answer for answer in known if answer.breaks]) >= 3
    assert [answer for answer in known if not answer.breaks]


@each_task
def test_every_requirement_refuses_some_known_answer_or_the_stub(lesson_name: str, task_name: str) -> None:
    """A proof that no known answer fails might be unable to fail."""
    task = fresh_task(lesson_name, task_name)
    broken = {answer.breaks for name, answer in ANSWERS if (name, answer.task) == (lesson_name, task_name)}
    broken.add(load_broken(lesson_name, task_name))
    never_seen_to_fail = {requirement.name for requirement in task.requirements} - broken
    assert never_seen_to_fail == set()
