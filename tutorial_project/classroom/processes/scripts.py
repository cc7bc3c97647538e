"""Running a script in a process of its own, and showing what it printed."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

from tutorial_project.paths import ROOT


def run_script(source: str, *, limit: float = 60, **environment: str) -> None:
    """Run Python source as a script of its own and print what it prints.

    An error of the script shows as the last line of its traceback.

    Args:
        source: the script; indentation shared by all lines is removed.
        limit: seconds it may take.
        environment: environment variables for this process alone.

    Raises:
        subprocess.TimeoutExpired: when it takes longer than `limit`.
    """
    with tempfile.TemporaryDirectory(prefix="async-views-script-") as folder:
        script = Path(folder) / "script.py"
        script.write_text(textwrap.dedent(source), encoding="utf-8")
        done = subprocess.run(
            [sys.executable, str(script)],
            capture_output=True,
            text=True,
            timeout=limit,
            # Trap: a kernel asks its children for colours, and Python 3.13 then colours tracebacks.
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "PYTHONIOENCODING": "utf-8",
                "PYTHON_COLORS": "0",
                **environment,
            },
        )
    print(done.stdout, end="")
    if done.returncode:
        print(done.stderr.strip().splitlines()[-1])
