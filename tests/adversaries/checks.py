"""What the adversaries use of the project's checks: this is the only place that names their modules."""

from tutorial_project.checks.judge import judge
from tutorial_project.checks.loading import (
    load_equal_mutants,
    load_known_answers,
    load_task,
    task_names,
)
from tutorial_project.checks.outcome import Refusal
from tutorial_project.checks.own_code import function_of
from tutorial_project.checks.task import Task
from tutorial_project.checks.trial import Trial
from tutorial_project.checks.verdict import Verdict

__all__ = [
    "Refusal",
    "Task",
    "Trial",
    "Verdict",
    "function_of",
    "judge",
    "load_equal_mutants",
    "load_known_answers",
    "load_task",
    "task_names",
]
