"""What lessons and the tutorial import is in the lock of learners, also where more is installed."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import build
import pytest
from locks import LEARNERS
from packaging.utils import canonicalize_name
from project import ROOT

MODULES = [*(ROOT / "tutorial_project").rglob("*.py"), ROOT / "manage.py"]
IMPORTED = re.compile(r"^\s*(?:from|import)\s+(\w+)", re.MULTILINE)


@cache
def installed() -> dict[str, set[str]]:
    """The names of the packages that bring each module of this environment."""
    return {module: set(map(canonicalize_name, names)) for module, names in packages_distributions().items()}


def missing(modules: Iterable[str]) -> set[str]:
    """The modules that a learner would not have."""
    had = {canonicalize_name(pin.name) for pin in LEARNERS.pins}
    return {module for module in modules if module in installed() and not installed()[module] & had}


def imported_by(file: Path) -> set[str]:
    """The modules that a file imports anywhere, each by its first name."""
    nodes = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    whole = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    parts = {node.module for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}
    return {name.partition(".")[0] for name in whole | parts}


def imported_by_cells(lesson: Path) -> set[str]:
    """The modules that a lesson's cells import, and those of its exercise; scripts that they write as well."""
    notebooks = (build.lesson_notebook(lesson), build.solution_notebook(lesson))
    cells = [cell.source for notebook in notebooks for cell in notebook.cells if cell.cell_type == "code"]
    return set(IMPORTED.findall("\n".join(cells)))


def test_a_learner_has_what_a_lesson_imports(lesson: Path) -> None:
    imported = imported_by_cells(lesson).union(*map(imported_by, lesson.rglob("*.py")))
    assert "tutorial_project" in imported
    assert missing(imported) == set()


def test_a_learner_has_what_the_tutorial_imports() -> None:
    imported = set().union(*map(imported_by, MODULES))
    assert {"django", "httpx", "nbclient"} <= imported
    assert missing(imported) == set()


@pytest.mark.parametrize("source", ["import ruff", "def test():\n    from playwright.sync_api import Page"])
def test_a_module_that_only_proofs_have_is_found(source: str, tmp_path: Path) -> None:
    (tmp_path / "checks.py").write_text(source)
    assert missing(imported_by(tmp_path / "checks.py")) == missing(IMPORTED.findall(source)) != set()
