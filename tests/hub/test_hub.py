"""Three learners on one hub, at the same time."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import build
import psutil
import pytest

from deploy.settings import CLONE, FIRST_PAGE

from .hub import EXERCISE, START_LIMIT, Hub
from .learner import Kernel, Learner

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="2026-11-23: the hub is for Linux")
NOTEBOOK = f"{CLONE}/exercises/{EXERCISE}.ipynb"
TASKS = ["greeting", "exchange", "weather_alert"]
BLOCKING = """
import time
from django.http import JsonResponse

async def greeting(request):
    time.sleep(0.1)
    return JsonResponse({"greeting": "Welcome to the travel agency"})
"""
ABOUT_ME = "import tutorial_project; print(tutorial_project.__file__)"
PAGE = """
from django.http import HttpResponse
from django.urls import path
from tutorial_project.classroom import serve

async def hello(request):
    return HttpResponse("hello from the kernel")

urlpatterns = [path("hello/", hello)]
print(serve().page("/hello/"))
"""
LESSON_LIMIT = 300
"""Seconds that the lesson may take, on a machine that does much else."""


def solved(sources: list[str]) -> list[str]:
    """The cells of the exercise with right answers."""
    cells = build.solution_notebook(build.LESSONS / EXERCISE).cells
    return [cell.source for cell in cells if cell.cell_type == "code"]


def untouched(sources: list[str]) -> list[str]:
    return sources


def with_a_blocking_greeting(sources: list[str]) -> list[str]:
    return [BLOCKING if "async def greeting" in source else source for source in sources]


CLASS = {"ada": solved, "ben": untouched, "cleo": with_a_blocking_greeting}


class Visit:
    """What one learner saw."""

    def __init__(self) -> None:
        self.landed_on = self.imported = self.kernels_seen_waiting = self.page = ""
        self.others: dict[str, int] = {}
        self.shown: list[str] = []


async def visit(learner: Learner, hub: Hub, everybody: asyncio.Barrier) -> Visit:
    """Log in, get a copy, and run the exercise; its first check waits in the kernel until everybody's does."""
    seen = Visit()
    async with learner:
        assert (await learner.log_in())[0] == 200
        await learner.start_server()
        seen.landed_on = await learner.get_copy()
        async with learner.kernel(NOTEBOOK) as kernel:
            seen.imported = (await kernel.run(ABOUT_ME)).strip()
            seen.shown = await run_exercise(learner, kernel, everybody, seen)
            async with learner.browser.get(hub.url + (await kernel.run(PAGE)).strip()) as page:
                seen.page = await page.text()
        await everybody.wait()
        seen.others = {name: await status_at(learner, hub, name) for name in CLASS if name != learner.name}
        await everybody.wait()
    return seen


async def run_exercise(
    learner: Learner, kernel: Kernel, everybody: asyncio.Barrier, seen: Visit
) -> list[str]:
    async def all_are_here() -> None:
        await everybody.wait()
        seen.kernels_seen_waiting = (await learner.api("GET", "kernels"))[0]["execution_state"]
        await everybody.wait()

    shown, waited = [], False
    for source in CLASS[learner.name](await learner.notebook(NOTEBOOK)):
        is_check = source.startswith("await exercise.check")
        held = is_check and not waited
        waited |= held
        text = await kernel.run(f"input()\n{source}" if held else source, all_are_here if held else None)
        shown += [text] if is_check else []
    return shown


async def status_at(learner: Learner, hub: Hub, name: str) -> int:
    """The status that a learner gets for the list of files on somebody's server."""
    async with learner.browser.get(f"{hub.url}/user/{name}/api/contents") as answer:
        return answer.status


async def a_lesson(hub: Hub) -> dict[str, Visit]:
    everybody = asyncio.Barrier(len(CLASS))
    visits = [visit(Learner(hub, name), hub, everybody) for name in CLASS]
    async with asyncio.timeout(LESSON_LIMIT):
        return dict(zip(CLASS, await asyncio.gather(*visits), strict=True))


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    with Hub(tmp_path_factory.mktemp("class")) as hub:
        yield hub
    assert hub.left_over == []


@pytest.fixture(scope="module")
def visits(hub: Hub) -> dict[str, Visit]:
    return asyncio.run(a_lesson(hub))


def progress_of(hub: Hub, name: str) -> dict[str, Any]:
    """The state of each task in a learner's own copy."""
    file = hub.homes / name / CLONE / "progress" / f"{EXERCISE}.json"
    return {task: record["state"] for task, record in json.loads(file.read_text())["tasks"].items()}


def test_a_learner_lands_on_lesson_00_in_their_own_copy(hub: Hub, visits: dict[str, Visit]) -> None:
    for name, seen in visits.items():
        assert seen.landed_on == FIRST_PAGE
        assert (hub.homes / name / FIRST_PAGE.removeprefix("lab/tree/")).is_file()


def test_a_kernel_imports_the_tutorial_from_its_learner_s_copy(hub: Hub, visits: dict[str, Visit]) -> None:
    for name, seen in visits.items():
        assert Path(seen.imported) == hub.homes / name / CLONE / "tutorial_project" / "__init__.py"


def test_all_kernels_are_at_work_before_any_check_goes_on(visits: dict[str, Visit]) -> None:
    assert {name: seen.kernels_seen_waiting for name, seen in visits.items()} == dict.fromkeys(CLASS, "busy")


def test_each_learner_reads_the_verdict_on_their_own_answers(visits: dict[str, Visit]) -> None:
    states = {name: [state(text) for text in seen.shown] for name, seen in visits.items()}
    assert states["ada"] == [f"✓ {task} done" for task in TASKS]
    assert states["ben"] == [f"○ {task} not started" for task in TASKS]
    assert states["cleo"] == ["✗ greeting not yet", *states["ben"][1:]]
    assert "`time.sleep` holds the event loop" in visits["cleo"].shown[0]


def state(verdict: str) -> str:
    """How it stands, from the first line that the learner reads, without the count of requirements."""
    return " ".join(verdict.strip().split("\n")[0].partition(" · ")[0].split())


def test_each_learner_s_progress_holds_only_their_own(hub: Hub, visits: dict[str, Visit]) -> None:
    assert progress_of(hub, "ada") == dict.fromkeys(TASKS, "done")
    assert progress_of(hub, "ben") == dict.fromkeys(TASKS, "not started")
    assert progress_of(hub, "cleo") == {**dict.fromkeys(TASKS, "not started"), "greeting": "not yet"}


def test_a_page_that_a_kernel_serves_reaches_its_learner_s_browser(visits: dict[str, Visit]) -> None:
    assert {seen.page for seen in visits.values()} == {"hello from the kernel"}


def test_a_learner_cannot_reach_another_s_server(visits: dict[str, Visit]) -> None:
    assert {status for seen in visits.values() for status in seen.others.values()} <= {403, 404}


def test_answers_and_progress_outlive_a_server_that_is_stopped(hub: Hub, visits: dict[str, Visit]) -> None:
    async def stopped() -> int:
        async with Learner(hub, "ada") as ada:
            await ada.log_in()
            headers = {"X-XSRFToken": ada.token_for(f"{hub.url}/hub/")}
            url = f"{hub.url}/hub/api/users/ada/server"
            async with ada.browser.delete(url, headers=headers) as answer:
                return answer.status

    assert asyncio.run(stopped()) in (202, 204)
    assert progress_of(hub, "ada") == dict.fromkeys(TASKS, "done")
    assert (hub.homes / "ada" / NOTEBOOK).is_file()


def test_the_culler_may_see_who_is_idle(hub: Hub) -> None:
    deadline = time.monotonic() + START_LIMIT
    while "(culler@127.0.0.1)" not in hub.log.read_text() and time.monotonic() < deadline:
        time.sleep(0.1)
    lines = [line for line in hub.log.read_text().splitlines() if "(culler@127.0.0.1)" in line]
    assert lines
    assert all(" 200 GET " in line for line in lines)


@pytest.mark.parametrize(
    ("name", "password"), [("ada", "a class of four"), ("../ada", None), ("ada b", None)]
)
def test_a_wrong_password_or_an_unfit_name_is_refused(hub: Hub, name: str, password: str | None) -> None:
    async def refused() -> tuple[int, str]:
        async with Learner(hub, name) as somebody:
            return await (somebody.log_in(password) if password else somebody.log_in())

    status, page = asyncio.run(refused())
    assert status == 403
    assert "Invalid username or password" in page


def test_the_hub_listens_on_this_machine_only(hub: Hub, visits: dict[str, Visit]) -> None:
    processes = [psutil.Process(hub.process.pid), *psutil.Process(hub.process.pid).children(recursive=True)]
    listening = [
        connection.laddr.ip
        for process in processes
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert set(listening) == {"127.0.0.1"}
