"""Asking a server to stop as a deployment does, and seeing whether it has."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from time import monotonic

import psutil

from .web_servers import ServerProcess

GLANCE = 0.01
"""Seconds between two looks."""


def terminate(server: ServerProcess) -> None:
    """Send SIGTERM to a server, as systemd, Docker and Kubernetes do, and do not wait for it.

    On Windows there is no SIGTERM: the server ends at once.
    """
    with suppress(psutil.NoSuchProcess):
        for process in psutil.Process(server._process.pid).children():
            process.terminate()


async def ends_within(server: ServerProcess, seconds: float) -> bool:
    """Whether a server ends by itself within this time; returns as soon as it has."""
    limit = monotonic() + seconds
    while server.running and monotonic() < limit:  # noqa: ASYNC110 - a process has no event
        await asyncio.sleep(GLANCE)
    return not server.running
