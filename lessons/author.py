"""What `make lesson NAME=18_performance` does: begins a lesson, or formats, builds and proves it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

LESSONS = Path(__file__).resolve().parent
ROOT = LESSONS.parent
SKELETON = LESSONS / "skeleton"
NAME = re.compile(r"\d\d_[a-z0-9_]+")


def main() -> None:
    """Begin the lesson that is named, or bring it to the end."""
    if len(sys.argv) != 2 or not NAME.fullmatch(sys.argv[1]):
        sys.exit("Name a lesson by two digits and words, such as  make lesson NAME=18_performance")
    name = sys.argv[1]
    if (LESSONS / name).is_dir():
        sys.exit(format_build_and_prove(name))
    begin(name, LESSONS)
    print(f"lessons/{name} is begun: a lesson that builds and whose one task is proven.")
    print(f"Read lessons/README.md, write, and say  make lesson NAME={name}  again.")


def begin(name: str, lessons: Path) -> Path:
    """Write the skeleton of a lesson.

    Args:
        name: of the lesson, such as "18_performance".
        lessons: the folder that holds all lessons.

    Returns:
        The folder of the new lesson.
    """
    folder = shutil.copytree(SKELETON, lessons / name, ignore=shutil.ignore_patterns("__pycache__"))
    for file in folder.glob("*.md"):
        text = file.read_text(encoding="utf-8")
        file.write_text(text.replace("LESSON", name), encoding="utf-8")
    return folder


def format_build_and_prove(name: str) -> int:
    """Run the three steps until one fails; return its exit status."""
    return next((status for step in steps(name) if (status := run(*step))), 0)


def steps(name: str) -> list[list[str]]:
    """The commands, after `python`, that format, build and prove a lesson."""
    notebooks = [f"{kind}/{name}.ipynb" for kind in ("notebooks", "solutions")]
    return [
        ["-m", "ruff", "check", "--quiet", "--fix", f"lessons/{name}"],
        ["-m", "ruff", "format", "--quiet", f"lessons/{name}"],
        ["lessons/build.py", name],
        ["-m", "pytest", "-q", *notebooks],
        ["-m", "pytest", "-q", "tests", "-k", name],
    ]


def run(*command: str) -> int:
    """Run Python with these arguments in the root of the tutorial; return its exit status."""
    print(f"\n$ python {' '.join(command)}", flush=True)
    return subprocess.run([sys.executable, *command], cwd=ROOT, env=os.environ).returncode


if __name__ == "__main__":
    main()
