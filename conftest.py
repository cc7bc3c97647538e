"""What holds for every notebook, also where the tests of the tutorial are not run: its lesson can run here."""

from __future__ import annotations

from pathlib import Path

from tutorial_project import paths
from tutorial_project.desk.front_matter import missing_for


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave a notebook out that cannot run in this environment; the header of the run says so."""
    executed = collection_path.parent in (paths.NOTEBOOKS, paths.SOLUTIONS)
    return True if executed and missing_for(collection_path.stem) else None


def pytest_report_header() -> list[str]:
    """Name each lesson that cannot run in this environment, and what it needs."""
    names = sorted(file.parent.name for file in paths.LESSONS.glob("[0-9][0-9]_*/lesson.md"))
    return [f"not run here: {name}. {missing}" for name in names if (missing := missing_for(name))]
