"""Binder: whatever it starts, the reader lands on lesson 00."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tutorial_project.paths import ROOT

OPTIONS = ["--no-browser", "--ServerApp.ip=127.0.0.1", "--port=0", "--allow-root", "--ServerApp.token=mine"]


def set_up_module():
    spec = importlib.util.spec_from_file_location("set_up", ROOT / "set_up.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_binder_runs_what_fits_its_environment() -> None:
    script = (ROOT / "postBuild").read_text(encoding="utf-8")
    assert os.access(ROOT / "postBuild", os.X_OK)
    assert script.splitlines()[-1] == "python set_up.py --binder"


@pytest.mark.parametrize("application", ["jupyterlab", "notebook", "jupyter_server"])
def test_it_opens_lesson_00(application: str, tmp_path: Path) -> None:
    set_up_module().open_lesson_00(tmp_path)
    environment = {**os.environ, "JUPYTER_CONFIG_PATH": str(tmp_path / "etc" / "jupyter")}
    environment["JUPYTER_CONFIG_DIR"] = str(tmp_path / "c")
    server = subprocess.Popen(
        [sys.executable, "-m", application, *OPTIONS],
        cwd=ROOT,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        address = next(
            found for line in server.stderr if (found := re.search(r"http://127\.0\.0\.1:\d+", line))
        )
        answer = httpx.get(f"{address[0]}/?token=mine", trust_env=False)
        assert answer.headers["Location"].partition("?")[0] == "/lab/tree/notebooks/00_start_here.ipynb"
        page = httpx.get(f"{address[0]}{answer.headers['Location']}", trust_env=False, follow_redirects=True)
        assert "JupyterLab" in page.text
    finally:
        server.terminate()
        server.communicate(timeout=20)
