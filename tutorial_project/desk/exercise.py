"""An exercise, as its notebook uses it."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from IPython.display import display

from tutorial_project.checks.judge import judge
from tutorial_project.checks.loading import load_tasks
from tutorial_project.checks.operations import seen_by_operations
from tutorial_project.checks.outcome import Refusal
from tutorial_project.checks.own_code import names_of
from tutorial_project.checks.task import Task
from tutorial_project.checks.verdict import AnswerRefused, Verdict
from tutorial_project.classroom.kernel import names_in_notebook, watch_cells
from tutorial_project.classroom.opening import prepare

from .approaches import Approaches, approaches_to
from .learning_paths import next_notebook
from .marks import Marks
from .progress import Progress, progress_folder


class Check:
    """The check of one answer: `await` it to run it."""

    def __init__(self, exercise: Exercise, answer: Any, task: str | None) -> None:
        self._exercise, self._answer, self._task = exercise, answer, task

    def __await__(self) -> Generator[Any, Any, None]:
        return self._exercise._check(self._answer, self._task).__await__()

    def __repr__(self) -> str:
        return "Not checked yet: write  await  before exercise.check(…)"


class Exercise:
    """The tasks of one exercise.

    Args:
        name: the name of the lesson, such as "01_first_async_view".

    Raises:
        LookupError: when there is no such exercise; the message lists those there are.
    """

    def __init__(self, name: str, **settings: Any) -> None:
        self.name = name
        self._database = prepare(**settings)
        self.tasks: dict[str, Task] = load_tasks(name)  # after Django is set up: checks import models

    def check(self, answer: Any, task: str | None = None) -> Check:
        """Check an answer: `await exercise.check(view)`.

        Args:
            answer: the function or class itself; its name says which task it belongs to.
            task: the name of the task, for an answer that has none.

        Raises:
            AnswerRefused: below the verdict, when a requirement does not hold.
        """
        return Check(self, answer, task)

    async def _check(self, answer: Any, task_name: str | None) -> None:
        verdict = await self.judge(answer, task_name)
        if verdict.task.name in self.tasks:
            Progress(self.name).checked(verdict.task.name, verdict.state)
        display(verdict)
        if verdict.state == "not yet":
            raise AnswerRefused(verdict)
        if verdict.state == "done" and approaches_to(self.name, verdict.task.name):
            print(f'Other ways to write it:  exercise.approaches("{verdict.task.name}")')

    async def judge(self, answer: Any, task: str | None = None) -> Verdict:
        """The verdict on an answer, without showing or recording it."""
        names = _possible_names(answer, task)
        name = self._task_named(names)
        if name is None:
            return self._not_a_task((names or [type(answer).__name__])[0])
        return await judge(self.tasks[name], answer, self._database.restore)

    def _not_a_task(self, name: str) -> Verdict:
        tasks = ", ".join(self.tasks)
        refusal = Refusal(
            sent=f"exercise.check({name})",
            expected=f"one of the tasks of this exercise: {tasks}",
            got=f"something named {name!r}",
            because="an answer is recognised by its name",
            next="name the function as the task is named, or say which one it is: "
            f'`exercise.check(…, task="{next(iter(self.tasks))}")`',
        )
        return Verdict(Task(name, (), ""), [], refusal)

    async def operations(self, answer: Any, task: str | None = None) -> Any:
        """What operations see while an answer runs under traffic: `await exercise.operations(view)`.

        Args:
            answer: as for `check`.
            task: as for `check`.

        Raises:
            LookupError: when the answer belongs to no task that has traffic.
        """
        name = self._task_named(_possible_names(answer, task))
        if name is None or self.tasks[name].operations is None:
            raise LookupError("there is no traffic for this; it is found by the name of the answer")
        return await seen_by_operations(self.tasks[name], answer, self._database.restore)

    def _task_named(self, names: list[str]) -> str | None:
        return next((name for name in names if name in self.tasks), None)

    def hint(self, task: str) -> None:
        """Print the next hint of a task: first a question, then a direction, then nearly the code."""
        name = getattr(task, "__name__", task)
        if name not in self.tasks:
            print(f"There is no task {name!r}. The tasks of this exercise: {', '.join(self.tasks)}")
            return
        print(Progress(self.name).next_hint(self.tasks[name]))

    def approaches(self, task: str) -> Approaches | None:
        """Other right answers to a task that is done, each with when it is the better one."""
        name = getattr(task, "__name__", task)
        if name not in self.tasks:
            print(f"There is no task {name!r}. The tasks of this exercise: {', '.join(self.tasks)}")
        elif progress_folder() and Progress(self.name).task(name)["state"] != "done":
            print(f"First find a way of your own:  await exercise.check({name})")
        elif found := approaches_to(self.name, name):
            return Approaches(found)
        else:
            print(f"Your answer to {name} is as good as any that is known here.")
        return None

    def progress(self) -> Marks:
        """The state of every task, as a row of marks; when all are done, where to go on."""
        progress = Progress(self.name)
        states = {name: progress.task(name)["state"] for name in self.tasks}
        return Marks(states, f"Next: {next_notebook()}" if set(states.values()) == {"done"} else "")


def _possible_names(answer: Any, task: str | None) -> list[str]:
    """The task that was named, or all names of an answer, in a notebook's cells first."""
    return [task] if task else [*names_in_notebook(answer), *names_of(answer)]


def open_exercise(name: str, **settings: Any) -> Exercise:
    """Open an exercise: configure Django as `open_lesson` does, and load its tasks.

    Args:
        name: the name of the lesson, such as "01_first_async_view".
        settings: Django settings that shall differ.

    Raises:
        LookupError: when there is no such exercise; the message lists those there are.
    """
    exercise = Exercise(name, **settings)
    watch_cells()
    print(f"Exercise {name[:2]}, {len(exercise.tasks)} to do: {', '.join(exercise.tasks)}.")
    print("Check an answer with  await exercise.check(answer),  ask for help with  exercise.hint(task).")
    return exercise
