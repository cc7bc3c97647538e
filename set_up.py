"""Sets up the tutorial: a virtual environment with the pinned packages.

python3 set_up.py            into .venv, or into the folder named; does nothing when that is up to date
python3 set_up.py --proofs   adds what proofs, site and hub need, which then stays
python3 set_up.py --again    makes it anew
python set_up.py --here      installs nothing, only fits the present environment (conda)
python set_up.py --binder    the same, and every Jupyter of the environment opens lesson 00
"""

# Trap: any Python that a machine has may read this file, so: standard library only, syntax of Python 3.8.
from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Iterable, Sequence

ROOT = Path(os.path.abspath(__file__)).parent
LOCK = ROOT / "requirements.txt"
"""What a learner needs."""
LOCK_OF_PROOFS = ROOT / "requirements-proofs.txt"
"""The same pins, and what proofs, site and hub need besides."""
OLDEST = (3, 11)
STAMP = "tutorial-is-set-up.txt"
TOLD = re.compile(r"\s*(Downloading|Resolved|Prepared|Installed|Uninstalled) ")
"""Lines of uv that say how far it is."""
OFFLINE = re.compile(
    r"connect|dns error|name resolution|resolve host|timed out|unreachable|sending request", re.I
)
QUIET_LAB = {
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/extensionmanager-extension:plugin": {"enabled": False},
    "@jupyterlab/filebrowser-extension:browser": {"showLastModifiedColumn": False},
    "@jupyterlab/docmanager-extension:plugin": {"defaultViewers": {"markdown": "Markdown Preview"}},
    "jupyterlab-jupytext:plugin": {"auto:percent": False, "md:myst": False},
}
"""JupyterLab's settings: no news, no look for updates or extensions, file names that are read to their end, and in the
launcher only what a learner uses; pages of Markdown as they are meant to be read."""

FIRST_PAGE = "/lab/tree/notebooks/00_start_here.ipynb"
STARTED_BY = {
    "LabApp": "jupyter_lab_config.json",
    "JupyterNotebookApp": "jupyter_notebook_config.json",
    "ServerApp": "jupyter_server_config.json",
}
"""What may be started, each with the file that it reads; which one it will be, only Binder knows."""


class NotSetUp(Exception):
    """The tutorial cannot be set up; the message says what to do."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Do what the command line asks for; exit with a sentence where that is impossible."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", nargs="?", default=".venv", help="of the virtual environment")
    parser.add_argument("--proofs", action="store_true", help="with what proofs, site and hub need")
    parser.add_argument("--again", action="store_true", help="make it anew")
    parser.add_argument("--here", action="store_true", help="only fit the present environment")
    parser.add_argument("--binder", action="store_true", help="the same, and open lesson 00")
    options = parser.parse_args(arguments)
    try:
        demand_python(sys.version_info[:3])
        if options.here or options.binder:
            fit(Path(sysconfig.get_path("purelib")), Path(sys.prefix))
            if options.binder:
                open_lesson_00(Path(sys.prefix))
            say(
                "This environment knows the tutorial. Next:  jupyter lab --ServerApp.root_dir=. notebooks/00_start_here.ipynb"
            )
        else:
            set_up(Path(os.path.abspath(options.folder)), options.proofs, options.again)
    except NotSetUp as problem:
        sys.exit(str(problem))
    except KeyboardInterrupt:
        sys.exit("\nStopped. Run the same command to go on.")


def say(sentence: str) -> None:
    print(sentence, flush=True)


def demand_python(version: Sequence[int]) -> None:
    """Raise NotSetUp when this version of Python, such as (3, 9, 6), is too old."""
    if tuple(version[:2]) < OLDEST:
        this = ".".join(map(str, version))
        raise NotSetUp(
            f"The tutorial needs Python 3.11 or newer, and this is Python {this}: install a newer one, "
            "then name it, for example  PYTHON=python3.13 make lab"
        )


def set_up(folder: Path, proofs: bool = False, again: bool = False) -> None:
    """Make the environment and install a lock, as far as that has not been done.

    Args:
        folder: of the virtual environment.
        proofs: install what proofs, site and hub need as well; once there, it stays without being asked for.
        again: make it anew even when it is up to date.

    Raises:
        NotSetUp: when a step fails; the message says what to do.
    """
    stamp = folder / STAMP
    done = stamp.read_text(encoding="utf-8").splitlines() if stamp.is_file() else []
    lock = LOCK_OF_PROOFS if proofs or LOCK_OF_PROOFS.name in done else LOCK
    wanted = [maker(folder), lock.name, fingerprint(lock)]
    if done == wanted and not again:
        return
    if done[:1] != wanted[:1] or again:
        make_environment(folder)
    install_packages(folder, lock)
    fit(Path(sysconfig.get_path("purelib", "venv", {"base": str(folder)})), folder)
    stamp.write_text("\n".join(wanted) + "\n", encoding="utf-8")
    say(f"Ready. The environment is {named(folder)}; this is done once.")


def maker(folder: Path) -> str:
    """The first line of a stamp: who made the environment. Made by another, or moved, it is made anew."""
    return "Python {}.{} in {}".format(*sys.version_info[:2], folder)


def fingerprint(lock: Path) -> str:
    """The last line of a stamp: from which files the environment was made."""
    return hashlib.sha256(lock.read_bytes() + Path(__file__).read_bytes()).hexdigest()


def interpreter(folder: Path) -> Path:
    """The Python of a virtual environment."""
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def named(folder: Path) -> str:
    return folder.name if folder.parent == ROOT else str(folder)


def make_environment(folder: Path) -> None:
    """Make an empty virtual environment with pip, in place of one that is there."""
    # Trap: venv empties what a link points to, such as the environment of another copy, before it refuses the link.
    if folder.is_symlink():
        raise NotSetUp(
            f"{named(folder)} is a link: remove it, or name another folder, such as VENV=.venv-here"
        )
    if folder.is_dir() and any(folder.iterdir()) and not (folder / "pyvenv.cfg").is_file():
        raise NotSetUp(f"{folder} is no virtual environment: name another folder, such as VENV=.venv")
    if importlib.util.find_spec("ensurepip") is None:
        package = "python{}.{}-venv".format(*sys.version_info[:2])
        raise NotSetUp(f"This Python cannot make environments: run  sudo apt install {package}  first.")
    say("Making the environment {} with Python {}.{}.{} …".format(named(folder), *sys.version_info[:3]))
    run([sys.executable, "-m", "venv", "--clear", str(folder)], "the environment")
    # Python 3.11 adds setuptools, which nothing here imports; where it is missing, this does nothing.
    python = str(interpreter(folder))
    run([python, "-m", "pip", "uninstall", "--quiet", "--yes", "setuptools"], "the environment")


def install_packages(folder: Path, lock: Path) -> None:
    """Make an environment hold what a lock says, and nothing else but pip."""
    python = str(interpreter(folder))
    # The installer is as large as JupyterLab, so it does not stay. Trap: some machines start no program from /tmp.
    with tempfile.TemporaryDirectory(prefix="installer-", dir=str(folder)) as installer:
        say("Getting the installer, uv …")
        pip = [python, "-m", "pip", "install", "--quiet", "--retries", "2"]
        run([*pip, "--target", installer, "uv"], "uv")
        say("Installing the packages of {} …".format(lock.name))
        uv = Path(installer) / "bin" / ("uv.exe" if os.name == "nt" else "uv")
        run([str(uv), "pip", "sync", "--require-hashes", "--python", python, str(lock)], "the packages")


def run(command: Sequence[str], what: str) -> None:
    """Run a command, passing on what tells how far it is.

    Args:
        command: the program and its arguments.
        what: is got by it, for the message.

    Raises:
        NotSetUp: when the command fails.
    """
    options = {
        "stdout": subprocess.PIPE,
        "stderr": subprocess.STDOUT,
        "encoding": "utf-8",
        "errors": "replace",
    }
    with subprocess.Popen(command, **options) as process:
        lines = list(passed_on(process.stdout))
    if process.returncode:
        raise NotSetUp(explain(what, lines))


def passed_on(lines: Iterable[str]) -> Iterable[str]:
    """The same lines; those that tell how far a command is are printed."""
    for line in lines:
        if TOLD.match(line):
            say("  " + line.strip())
        yield line


def explain(what: str, lines: Sequence[str]) -> str:
    """The sentence for a step that failed, from what the step printed."""
    if OFFLINE.search("".join(lines)):
        return f"Could not download {what}: connect to the internet, then run the same command again."
    end = "".join(lines[-12:]).rstrip()
    return f"Could not install {what}. It ended with:\n{end}"


def fit(site_packages: Path, prefix: Path) -> None:
    """Make an environment find `tutorial_project` from every folder, and keep its JupyterLab quiet.

    Args:
        site_packages: where the environment keeps its packages.
        prefix: the folder of the environment.
    """
    # Trap: before Python 3.13 the encoding of a .pth file depends on the machine. A relative path is plain ASCII.
    path = os.path.relpath(str(ROOT), str(site_packages))
    (site_packages / "async_views_in_django.pth").write_text(path + "\n", encoding="utf-8")
    overrides = prefix / "share" / "jupyter" / "lab" / "settings" / "overrides.json"
    overrides.parent.mkdir(parents=True, exist_ok=True)
    settings = json.loads(overrides.read_text(encoding="utf-8")) if overrides.is_file() else {}
    overrides.write_text(json.dumps({**settings, **QUIET_LAB}, indent=1), encoding="utf-8")


def open_lesson_00(prefix: Path) -> None:
    """Make every Jupyter of an environment open lesson 00, when it is started in this folder.

    Args:
        prefix: the folder of the environment.
    """
    folder = prefix / "etc" / "jupyter"
    folder.mkdir(parents=True, exist_ok=True)
    for application, file in STARTED_BY.items():
        (folder / file).write_text(json.dumps({application: {"default_url": FIRST_PAGE}}), encoding="utf-8")


if __name__ == "__main__":
    main()
