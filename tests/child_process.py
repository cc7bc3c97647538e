"""Servers and commands of the project as real child processes, on a database file of the test's own."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parents[1]


def run(*arguments: str, database: Path | str, debug: str = "1") -> subprocess.CompletedProcess[str]:
    """Run `python -W error ARGUMENTS` in the project's root and return what it printed."""
    command = [sys.executable, "-W", "error", *arguments]
    return subprocess.run(
        command,
        cwd=ROOT,
        env=_environment(database, debug),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@contextmanager
def server(*arguments: str, database: Path | str) -> Iterator[httpx.Client]:
    """Run `python ARGUMENTS`, with {port} replaced by a free port, and yield a client once it answers."""
    port = _free_port()
    command = [sys.executable, *(argument.format(port=port) for argument in arguments)]
    with subprocess.Popen(
        command, cwd=ROOT, env=_environment(database), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        try:
            _wait_for(port, process)
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False) as client:
                yield client
        finally:
            process.kill()


def _environment(database: Path | str, debug: str = "1") -> dict[str, str]:
    settings = {"DJANGO_SETTINGS_MODULE": "tutorial_project.settings", "DJANGO_SQLITE_PATH": str(database)}
    return {**os.environ, **settings, "DJANGO_DEBUG": debug, "PYTHONUNBUFFERED": "1"}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_for(port: int, process: subprocess.Popen[bytes], tries: int = 300) -> None:
    for _ in range(tries):
        if process.poll() is not None:
            raise AssertionError(f"the server ended by itself: {process.stdout.read().decode()}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError(f"nothing listens on port {port} after {tries / 10:.0f} s")
