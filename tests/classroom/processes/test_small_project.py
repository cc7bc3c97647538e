"""The small project whose tests a lesson runs in a process of their own."""

from __future__ import annotations

from typing import Any

import pytest

from tutorial_project.classroom.processes.small_project import SmallProject

TESTS = """
import warnings

from django.conf import settings
from django.test import SimpleTestCase


class SettingsTests(SimpleTestCase):
    async def test_has_settings_of_its_own(self):
        warnings.warn("stands between the name and the result", stacklevel=1)
        self.assertEqual(settings.SECRET_KEY, "for tests only")

    async def test_is_wrong(self):
        self.assertEqual(1 + 1, 3)
"""


@pytest.fixture
def project() -> SmallProject:
    return SmallProject()


def test_djangos_runner_tells_each_test_each_failure_and_the_sum(project: SmallProject, capsys: Any) -> None:
    project.django_tests(TESTS)
    assert capsys.readouterr().out.splitlines() == [
        "test_has_settings_of_its_own ... ok",
        "test_is_wrong ... FAIL",
        "FAIL: test_is_wrong: AssertionError: 2 != 3",
        "FAILED (failures=1)",
    ]


def test_pytest_tells_the_same_whatever_runs_this_process(
    project: SmallProject, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", "--no-such-option")
    project.pytest(TESTS)
    assert capsys.readouterr().out.splitlines() == [
        "SettingsTests::test_has_settings_of_its_own PASSED",
        "SettingsTests::test_is_wrong FAILED",
        "FAILED SettingsTests::test_is_wrong: AssertionError: 2 != 3",
        "1 failed, 1 passed, 1 warning",
    ]


def test_a_file_that_is_no_python_is_told(project: SmallProject, capsys: Any) -> None:
    project.pytest("def test_(:")
    assert "error" in capsys.readouterr().out.splitlines()[-1]
