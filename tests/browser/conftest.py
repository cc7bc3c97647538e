"""JupyterLab, as `make lab` starts it, in a real browser."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import build
import nbformat
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from project import ROOT

from .jupyterlab import JupyterLab, Lab, started

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
QUIET = [
    "--no-first-run",
    "--disable-quic",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
]


def browser_found() -> str | None:
    """The path of a Chromium or Chrome on this machine."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say why these tests are not run where there is no browser; with REQUIRE_BROWSER=1 there has to be one."""
    if browser_found() is None and not os.environ.get("REQUIRE_BROWSER"):
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(pytest.mark.skip(reason="2026-11-23: no Chromium or Chrome on this machine"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        as_root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=browser_found(), args=QUIET + as_root)
        yield browser
        browser.close()


@contextmanager
def serving(module: str, folder: Path) -> Iterator[Lab]:
    """A Jupyter server such as "jupyterlab" or "notebook", over a copy of the tutorial in an empty folder."""
    copy_tutorial(folder)
    save_only_when_asked(folder / "c")
    environment = {
        **os.environ,
        "TUTORIAL_PROGRESS": str(folder / "progress"),
        "JUPYTER_CONFIG_DIR": str(folder / "c"),
    }
    options = ["--no-browser", "--ServerApp.ip=127.0.0.1", "--port=0", "--allow-root"]
    options.append("--LabApp.expose_app_in_browser=True")
    command = [sys.executable, "-m", module, *options, f"--ServerApp.root_dir={folder}"]
    log = folder / "log.txt"
    with log.open("w") as output:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=output)
    try:
        yield started(process, log, folder)
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a server. Trap: now and then it waits for ever for AnyIO's worker threads (jupyterlab/jupyterlab#10442)."""
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()  # its kernels end when they find that it has gone
        process.wait(10)


def copy_tutorial(folder: Path) -> None:
    """Copy the notebooks of the working tree; exercises are fresh ones, for there they may be answered."""
    for name in ("notebooks", "solutions"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    (folder / "exercises").mkdir()
    for lesson in build.lesson_folders():
        nbformat.write(build.exercise_notebook(lesson), folder / "exercises" / f"{lesson.name}.ipynb")


def save_only_when_asked(configuration: Path) -> None:
    # Trap: a save of JupyterLab's own may be on its way while a test reads the file.
    file = configuration / "lab/user-settings/@jupyterlab/docmanager-extension/plugin.jupyterlab-settings"
    file.parent.mkdir(parents=True)
    file.write_text('{"autosave": false}', encoding="utf-8")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """JupyterLab, with a progress folder of its own."""
    with serving("jupyterlab", tmp_path_factory.mktemp("tutorial")) as lab:
        yield lab


@pytest.fixture(scope="module")
def plain_notebook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """What `jupyter notebook` starts."""
    with serving("notebook", tmp_path_factory.mktemp("tutorial")) as lab:
        yield lab


@pytest.fixture
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A new page, 1280 pixels wide; its last picture is kept in the folder that SCREENSHOTS names."""
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    page = context.new_page()
    page.set_default_timeout(30_000)
    expect.set_options(timeout=30_000)
    yield page
    if os.environ.get("SCREENSHOTS"):
        folder = Path(os.environ["SCREENSHOTS"])
        folder.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=folder / f"{request.node.name}.png")
    context.close()


@pytest.fixture
def jupyterlab(page: Page, lab: Lab) -> JupyterLab:
    return JupyterLab(page, lab)
