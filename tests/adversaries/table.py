"""All adversaries, by the name that `Task(excused={…})` and the proofs use."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from . import blocking
from .calls import Adversary
from .copies import OneAtOnce, OneRow, one_question, one_user
from .holder import Holder
from .memory import Memory
from .one_at_a_time import OneAtATime
from .rehearsal import Rehearsal
from .replay import Replay

ADVERSARIES: Mapping[str, Callable[[Rehearsal], Adversary]] = {
    "replay": Replay,
    "memory": lambda heard: Memory(),
    "one at a time": lambda heard: OneAtATime(),
    "holder before the first wait": lambda heard: Holder(blocking.join_a_thread, 0),
    "holder between two waits": lambda heard: Holder(blocking.ask_a_future, 1),
    "holder after the last wait": lambda heard: Holder(blocking.leave_a_pool, None),
    "first row": lambda heard: OneRow(0),
    "last row": lambda heard: OneRow(-1),
    "first question": lambda heard: one_question(),
    "first user": lambda heard: one_user(),
    "first at once": lambda heard: OneAtOnce(0),
    "last at once": lambda heard: OneAtOnce(-1),
}


def excuse(excused: Mapping[str, str], adversary: str) -> str | None:
    """The reason why a task accepts an adversary: "holder" excuses every holder."""
    return next((reason for name, reason in excused.items() if adversary.startswith(name)), None)
