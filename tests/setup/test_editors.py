"""VS Code, alone or in a container: it finds the environment, and its way to start kernels does."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import build
import pytest
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient

from tutorial_project.paths import ROOT

CONTAINER = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8"))
RECOMMENDED = json.loads((ROOT / ".vscode" / "extensions.json").read_text(encoding="utf-8"))
LIKE_VS_CODE = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
"""How VS Code starts a kernel: by an interpreter that it found, without a kernel specification."""


class Kernel(KernelManager):
    """A kernel started as VS Code does it."""

    def format_kernel_cmd(self, extra_arguments: list[str] | None = None) -> list[str]:
        return [part.format(connection_file=self.connection_file) for part in LIKE_VS_CODE]


@pytest.mark.parametrize("folder", [ROOT, ROOT / "exercises"], ids=["workspace", "folder of the notebook"])
def test_the_first_exercise_turns_green_wherever_the_kernel_starts(folder: Path) -> None:
    notebook = build.solution_notebook(build.LESSONS / "00_start_here")
    resources = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=60, kernel_manager_class=Kernel, resources=resources).execute()
    shown = [output for cell in notebook.cells for output in cell.get("outputs", []) if "data" in output]
    assert "done · 2 of 2" in shown[-1].data["text/plain"]


def test_a_container_sets_itself_up_and_opens_lesson_00() -> None:
    assert CONTAINER["postCreateCommand"] == "make ready"
    assert [(ROOT / file).is_file() for file in CONTAINER["customizations"]["codespaces"]["openFiles"]] == [
        True
    ]
    interpreter = CONTAINER["customizations"]["vscode"]["settings"]["python.defaultInterpreterPath"]
    assert interpreter == "${containerWorkspaceFolder}/.venv/bin/python"


def test_a_container_and_a_plain_checkout_ask_for_the_same_extensions() -> None:
    assert CONTAINER["customizations"]["vscode"]["extensions"] == RECOMMENDED["recommendations"]
