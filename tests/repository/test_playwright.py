"""What lesson 15 says of Playwright's sync API, which a learner does not have."""

from __future__ import annotations

import subprocess
import sys

STARTED = """
import asyncio
from playwright.sync_api import sync_playwright
with sync_playwright():
    print(asyncio.get_running_loop().is_running())
try:
    asyncio.get_running_loop()
except RuntimeError as error:
    print(error)
"""


def test_a_loop_runs_on_the_main_thread_until_playwright_stops() -> None:
    done = subprocess.run([sys.executable, "-W", "error", "-c", STARTED], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("True\nno running event loop\n", "")
