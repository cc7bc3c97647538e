"""What a lesson needs that not every Python has which the tutorial supports, such as `django>=6.1`, in words.

The front matter of a `lesson.md` says it, and the builder writes it into the first cell of its notebooks.
"""

from __future__ import annotations

import platform
import re
from importlib.metadata import metadata, version

from packaging.requirements import Requirement

from tutorial_project.paths import ROOT

PIN = re.compile(r"^(\S+)==(\S+)(?: ; python_full_version >= '([\d.]+)')?", re.MULTILINE)
"""Of the lock: a package, its version, and the oldest Python that gets it, where not every one does."""

OTHER_ENVIRONMENT = "make a second environment, such as  PYTHON=python3.13 VENV=.venv-3.13 make lab"


def missing_here(requirement: str) -> str:
    """The sentences for a requirement that is not met in this environment; empty when it is met.

    Args:
        requirement: such as "django>=6.1"; an empty one is always met.
    """
    if not requirement:
        return ""
    wanted = Requirement(requirement)
    if wanted.specifier.contains(version(wanted.name)):
        return ""
    here = f"{metadata(wanted.name)['Name']} {version(wanted.name)} on Python {platform.python_version()}"
    return f"This lesson needs {needed(requirement)}. Here is {here}: {OTHER_ENVIRONMENT}"


def needed(requirement: str) -> str:
    """A requirement in words, such as "Django 6.1, which needs Python 3.12 or newer".

    Args:
        requirement: such as "django>=6.1".
    """
    wanted, python = in_short(requirement), oldest_python(Requirement(requirement))
    return f"{wanted}, which needs Python {python} or newer" if python else f"{wanted} or newer"


def in_short(requirement: str) -> str:
    """A requirement in two words, such as "Django 6.1".

    Args:
        requirement: such as "django>=6.1".
    """
    wanted = Requirement(requirement)
    return f"{metadata(wanted.name)['Name']} {next(iter(wanted.specifier)).version}"


def oldest_python(wanted: Requirement) -> str:
    """The oldest Python for which the lock has what is wanted; empty when every Python gets it."""
    pins = PIN.findall((ROOT / "requirements.txt").read_text(encoding="utf-8"))
    return next((python for name, found, python in pins if is_met_by(wanted, name, found)), "")


def is_met_by(wanted: Requirement, name: str, found: str) -> bool:
    """Whether a package in this version is what is wanted."""
    return name == wanted.name and wanted.specifier.contains(found)
