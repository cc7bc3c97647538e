"""The page that `make lab` opens for who has begun."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from .jupyterlab import Lab

PAGE = "# Where you are\n\n**Go on with [Lesson 01](../notebooks/01_first_async_view.ipynb)**\n"


def test_a_page_of_markdown_opens_as_it_is_meant_to_be_read_and_its_links_open_notebooks(
    page: Page, lab: Lab
) -> None:
    (lab.folder / "progress").mkdir(exist_ok=True)
    (lab.folder / "progress" / "start.md").write_text(PAGE, encoding="utf-8")
    page.goto(f"{lab.url}/lab/workspaces/start/tree/progress/start.md?token={lab.token}")
    expect(page.locator(".jp-MarkdownViewer h1")).to_contain_text("Where you are")
    page.locator(".jp-MarkdownViewer a", has_text="Lesson 01").click()
    expect(page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Cell").first).to_be_visible()
