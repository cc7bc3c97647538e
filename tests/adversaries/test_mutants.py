"""Mutants: which there are, what they are called, and what becomes of one that hangs or exits."""

from __future__ import annotations

from pathlib import Path

import build
import pytest
from nbformat.v4 import new_code_cell

pytest.importorskip("mutmut", reason="2026-11-26: mutmut does not run on Windows")

from .mutants import __main__ as mutants_table
from .mutants.__main__ import Score
from .mutants.equal import is_equal
from .mutants.judging import Job, answer_of, judge_all
from .mutants.making import Mutant, is_named, mutants_of, mutants_of_cell

LESSON, TASK = "00_start_here", "opening_hours"


def changes(solution: str, operator: str) -> set[str]:
    """The lines that an operator makes of a solution."""
    cell = f"async def answer(request):\n    ### BEGIN SOLUTION\n{solution}\n    ### END SOLUTION\n"
    named = (mutant.name.partition(": ") for mutant in mutants_of_cell(cell))
    return {changed.partition(" → ")[2] for name, _, changed in named if name == operator}


@pytest.mark.parametrize(
    ("operator", "solution", "mutant"),
    [
        ("swap op", "    return a < 1", "return a <= 1"),
        ("one less", "    return a < 1", "return a < 0"),
        ("text", "    return 'a'", "return 'XXaXX'"),
        ("condition", "    if a:\n        return 1", "if not (a):"),
        ("condition", "    if a:\n        return 1", "if True:"),
        ("filter of a comprehension", "    return [a for a in b if a]", "return [a for a in b]"),
        ("call in a chain", "    return Trip.objects.order_by('price')", "return Trip.objects"),
        ("only keyword", "    return Client(timeout=5)", "return Client()"),
        ("arg removal", "    return ask(1, wait=2)", "return ask(1, )"),
        ("another function", "    return min(a)", "return max(a)"),
        (
            "kind of error",
            "    try:\n        a()\n    except (A, B):\n        b()",
            "except A:",
        ),
        ("kind of error", "    try:\n        a()\n    except A:\n        b()", "except Exception:"),
        ("part of a try", "    try:\n        a()\n    finally:\n        b()", "if True:"),
        ("item of a with", "    async with lock:\n        a()", "if True:"),
        ("statement", "    await client.aclose()", "pass"),
        ("order of two", "    await a()\n    b()\n    return 1", "b() ⏎ await a()"),
        ("gathered", "    return await asyncio.gather(a, *b)", "return [await each for each in [a, *b]]"),
        ("together", "    a = group.create_task(ask(1))", "a = (await ask(1))"),
        ("place of a value", "    self.trip = await ask()", "type(self).trip = await ask()"),
        ("local as global", "    trip = a()\n    await b()\n    return trip", "global trip"),
    ],
)
def test_an_operator_makes_its_change(operator: str, solution: str, mutant: str) -> None:
    assert mutant in changes(solution, operator)


def test_a_value_that_nobody_can_come_between_stays_local() -> None:
    assert changes("    trip = await a()\n    return trip", "local as global") == set()


def test_a_variable_of_an_inner_function_is_none_of_the_outer() -> None:
    inner = (
        "    async def inner():\n        trip = a()\n        await b()\n        return trip\n    return inner"
    )
    cell = f"def answer():\n    ### BEGIN SOLUTION\n{inner}\n    ### END SOLUTION\n"
    made = [mutant for mutant in mutants_of_cell(cell) if mutant.name.startswith("local as global")]
    assert [mutant.source.count("        global trip") for mutant in made] == [1]


def test_only_what_stands_in_a_gap_is_changed() -> None:
    cell = "LIMIT = 5\n\n\ndef answer():\n    ### BEGIN SOLUTION\n    return LIMIT\n    ### END SOLUTION\n"
    assert not [mutant for mutant in mutants_of_cell(cell) if "LIMIT = 5\n" not in mutant.source]


def test_a_name_tells_two_changes_of_equal_lines_apart_and_a_pattern_names_both() -> None:
    twice = "    if a:\n        return 1\n    if b:\n        return 1"
    cell = f"async def answer(a, b):\n    ### BEGIN SOLUTION\n{twice}\n    ### END SOLUTION\n"
    names = [mutant.name for mutant in mutants_of_cell(cell) if mutant.name.startswith("number")]
    assert names == ["number: return 1 → return 2", "number: return 1 → return 2 (2)"]
    assert all(is_named("number: return 1 → …", name) for name in names)
    assert not is_named("number: return 1", names[0])


def exercise(folder: Path, solution: str) -> Path:
    file = folder / "exercise.md"
    file.write_text(
        f"# A\n\n```{{code-cell}} ipython3\ndef answer():\n    ### BEGIN SOLUTION\n    {solution}\n"
        "    ### END SOLUTION\n```\n",
        encoding="utf-8",
    )
    return file


def test_the_mutants_of_a_task_are_those_of_the_cell_that_defines_it(tmp_path: Path) -> None:
    file = exercise(tmp_path, "return True")
    assert [mutant.name for mutant in mutants_of(file, "answer")] == ["name: return True → return False"]
    assert mutants_of(file, "another") == []


def opening_hours(body: str) -> Job:
    source = f"import os\n\nfrom django.http import JsonResponse\n\n\nasync def opening_hours(request):\n    {body}\n"
    return Job(LESSON, TASK, Mutant("a change", source, ""))


def test_a_mutant_takes_the_place_of_the_answer_whatever_the_builder_puts_before_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A changed cell beside the answer would prove nothing."""
    solution = build.solution_notebook(build.LESSONS / LESSON)
    solution.cells.insert(0, new_code_cell("first = True"))
    monkeypatch.setattr(build, "solution_notebook", lambda folder: solution)
    changed = Mutant("a change", f"def {TASK}(request):\n    return 'changed'\n", "")
    assert answer_of(Job(LESSON, TASK, changed))(None) == "changed"


def test_each_mutant_is_judged_and_one_that_exits_costs_no_other_its_verdict() -> None:
    right, wrong = (f'return JsonResponse({{"opens": {hour}, "closes": 18}})' for hour in (9, 10))
    jobs = [Job(LESSON, TASK), *map(opening_hours, (right, "os._exit(1)", "raise SystemExit", wrong))]
    found = dict(zip(("solution", "right", "gone", "exits", "wrong"), judge_all(jobs, 1), strict=True))
    assert [found["solution"][1], found["right"][1]] == ["", ""]
    assert found["gone"][1] == "the end of its process"
    assert found["exits"][1]
    assert found["wrong"][1] == "is_the_json"


def test_a_survivor_has_to_be_explained_and_an_explanation_has_to_be_needed() -> None:
    mutant = Mutant("number: 1 → 2", "", "")
    for explained, refused_by, good in (
        ({}, "", False),
        ({"number: …": "equal"}, "", True),
        ({"number: …": "equal"}, "some_requirement", False),
        ({}, "some_requirement", True),
    ):
        score = Score(Job(LESSON, TASK), unused=set(explained))
        score.add(mutant, refused_by, explained)
        assert score.is_good is good


@pytest.mark.parametrize(
    "name",
    [
        'text: return JsonResponse({"error": "busy"}, status=503) → return JsonResponse({"error": "XXbusyXX"}, status=503)',
        'text: return JsonResponse({"error": "busy"}, status=503) → return JsonResponse({"XXerrorXX": "busy"}, status=503)',
        'arg removal: raise Http404("none") → raise Http404(None) (2)',
        'arg removal: raise Account.DoesNotExist("none") → raise Account.DoesNotExist(None)',
        "name: pairs = dict(zip(a, b, strict=True)) → pairs = dict(zip(a, b, strict=False))",
        "arg removal: pairs = dict(zip(a, b, strict=True)) → pairs = dict(zip(a, b, ))",
    ],
)
def test_what_no_task_can_demand_is_equal_in_all_of_them(name: str) -> None:
    assert is_equal(name)


@pytest.mark.parametrize(
    "name",
    [
        'number: return JsonResponse({"error": "busy"}, status=503) → return JsonResponse({"error": "busy"}, status=504)',
        'text: return JsonResponse({"sky": "error"}) → return JsonResponse({"sky": "XXerrorXX"})',
        "kind of error: except ServiceError: → except Exception:",
    ],
)
def test_what_a_task_may_demand_is_not(name: str) -> None:
    assert not is_equal(name)


def test_what_is_refused_when_it_is_asked_again_did_not_survive(monkeypatch: pytest.MonkeyPatch) -> None:
    spared, lasting = (Mutant(name, name, "") for name in ("spared once", "survives"))
    refused = iter(["", "", "asks_once", ""])
    asked: list[Mutant | None] = []

    def judged(jobs: list[Job], processes: int) -> list[tuple[Job, str]]:
        asked.extend(job.mutant for job in jobs)
        return [(job, next(refused)) for job in jobs]

    monkeypatch.setattr(mutants_table, "judge_all", judged)
    score = Score(Job(LESSON, TASK), total=2, survivors=[spared, lasting])
    score.ask_again(1)
    assert asked == [spared, lasting] * 2
    assert (score.survivors, score.refused) == ([lasting], 1)


def test_a_right_answer_that_a_busy_machine_refused_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    equal = Mutant("number: 1 → 2", "", "")
    score = Score(Job(LESSON, TASK), unused={"number: …"}, solution_refused_by="answers_in_time")
    score.add(equal, "answers_in_time", {"number: …": "equal"})
    accepted = lambda jobs, processes: [(job, "") for job in jobs]  # noqa: E731
    monkeypatch.setattr(mutants_table, "judge_all", accepted)
    assert score.doubtful == [equal, None]
    score.ask_again(1)
    assert (score.is_good, score.equal, score.refused) == (True, 1, 0)
