"""How the size of an environment is counted."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.environment_size import MIB, everything_below, on_disk, packages

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="2026-11-26: Windows counts no blocks")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a file of 3 MiB, a second name for that file, and a file of one byte in a folder of its own."""
    (tmp_path / "inner").mkdir()
    (tmp_path / "large").write_bytes(os.urandom(3 * MIB))
    (tmp_path / "inner" / "tiny").write_bytes(b"1")
    (tmp_path / "second name").hardlink_to(tmp_path / "large")
    return tmp_path


def test_a_file_with_two_names_counts_once(folder: Path) -> None:
    both = [folder / "large", folder / "second name"]
    assert on_disk(both) == on_disk(both[:1]) >= 3


def test_what_is_counted_is_what_du_counts(folder: Path) -> None:
    counted = subprocess.run(["du", "-sk", folder], capture_output=True, text=True, check=True).stdout
    assert on_disk(everything_below(folder)) == int(counted.split()[0]) / 1024


def test_the_packages_are_those_of_the_environment_and_the_heaviest_is_the_first() -> None:
    sizes = packages(Path(sys.prefix))
    assert sizes["Django"] > sizes["asgiref"] > 0
    assert list(sizes.values()) == sorted(sizes.values(), reverse=True)
