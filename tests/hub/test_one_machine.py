"""The configuration for one machine, without starting a hub."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from project import ROOT
from traitlets.config import Config
from traitlets.config.loader import PyFileConfigLoader

from deploy import figures, settings

from .hub import CONFIG, PASSWORD, command

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="2026-11-23: the hub is for Linux")
BELOW_THE_LIMIT = f"""
from deploy.spawners import limit_memory
limit_memory({figures.LIMIT * figures.MIB})
"""
POSTGRESQL = """
import threading
from tutorial_project.classroom.data.postgresql_server import postgresql
everybody = threading.Barrier(41)
threads = [threading.Thread(target=everybody.wait) for _ in range(40)]
for thread in threads: thread.start()
print(postgresql()["ENGINE"])
everybody.wait()
"""


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Reads the configuration as the hub does, with these environment variables."""

    def read(**variables: str) -> Config:
        for name in [name for name in os.environ if name.startswith("CLASS_")]:
            monkeypatch.delenv(name)
        usual = {
            "CLASS_FOLDER": str(tmp_path),
            "CLASS_PASSWORD": PASSWORD,
            "CLASS_REPOSITORY": tmp_path.as_uri(),
        }
        for name, value in (usual | variables).items():
            monkeypatch.setenv(name, value)
        return PyFileConfigLoader(str(CONFIG)).load_config()

    return read


def started_without(tmp_path: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """What a hub does that was told only these variables."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CLASS_")}
    environment |= {"CLASS_FOLDER": str(tmp_path), **variables}
    return subprocess.run(
        command(), cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
    )


def test_without_a_password_the_hub_says_what_to_do(tmp_path: Path) -> None:
    done = started_without(tmp_path)
    assert done.returncode == 1
    assert "The environment variable CLASS_PASSWORD is not set" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"CLASS_PASSWORD": "short"}, "CLASS_PASSWORD has 5 characters: it takes at least 8 characters"),
        ({"CLASS_ADMINS": "grace"}, "CLASS_ADMIN_PASSWORD is not set: it takes at least 32 characters"),
    ],
)
def test_a_password_that_jupyterhub_would_refuse_is_named(
    configured: Any, variables: dict[str, str], sentence: str
) -> None:
    with pytest.raises(SystemExit, match=sentence):
        configured(**variables)


def test_admins_are_who_the_environment_names(configured: Any) -> None:
    config = configured(CLASS_ADMINS="Grace, alan", CLASS_ADMIN_PASSWORD="a" * 32)
    assert config.Authenticator.admin_users == {"grace", "alan"}
    assert configured().Authenticator.admin_users == set()


def test_learners_get_what_is_committed_on_this_branch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "present_branch", lambda folder: "main")
    assert settings.repository({}) == {"repo": ROOT.as_uri(), "branch": "main"}
    elsewhere = {"CLASS_REPOSITORY": "https://example.org/tutorial"}
    assert settings.repository(elsewhere) == {"repo": "https://example.org/tutorial"}


def test_a_folder_on_no_branch_gets_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="git switch main"):
        settings.present_branch(tmp_path)


def test_a_link_opens_lesson_00_in_the_copy() -> None:
    query = parse_qs(urlsplit(settings.first_page({"repo": "https://example.org/tutorial"})).query)
    assert query["urlpath"] == [f"lab/tree/{query['targetPath'][0]}/notebooks/00_start_here.ipynb"]


def test_nobody_but_this_machine_reaches_the_hub(configured: Any) -> None:
    config = configured(CLASS_PORT="9000")
    urls = [config.JupyterHub.bind_url, config.JupyterHub.hub_bind_url, config.ConfigurableHTTPProxy.api_url]
    assert urls == [f"http://127.0.0.1:{port}" for port in (9000, 9001, 9002)]


def test_behind_tls_cookies_are_for_the_public_address(configured: Any) -> None:
    config = configured(CLASS_ADDRESS="https://hub.example.org/")
    assert config.JupyterHub.public_url == "https://hub.example.org/"


def test_limits_are_the_measured_ones(configured: Any) -> None:
    spawner = configured().Spawner
    assert (spawner.mem_guarantee, spawner.mem_limit) == (256 * 2**20, figures.LIMIT * 2**20)
    assert figures.EXERCISE < figures.GUARANTEE < figures.HEAVIEST_LESSON < figures.LIMIT


def test_postgresql_and_forty_threads_run_below_the_limit_of_a_process() -> None:
    done = subprocess.run(
        [sys.executable, "-c", BELOW_THE_LIMIT + POSTGRESQL],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout.strip() == "django.db.backends.postgresql", done.stderr


def test_a_process_beyond_the_limit_gets_a_memory_error() -> None:
    too_much = f"bytearray({figures.LIMIT * figures.MIB})"
    done = subprocess.run(
        [sys.executable, "-c", BELOW_THE_LIMIT + too_much],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stderr.strip().endswith("MemoryError")


@pytest.fixture
def unit(configured: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What systemd would be asked to start for a learner with an unfortunate name."""
    from jupyterhub.objects import Hub
    from systemdspawner import systemd

    from deploy.spawners import UnitSpawner

    asked: dict[str, Any] = {}

    async def is_running(name: str) -> bool:
        return bool(asked)

    async def start(name: str, **options: Any) -> None:
        asked.update(options, name=name)

    monkeypatch.setattr(systemd, "service_running", is_running)
    monkeypatch.setattr(systemd, "service_failed", is_running)
    monkeypatch.setattr(systemd, "start_transient_service", start)
    monkeypatch.setattr(systemd, "get_systemd_version", lambda: 252)
    user = SimpleNamespace(name="apt", id=1, url="/user/apt/", escaped_name="apt", settings={})
    config = configured(CLASS_SPAWNER="systemd")
    spawner = UnitSpawner(config=config, user=user, hub=Hub(), oauth_client_id="apt", api_token="token")
    asyncio.run(spawner.start())
    return asked


def test_systemd_gives_each_learner_a_user_a_home_and_a_limit_of_their_own(unit: dict[str, Any]) -> None:
    wanted = {"DynamicUser": "yes", "PrivateTmp": "yes", "NoNewPrivileges": "yes", "MemorySwapMax": "0"}
    assert wanted.items() <= unit["properties"].items()
    assert unit["properties"]["MemoryMax"] == figures.LIMIT * figures.MIB


def test_no_learner_s_name_can_take_a_folder_of_the_system(unit: dict[str, Any]) -> None:
    home = "/var/lib/learner-apt"
    assert unit["properties"]["StateDirectory"] == "learner-apt"
    assert (unit["working_dir"], unit["environment_variables"]["HOME"]) == (home, home)
    assert unit["environment_variables"]["PYTHONPATH"] == f"{home}/{settings.CLONE}"


def test_a_unit_is_told_neither_password(unit: dict[str, Any]) -> None:
    assert not [name for name in unit["environment_variables"] if name.startswith("CLASS_")]


def test_every_user_of_this_machine_may_clone_this_checkout(tmp_path: Path) -> None:
    file = settings.trusting_gitconfig(tmp_path)
    listed = subprocess.run(
        ["git", "config", "--system", "--get-all", "safe.directory"],
        env={**os.environ, "GIT_CONFIG_SYSTEM": str(file)},
        capture_output=True,
        text=True,
    )
    assert {str(ROOT), str(ROOT / ".git")} <= set(listed.stdout.split("\n"))
