"""Running a learner's notebook without a browser, and reading the verdicts from its outputs."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nbclient import NotebookClient
from nbclient.exceptions import DeadKernelError
from nbclient.util import run_sync
from nbformat import NotebookNode

from tutorial_project.checks.verdict import MARKS, AnswerRefused

from .notebook_file import read_notebook

CELL_LIMIT = 60
"""Seconds that one cell may take, before it is interrupted."""

PATIENCE = 10
"""Seconds in which an interrupted cell has to end."""

HEADLINE = re.compile(rf"(?:{'|'.join(MARKS.values())}) (\w+) +({'|'.join(MARKS)})\b")


@dataclass
class Findings:
    """What a run found: the verdicts by task, each the whole text, and the errors of other cells."""

    verdicts: dict[str, str] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)

    def state(self, task: str) -> str | None:
        """ "not started", "not yet" or "done"; None when the task was not checked."""
        headline = HEADLINE.match(self.verdicts.get(task, ""))
        return headline[2] if headline else None


@dataclass
class Run:
    """How far a run is: the place of the cell that began last, when that was, and the cells that took too long."""

    place: int = 0
    began: float = 0.0
    late: set[int] = field(default_factory=set)


def check_notebook(file: Path) -> Findings:
    """Run a notebook in a new kernel, in its folder, and leave its file as it is.

    Args:
        file: the notebook. A cell that fails does not stop the run, nor does one that is interrupted at CELL_LIMIT.

    Raises:
        NotANotebook: when the file is none.
    """
    notebook, run = _without_outputs(read_notebook(file)), Run()
    client = NotebookClient(
        notebook,
        timeout=CELL_LIMIT,
        kernel_name="python3",
        allow_errors=True,
        interrupt_on_timeout=True,
        extra_arguments=["--log-level=ERROR"],
        resources={"metadata": {"path": str(file.parent)}},
    )
    end = run_sync(_execute)(client, run)
    findings = read_findings(notebook, run.late)
    if end:
        place = _place(notebook, notebook.cells[run.place])
        findings.errors.append(f"{place} {end}. The cells below it were not run.")
    return findings


async def _execute(client: NotebookClient, run: Run) -> str | None:
    """Run the cells; say what ended the run before the last one did."""
    loop = asyncio.get_running_loop()
    limit = asyncio.timeout(None)

    def begin(cell: NotebookNode, cell_index: int) -> None:
        run.place, run.began = cell_index, loop.time()
        limit.reschedule(run.began + CELL_LIMIT + PATIENCE)

    def end(cell: NotebookNode, cell_index: int, execute_reply: dict[str, Any]) -> None:
        limit.reschedule(None)
        if loop.time() - run.began >= CELL_LIMIT:
            run.late.add(cell_index)

    client.on_cell_execute, client.on_cell_executed = begin, end
    try:
        async with limit:
            await client.async_execute()
    except (DeadKernelError, TimeoutError):
        # Trap: nbclient takes the cancellation by `limit` for the death of the kernel. Without `limit` it would wait for
        # ever: before `open_exercise`, ipykernel 7 interrupts no cell that awaits.
        return f"did not end within {CELL_LIMIT} seconds" if limit.expired() else "ended the kernel"
    return None


def _without_outputs(notebook: NotebookNode) -> NotebookNode:
    """The notebook without the outputs of earlier runs, which say nothing on this one."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    return notebook


def read_findings(notebook: NotebookNode, late: Collection[int] = ()) -> Findings:
    """The verdicts and the errors that an executed notebook shows; of several verdicts the last counts.

    Args:
        notebook: with its outputs.
        late: the places of the cells that were interrupted.
    """
    findings = Findings()
    for place, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", []):
            if (verdict := _verdict(output)) and (headline := HEADLINE.match(verdict)):
                findings.verdicts[headline[1]] = verdict
            elif _is_error(output) and place not in late and not _on_purpose(cell):
                findings.errors.append(f"{_place(notebook, cell)} raised {output.ename}: {output.evalue}")
        if place in late:
            findings.errors.append(f"{_place(notebook, cell)} was interrupted after {CELL_LIMIT} seconds.")
    return findings


def _on_purpose(cell: NotebookNode) -> bool:
    return "raises-exception" in cell.metadata.get("tags", [])


def _verdict(output: NotebookNode) -> str | None:
    text = output.get("data", {}).get("text/plain", "")
    return text if HEADLINE.match(text) else None


def _is_error(output: NotebookNode) -> bool:
    """Whether it is an error, other than the one by which a check stops "Run All" below its verdict."""
    return output.output_type == "error" and output.ename != AnswerRefused.__name__


def _place(notebook: NotebookNode, cell: NotebookNode) -> str:
    """Which of the code cells it is, counted from 1, and how it begins."""
    code_cells = [other for other in notebook.cells if other.cell_type == "code"]
    number = next(n for n, other in enumerate(code_cells, start=1) if other is cell)
    lines = [line for line in cell.source.splitlines() if line.strip()]
    return f"Code cell {number}, which begins  {lines[0]:.60}\n "
