"""Serving from a thread of the kernel."""

from __future__ import annotations

import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from urllib.error import URLError

import psutil
import pytest
from project import ROOT

from tutorial_project.classroom import serve
from tutorial_project.classroom.serving.server import stop_all_servers


@pytest.fixture(autouse=True)
def servers_are_stopped() -> Iterator[None]:
    yield
    stop_all_servers()


def get(url: str) -> int:
    with urllib.request.urlopen(url, timeout=10) as response:
        return response.status


def test_the_project_answers_on_the_loopback_address_alone() -> None:
    with serve() as server:
        assert get(f"{server.url}/api/trips/") == 200
        listening = {c.laddr.ip for c in psutil.Process().net_connections() if c.status == psutil.CONN_LISTEN}
        assert listening == {"127.0.0.1"}


def test_answers_on_a_kept_connection_do_not_wait_for_nagles_delay() -> None:
    with serve() as server:
        assert server._socket.proto == socket.IPPROTO_TCP  # what asyncio looks for before it sets TCP_NODELAY


def test_a_server_is_gone_after_its_block() -> None:
    with serve() as server:
        pass
    assert not server.running
    with pytest.raises(URLError):
        get(server.url)
    server.stop()


def test_serving_again_stops_the_first_server() -> None:
    first, second = serve(), serve()
    assert (first.running, second.running) == (False, True)


def test_two_names_make_two_servers() -> None:
    first, second = serve(), serve(name="second")
    assert first.running
    assert second.running


def test_a_server_that_cannot_start_says_so() -> None:
    with pytest.raises(RuntimeError, match="the server did not start"):
        serve(lifespan="on")


def test_a_server_starts_after_nest_asyncio_was_applied_and_ends_with_its_process() -> None:
    script = (
        "import nest_asyncio; nest_asyncio.apply()\n"
        "from tutorial_project.classroom import open_lesson, serve\n"
        "open_lesson(ROOT_URLCONF='tutorial_project.urls')\n"
        "print(serve())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=30
    )
    assert done.stdout.splitlines()[-1] == "<Server running>", done.stderr


def test_a_page_has_an_address_for_the_readers_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    with serve() as server:
        assert server.page("/screen/") == f"{server.url}/screen/"
        monkeypatch.setenv("CODESPACE_NAME", "fluffy")
        assert server.page("/screen/") == f"https://fluffy-{server.port}.app.github.dev/screen/"
        monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", "/user/ada/")
        assert server.page("/screen/") == f"/user/ada/proxy/{server.port}/screen/"
        assert f'href="/user/ada/proxy/{server.port}/"' in server._repr_html_()
