"""Running an answer under traffic, to show what operations see of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from django.test import override_settings

from .judge import fresh_data
from .task import Task


async def seen_by_operations(task: Task, answer: Any, restore: Callable[[], None] | None = None) -> Any:
    """What operations see of an answer, on fresh data and with the settings of its task.

    Args:
        task: one that was decorated with `seen_by_operations`.
        answer: what the learner wrote.
        restore: called in a thread first, so that the traffic meets fresh data.
    """
    assert task.operations is not None
    with override_settings(**task.settings), ExitStack() as stack:
        await asyncio.to_thread(stack.enter_context, fresh_data(task, restore))
        return await task.operations(answer)
