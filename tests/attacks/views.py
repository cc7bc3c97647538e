"""The solutions that answer requests at routes of their own."""

from __future__ import annotations

import pytest
from solved import TASKS

from tutorial_project.checks.loading import load_tasks

BEHIND_A_LAYER = {("19_deployment", "feed_until_stop"), ("19_deployment", "review_feed")}
"""Views whose state comes from the layer that hears the server's lifespan, which a test client has not."""

VIEWS = [
    (lesson, task)
    for lesson, task in TASKS
    if load_tasks(lesson)[task].routes and (lesson, task) not in BEHIND_A_LAYER
]


each_view = pytest.mark.parametrize(("lesson_name", "task_name"), VIEWS, ids=[f"{n}-{t}" for n, t in VIEWS])
