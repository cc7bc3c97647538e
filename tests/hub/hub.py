"""The hub of a class, started as `make hub` does, with everything it writes in one folder."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

import build
import nbformat
import psutil
from project import ROOT, git

CONFIG = ROOT / "deploy" / "jupyterhub" / "jupyterhub_config.py"
EXERCISE = "01_first_async_view"
PASSWORD = "a class of three"
START_LIMIT = 120.0
"""Seconds that the hub may take to answer."""
IGNORED = shutil.ignore_patterns(".*", "progress", "db.sqlite3", "__pycache__")
LOCAL = build_opener(ProxyHandler({}))


class Hub:
    """A running hub; a context manager that stops it and all that it started.

    Args:
        folder: an empty one, for the repository, the hub's files and the learners' homes.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.homes, self.log = folder, folder / "hub" / "homes", folder / "hub.log"
        self.repository = tutorial_repository(folder / "repository")
        self.port = three_free_ports()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Hub:
        environment = {
            **os.environ,
            "CLASS_PASSWORD": PASSWORD,
            "CLASS_REPOSITORY": self.repository.as_uri(),
            "CLASS_PORT": str(self.port),
            "CLASS_FOLDER": str(self.folder / "hub"),
            "CLASS_SPAWNER": "processes",
            "HOME": str(self.folder),
        }
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                command(), cwd=self.folder, env=environment, stdout=output, stderr=output
            )
        try:
            self._wait_until_it_answers()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + START_LIMIT
        while True:
            try:
                with LOCAL.open(f"{self.url}/hub/health", timeout=5):
                    return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"the hub did not start:\n{self.log.read_text()[-3000:]}") from None
                time.sleep(0.1)

    def __exit__(self, *_: object) -> None:
        """Stop it as systemd does; whatever is left after that is ended by its id."""
        self.process.terminate()
        try:
            self.process.wait(60)
        finally:
            _, self.left_over = psutil.wait_procs(processes_at_home_in(self.folder), timeout=10)
            for process in self.left_over:
                process.kill()
            psutil.wait_procs(self.left_over, timeout=10)


def command() -> list[str]:
    """What `make hub` runs."""
    return [sys.executable, "-m", "jupyterhub", "-f", str(CONFIG)]


def processes_at_home_in(folder: Path) -> list[psutil.Process]:
    """The processes whose HOME is a folder or below it: a hub's, its servers' and kernels'."""
    found = []
    for process in psutil.process_iter():
        try:
            home = Path(process.environ().get("HOME", "/"))
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
        if folder in (home, *home.parents):
            found.append(process)
    return found


def three_free_ports() -> int:
    """The first of three ports in a row, below those that the system gives away by itself."""
    for first in range(20_000 + 3 * (os.getpid() % 3_000), 32_000, 3):
        try:
            for port in range(first, first + 3):
                socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return first
    raise RuntimeError("no three free ports in a row")


def tutorial_repository(folder: Path) -> Path:
    """A git repository with the files of the working tree; exercise 01 is as a learner gets it."""
    listed = git("ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    for name in filter(None, listed):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    if not any(listed):
        shutil.copytree(ROOT, folder, ignore=IGNORED)
    fresh = build.exercise_notebook(build.LESSONS / EXERCISE)
    nbformat.write(fresh, folder / "exercises" / f"{EXERCISE}.ipynb")
    author = ["-c", "user.name=Teacher", "-c", "user.email=teacher@example.org"]
    for arguments in (
        ["init", "-q", "-b", "main"],
        ["add", "-A"],
        [*author, "commit", "-q", "-m", "Tutorial"],
    ):
        subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True)
    return folder
