"""Running a learner's notebook without a browser, and reading the verdicts from its outputs."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

from tutorial_project.checks.verdict import MARKS, AnswerRefused

CELL_LIMIT = 60
"""Seconds that one cell may take."""

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


def check_notebook(file: Path) -> Findings:
    """Run a notebook in a new kernel, in its folder, and leave its file as it is.

    Args:
        file: the notebook. A cell that fails does not stop the run; one that takes longer than CELL_LIMIT does.

    Raises:
        ValueError: when the file is no notebook.
    """
    notebook, started = _read(file), []
    client = NotebookClient(
        notebook,
        timeout=CELL_LIMIT,
        kernel_name="python3",
        allow_errors=True,
        on_cell_execute=lambda cell, cell_index: started.append(cell),
        extra_arguments=["--log-level=ERROR"],
        resources={"metadata": {"path": str(file.parent)}},
    )
    try:
        client.execute()
    except (CellTimeoutError, DeadKernelError) as error:
        # Trap: a cell that awaits cannot be interrupted in ipykernel 7, so the run ends here.
        late = isinstance(error, CellTimeoutError)
        reason = f"did not end within {CELL_LIMIT} seconds" if late else "ended the kernel"
        findings = read_findings(notebook)
        findings.errors.append(f"{_place(notebook, started[-1])} {reason}. The cells below it were not run.")
        return findings
    return read_findings(notebook)


def _read(file: Path) -> NotebookNode:
    """The notebook without the outputs of earlier runs, which say nothing on this one."""
    try:
        notebook = nbformat.read(file, as_version=4)
    except Exception as error:
        raise ValueError(f"{file.name} is not a notebook any more ({type(error).__name__})") from error
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    return notebook


def read_findings(notebook: NotebookNode) -> Findings:
    """The verdicts and the errors that an executed notebook shows; of several verdicts the last counts."""
    findings = Findings()
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if verdict := _verdict(output):
                findings.verdicts[HEADLINE.match(verdict)[1]] = verdict
            elif _is_error(output) and "raises-exception" not in cell.metadata.get("tags", []):
                findings.errors.append(f"{_place(notebook, cell)} raised {output.ename}: {output.evalue}")
    return findings


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
