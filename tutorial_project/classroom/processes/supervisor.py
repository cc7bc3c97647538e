"""Runs a command for as long as its own standard input stays open: `python supervisor.py COMMAND …`.

The notebook's kernel holds the other end of that pipe. The operating system closes it when the kernel
ends, even by SIGKILL, and the supervisor then ends the command and every process that it started.
"""

# Trap: this file runs by its path, without the package around it: importing that would take a second.
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress

import psutil

GRACE = 3.0
"""Seconds that the command has to end by itself before it is killed."""
GLANCE = 0.05
"""Seconds between two looks at the kernel and at the command."""


def main(command: list[str]) -> int:
    """Run the command; return its exit code once it has ended or the kernel is gone."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    kernel = os.getppid()
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as child:
        try:
            # os.read and not sys.stdin: a thread that is inside of the latter breaks the interpreter's exit.
            pipe = threading.Thread(target=os.read, args=(0, 1), daemon=True)
            pipe.start()
            # The parent is watched as well: a process that the kernel forked holds the pipe open.
            while child.poll() is None and pipe.is_alive() and os.getppid() == kernel:
                pipe.join(GLANCE)
        finally:
            end(child)
    return child.returncode


def end(child: subprocess.Popen) -> None:
    """End the command with all its workers: ask, wait, then kill what is left."""
    family = relatives()
    for process in [child] if child.poll() is None else family:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    limit = time.monotonic() + GRACE
    while time.monotonic() < limit and any(map(alive, family)):
        time.sleep(GLANCE)
    for process in relatives():
        with suppress(psutil.NoSuchProcess):
            process.kill()


def alive(process: psutil.Process) -> bool:
    """Whether a process still runs. One that is dead, and only waits for its parent's notice, does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def relatives() -> list[psutil.Process]:
    """Every process below this one, and on POSIX the workers whose own parent has died already."""
    below = set(psutil.Process().children(recursive=True))
    if hasattr(os, "getpgid"):
        below |= {process for process in psutil.process_iter() if _in_this_group(process.pid)}
    return list(below)


def _in_this_group(pid: int) -> bool:
    try:
        return pid != os.getpid() and os.getpgid(pid) == os.getpgid(0)
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
