"""What the front matter of a `lesson.md` says: lines such as `paths: services, live` between two lines of `---`."""

from __future__ import annotations

import re

FRONT_MATTER = re.compile(r"\A---\n(.*?)^---$", re.DOTALL | re.MULTILINE)


def said_under(key: str, text: str) -> list[str]:
    """The words that stand under a key, none when it is not there.

    Args:
        key: such as "paths".
        text: of the lesson.
    """
    front_matter = FRONT_MATTER.match(text)
    said = re.search(rf"^{key}:(.*)$", front_matter[1], re.MULTILINE) if front_matter else None
    return re.findall(r"\w+", said[1]) if said else []
