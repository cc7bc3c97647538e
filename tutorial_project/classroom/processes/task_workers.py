"""The worker of django-tasks-db as a process of its own, with the lesson's settings; gone with the kernel."""

from __future__ import annotations

import asyncio
import atexit
import json
import sys

from tutorial_project.classroom.opening import settings_of_the_lesson

from .server_commands import environment
from .supervised import SupervisedProcess

SETTINGS = f"{__package__}.worker_settings"
COMMAND = ("db_worker", "--no-startup-delay", "--interval", "0.1")
"""What is typed after `manage.py`: it begins at once, and looks for work ten times a second."""

_running: list[WorkerProcess] = []


class WorkerProcess(SupervisedProcess):
    """A worker in a process of its own, under a supervisor.

    Args:
        options: more options for `manage.py db_worker`.
    """

    def __init__(self, *options: str) -> None:
        self._options = options
        environ = environment("", "", SETTINGS)
        self._begin(
            [sys.executable, "-m", "django", *COMMAND, *options],
            environ | {"ASYNC_VIEWS_LESSON_SETTINGS": json.dumps(settings_of_the_lesson())},
        )

    @property
    def command(self) -> str:
        """What one types to start it."""
        return " ".join(["python manage.py", *COMMAND, *self._options])

    async def says(self, text: str, times: int = 1, limit: float = 30.0) -> None:
        """Wait until the worker has printed this so many times.

        Raises:
            TimeoutError: when it has not within `limit` seconds.
        """
        async with asyncio.timeout(limit):
            while self.log.count(text) < times:  # noqa: ASYNC110 - another thread collects what it prints
                await asyncio.sleep(0.01)

    def wait(self, limit: float = 20.0) -> WorkerProcess:
        """Return when it has ended by itself, as it does with `--batch` or `--max-tasks`.

        Raises:
            subprocess.TimeoutExpired: when it goes on for longer than `limit` seconds; it is stopped then.
        """
        try:
            self._process.wait(limit)
        finally:
            self.stop()
        return self

    def terminate(self) -> None:
        """Ask the worker to end, as a deployment does (SIGTERM): it finishes the task that it is at."""
        for process in self._family():
            process.terminate()
        self.wait()

    def kill(self) -> None:
        """Kill the worker (SIGKILL): it gets no chance to finish anything."""
        for process in self._family():
            process.kill()
        self.wait()

    def __repr__(self) -> str:
        return f"<db_worker {'running' if self.running else 'ended'}>"


def start_worker(*options: str) -> WorkerProcess:
    """Start a worker of django-tasks-db for the lesson's database, in a process of its own.

    It has the settings that `open_lesson` was given, but for the notebook's URLs.

    Args:
        options: more options for `manage.py db_worker`, such as "--batch": do what there is, then end.

    Returns:
        The worker; `with start_worker() as worker:` stops it at the end of the block.
    """
    _running[:] = [worker for worker in _running if worker.running]
    _running.append(WorkerProcess(*options))
    return _running[-1]


@atexit.register
def stop_workers() -> None:
    """Stop every worker that this process started."""
    for worker in _running:
        worker.stop()
    _running.clear()
