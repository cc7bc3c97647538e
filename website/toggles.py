"""What opens a part of the navigation has a name, for those who do not see where it stands."""

from __future__ import annotations

import re
from pathlib import Path

TOGGLE = re.compile(
    r'<a class="[^"]*reference internal" href="[^"]*">(?P<title>(?:(?!</a>).)*)</a>\s*'
    r"<details[^>]*><summary>",
    re.DOTALL,
)


def named_toggles(html: str) -> str:
    """The page with a name for each part of the navigation that opens; the theme gives none.

    Args:
        html: of a page.
    """
    return TOGGLE.sub(_named, html)


def _named(match: re.Match[str]) -> str:
    title = " ".join(re.sub(r'<[^>]+>|"', " ", match["title"]).split())
    opening = match[0].removesuffix("<summary>")
    return f'{opening}<summary aria-label="Pages of {title}">'


def name_toggles(site: Path) -> None:
    """Write it into every page of a built site."""
    for page in site.rglob("*.html"):
        page.write_text(named_toggles(page.read_text(encoding="utf-8")), encoding="utf-8")
