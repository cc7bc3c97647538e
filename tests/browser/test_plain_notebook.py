"""An exercise in `jupyter notebook`, which has no tabs, no workspace and no status bar."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from .jupyterlab import JupyterLab, Lab

ANSWER = """from django.http import JsonResponse


async def opening_hours(request):
    return JsonResponse({"opens": 9, "closes": 18})
"""


def test_the_first_exercise_turns_green(page: Page, plain_notebook: Lab) -> None:
    notebook = "exercises/00_start_here.ipynb"
    page.goto(f"{plain_notebook.url}/notebooks/{notebook}?token={plain_notebook.token}")
    cells = JupyterLab(page, plain_notebook)
    expect(page.locator('.jp-Notebook-ExecutionIndicator[data-status="idle"]')).to_be_visible()
    cells.menu("Run", "Run All Cells")
    check = cells.code_cell("await exercise.check(opening_hours)")
    expect(check).to_contain_text("○ opening_hours   not started")

    cells.write(cells.code_cell("async def opening_hours"), ANSWER)
    cells.run(check)
    expect(check).to_contain_text("✓ opening_hours   done · 2 of 2")
