"""What fails while other tests run beside it is asked once more, alone, and named: its own pace decides, not the machine's.

A test that passes only alone is a bug of the test, for it depends on how busy the machine is; it refutes no promise.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable

import pytest

MOST = 40
"""Failures that may come from a busy machine; where more tests fail, something is broken."""


def selected(nodeids: Iterable[str]) -> list[str]:
    """What to run for these tests, each once: of a notebook all cells, for each needs those before it."""
    return list(
        dict.fromkeys(nodeid.partition("::")[0] if ".ipynb::" in nodeid else nodeid for nodeid in nodeids)
    )


def failed(config: pytest.Config) -> list[str]:
    """The tests of this run that failed or could not be collected."""
    stats = config.pluginmanager.get_plugin("terminalreporter").stats
    return [report.nodeid for kind in ("failed", "error") for report in stats.get(kind, [])]


@pytest.hookimpl(trylast=True)  # the processes that ran tests side by side have ended
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where tests ran side by side and a few failed, let those decide that fail alone."""
    beside_others = getattr(session.config.option, "numprocesses", None)
    if session.exitstatus != pytest.ExitCode.TESTS_FAILED or not beside_others:
        return
    again = selected(failed(session.config))
    if len(again) > MOST:
        return
    print(f"\n\nfailed beside others, asked once more alone: {', '.join(again)}", flush=True)
    command = [sys.executable, "-m", "pytest", "--numprocesses=0", "--quiet", *again]
    alone = subprocess.run(command, cwd=session.config.rootpath)
    session.exitstatus = pytest.ExitCode(alone.returncode)
