"""A lesson in the browser."""

from __future__ import annotations

from playwright.sync_api import expect

from .jupyterlab import JupyterLab


def test_lesson_01_runs_with_no_error_but_those_on_purpose(jupyterlab: JupyterLab) -> None:
    jupyterlab.open("notebooks/01_first_async_view.ipynb")
    jupyterlab.restart_and_run_all()
    cells = jupyterlab.cells_on_disk()
    failed = [cell for cell in cells if any(output["output_type"] == "error" for output in cell["outputs"])]
    assert failed == [cell for cell in cells if "raises-exception" in cell["metadata"].get("tags", [])]


def test_lesson_03_shows_its_timeline_as_a_picture_with_bars(jupyterlab: JupyterLab) -> None:
    jupyterlab.open("notebooks/03_waiting_together.ipynb")
    jupyterlab.restart_and_run_all()
    picture = jupyterlab.page.locator("svg.timeline").first
    expect(picture).to_be_visible()
    assert picture.locator("rect").count() > 1
    box = picture.bounding_box()
    assert box["width"] > 300
    assert box["height"] > 40


def test_the_page_that_lesson_10_serves_shows_events_as_they_arrive(jupyterlab: JupyterLab) -> None:
    jupyterlab.open("notebooks/10_files_and_streaming.ipynb")
    jupyterlab.restart_and_run_all()
    frame = jupyterlab.page.locator('iframe[src$="/screen/"]')
    frame.scroll_into_view_if_needed()
    departures = frame.content_frame.locator("li")
    expect(departures.first).to_be_visible()
    expect(departures).to_have_count(4)
