"""A site of cells on real servers: its settings, its modules, and the process that serves it."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator

import pytest

from tutorial_project.classroom.processes import small_site
from tutorial_project.classroom.processes.small_site import COMMANDS, SiteProcess, SmallSite, open_small_site
from tutorial_project.classroom.processes.web_servers import SERVERS, stop_servers

VIEWS = """
from django.conf import settings
from django.http import JsonResponse
from django.urls import path

def who(request):
    return JsonResponse({"request": type(request).__name__, "city": settings.CITY})

urlpatterns = [path("who/", who)]
"""
HERE = [name for name in COMMANDS if not name.startswith("gunicorn") or "gunicorn" in SERVERS]


@pytest.fixture(scope="module")
def site() -> Iterator[SmallSite]:
    site = open_small_site()
    site.write("views.py", VIEWS)
    yield site
    stop_servers()


def get(server: SiteProcess) -> dict[str, str]:
    with urllib.request.urlopen(f"{server.url}/who/", timeout=10) as response:
        return json.load(response)


@pytest.mark.parametrize("name", HERE)
def test_each_server_serves_the_site_with_its_settings(site: SmallSite, name: str) -> None:
    with site.start(name, CITY="Lisbon") as server:
        kind = "WSGIRequest" if name in small_site.INTERFACES else "ASGIRequest"
        assert get(server) == {"request": kind, "city": "Lisbon"}
        before = server.processor
        for _ in range(30):
            get(server)
        assert server.processor > before
        assert (server.threads >= 1, server.memory > 10) == (True, True)


def test_another_module_and_another_name_serve_beside_the_first(site: SmallSite) -> None:
    site.write("other.py", "from .asgi import application\n")
    first = site.start("uvicorn", CITY="Lisbon")
    second = site.start("uvicorn", name="second", module="other", CITY="Kyoto")
    assert [get(server)["city"] for server in (first, second)] == ["Lisbon", "Kyoto"]
    assert "agency_site.other:application" in second.command


def test_starting_again_takes_the_module_as_it_is_now(site: SmallSite) -> None:
    first = site.start("uvicorn", CITY="Lisbon")
    site.write("views.py", VIEWS.replace("settings.CITY", '"Bergen"'))
    second = site.start("uvicorn", CITY="Lisbon")
    assert (first.running, get(second)["city"]) == (False, "Bergen")
