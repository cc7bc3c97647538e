"""Servers as processes of their own: they answer, they say why they do not, and they are gone afterwards."""

from __future__ import annotations

import json
import socket
import time
import urllib.request
from collections.abc import Iterator

import psutil
import pytest
from jupyter_client.manager import start_new_kernel
from project import ROOT

from tutorial_project.classroom.processes import supervised
from tutorial_project.classroom.processes import web_servers as server_process
from tutorial_project.classroom.processes.supervisor import alive
from tutorial_project.classroom.processes.web_servers import (
    SERVERS,
    ServerDidNotStart,
    ServerProcess,
    start_server,
    start_servers,
    stop_servers,
)

LIMIT = 15.0
"""Seconds within which processes have to be gone."""


@pytest.fixture(scope="module")
def all_servers() -> Iterator[list[ServerProcess]]:
    yield start_servers(*SERVERS)
    stop_servers()


@pytest.fixture
def stopped_afterwards() -> Iterator[None]:
    before = dict(server_process._running)
    yield
    for name in server_process._running.keys() - before.keys():
        server_process._running.pop(name).stop()


def get(server: ServerProcess) -> dict[str, str]:
    with urllib.request.urlopen(server.url, timeout=10) as response:
        return json.load(response)


def family(pid: int) -> list[psutil.Process]:
    """A process and all that it started."""
    root = psutil.Process(pid)
    return [root, *root.children(recursive=True)]


def left_of(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that are still there when all should be gone, or the time is over."""
    end = time.monotonic() + LIMIT
    while (left := [process for process in processes if alive(process)]) and time.monotonic() < end:
        time.sleep(0.02)
    return left


def test_every_server_serves_the_same_views(all_servers: list[ServerProcess]) -> None:
    wsgi = {"waitress", "runserver"}
    assert {server.name: get(server) for server in all_servers} == {
        name: {"request": "WSGIRequest" if name in wsgi else "ASGIRequest"} for name in SERVERS
    }


def test_servers_listen_on_the_loopback_address_alone(all_servers: list[ServerProcess]) -> None:
    processes = [process for server in all_servers for process in family(server._process.pid)]
    connections = [connection for process in processes for connection in process.net_connections()]
    assert {c.laddr.ip for c in connections if c.status == psutil.CONN_LISTEN} == {"127.0.0.1"}


def test_the_log_is_what_the_server_itself_printed(all_servers: list[ServerProcess]) -> None:
    logs = {server.name: server.log for server in all_servers}
    assert "Uvicorn running on" in logs["uvicorn"]
    assert "continuing without Lifespan support" in logs["hypercorn"]
    assert "Starting ASGI/Daphne" in logs["runserver with daphne"]


def test_the_command_is_what_one_types(all_servers: list[ServerProcess]) -> None:
    commands = {server.name: server.command for server in all_servers}
    assert commands["daphne"] == "daphne -b 127.0.0.1 -p PORT tutorial_project.front_desk.asgi:application"


@pytest.mark.parametrize("name", [name for name in ("granian", "gunicorn", "hypercorn") if name in SERVERS])
@pytest.mark.usefixtures("stopped_afterwards")
def test_a_stopped_server_is_gone_with_its_workers(name: str) -> None:
    with ServerProcess(name).wait_until_it_answers() as server:
        processes = family(server._process.pid)
        assert len(processes) > 2
    assert left_of(processes) == []
    assert not server.running
    server.stop()


@pytest.mark.skipif("gunicorn" not in SERVERS, reason="2026-11-23: process groups are POSIX's")
def test_workers_are_gone_when_their_master_is_killed() -> None:
    with ServerProcess("granian").wait_until_it_answers() as server:
        supervisor, master, *workers = family(server._process.pid)
        master.kill()
        assert left_of([supervisor, master, *workers]) == []


def test_a_server_is_gone_when_its_supervisor_does_not_react(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervised, "STOP_LIMIT", 0.2)
    with ServerProcess("waitress").wait_until_it_answers() as server:
        processes = family(server._process.pid)
        processes[0].suspend()
    assert left_of(processes) == []


@pytest.mark.usefixtures("stopped_afterwards")
def test_starting_again_stops_the_first() -> None:
    project = {"project": "tutorial_project.front_desk"}
    server_process._running.pop("waitress", None)
    first, second = start_server("waitress", **project), start_server("waitress", **project)
    assert (first.running, second.running) == (False, True)


def test_a_server_that_ends_at_once_quotes_its_log_and_leaves_nothing() -> None:
    with pytest.raises(ServerDidNotStart, match="Application startup failed") as refused:
        ServerProcess("uvicorn", "--lifespan", "on").wait_until_it_answers()
    assert "not lifespan" in refused.value.log


def test_an_unknown_server_is_refused_with_the_list() -> None:
    with pytest.raises(LookupError, match="no server 'apache' here; there are: uvicorn, daphne"):
        start_server("apache")


def test_a_server_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_process, "START_LIMIT", 0.0)
    monkeypatch.setattr(ServerProcess, "_answers", lambda server: False)
    server = ServerProcess("waitress")
    with pytest.raises(ServerDidNotStart, match="did not answer within 0 seconds"):
        server.wait_until_it_answers()
    assert not server.running


def test_a_port_that_was_taken_meanwhile_is_given_up_for_another(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        free = server_process._free_port()
        ports = iter([taken.getsockname()[1], free])
        monkeypatch.setattr(server_process, "_free_port", lambda: next(ports))
        with ServerProcess("uvicorn").wait_until_it_answers() as server:
            assert server.port == free


def test_a_killed_kernel_leaves_no_server_behind() -> None:
    manager, client = start_new_kernel(cwd=str(ROOT / "notebooks"))
    try:
        start = "from tutorial_project.classroom import SERVERS, start_servers\n"
        done = client.execute_interactive(start + "len(start_servers(*SERVERS))", timeout=60)
        assert done["content"]["status"] == "ok"
        kernel, *servers = family(manager.provisioner.pid)
        assert len(servers) > 2 * len(SERVERS)
        kernel.kill()
        assert left_of(servers) == []
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def test_a_kernel_that_ends_after_an_error_leaves_none_and_an_interrupted_one_keeps_its_server() -> None:
    manager, client = start_new_kernel(cwd=str(ROOT / "notebooks"))
    try:
        cell = "from tutorial_project.classroom import start_server\nserver = start_server('waitress')\n1 / 0"
        done = client.execute_interactive(cell, timeout=60, output_hook=lambda output: None)
        assert done["content"]["ename"] == "ZeroDivisionError"
        _, *servers = family(manager.provisioner.pid)
        manager.interrupt_kernel()
        client.execute_interactive("assert server._answers()", timeout=60)
        assert all(map(alive, servers))
    finally:
        client.stop_channels()
        manager.shutdown_kernel()
    assert left_of(servers) == []
