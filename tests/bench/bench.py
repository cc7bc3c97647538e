"""Measures the classroom's cost: `make bench`. Ratios are taken side by side in one run.

Prints median and spread (smallest to largest) of each figure, and whether it keeps its bound.
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import textwrap
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from time import perf_counter
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

if sys.platform == "linux":
    import learner  # beside this file

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "lessons"), str(ROOT / "tests")]

BARE = """
    import os, tempfile, django
    os.environ["DJANGO_SETTINGS_MODULE"] = "tutorial_project.settings"
    from django.conf import settings
    from tutorial_project.settings import sqlite_database
    with tempfile.TemporaryDirectory() as folder:
        settings.DATABASES = {"default": sqlite_database(folder + "/db.sqlite3")}
        django.setup()
        from django.core.management import call_command
        call_command("migrate", verbosity=0)
"""
OPENED = "from tutorial_project.classroom import open_lesson; open_lesson()"
TIMED = """
from time import perf_counter
started = perf_counter()
{source}
print("seconds", perf_counter() - started)
"""
MEMORY = """
{source}
import psutil
print("seconds", psutil.Process().memory_info().rss / 2**20)
"""


def in_new_process(template: str, source: str) -> float:
    """The figure that a Python process of its own prints last."""
    script = template.format(source=textwrap.dedent(source))
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return float(done.stdout.split()[-1])


def opening(rounds: int = 7) -> list[float]:
    """Ratios of `open_lesson()` to a bare `django.setup()` and `migrate`, each in a new process."""
    in_new_process(TIMED, BARE)
    return [in_new_process(TIMED, OPENED) / in_new_process(TIMED, BARE) for _ in range(rounds)]


async def requests_per_second(url: str, requests: int = 400, at_once: int = 8) -> float:
    """Requests answered in a second, from clients in this process."""
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:

        async def some() -> None:
            for _ in range(requests // at_once):
                (await client.get(url)).raise_for_status()

        started = perf_counter()
        await asyncio.gather(*(some() for _ in range(at_once)))
        return requests / (perf_counter() - started)


def measured_rate(url: str) -> float:
    return asyncio.run(requests_per_second(url))


def serving(processes: ProcessPoolExecutor, rounds: int = 7) -> list[float]:
    """Ratios of requests per second through `serve()` to a bare uvicorn thread with the same application."""
    from django.core.asgi import get_asgi_application

    from tutorial_project.classroom import serve
    from tutorial_project.classroom.serving.handlers import asgi_application

    ratios = []
    with (
        serve(asgi_application(), name="classroom") as mine,
        bare_uvicorn(get_asgi_application()) as bare_url,
    ):
        for number in range(rounds + 1):
            pair = [(mine.url, "mine"), (bare_url, "bare")]
            rates = {}
            for url, name in pair if number % 2 else reversed(pair):
                rates[name] = processes.submit(measured_rate, f"{url}/hello/").result()
            ratios.append(rates["mine"] / rates["bare"])
    return ratios[1:]


class bare_uvicorn:
    """uvicorn on a thread with nothing around it."""

    def __init__(self, application: Any) -> None:
        import socket
        import threading

        import uvicorn

        self.socket = socket.create_server(("127.0.0.1", 0), backlog=2048)
        config = uvicorn.Config(application, lifespan="off", log_config=None, access_log=False)
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, args=([self.socket],), daemon=True)

    def __enter__(self) -> str:
        self.thread.start()
        url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        httpx.get(f"{url}/hello/", timeout=10, trust_env=False)
        return url

    def __exit__(self, *_: object) -> None:
        self.server.should_exit = True
        self.thread.join()


def ask_together(url: str, requests: int) -> float:
    """Seconds until all of the requests, sent at once, are answered."""

    async def asking() -> float:
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(trust_env=False, timeout=60, limits=limits) as client:
            started = perf_counter()
            for response in await asyncio.gather(*(client.get(url) for _ in range(requests))):
                response.raise_for_status()
            return perf_counter() - started

    return asyncio.run(asking())


def two_second_view(processes: ProcessPoolExecutor, requests: int, rounds: int) -> list[float]:
    """Ratios of the time that requests to the outline's view take together to its two seconds."""
    from tutorial_project.classroom import serve

    with serve(name="outline") as server:
        url = f"{server.url}/two-seconds/"
        return [processes.submit(ask_together, url, requests).result() / 2 for _ in range(rounds)]


def checks() -> dict[str, list[float]]:
    """Seconds that each check takes on its solution, by exercise and task."""
    import build
    from test_exercises import answer_in, fresh_task

    from tutorial_project.checks.judge import judge
    from tutorial_project.checks.loading import exercise_names, load_tasks
    from tutorial_project.classroom.opening import prepare

    database = prepare()

    def one(lesson: str, task: str) -> float:
        # Trap: an answer may hold a lock that belongs to the loop of its first check.
        folder = build.LESSONS / lesson
        solution = answer_in(build.solution_notebook(folder), task, folder)
        started = perf_counter()
        verdict = asyncio.run(judge(fresh_task(lesson, task), solution, database.restore))
        assert verdict.state == "done", verdict.text
        return perf_counter() - started

    names = [(lesson, task) for lesson in exercise_names() for task in load_tasks(lesson)]
    return {f"{lesson} {task}": [one(lesson, task) for _ in range(3)] for lesson, task in names}


def open_a_lesson_with_views() -> None:
    from django.http import JsonResponse
    from django.urls import path

    import __main__
    from tutorial_project.classroom.opening import prepare

    async def hello(request: Any) -> JsonResponse:
        return JsonResponse({"message": "hello"})

    async def two_seconds(request: Any) -> JsonResponse:
        await asyncio.sleep(2)
        return JsonResponse({"message": "This is an async view!"})

    __main__.urlpatterns = [path("hello/", hello), path("two-seconds/", two_seconds)]
    prepare()


def main() -> None:
    """Measure everything and print one table."""
    table = Table("figure", "median", "spread", "bound", "kept")

    def add(name: str, values: list[float], bound: str = "report", kept: bool | None = None) -> None:
        spread = f"{min(values):.2f} to {max(values):.2f}"
        table.add_row(
            name,
            f"{statistics.median(values):.2f}",
            spread,
            bound,
            {None: "", True: "yes", False: "NO"}[kept],
        )

    add("open_lesson / setup + migrate", ratios := opening(), "<= 1.5", statistics.median(ratios) <= 1.5)
    open_a_lesson_with_views()
    with ProcessPoolExecutor(1) as processes:
        add(
            "serve() / bare uvicorn, requests per second",
            ratios := serving(processes),
            ">= 0.95",
            statistics.median(ratios) >= 0.95,
        )
        add(
            "100 requests to a two-second view / 2 s",
            ratios := two_second_view(processes, 100, 5),
            "<= 1.15",
            statistics.median(ratios) <= 1.15,
        )
        add("1000 requests to a two-second view / 2 s", two_second_view(processes, 1000, 3))
    per_check = {name: statistics.median(values) for name, values in checks().items()}
    slowest = max(per_check, key=per_check.__getitem__)
    add(
        "a check on its solution, seconds",
        list(per_check.values()),
        "<= 0.5",
        statistics.median(per_check.values()) <= 0.5,
    )
    add(f"the slowest check, seconds ({slowest})", [per_check[slowest]], "<= 3", per_check[slowest] <= 3)
    add("memory of a process after open_lesson(), MiB", [in_new_process(MEMORY, OPENED) for _ in range(3)])
    if sys.platform == "linux":
        for name, value, bound, kept in learner.rows():
            add(name, [value], bound, kept)
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
