"""A load generator that cannot measure itself: Locust in a process of its own, gone with the kernel."""

from __future__ import annotations

import asyncio
import atexit
import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

from tutorial_project.classroom.percentiles import percentile

SCRIPT = Path(__file__).with_name("load_process.py")


@dataclass(frozen=True)
class Load:
    """What the visitors of one page measured.

    Attributes:
        times: seconds that each answer took, one for each, in the order in which they came.
        failed: how many requests had no good answer, by what went wrong.
        seconds: how long was measured.
        busy: the share of that time in which the load generator itself computed; near 1 it measures itself.
    """

    times: list[float]
    failed: dict[str, int] = field(default_factory=dict)
    seconds: float = 1.0
    busy: float = 0.0

    @property
    def rate(self) -> float:
        """Good answers a second."""
        return len(self.times) / self.seconds

    @property
    def mean(self) -> float:
        """Seconds that a good answer took on average."""
        return sum(self.times) / len(self.times) if self.times else float("nan")

    def percentile(self, percent: float) -> float:
        """The seconds within which `percent` of a hundred good answers came: the nearest rank, one that was measured."""
        return percentile(self.times, percent)

    def __repr__(self) -> str:
        p50, p95, p99 = (self.percentile(percent) * 1000 for percent in (50, 95, 99))
        failed = f"  failed {sum(self.failed.values())}" if self.failed else ""
        return f"{self.rate:6.0f}/s   p50 {p50:5.0f}   p95 {p95:5.0f}   p99 {p99:5.0f} ms{failed}"


class LoadGenerator:
    """Sends load from a process of its own, one order after another; `stop` or the end of the kernel ends it."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(SCRIPT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
            # In the kernel's process group, "Interrupt Kernel" would end it.
            start_new_session=os.name == "posix",
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
        # With a pipe each there are both streams.
        self._orders, self._results = (
            cast("IO[str]", self._process.stdin),
            cast("IO[str]", self._process.stdout),
        )
        self._ready = False
        self._turn = threading.Lock()

    async def closed(
        self,
        url: str,
        *,
        visitors: int,
        seconds: float = 1.0,
        warm_up: float = 0.3,
        beside: Mapping[str, int] | None = None,
    ) -> Load:
        """Closed load: a fixed number of visitors, each of whom asks again when the answer is there.

        Args:
            url: the page that is measured.
            visitors: how many ask at the same time.
            seconds: for how long requests that begin are measured; each of them gets its answer. Longer where there
                were fewer answers than visitors by then.
            warm_up: seconds before that, in which nothing counts; longer in the same case.
            beside: other addresses, and how many more visitors ask them meanwhile.

        Raises:
            RuntimeError: when the process is gone.
        """
        order = {"visitors": visitors, "seconds": seconds, "warm_up": warm_up, "beside": dict(beside or {})}
        return await asyncio.to_thread(self._carry_out, {"url": url, **order})

    async def open(self, url: str, *, rate: float, seconds: float = 1.0) -> Load:
        """Open load: visitors come on schedule, whether those before them have an answer or not.

        The time of an answer counts from the moment at which its visitor was due.

        Args:
            url: the page that is measured.
            rate: visitors that come in a second, evenly.
            seconds: how long they come; all of them get their answer.

        Raises:
            RuntimeError: when the process is gone.
        """
        return await asyncio.to_thread(self._carry_out, {"url": url, "rate": rate, "seconds": seconds})

    def _carry_out(self, order: dict[str, Any]) -> Load:
        with self._turn:
            try:
                if not self._ready:
                    self._ready = bool(self._results.readline())
                self._orders.write(json.dumps(order) + "\n")
                self._orders.flush()
                return Load(**json.loads(self._results.readline()))
            except (OSError, ValueError) as error:
                raise RuntimeError("the load generator has ended: start_load_generator() again") from error

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def stop(self) -> None:
        """End the process, and what it is doing. Safe to call twice."""
        self._process.kill()
        self._process.wait()
        for stream in (self._orders, self._results):
            stream.close()

    def __enter__(self) -> LoadGenerator:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<load generator {'running' if self.running else 'stopped'}>"


_current: list[LoadGenerator] = []


def start_load_generator() -> LoadGenerator:
    """Start Locust in a process of its own; a second call stops the first.

    It returns at once: Locust takes some seconds to import, and the first order waits for it.
    """
    stop_load_generator()
    _current.append(LoadGenerator())
    return _current[0]


@atexit.register
def stop_load_generator() -> None:
    """Stop the load generator that this process started, if there is one."""
    while _current:
        _current.pop().stop()
