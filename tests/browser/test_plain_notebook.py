"""An exercise in `jupyter notebook`, which has no tabs, no workspace and no status bar."""

from __future__ import annotations

import time

from playwright.sync_api import Page, expect

from .jupyterlab import STARTS_WITHIN, JupyterLab, Lab

ANSWER = """from django.http import JsonResponse


async def opening_hours(request):
    return JsonResponse({"opens": 9, "closes": 18})
"""


def until_the_kernel_listens(page: Page, server: Lab) -> None:
    """Wait until the page has opened its connection to the kernel: what is run before is lost without a word."""
    deadline = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < deadline:
        kernels = page.request.get(f"{server.url}/api/kernels?token={server.token}").json()
        if [kernel for kernel in kernels if kernel["execution_state"] == "idle" and kernel["connections"]]:
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"no kernel is connected: {kernels}")


def test_the_first_exercise_turns_green(page: Page, plain_notebook: Lab) -> None:
    notebook = "exercises/00_start_here.ipynb"
    page.goto(f"{plain_notebook.url}/notebooks/{notebook}?token={plain_notebook.token}")
    cells = JupyterLab(page, plain_notebook)
    until_the_kernel_listens(page, plain_notebook)
    cells.menu("Run", "Run All Cells")
    check = cells.code_cell("await exercise.check(opening_hours)")
    expect(check).to_contain_text("○ opening_hours   not started")

    cells.write(cells.code_cell("async def opening_hours"), ANSWER)
    cells.run(check)
    expect(check).to_contain_text("✓ opening_hours   done · 2 of 2")
