"""pyproject.toml, the two locks, environment.yml and the workflow say the same."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest
import yaml
from locks import LEARNERS, PROOFS, SYSTEMS, Lock
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from project import ROOT

TOML: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT, GROUPS = TOML["project"], TOML["dependency-groups"]
BESIDES = [asked for group in GROUPS.values() for asked in group if isinstance(asked, str)]
"""What proofs, site and hub need besides."""
ASKED = [(LEARNERS, asked) for asked in PROJECT["dependencies"]]
ASKED += [(PROOFS, asked) for asked in PROJECT["dependencies"] + BESIDES]
PYTHONS = SpecifierSet(PROJECT["requires-python"])
OLDEST, NEWEST = (3, 11), (3, 14)
SUPPORTED = [f"3.{minor}" for minor in range(OLDEST[1], NEWEST[1] + 1)]
MACHINES = [(python, platform) for python in SUPPORTED for platform in SYSTEMS]
WORKFLOW = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
CONDA = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
both = pytest.mark.parametrize("lock", [LEARNERS, PROOFS], ids=lambda lock: lock.name)


def names(asked: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(each).name) for each in asked}


def runs(job: str) -> list[str]:
    """The commands of a job of the workflow."""
    return [step["run"] for step in WORKFLOW["jobs"][job]["steps"] if "run" in step]


def workflow_pythons() -> set[str]:
    """Every Python version that the workflow names."""
    text = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    return set(re.findall(r'"(3\.\d+)"', text))


@pytest.mark.parametrize(("lock", "dependency"), ASKED, ids=[f"{lock.name}-{asked}" for lock, asked in ASKED])
def test_each_dependency_is_pinned_inside_its_range_on_every_python(lock: Lock, dependency: str) -> None:
    asked = Requirement(dependency)
    machines = [
        (python, platform)
        for python, platform in MACHINES
        if asked.marker is None or asked.marker.evaluate({"sys_platform": platform, "python_version": python})
    ]
    assert machines
    for machine in machines:
        version, _ = lock.installed(*machine)[canonicalize_name(asked.name)]
        assert asked.specifier.contains(version), machine


@pytest.mark.parametrize(("python", "platform"), MACHINES)
def test_what_a_learner_gets_is_a_part_of_what_proofs_get_in_the_same_versions(
    python: str, platform: str
) -> None:
    learners, proofs = (lock.installed(python, platform).items() for lock in (LEARNERS, PROOFS))
    assert len(learners) > 100
    assert learners < proofs


def test_what_only_proofs_site_and_hub_need_is_not_in_the_lock_of_learners() -> None:
    assert names(BESIDES) & {canonicalize_name(pin.name) for pin in LEARNERS.pins} == set()


def test_the_lock_of_proofs_is_made_of_every_group() -> None:
    included = {group["include-group"] for group in GROUPS["proofs"] if isinstance(group, dict)}
    assert included == GROUPS.keys() - {"proofs"}


@both
def test_the_lock_brings_the_two_versions_of_django_that_are_promised(lock: Lock) -> None:
    pinned = {python: lock.installed(python)["django"][0][:4] for python in SUPPORTED}
    assert pinned == {"3.11": "5.2.", "3.12": "6.1.", "3.13": "6.1.", "3.14": "6.1."}


@both
def test_every_pin_is_exact_and_has_hashes(lock: Lock) -> None:
    for entry, pin in zip(lock.entries, lock.pins, strict=True):
        assert [clause.operator for clause in pin.specifier] == ["=="], pin
        assert "--hash=sha256:" in entry, pin


@both
def test_the_lock_names_no_place_to_download_from(lock: Lock) -> None:
    assert "://" not in lock.text
    assert not any(line.startswith("-") for line in lock.text.splitlines())
    assert all(pin.url is None for pin in lock.pins)


def test_conda_installs_a_supported_python_and_the_lock_of_learners_alone() -> None:
    python, pip, locked = CONDA["dependencies"]
    name, _, version = python.partition("=")
    assert (name, pip, locked) == ("python", "pip", {"pip": ["-r requirements.txt"]})
    assert version in SUPPORTED


def test_the_supported_pythons_are_those_that_the_project_declares() -> None:
    assert all(PYTHONS.contains(python) for python in SUPPORTED)
    assert not PYTHONS.contains(f"3.{OLDEST[1] - 1}")


def test_the_workflow_runs_every_supported_python_and_no_other() -> None:
    assert WORKFLOW["jobs"]["linux"]["strategy"]["matrix"]["python"] == SUPPORTED
    assert workflow_pythons() == set(SUPPORTED)


def test_the_workflow_pins_its_actions_by_major_version() -> None:
    used = [step["uses"] for job in WORKFLOW["jobs"].values() for step in job["steps"] if "uses" in step]
    assert used
    assert all(re.fullmatch(r"actions/[\w-]+@v\d+", action) for action in used)


def test_the_workflow_runs_the_lessons_with_no_more_than_a_learner_has() -> None:
    sets_up, proves = runs("learner")
    assert sets_up == "make ready PYTHON=python"
    assert proves == ".venv/bin/python -m pytest notebooks solutions"


def test_the_workflow_installs_what_proofs_need_wherever_it_runs_them() -> None:
    jobs = [job for job in WORKFLOW["jobs"] if job != "learner"]
    for job in jobs:
        first, *_ = [command for command in runs(job) if "lock" not in command]
        assert first in {"make test PYTHON=python", "python set_up.py --proofs"}, job
