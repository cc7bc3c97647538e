"""What the tasks and answers of a lesson import."""

from .known_answers import known_answer
from .outcome import NotStarted, Outcome, Refusal, Reply
from .proofs.event_loop import blocking_calls_refused, run_without_a_loop
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
    "known_answer",
    "run_without_a_loop",
]
