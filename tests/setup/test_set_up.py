"""set_up.py, which makes the environment."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tutorial_project.paths import ROOT

SCRIPT = ROOT / "set_up.py"
LEARNER, PROOFS = "requirements.txt", "requirements-proofs.txt"
MADE = ["the environment", "the environment"]
"""An environment, and in it no setuptools."""


@pytest.fixture
def script():
    """A fresh copy of the module."""
    spec = importlib.util.spec_from_file_location("set_up", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def steps(script, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the script ran, and which lock it installed; nothing is really run."""
    ran: list[str] = []

    def run(command: list[str], what: str) -> None:
        last = Path(command[-1])
        ran.append(last.name if what == "the packages" else what)
        if "venv" in command:
            Path(script.sysconfig.get_path("purelib", "venv", {"base": str(last)})).mkdir(parents=True)
            (last / "pyvenv.cfg").touch()

    monkeypatch.setattr(script, "run", run)
    return ran


def test_any_python_since_3_8_can_read_the_script() -> None:
    ast.parse(SCRIPT.read_text(encoding="utf-8"), feature_version=(3, 8))


def test_it_needs_the_standard_library_only() -> None:
    tree = ast.parse(SCRIPT.read_text(encoding="utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {node.module if isinstance(node, ast.ImportFrom) else node.names[0].name for node in imports}
    assert {name.partition(".")[0] for name in names} <= sys.stdlib_module_names


def test_an_old_python_is_told_in_one_sentence_what_to_do(script) -> None:
    with pytest.raises(
        script.NotSetUp, match=r"needs Python 3\.11 or newer, and this is Python 3\.9\.6: install"
    ):
        script.demand_python((3, 9, 6))


@pytest.mark.parametrize("version", [(3, 11, 0), (3, 14, 2), (4, 0, 0)])
def test_a_supported_python_is_not(script, version: tuple[int, ...]) -> None:
    script.demand_python(version)


def test_without_a_network_one_sentence_says_what_to_do(script, tmp_path: Path, monkeypatch) -> None:
    for variable in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:1/simple")
    monkeypatch.setattr(script, "make_environment", lambda folder: folder.mkdir())
    monkeypatch.setattr(script, "interpreter", lambda folder: Path(sys.executable))
    with pytest.raises(SystemExit) as stop:
        script.main([str(tmp_path / "venv")])
    assert (
        stop.value.code == "Could not download uv: connect to the internet, then run the same command again."
    )


def test_the_first_run_installs_what_a_learner_needs_and_the_second_does_nothing(
    script, steps, tmp_path, capsys
) -> None:
    script.set_up(tmp_path / "venv")
    assert steps == [*MADE, "uv", LEARNER]
    assert "Ready." in capsys.readouterr().out
    script.set_up(tmp_path / "venv")
    assert len(steps) == 4
    assert capsys.readouterr().out == ""


def test_what_proofs_need_is_added_to_the_same_environment_and_stays(script, steps, tmp_path) -> None:
    script.set_up(tmp_path / "venv")
    script.set_up(tmp_path / "venv", proofs=True)
    assert steps[4:] == ["uv", PROOFS]
    script.set_up(tmp_path / "venv", proofs=True)
    script.set_up(tmp_path / "venv")
    assert len(steps) == 6


def test_where_proofs_come_first_everything_is_installed_at_once(script, steps, tmp_path) -> None:
    script.set_up(tmp_path / "venv", proofs=True)
    assert steps == [*MADE, "uv", PROOFS]


@pytest.mark.parametrize(("proofs", "installed"), [(False, LEARNER), (True, PROOFS)])
def test_a_changed_lock_installs_what_was_there_into_the_same_environment(
    proofs: bool, installed: str, script, steps, tmp_path
) -> None:
    script.set_up(tmp_path / "venv", proofs)
    for name in ("LOCK", "LOCK_OF_PROOFS"):
        changed = tmp_path / getattr(script, name).name
        changed.write_text("django==6.1.3\n")
        setattr(script, name, changed)
    script.set_up(tmp_path / "venv")
    assert steps[4:] == ["uv", installed]


def test_a_learner_does_not_notice_that_the_lock_of_proofs_changed(script, steps, tmp_path) -> None:
    script.set_up(tmp_path / "venv")
    script.LOCK_OF_PROOFS = tmp_path / PROOFS
    script.LOCK_OF_PROOFS.write_text("django==6.1.3\n")
    script.set_up(tmp_path / "venv")
    assert len(steps) == 4


def test_an_environment_from_before_there_were_two_locks_becomes_a_learners(script, steps, tmp_path) -> None:
    script.set_up(tmp_path / "venv")
    stamp = tmp_path / "venv" / script.STAMP
    maker, _, fingerprint = stamp.read_text(encoding="utf-8").splitlines()
    stamp.write_text(f"{maker}\n{fingerprint}\n", encoding="utf-8")
    script.set_up(tmp_path / "venv")
    assert steps[4:] == ["uv", LEARNER]


def test_made_anew_it_holds_what_it_held(script, steps, tmp_path, monkeypatch) -> None:
    script.set_up(tmp_path / "venv", proofs=True)
    monkeypatch.setattr(script, "make_environment", lambda folder: steps.append("anew"))
    script.set_up(tmp_path / "venv", again=True)
    assert steps[4:] == ["anew", "uv", PROOFS]


def test_the_installer_does_not_stay(script, tmp_path, monkeypatch) -> None:
    there: dict[str, bool] = {}

    def run(command: list[str], what: str) -> None:
        installer = Path(command[command.index("--target") + 1] if what == "uv" else command[0]).parent
        there[what] = tmp_path in installer.parents or tmp_path == installer

    monkeypatch.setattr(script, "run", run)
    script.install_packages(tmp_path, script.LOCK)
    assert there == {"uv": True, "the packages": True}
    assert list(tmp_path.iterdir()) == []


def test_another_python_or_a_moved_folder_makes_it_anew(script, steps, tmp_path) -> None:
    script.set_up(tmp_path / "venv")
    (tmp_path / "venv").rename(tmp_path / "moved")
    with pytest.raises(
        FileExistsError
    ):  # the stand-in for venv does not clear; that it is called is the point
        script.set_up(tmp_path / "moved")
    assert steps[4:] == ["the environment"]


def test_a_step_that_failed_is_done_again(script, steps, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(script, "fit", lambda *_: (_ for _ in ()).throw(script.NotSetUp("no space")))
    with pytest.raises(script.NotSetUp):
        script.set_up(tmp_path / "venv")
    assert not (tmp_path / "venv" / script.STAMP).exists()


def test_a_folder_that_is_no_environment_is_left_alone(script, steps, tmp_path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(script.NotSetUp, match="is no virtual environment: name another folder"):
        script.set_up(tmp_path)
    assert steps == []


def test_a_link_to_the_environment_of_another_project_is_left_alone(script, steps, tmp_path) -> None:
    (elsewhere := tmp_path / "elsewhere").mkdir()
    (elsewhere / "pyvenv.cfg").touch()
    (tmp_path / "venv").symlink_to(elsewhere)
    with pytest.raises(script.NotSetUp, match="is a link: remove it, or name another folder"):
        script.set_up(tmp_path / "venv")
    assert (elsewhere / "pyvenv.cfg").exists()
    assert steps == []


def test_a_python_without_venv_is_told_which_package_to_install(script, steps, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(script.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(script.NotSetUp, match=r"sudo apt install python3\.\d+-venv"):
        script.set_up(tmp_path / "venv")


def test_how_far_it_is_is_told_and_the_rest_kept_for_the_message(script, capsys) -> None:
    lines = list(
        script.passed_on(["Downloading ruff (10.2MiB)\n", " + ruff==0.12\n", "Installed 2 packages in 1s\n"])
    )
    assert len(lines) == 3
    assert capsys.readouterr().out == "  Downloading ruff (10.2MiB)\n  Installed 2 packages in 1s\n"


def test_another_failure_shows_how_the_step_ended(script) -> None:
    sentence = script.explain("the packages", [*["noise\n"] * 20, "error: No space left on device\n"])
    assert sentence.startswith("Could not install the packages. It ended with:\n")
    assert sentence.endswith("No space left on device")


def test_a_fitted_environment_imports_the_tutorial_from_every_folder(script, tmp_path) -> None:
    script.fit(tmp_path, tmp_path)
    code = f"import site; site.addsitedir({str(tmp_path)!r}); import tutorial_project as t; print(t.__file__)"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout.strip() == str(ROOT / "tutorial_project" / "__init__.py")


def test_jupyterlab_asks_for_no_news_and_keeps_its_other_settings(script, tmp_path) -> None:
    overrides = tmp_path / "share" / "jupyter" / "lab" / "settings" / "overrides.json"
    overrides.parent.mkdir(parents=True)
    overrides.write_text('{"@jupyterlab/other:plugin": {"kept": true}}')
    script.fit(tmp_path, tmp_path)
    settings = json.loads(overrides.read_text())
    assert settings["@jupyterlab/other:plugin"] == {"kept": True}
    assert settings["@jupyterlab/apputils-extension:notification"] == {
        "fetchNews": "false",
        "checkForUpdates": False,
    }


def test_jupyterlab_knows_every_setting_by_this_name(script) -> None:
    jupyter = Path(sys.prefix, "share", "jupyter")
    for plugin, settings in script.QUIET_LAB.items():
        package, _, name = plugin.partition(":")
        [schema_file] = {
            *jupyter.glob(f"lab/schemas/{package}/{name}.json"),
            *jupyter.glob(f"labextensions/{package}/schemas/{package}/{name}.json"),
        }
        schema = json.loads(schema_file.read_text(encoding="utf-8"))
        assert settings.keys() <= schema["properties"].keys(), plugin
