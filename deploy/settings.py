"""What the teacher says in environment variables, for jupyterhub/jupyterhub_config.py."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlencode

ROOT = Path(__file__).resolve().parents[1]
CLONE = "async-views-in-django"
"""The folder, in a learner's home, that holds their copy."""
FIRST_PAGE = f"lab/tree/{CLONE}/notebooks/00_start_here.ipynb"
USERNAMES = r"[a-z][a-z0-9_.-]{0,30}\Z"
"""Names end up in paths and in names of units: no slash, no space, no dot in front."""
IDLE = 3600
"""Seconds after which a server that nobody uses ends, and a kernel that no browser shows."""
LOOK_AT_SERVERS, LOOK_AT_KERNELS = 600, 300
"""Seconds between two looks for such ones."""
SHORTEST, SHORTEST_FOR_ADMINS = 8, 32
"""Characters that JupyterHub demands of a shared password."""


def learners_password(environment: Mapping[str, str] = os.environ) -> str:
    """The password of the class; the process ends with a sentence when it is missing or short."""
    return _password(
        environment, "CLASS_PASSWORD", SHORTEST, "read -rs CLASS_PASSWORD && export CLASS_PASSWORD"
    )


def admins(environment: Mapping[str, str] = os.environ) -> tuple[set[str], str | None]:
    """The names in CLASS_ADMINS, and their password; no password where nobody is named."""
    names = {name.strip().lower() for name in environment.get("CLASS_ADMINS", "").split(",") if name.strip()}
    if not names:
        return names, None
    command = 'export CLASS_ADMIN_PASSWORD="$(openssl rand -hex 16)"; echo "$CLASS_ADMIN_PASSWORD"'
    return names, _password(environment, "CLASS_ADMIN_PASSWORD", SHORTEST_FOR_ADMINS, command)


def _password(environment: Mapping[str, str], variable: str, shortest: int, command: str) -> str:
    password = environment.get(variable, "")
    if len(password) < shortest:
        found = f"has {len(password)} characters" if password else "is not set"
        raise SystemExit(
            f"The environment variable {variable} {found}: it takes at least {shortest} characters. For example:\n"
            f"  {command}\nThen start the hub again."
        )
    return password


def repository(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Where learners' copies come from: "repo", and "branch" unless it is the default one of the address.

    Without CLASS_REPOSITORY it is this checkout, as it is committed on its branch.
    """
    address, branch = environment.get("CLASS_REPOSITORY"), environment.get("CLASS_BRANCH")
    if address is None:
        address, branch = ROOT.as_uri(), branch or present_branch(ROOT)
    return {"repo": address, **({"branch": branch} if branch else {})}


def present_branch(folder: Path) -> str:
    """The branch of a checkout; the process ends with a sentence when there is none."""
    done = subprocess.run(["git", "branch", "--show-current"], cwd=folder, capture_output=True, text=True)
    if done.returncode or not done.stdout.strip():
        raise SystemExit(
            "Learners get their copy from this folder, which has to be a git checkout on a branch. Run\n"
            "  git switch main\nor name another place:\n  export CLASS_REPOSITORY=https://… CLASS_BRANCH=main"
        )
    return done.stdout.strip()


def first_page(source: Mapping[str, str]) -> str:
    """The page, below a learner's server, that brings their copy up to date and opens lesson 00."""
    return "/git-pull?" + urlencode({**source, "targetPath": CLONE, "urlpath": FIRST_PAGE})


def trusting_gitconfig(folder: Path) -> Path:
    """A configuration of git that lets every user of this machine clone this checkout; it is written to a folder."""
    # Trap: git refuses to read a repository of another user. Only a file of the whole system can allow it: what
    # the environment says does not reach the git process that reads the repository.
    file = folder / "gitconfig"
    text = (
        f'[include]\n\tpath = /etc/gitconfig\n[safe]\n\tdirectory = "{ROOT}"\n\tdirectory = "{ROOT}/.git"\n'
    )
    file.write_text(text, encoding="utf-8")
    file.chmod(0o644)
    return file
