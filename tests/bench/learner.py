"""What one learner on a hub takes: memory and processor time. Linux only; about a minute."""

from __future__ import annotations

import asyncio
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import build
import psutil
from hub.hub import EXERCISE, Hub, processes_at_home_in
from hub.learner import Learner

from deploy.figures import GUARANTEE, HEAVIEST, LIMIT, MIB
from deploy.settings import CLONE

from .figure import Figure

EVERY = 0.1
"""Seconds between two looks at the memory."""


@dataclass
class Cost:
    """What was measured; memory in MiB, as the proportional set size of all processes of the learner."""

    server: float = 0.0
    exercise: float = 0.0
    seconds: float = 0.0
    lessons: dict[str, float] = field(default_factory=dict)
    data: float = 0.0
    """The largest data segment of one process, in MiB: what RLIMIT_DATA counts."""


class Processes:
    """The processes of one learner.

    Args:
        home: their home folder.
    """

    def __init__(self, home: Path) -> None:
        self.home = home

    def memory(self) -> float:
        """MiB that all of them take together; shared memory is counted once."""
        return sum(_of(process, lambda p: p.memory_full_info().pss) for process in self._all()) / MIB

    def seconds(self) -> float:
        """Processor seconds so far, of the ones that ended too."""
        return sum(_of(process, lambda p: sum(p.cpu_times()[:4])) for process in self._all())

    def data(self) -> float:
        """MiB in the largest data segment."""
        return max((_of(process, lambda p: p.memory_info().data) for process in self._all()), default=0) / MIB

    def _all(self) -> list[psutil.Process]:
        return processes_at_home_in(self.home)


def _of(process: psutil.Process, figure: Callable[[psutil.Process], float]) -> float:
    try:
        return figure(process)
    except psutil.NoSuchProcess:
        return 0.0


class Watched:
    """The largest figures within a `with` block."""

    def __init__(self, processes: Processes, cost: Cost) -> None:
        self.processes, self.cost, self.memory = processes, cost, 0.0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._watch)

    def _watch(self) -> None:
        while not self.over.wait(EVERY):
            self.memory = max(self.memory, self.processes.memory())
            self.cost.data = max(self.cost.data, self.processes.data())

    def __enter__(self) -> Watched:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join()


def measured(lessons: list[str]) -> Cost:
    """The cost of a learner who answers exercise 01 rightly, and then runs these lessons one by one."""
    with tempfile.TemporaryDirectory(prefix="async-views-class-") as folder, Hub(Path(folder)) as hub:
        return asyncio.run(_measured(hub, lessons))


async def _measured(hub: Hub, lessons: list[str]) -> Cost:
    cost, processes = Cost(), Processes(hub.homes / "ada")
    async with Learner(hub, "ada") as ada:
        await ada.log_in()
        await ada.start_server()
        await ada.get_copy()
        cost.server = processes.memory()
        async with ada.kernel(f"{CLONE}/exercises/{EXERCISE}.ipynb") as kernel:
            for cell in build.solution_notebook(build.LESSONS / EXERCISE).cells:
                if cell.cell_type == "code":
                    await kernel.run(cell.source)
            cost.exercise, cost.seconds = processes.memory(), processes.seconds()
        for lesson in lessons:
            cost.lessons[lesson] = await _peak(ada, processes, cost, f"{CLONE}/notebooks/{lesson}.ipynb")
    return cost


async def _peak(learner: Learner, processes: Processes, cost: Cost, path: str) -> float:
    async with learner.kernel(path) as kernel:
        with Watched(processes, cost) as watched:
            for source in await learner.notebook(path):
                await kernel.run(source)
    return watched.memory


def figures() -> Iterator[Figure]:
    """All figures of this module."""
    cost = measured([HEAVIEST])
    lesson = f"a learner in lesson {HEAVIEST[:2]}"
    yield Figure("a learner's server, MiB", [cost.server])
    yield Figure("a learner after exercise 01, MiB", [cost.exercise], most=GUARANTEE)
    yield Figure(f"{lesson}, at the peak, MiB", [cost.lessons[HEAVIEST]], most=LIMIT)
    yield Figure(f"{lesson}: the largest data segment of one process, MiB", [cost.data], most=LIMIT)
    yield Figure("a learner until exercise 01 is done, processor seconds", [cost.seconds])
