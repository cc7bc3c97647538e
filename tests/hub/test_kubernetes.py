"""The values for Zero to JupyterHub say what the hub on one machine says."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import locks
import pytest
import yaml
from project import ROOT

from deploy import figures, settings

VALUES: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "kubernetes" / "values.yaml").read_text("utf-8"))
LEARNER: dict[str, Any] = VALUES["singleuser"]
CONDA = yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))["dependencies"]


def mebibytes(size: str) -> int:
    """The chart's M stands for mebibytes, as in all of JupyterHub."""
    return int(size.removesuffix("M"))


def test_memory_and_processors_are_the_measured_ones() -> None:
    memory, cpu = LEARNER["memory"], LEARNER["cpu"]
    assert (mebibytes(memory["guarantee"]), mebibytes(memory["limit"])) == (figures.GUARANTEE, figures.LIMIT)
    assert (cpu["guarantee"], cpu["limit"]) == (figures.SHARE, figures.PROCESSORS)


def test_the_first_page_brings_the_copy_that_kernels_import() -> None:
    first = urlsplit(LEARNER["defaultUrl"])
    query = {key: values[0] for key, values in parse_qs(first.query).items()}
    assert first.path + "?" + first.query == settings.first_page(
        {"repo": query["repo"], "branch": query["branch"]}
    )
    assert LEARNER["extraEnv"]["PYTHONPATH"] == f"{LEARNER['storage']['homeMountPath']}/{settings.CLONE}"


def test_names_are_limited_as_on_one_machine() -> None:
    assert VALUES["hub"]["config"]["Authenticator"]["username_pattern"] == settings.USERNAMES


def test_servers_and_kernels_end_when_they_do_on_one_machine() -> None:
    kernels = LEARNER["extraFiles"]["kernels"]["data"]["MappingKernelManager"]
    assert kernels == {"cull_idle_timeout": settings.IDLE, "cull_interval": settings.LOOK_AT_KERNELS}
    assert VALUES["cull"]["timeout"] == settings.IDLE
    assert VALUES["cull"]["every"] == settings.LOOK_AT_SERVERS
    assert VALUES["cull"]["users"] is False


@pytest.mark.parametrize("package", ["jupyterlab", "jupyter-server-proxy", "nbgitpuller"])
def test_the_image_holds_what_a_learner_s_server_needs(package: str) -> None:
    python = next(line.removeprefix("python=") for line in CONDA if str(line).startswith("python="))
    assert {"pip": [f"-r {locks.LEARNERS.name}"]} in CONDA
    assert package in locks.LEARNERS.installed(python)


def test_the_hub_on_one_machine_speaks_to_servers_of_the_version_that_repo2docker_adds() -> None:
    assert VALUES["singleuser"]["cmd"] == "jupyterhub-singleuser"
    assert locks.PROOFS.installed("3.13")["jupyterhub"][0].startswith("5.")


def test_no_password_is_kept_in_the_file() -> None:
    assert not re.search(r"password:", yaml.safe_dump(VALUES))
