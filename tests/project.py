"""The repository under test."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def git(*arguments: str) -> str:
    """What a git command prints in this repository, or nothing when it fails."""
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, encoding="utf-8")
    return done.stdout if done.returncode == 0 else ""


def edited_notebooks() -> list[str]:
    """The notebooks that differ from the last commit; none outside of a git checkout."""
    changed = git("diff", "--name-only", "HEAD", "--", "notebooks", "solutions")
    return [line for line in changed.splitlines() if line.endswith(".ipynb")]
