"""What the front matter of a `lesson.md` says: lines such as `paths: services, live` between two lines of `---`."""

from __future__ import annotations

import re
from pathlib import Path

from tutorial_project import paths
from tutorial_project.classroom.requirement import missing_here

FRONT_MATTER = re.compile(r"\A---\n(.*?)^---$", re.DOTALL | re.MULTILINE)


TITLE = re.compile(r"^# (.+)$", re.MULTILINE)


def title_in(folder: Path) -> str:
    """The title of the lesson in a folder, or the name of the folder where the text has none yet."""
    file = folder / "lesson.md"
    found = TITLE.search(file.read_text(encoding="utf-8")) if file.is_file() else None
    return found[1] if found else folder.name


def said_under(key: str, text: str) -> list[str]:
    """The words that stand under a key, none when it is not there.

    Args:
        key: such as "paths".
        text: of the lesson.
    """
    return re.findall(r"\w+", line_under(key, text))


def line_under(key: str, text: str) -> str:
    """All that stands under a key, empty when it is not there.

    Args:
        key: such as "requires".
        text: of the lesson.
    """
    front_matter = FRONT_MATTER.match(text)
    said = re.search(rf"^{key}:(.*)$", front_matter[1], re.MULTILINE) if front_matter else None
    return said[1].strip() if said else ""


def requires(lesson: str) -> str:
    """What a lesson needs that not every supported Python has, such as "django>=6.1"; empty for most.

    Args:
        lesson: its name, such as "20_native_async_database".
    """
    return requirement_in(paths.LESSONS / lesson)


def requirement_in(folder: Path) -> str:
    """What stands under `requires` in the lesson of a folder; empty for most."""
    file = folder / "lesson.md"
    return line_under("requires", file.read_text(encoding="utf-8")) if file.is_file() else ""


def missing_for(lesson: str) -> str:
    """What keeps a lesson from running in this environment, in words; empty when nothing does.

    Args:
        lesson: its name, such as "20_native_async_database".
    """
    return missing_here(requires(lesson))
