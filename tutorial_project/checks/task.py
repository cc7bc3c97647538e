"""A task of an exercise: its requirements, in the order in which they are proven, and its hints."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

# Any stands for the Trial that is proven: it holds its task, and a circle of imports would be the price of its name.
Proof = Callable[[Any], Awaitable[None]]
"""Takes the trial of an answer; raises `Refusal` when its sentence does not hold."""


@dataclass(frozen=True)
class Requirement:
    """One sentence that an answer must live up to, and the proof that it does."""

    sentence: str
    proof: Proof

    @property
    def name(self) -> str:
        """The name of the proof, by which the known answers say what a wrong answer breaks."""
        return self.proof.__name__


@dataclass
class Task:
    """What an answer must do.

    Args:
        name: the name of the function or class that the learner writes.
        routes: URL routes at which a view is mounted, as in `path()`, for example "hello/<str:name>/".
        hints: three grades: a question, a direction, nearly the code; none where finding out alone is the task.
        praise: said when all requirements hold: what was right, and what else would have been.
        settings: Django settings that differ while the task is checked.
        application: for answers that are no views: makes the ASGI application to call from the answer.
        database: makes the entry of `DATABASES` to check on, such as `postgresql`; by default the
            database of the process.
        state: makes what a view finds in `request.scope["state"]`, where a layer that hears the server's lifespan puts it.
        beside: the name of the proof that is made a second time, while a call of the answer waits inside; by default
            that of the first requirement.
        broken: the cell that the learner gets, where its gap holds broken code to repair; `load_task` reads it from
            `exercise.md`.
        operations: shows what operations see of an answer: see `seen_by_operations`.
        excused: why a machine-made adversary passes as right, by its name in `tests/adversaries`, such as
            {"replay": "opening hours never change"}.
    """

    name: str
    hints: Sequence[str]
    praise: str
    routes: Sequence[str] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    application: Callable[[Any], Any] | None = None
    database: Callable[[], dict[str, Any]] | None = None
    state: Callable[[], dict[str, Any]] | None = None
    excused: Mapping[str, str] = field(default_factory=dict)
    beside: str = ""
    broken: str = ""
    operations: Callable[[Any], Awaitable[Any]] | None = None
    requirements: list[Requirement] = field(default_factory=list)

    @property
    def requirement_beside(self) -> Requirement:
        """The requirement that is proven while another call waits inside: the one named by `beside`, or the first."""
        return next((r for r in self.requirements if r.name == self.beside), self.requirements[0])

    def requirement(self, sentence: str) -> Callable[[Proof], Proof]:
        """Decorate `async def proof(trial)`, which raises `Refusal` when the sentence does not hold.

        Args:
            sentence: completes "the answer …", as the task and the verdict print it.
        """

        def add(proof: Proof) -> Proof:
            self.requirements.append(Requirement(sentence, proof))
            return proof

        return add

    def seen_by_operations(self, show: Callable[[Any], Awaitable[Any]]) -> Callable[[Any], Awaitable[Any]]:
        """Decorate `async def show(answer)`, which runs an answer under traffic and returns what operations see of it."""
        self.operations = show
        return show
