"""What a learner's environment takes on the disk, fresh from set_up.py, before Python has compiled a module.

`python tests/bench/environment_size.py` prints it, and what weighs most, in about half a minute; `--proofs` the same
of the larger environment. What uv has not in its cache comes from the network.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MIB = 2**20
BLOCK = 512
"""Bytes of the blocks that a file system counts in, whatever the size of its own."""
LARGEST = 450
"""MiB that a learner's environment may take."""
HEAVY = 15
"""Packages that are named."""


@dataclass(frozen=True)
class Size:
    """The size of an environment: MiB on the disk, and MiB of each package, the heaviest first."""

    mebibytes: float
    packages: dict[str, float]


def measured(*options: str) -> Size:
    """The size of a fresh environment, which is gone afterwards.

    Args:
        options: of set_up.py, such as "--proofs".

    Raises:
        subprocess.CalledProcessError: when it cannot be set up; its `output` says why.
    """
    with tempfile.TemporaryDirectory(prefix="environment-size-") as temporary:
        folder = Path(temporary) / "venv"
        command = [sys.executable, str(ROOT / "set_up.py"), str(folder), *options]
        subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return Size(on_disk(everything_below(folder)), packages(folder))


def packages(environment: Path) -> dict[str, float]:
    """MiB on the disk of each package in a virtual environment, the heaviest first."""
    place = sysconfig.get_path("purelib", "venv", {"base": str(environment)})
    sizes = {package.name: on_disk(files(package)) for package in distributions(path=[place])}
    return dict(sorted(sizes.items(), key=lambda size: -size[1]))


def files(package: Distribution) -> Iterator[Path]:
    """The files of an installed package that are there."""
    paths = (Path(package.locate_file(file)) for file in package.files or [])
    return (path for path in paths if path.exists())


def everything_below(folder: Path) -> Iterator[Path]:
    """A folder, and what is in it and below it; links are not followed."""
    for inside, _, names in os.walk(folder):
        yield Path(inside)
        yield from (Path(inside) / name for name in names)


def on_disk(paths: Iterable[Path]) -> float:
    """MiB that files take, as `du` counts: in whole blocks, and a file with many names once."""
    found = {(status.st_dev, status.st_ino): status for status in map(os.lstat, paths)}
    return sum(status.st_blocks for status in found.values()) * BLOCK / MIB


def main() -> None:
    """Print what was measured, a package a line."""
    size = measured(*sys.argv[1:])
    print(f"{size.mebibytes:.0f} MiB, {len(size.packages)} packages. The heaviest, in MiB:")
    for name, mebibytes in list(size.packages.items())[:HEAVY]:
        print(f"{mebibytes:8.1f}  {name}")


if __name__ == "__main__":
    main()
