"""The load generator: what counts, what does not, and that it goes with its kernel."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest
from project import ROOT

from tutorial_project.classroom.processes.load_generator import Load, LoadGenerator
from tutorial_project.classroom.processes.supervisor import alive

LIMIT = 15.0
"""Seconds within which a process has to be gone."""


class Page(ThreadingHTTPServer):
    """A page that answers with the statuses it was given, and then with 200; `asked` holds the paths."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.asked: list[str] = []
        self.statuses: list[int] = []
        self.url = f"http://127.0.0.1:{self.server_port}"


class Answer(BaseHTTPRequestHandler):
    server: Page

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        self.send_response(self.server.statuses.pop() if self.server.statuses else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def page() -> Iterator[Page]:
    with Page() as page:
        threading.Thread(target=page.serve_forever, daemon=True).start()
        yield page
        page.shutdown()


@pytest.fixture(scope="module")
def load() -> Iterator[LoadGenerator]:
    with LoadGenerator() as generator:
        yield generator


def test_a_percentile_is_the_nearest_rank_of_what_was_measured() -> None:
    found = Load([0.4, 0.1, 0.3, 0.2], seconds=2)
    assert [found.percentile(percent) for percent in (25, 50, 51, 99, 100)] == [0.1, 0.2, 0.3, 0.4, 0.4]
    assert (found.rate, repr(found)) == (2, "     2/s   p50   200   p95   400   p99   400 ms")


def test_what_was_asked_in_the_warm_up_does_not_count(load: LoadGenerator, page: Page) -> None:
    page.statuses = [500] * 3
    found = asyncio.run(load.closed(f"{page.url}/trips/", visitors=3, seconds=0.1, warm_up=0))
    assert (found.failed, len(page.asked) > len(found.times) > 0) == ({}, True)


def test_failures_are_counted_apart(load: LoadGenerator, page: Page) -> None:
    page.statuses = [200, 200, 500, 200]
    found = asyncio.run(load.open(f"{page.url}/trips/", rate=1000, seconds=0.004))
    assert (len(found.times), list(found.failed.values())) == (3, [1])


def test_other_pages_are_asked_beside_and_not_measured(load: LoadGenerator, page: Page) -> None:
    others = {f"{page.url}/prices/": 2}
    found = asyncio.run(load.closed(f"{page.url}/trips/", visitors=1, seconds=0.1, beside=others))
    assert {"/prices/", "/trips/"} == set(page.asked)
    assert len(found.times) <= page.asked.count("/trips/")


def test_an_open_load_sends_what_is_due_and_waits_for_every_answer(load: LoadGenerator, page: Page) -> None:
    found = asyncio.run(load.open(f"{page.url}/trips/", rate=500, seconds=0.1))
    assert (len(found.times), len(page.asked)) == (50, 50)


def test_a_stopped_generator_says_so() -> None:
    generator = LoadGenerator()
    generator.stop()
    generator.stop()
    with pytest.raises(RuntimeError, match="has ended"):
        asyncio.run(generator.open("http://127.0.0.1:9/", rate=1))


def test_a_killed_kernel_leaves_no_generator_behind() -> None:
    start = (
        "import time; from tutorial_project.classroom import start_load_generator as start; "
        "print(start()._process.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", start], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as kernel:
        assert kernel.stdout is not None
        generator = psutil.Process(int(kernel.stdout.readline()))
        kernel.kill()
    deadline = time.monotonic() + LIMIT
    while alive(generator) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not alive(generator)


def test_the_locustfile_of_the_lesson_runs(page: Page, tmp_path: Path) -> None:
    lesson = (ROOT / "lessons" / "18_performance" / "lesson.md").read_text(encoding="utf-8")
    blocks = re.search(r"```python\n(# locustfile.*?)```.*?```text\nlocust (.*?)\n```", lesson, re.DOTALL)
    assert blocks is not None
    (tmp_path / "locustfile.py").write_text(blocks[1], encoding="utf-8")
    options = blocks[2].replace("30s", "1s").replace("http://127.0.0.1:8000", page.url).split()
    done = subprocess.run(
        [sys.executable, "-m", "locust", *options], cwd=tmp_path, capture_output=True, timeout=60
    )
    assert (done.returncode, set(page.asked)) == (0, {"/trips/7/"})
