"""Running cells in a real kernel."""

from __future__ import annotations

from nbclient import NotebookClient
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook
from project import ROOT


def run_cells(*sources: str, folder: str = "notebooks") -> list[NotebookNode]:
    """Execute cells in one new kernel and return them with their outputs; errors are kept as outputs."""
    notebook = new_notebook(cells=[new_code_cell(source) for source in sources])
    resources = {"metadata": {"path": str(ROOT / folder)}}
    NotebookClient(
        notebook, timeout=60, kernel_name="python3", allow_errors=True, resources=resources
    ).execute()
    return notebook.cells


def printed(cell: NotebookNode) -> str:
    """What a cell printed, displayed or raised, as plain text."""
    parts = []
    for output in cell.outputs:
        if output.output_type == "stream":
            parts.append(output.text)
        elif output.output_type == "error":
            parts.append("\n".join(output.traceback))
        else:
            parts.append(output.data["text/plain"])
    return "".join(parts)
