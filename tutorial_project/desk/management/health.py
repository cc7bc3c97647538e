"""What `doctor` examines: each function looks at one thing a learner's machine must have."""

from __future__ import annotations

import os
import platform
import re
import socket
import sqlite3
import subprocess
import sys
import tempfile
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import django
from packaging.requirements import Requirement

from tutorial_project.checks.loading import exercise_names
from tutorial_project.classroom.requirement import OTHER_ENVIRONMENT, needed
from tutorial_project.desk.front_matter import missing_for, requires
from tutorial_project.desk.progress import progress_folder
from tutorial_project.paths import ROOT

OLDEST_PYTHON = (3, 11)
LOCK = ROOT / "requirements.txt"
LOCK_OF_PROOFS = ROOT / "requirements-proofs.txt"
STAMP = Path(sys.prefix) / "tutorial-is-set-up.txt"
"""Where set_up.py notes which of the two it installed; under conda it is not there."""
PINNED = re.compile(r"^[a-zA-Z0-9][^ ]*==[^\\\n]*", re.MULTILINE)
SET_UP = "run  python3 set_up.py --again  with the newest Python here, or follow the README for conda"


@dataclass(frozen=True)
class Finding:
    """One thing that was examined: what was found, and what to do about it when it is not right."""

    subject: str
    found: str
    advice: str = ""
    needed: bool = True
    """False when the tutorial works all the same."""

    @property
    def verdict(self) -> str:
        """ "OK", "note" or "wrong"."""
        if not self.advice:
            return "OK"
        return "wrong" if self.needed else "note"


def python() -> Finding:
    """Python is one that the tutorial supports."""
    fits = sys.version_info[:2] >= OLDEST_PYTHON
    return Finding("Python", platform.python_version(), "" if fits else "install Python 3.11 or newer")


def django_version() -> Finding:
    """Django is one that the tutorial supports."""
    fits = (5, 2) <= django.VERSION[:2] <= (6, 1)
    return Finding("Django", django.get_version(), "" if fits else SET_UP)


def packages(lock: Path = LOCK) -> Finding:
    """The installed packages are those of the lock, as far as it is for this Python and system."""
    pinned = [pin for pin in pins(lock) if pin.marker is None or pin.marker.evaluate()]
    wrong = [f"{pin.name} {found} (pinned: {pin.specifier})" for pin in pinned if (found := differs(pin))]
    shown = ", ".join(wrong[:3]) + (f" and {len(wrong) - 3} more" if len(wrong) > 3 else "")
    return Finding("packages", shown or f"{len(pinned)} as {lock.name} says", SET_UP if wrong else "")


def proofs() -> Finding:
    """What proofs, site and hub need besides is as its lock says, where it was installed."""
    if not STAMP.is_file() or LOCK_OF_PROOFS.name not in STAMP.read_text(encoding="utf-8").splitlines():
        return Finding("proofs", "not installed, and no lesson needs it:  make test  adds it")
    return replace(packages(LOCK_OF_PROOFS), subject="proofs")


def pins(lock: Path) -> Iterator[Requirement]:
    """The pinned packages of a lock, each with its version and the marker that limits it."""
    return (Requirement(line.strip()) for line in PINNED.findall(lock.read_text(encoding="utf-8")))


def differs(pin: Requirement) -> str:
    """The installed version when it is not the pinned one; empty when it is."""
    try:
        installed = version(pin.name)
    except PackageNotFoundError:
        return "missing"
    return "" if pin.specifier.contains(installed, prereleases=True) else installed


def lessons() -> Finding:
    """Every lesson runs here; what one needs besides is no fault of this machine."""
    missing = {name: words for name in exercise_names() if (words := missing_for(name))}
    if not missing:
        return Finding("lessons", "all run here")
    found = ", ".join(f"{name} needs {needed(requires(name))}" for name in missing)
    return Finding("lessons", found, f"all others run here; {OTHER_ENVIRONMENT}", needed=False)


def kernel() -> Finding:
    """The kernel "python3", which the notebooks name, starts this Python."""
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    try:
        program = KernelSpecManager().get_kernel_spec("python3").argv[0]
    except NoSuchKernel:
        return Finding("kernel", "there is no kernel python3", SET_UP)
    # Trap: environments of one Python are links to the same file, so the folders are compared.
    ours = os.path.dirname(program) in {"", os.path.dirname(sys.executable)}
    advice = "" if ours else "remove that one:  jupyter kernelspec remove python3"
    return Finding("kernel", f"python3 starts {'this Python' if ours else program}", advice)


def tutorial() -> Finding:
    """Notebooks in any folder can import the tutorial."""
    command = [sys.executable, "-c", "import tutorial_project"]
    done = subprocess.run(command, cwd=tempfile.gettempdir(), capture_output=True)
    found = "no notebook" if done.returncode else "every notebook"
    advice = f"run  {Path(sys.executable).name} set_up.py --here" if done.returncode else ""
    return Finding("tutorial_project", f"{found} can import it", advice)


def port() -> Finding:
    """A server can listen on this machine's own address."""
    try:
        with closing(socket.create_server(("127.0.0.1", 0))) as listening:
            return Finding("port", f"127.0.0.1:{listening.getsockname()[1]} is free")
    except OSError as error:
        return Finding("port", str(error), "let programs listen on 127.0.0.1: look at firewall and sandbox")


def sqlite() -> Finding:
    """SQLite has JSON, and can be read while it is written."""
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(sqlite3.connect(f"{folder}/db.sqlite3")) as database,
    ):
        try:
            database.execute("""SELECT json('{"seats": 2}')""")
        except sqlite3.OperationalError:
            return Finding(
                "SQLite", f"{sqlite3.sqlite_version} without JSON", "install a Python with a newer SQLite"
            )
        mode = database.execute("PRAGMA journal_mode=WAL").fetchone()[0]
    if mode != "wal":
        return Finding(
            "SQLite", f"no WAL in {tempfile.gettempdir()}", "set TMPDIR to a folder on a local disk"
        )
    return Finding("SQLite", f"{sqlite3.sqlite_version} with JSON and WAL")


def writable() -> Finding:
    """Notebooks, progress and temporary files can be saved."""
    progress = progress_folder() or ROOT
    for folder in (ROOT / "exercises", progress, Path(tempfile.gettempdir())):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=folder).close()
        except OSError as error:
            return Finding(
                "writing", f"not in {folder}: {error.strerror}", "give yourself the right to write there"
            )
    return Finding("writing", "exercises, progress and temporary files")


def browser() -> Finding:
    """A browser opens by itself."""
    try:
        return Finding("browser", f"{getattr(webbrowser.get(), 'name', None) or 'the default one'}")
    except webbrowser.Error:
        step = "open the address that  make lab  prints in any browser of this machine"
        return Finding("browser", "none that opens by itself", step, needed=False)


CHECKS: tuple[Callable[[], Finding], ...] = (
    python,
    django_version,
    packages,
    proofs,
    lessons,
    kernel,
    tutorial,
    port,
    sqlite,
    writable,
    browser,
)
