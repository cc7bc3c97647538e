"""Modules of the bench that measure in a process of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from project import ROOT


def in_new_process(module: str, *arguments: object, limit: float) -> Any:
    """Run `bench.MODULE` in a new process, which imports from the same folders, and return what it prints last, which is JSON.

    Args:
        module: a module of the bench.
        arguments: of its command line.
        limit: seconds after which it is killed.

    Raises:
        RuntimeError: when it fails; the message is the end of what it wrote to stderr.
        subprocess.TimeoutExpired: when it takes longer.
    """
    done = subprocess.run(
        [sys.executable, "-m", f"bench.{module}", *map(str, arguments)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        encoding="utf-8",
        timeout=limit,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"bench.{module} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])
