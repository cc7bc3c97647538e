"""The two locks: what a learner needs, and that together with what proofs, site and hub need."""

from __future__ import annotations

import re
from functools import cached_property

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from project import ROOT

SYSTEMS = {"linux": "posix", "darwin": "posix", "win32": "nt"}
"""The platforms, each with its `os.name`."""


class Lock:
    """A lock in the root of the repository.

    Args:
        name: of its file.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.text = (ROOT / name).read_text(encoding="utf-8")
        self.entries = re.split(r"\n(?=\S)", self.text.strip())
        """One a pinned package: its line, its hashes, and what asks for it."""

    @cached_property
    def pins(self) -> list[Requirement]:
        """The pinned packages, in the order of the entries."""
        return [Requirement(entry.partition("\\")[0].strip()) for entry in self.entries]

    def installed(self, python: str, platform: str = "linux") -> dict[str, tuple[str, frozenset[str]]]:
        """What a machine gets: the version and the hashes of each package.

        Args:
            python: such as "3.13".
            platform: one of SYSTEMS.
        """
        machine = {"python_version": python, "python_full_version": f"{python}.9", "sys_platform": platform}
        machine["os_name"] = SYSTEMS[platform]
        found = {}
        for pin, entry in zip(self.pins, self.entries, strict=True):
            if pin.marker is None or pin.marker.evaluate(machine):
                name = canonicalize_name(pin.name)
                assert name not in found, f"{name} twice"
                hashes = frozenset(re.findall(r"sha256:\w+", entry))
                found[name] = (next(iter(pin.specifier)).version, hashes)
        return found


LEARNERS = Lock("requirements.txt")
PROOFS = Lock("requirements-proofs.txt")
