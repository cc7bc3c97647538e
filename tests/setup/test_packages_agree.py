"""pyproject.toml, the lock, environment.yml and the workflow say the same."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from tutorial_project.paths import ROOT

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LOCK = (ROOT / "requirements.txt").read_text(encoding="utf-8")
ENTRIES = re.split(r"\n(?=\S)", LOCK.strip())
"""One a pinned package: its line, its hashes, and what asks for it."""
PINS = [Requirement(entry.partition("\\")[0].strip()) for entry in ENTRIES]
PYTHONS = SpecifierSet(PROJECT["requires-python"])
OLDEST, NEWEST = (3, 11), (3, 14)
SUPPORTED = [f"3.{minor}" for minor in range(OLDEST[1], NEWEST[1] + 1)]
WORKFLOW = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
CONDA = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))


def pins_for(name: str, python: str, platform: str = "linux") -> list[Requirement]:
    """What the lock installs of a package."""
    machine = {"python_version": python, "python_full_version": f"{python}.9", "sys_platform": platform}
    return [
        pin
        for pin in PINS
        if canonicalize_name(pin.name) == canonicalize_name(name)
        and (pin.marker is None or pin.marker.evaluate(machine))
    ]


def workflow_pythons() -> set[str]:
    """Every Python version that the workflow names."""
    text = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    return set(re.findall(r'"(3\.\d+)"', text))


@pytest.mark.parametrize("dependency", PROJECT["dependencies"])
def test_each_dependency_is_pinned_inside_its_range_on_every_python(dependency: str) -> None:
    asked = Requirement(dependency)
    platforms = [
        p for p in ("linux", "win32") if asked.marker is None or asked.marker.evaluate({"sys_platform": p})
    ]
    assert platforms
    for python in SUPPORTED:
        for platform in platforms:
            (pin,) = pins_for(asked.name, python, platform)
            (version,) = pin.specifier
            assert asked.specifier.contains(version.version), (python, platform)


def test_the_lock_brings_the_two_versions_of_django_that_are_promised() -> None:
    pinned = {python: next(iter(pins_for("django", python)[0].specifier)).version[:4] for python in SUPPORTED}
    assert pinned == {"3.11": "5.2.", "3.12": "6.1.", "3.13": "6.1.", "3.14": "6.1."}


def test_every_pin_is_exact_and_has_hashes() -> None:
    for entry, pin in zip(ENTRIES, PINS, strict=True):
        assert [clause.operator for clause in pin.specifier] == ["=="], pin
        assert "--hash=sha256:" in entry, pin


def test_the_lock_names_no_place_to_download_from() -> None:
    assert "://" not in LOCK
    assert not any(line.startswith("-") for line in LOCK.splitlines())
    assert all(pin.url is None for pin in PINS)


def test_conda_installs_a_supported_python_and_the_lock_alone() -> None:
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
