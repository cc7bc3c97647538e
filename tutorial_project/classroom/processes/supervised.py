"""A program in a process of its own, under a supervisor that ends it, and all that it started, with the kernel."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Self

import psutil

from tutorial_project.paths import ROOT

from . import supervisor

STOP_LIMIT = supervisor.GRACE + 2
"""Seconds after which a program that was stopped is killed from here."""


class SupervisedProcess:
    """A program whose output is collected. Whoever inherits this calls `_begin`, once for each attempt."""

    def _begin(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._lines: list[str] = []
        self._process = subprocess.Popen(
            [sys.executable, "-P", supervisor.__file__, *command],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            # In the kernel's process group, "Interrupt Kernel" would end it.
            start_new_session=os.name == "posix",
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True)
        self._reader.start()

    def _read(self, output: Any) -> None:
        with output:
            self._lines.extend(output)

    @property
    def log(self) -> str:
        """What the program has printed so far."""
        return "".join(self._lines)

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def _family(self) -> list[psutil.Process]:
        """The processes below the supervisor."""
        try:
            return psutil.Process(self._process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def let_go(self) -> None:
        """Tell the supervisor to stop the program, and do not wait for it."""
        if self._process.stdin and not self._process.stdin.closed:
            self._process.stdin.close()

    def stop(self) -> None:
        """Stop the program and all that it started, and wait until they are gone. Safe to call twice."""
        self.let_go()
        try:
            self._process.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            for process in self._family():
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            self._process.kill()
            self._process.wait()
        self._reader.join(STOP_LIMIT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
