"""An exercise in the browser, as a learner does it."""

from __future__ import annotations

import json

from playwright.sync_api import expect

from .jupyterlab import JupyterLab

NOTEBOOK = "exercises/01_first_async_view.ipynb"
RIGHT = """
import asyncio

from django.http import JsonResponse


async def greeting(request):
    await asyncio.sleep(0.1)
    return JsonResponse({"greeting": "Welcome to the travel agency"})
"""
WRONG = RIGHT.replace("await asyncio.sleep(0.1)", "time.sleep(0.1)").replace("asyncio", "time")
HANGS = "import asyncio; await asyncio.Event().wait()"


def test_an_exercise_goes_from_not_started_over_not_yet_to_done_and_stays(jupyterlab: JupyterLab) -> None:
    jupyterlab.open(NOTEBOOK)
    jupyterlab.restart_and_run_all()
    check = jupyterlab.code_cell("await exercise.check(greeting)")
    expect(check).to_contain_text("○ greeting   not started")

    jupyterlab.write(jupyterlab.code_cell("async def greeting"), WRONG)
    jupyterlab.run(check)
    expect(check).to_contain_text("✗ greeting   not yet · 2 of 3")
    expect(check).to_contain_text("time.sleep")
    expect(check).not_to_contain_text("Traceback")

    jupyterlab.write(jupyterlab.code_cell("def greeting"), RIGHT)
    jupyterlab.run(check)
    expect(check).to_contain_text("✓ greeting   done · 4 of 4")

    jupyterlab.save()
    jupyterlab.page.reload()
    expect(jupyterlab.code_cell("await exercise.check(greeting)")).to_contain_text("done · 4 of 4")
    progress = jupyterlab.lab.folder / "progress" / "01_first_async_view.json"
    assert json.loads(progress.read_text(encoding="utf-8"))["tasks"]["greeting"]["state"] == "done"


def test_two_notebooks_at_once_do_not_disturb_each_other(jupyterlab: JupyterLab) -> None:
    jupyterlab.open("solutions/00_start_here.ipynb")
    first = jupyterlab
    second = JupyterLab(jupyterlab.page.context.new_page(), jupyterlab.lab)
    second.open("notebooks/00_start_here.ipynb")
    for tab in (first, second):
        tab.start_all()
    for tab in (first, second):
        tab.until_all_ran()
        assert tab.errors.count() == 0


def test_after_an_interrupt_the_next_check_works(jupyterlab: JupyterLab) -> None:
    jupyterlab.open("solutions/00_start_here.ipynb")
    jupyterlab.restart_and_run_all()
    opening = jupyterlab.code_cell("from tutorial_project.classroom import open_exercise")
    source = opening.locator(".cm-content").inner_text()
    jupyterlab.write(opening, HANGS)
    jupyterlab.until_kernel_is("Busy")
    jupyterlab.menu("Kernel", "Interrupt Kernel")
    expect(jupyterlab.errors.first).to_be_visible()
    jupyterlab.write(jupyterlab.code_cell("asyncio.Event"), source)
    check = jupyterlab.code_cell("await exercise.check(opening_hours)")
    jupyterlab.run(check)
    expect(check).to_contain_text("done · 2 of 2")
