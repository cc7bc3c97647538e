"""The solutions that answer requests at routes of their own."""

from __future__ import annotations

import pytest
from solved import TASKS

from tutorial_project.checks.loading import load_task

VIEWS = [(lesson, task) for lesson, task in TASKS if load_task(lesson, task).routes]


each_view = pytest.mark.parametrize(("lesson_name", "task_name"), VIEWS, ids=[f"{n}-{t}" for n, t in VIEWS])
