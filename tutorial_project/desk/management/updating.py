"""Bringing new lessons from where the tutorial was cloned, without touching an answer."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from pathlib import Path

import nbformat

GITPULLER = "from nbgitpuller.pull import main; main()"


class NotUpdated(Exception):
    """There is nothing to update from; the message says what to do."""


def update(folder: Path) -> list[Path]:
    """Merge what is new on this branch of `origin`; where both sides changed a line, the learner's stays.

    Args:
        folder: the learner's clone.

    Returns:
        The notebooks that could not be merged and are kept as the learner had them.

    Raises:
        NotUpdated: when this is no clone, when it is on no branch that `origin` has, or without a network.
    """
    no_clone = (
        "this folder was not cloned with git: clone the tutorial, and copy your exercises into the clone"
    )
    # Trap: inside somebody's larger repository git would answer, and merge, for that one.
    if _git(folder, "rev-parse", "--show-prefix", otherwise=no_clone):
        raise NotUpdated(no_clone)
    origin = _git(folder, "remote", "get-url", "origin", otherwise=no_clone)
    branch = _git(folder, "branch", "--show-current", otherwise="git cannot tell its branch")
    if not branch:
        raise NotUpdated("this clone is on no branch: run  git switch main  first")
    before = {file: file.read_bytes() for file in folder.glob("*/*.ipynb")}
    _pull(origin, branch, folder)
    return [file for file, text in before.items() if _restored(file, text)]


def _git(folder: Path, *arguments: str, otherwise: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True)
    except FileNotFoundError:
        raise NotUpdated("git is not on this machine: install it") from None
    if done.returncode:
        raise NotUpdated(otherwise)
    return done.stdout.strip()


def _pull(origin: str, branch: str, folder: Path) -> None:
    command = [sys.executable, "-c", GITPULLER, origin, branch, str(folder)]
    done = subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8", errors="replace")
    if done.returncode == 0:
        return
    subprocess.run(["git", "merge", "--abort"], cwd=folder, capture_output=True)
    if "BranchExistError" in done.stderr:
        raise NotUpdated(f"there is no branch {branch} where this was cloned from: run  git switch main")
    raise NotUpdated(f"git could not reach or merge {origin}: connect, then try again. See also  git status")


def _restored(file: Path, before: bytes) -> bool:
    """Put the learner's notebook back when the merge, which works by lines, left no notebook."""
    if not file.is_file() or is_notebook(file.read_bytes()) or not is_notebook(before):
        return False
    file.write_bytes(before)
    return True


def is_notebook(content: bytes) -> bool:
    """Whether JupyterLab could open a file with this content."""
    with warnings.catch_warnings(action="ignore"):
        try:
            nbformat.validate(nbformat.from_dict(json.loads(content)))
        except (ValueError, AttributeError, nbformat.ValidationError):
            return False
    return True
