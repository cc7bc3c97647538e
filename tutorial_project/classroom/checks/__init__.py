"""What the `checks.py` of a lesson imports: tasks, their requirements, and the proofs."""

from .answers import known_answer
from .evidence import NotStarted, Outcome, Refusal, Reply
from .proofs import blocking_calls_refused, counted_queries, run_without_a_loop
from .task import Task
from .trial import Together, Trial

__all__ = [
    "NotStarted",
    "Outcome",
    "Refusal",
    "Reply",
    "Task",
    "Together",
    "Trial",
    "blocking_calls_refused",
    "counted_queries",
    "known_answer",
    "run_without_a_loop",
]
