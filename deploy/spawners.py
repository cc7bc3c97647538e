"""How a learner's server is started on one machine: as a unit of systemd, or as a plain process."""

from __future__ import annotations

import os
import resource
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jupyterhub.spawner import SimpleLocalProcessSpawner, Spawner
from systemdspawner import SystemdSpawner

from .settings import CLONE


def systemd_is_here() -> bool:
    """Whether this process may start units: systemd runs this machine, and we are root."""
    return Path("/run/systemd/system").is_dir() and os.geteuid() == 0


class UnitSpawner(SystemdSpawner):
    """A unit for each learner, with a user, a home, a /tmp and a memory limit of its own.

    The home is /var/lib/learner-NAME; user and group exist while the server runs.
    """

    def _expand_user_vars(self, string: str) -> str:
        # Trap: systemd gives the home to the unit. A learner called "apt" would be given /var/lib/apt.
        return string.format(USERNAME=f"learner-{self.user.name}", USERID=self.user.id)

    def home(self) -> str:
        return self._expand_user_vars("/var/lib/{USERNAME}")


class ProcessSpawner(SimpleLocalProcessSpawner):
    """A process for each learner, all of them of one user. No process may have more than `mem_limit`."""

    def home(self) -> str:
        return self.home_dir

    def make_preexec_fn(self, name: str) -> Callable[[], None]:
        home, limit = self.home_dir, self.mem_limit

        def limited() -> None:
            os.makedirs(home, 0o700, exist_ok=True)
            os.chdir(home)
            limit_memory(limit)

        return limited


def limit_memory(size: int) -> None:
    """Let this process, and each that it starts, have so many bytes at most; beyond it there is a MemoryError."""
    # Trap: RLIMIT_AS would count what is only reserved: 64 MiB for each thread, and every file that is mapped.
    resource.setrlimit(resource.RLIMIT_DATA, (size, size))


def clone(spawner: Any) -> str:
    """The folder of a learner's copy."""
    return f"{spawner.home()}/{CLONE}"


def programs(spawner: Spawner) -> str:
    """The PATH of a learner: `python` in a terminal is the one of the tutorial."""
    return os.pathsep.join((sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)))


SERVER = [sys.executable, "-m", "jupyterhub.singleuser"]
"""The command that starts a learner's server."""
