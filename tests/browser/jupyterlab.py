"""What a person does in JupyterLab."""

from __future__ import annotations

import json
import re
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page, TimeoutError, expect

STARTS_WITHIN, RUNS_WITHIN = 60, 90
"""Seconds."""
ALL_RAN = """() => jupyterapp.shell.currentWidget.content.model.sharedModel.cells
    .every(cell => cell.cell_type !== "code" || cell.execution_count)"""
WHERE_IT_STOPPED = """() => {
    const cells = jupyterapp.shell.currentWidget.content.model.sharedModel.cells.map(cell => cell.toJSON());
    const next = cells.findIndex(cell => cell.cell_type === "code" && !cell.execution_count);
    return `not run: ${JSON.stringify(cells[next])}, after ${JSON.stringify(cells.slice(0, next).at(-1))}; `
        + document.querySelector("#jp-bottom-panel, .jp-StatusBar-Widget")?.innerText
        + document.querySelector(".jp-Dialog")?.innerText;
}"""
"""Ask the notebook's model, which JupyterLab shows to pages when it is told to."""


@dataclass(frozen=True)
class Lab:
    """A JupyterLab that runs: its address, its token, and the folder it serves."""

    url: str
    token: str
    folder: Path


def started(process: subprocess.Popen[bytes], log: Path, folder: Path) -> Lab:
    """Wait until JupyterLab has written its address into its log."""
    deadline = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < deadline and process.poll() is None:
        if address := re.search(r"(http://127\.0\.0\.1:\d+)/\S*\?token=(\w+)", log.read_text()):
            return Lab(address[1], address[2], folder)
        time.sleep(0.1)
    raise RuntimeError(f"JupyterLab did not start:\n{log.read_text()}")


class JupyterLab:
    """One browser tab with JupyterLab in it."""

    def __init__(self, page: Page, lab: Lab) -> None:
        self.page, self.lab = page, lab

    def open(self, notebook: str) -> None:
        """Open a notebook, such as "exercises/01_first_async_view.ipynb", in a workspace of its own."""
        self.notebook = notebook
        workspace = re.sub(r"\W", "-", notebook)
        self.page.goto(f"{self.lab.url}/lab/workspaces/{workspace}/tree/{notebook}?token={self.lab.token}")
        expect(self.cells.first).to_be_visible()
        self.until_idle()

    @property
    def cells(self) -> Locator:
        """The cells of the notebook that is in front."""
        return self.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Cell")

    @property
    def errors(self) -> Locator:
        """Outputs that are errors."""
        panel = self.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")
        return panel.locator('[data-mime-type="application/vnd.jupyter.stderr"]')

    def code_cell(self, text: str) -> Locator:
        """The code cell whose source holds this text."""
        editor = self.page.locator(".cm-content", has_text=text)
        return self.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-CodeCell", has=editor).first

    def run(self, cell: Locator) -> None:
        """Click into a cell and run it."""
        cell.locator(".cm-content").click()
        self.page.keyboard.press("Shift+Enter")

    def write(self, cell: Locator, source: str) -> None:
        """Replace the source of a cell, and run it."""
        cell.locator(".cm-content").click()
        self.page.keyboard.press("ControlOrMeta+a")
        self.page.keyboard.insert_text(source)
        self.page.keyboard.press("Shift+Enter")

    def menu(self, *names: str) -> None:
        """Choose an entry of the menu bar."""
        for name in names:
            self.page.locator(".lm-MenuBar-item, .lm-Menu-item").get_by_text(name, exact=True).last.click()

    def restart_and_run_all(self) -> None:
        """Restart the kernel, run every cell, and wait until the last one is done."""
        self.start_all()
        self.until_all_ran()

    def start_all(self) -> None:
        """Clear all outputs, restart the kernel, and begin to run every cell."""
        self.menu("Edit", "Clear Outputs of All Cells")
        self.menu("Kernel", "Restart Kernel and Run All Cells…")
        self.page.locator(".jp-Dialog .jp-mod-accept").click()

    def until_kernel_is(self, status: str) -> None:
        """Wait until the status bar says that the kernel is "Idle" or "Busy"."""
        expect(self.page.locator(".jp-StatusBar-Widget")).to_contain_text(f"(ipykernel) | {status}")

    def until_idle(self) -> None:
        """Wait until the kernel is connected and has nothing to do."""
        self.until_kernel_is("Idle")

    def until_all_ran(self) -> None:
        """Wait until every code cell has a number again.

        Trap: the page holds the cells in view only, and the kernel is idle for a moment between two of them.
        """
        try:
            self.page.wait_for_function(ALL_RAN, timeout=RUNS_WITHIN * 1000, polling=200)
        except TimeoutError as late:
            raise AssertionError(self.page.evaluate(WHERE_IT_STOPPED)) from late

    def save(self) -> None:
        """Save the notebook and wait until it is on disk."""
        self.page.evaluate("() => jupyterapp.commands.execute('docmanager:save')")

    def cells_on_disk(self) -> list[dict[str, Any]]:
        """The code cells of the notebook as it is saved now."""
        self.save()
        cells = json.loads((self.lab.folder / self.notebook).read_text(encoding="utf-8"))["cells"]
        return [cell for cell in cells if cell["cell_type"] == "code"]
