"""A quoted error, as a pattern: "…" stands for anything, and what differs from machine to machine may differ."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass

ELLIPSIS = "…"
FRAME = re.compile(r'^File "(?P<file>…(?:/[\w/…]+\.py)?)", line …, in (?P<function>\S+)$')
KIND = re.compile(r"^(?P<kind>(?:[A-Za-z_]\w*\.)*[A-Z]\w+): ")
QUOTES = "'\"‘’“”`"
PIECE = re.compile(r"'…'|'…(?=\w)|…|\s+|[`]|['\"‘’“”]|0x[0-9a-f]+|(?<!\w)\d+(?:\.\d+)?|.", re.DOTALL)


@dataclass(frozen=True)
class Quote:
    """One message, and the frames of the traceback that tell it from others of the same words.

    Attributes:
        message: what stands after the name of the error; a bare name where nothing stands after it.
        kind: the error's name, without its module; empty where the quote gives none.
        raised_in: file and function that raised it, where "…" stands for anything; None where this does not matter.
        through: file and function that were on its way, or None.
        is_about_sync_too: whether sync code meets it as often.
    """

    message: str
    kind: str = ""
    raised_in: tuple[str, str] | None = None
    through: tuple[str, str] | None = None
    is_about_sync_too: bool = False

    @property
    def weight(self) -> int:
        """How much it says: the letters that must be there."""
        return len(re.sub(r"…|\s", "", self.message))

    @functools.cached_property
    def pattern(self) -> re.Pattern[str]:
        """The message as a regular expression; white space, numbers, addresses and kinds of quotes may differ."""
        message = self.message.strip(ELLIPSIS + " ").rstrip(".")
        start, end = (
            (r"(?<!\w)" if message[:1].isalnum() else ""),
            (r"(?!\w)" if message[-1:].isalnum() else ""),
        )
        body = "".join(_piece(match[0]) for match in PIECE.finditer(message))
        return re.compile(start + body + end, re.DOTALL | re.IGNORECASE)


def quotes_of(block: str, is_about_sync_too: bool = False) -> Iterator[Quote]:
    """The errors that a block of text quotes, one a line; lines of frames belong to the next error.

    A frame right before the error raised it; with a line "…" in between it was on the way.
    """
    raised_in: tuple[str, str] | None = None
    through: tuple[str, str] | None = None
    for line in filter(None, map(str.strip, block.splitlines())):
        if frame := FRAME.match(line):
            raised_in = (frame["file"], frame["function"])
        elif line == ELLIPSIS:
            raised_in, through = None, raised_in
        else:
            kind = KIND.match(line)
            yield Quote(
                message=line[kind.end() :] if kind else line,
                kind=kind["kind"].rpartition(".")[2] if kind else "",
                raised_in=raised_in,
                through=through,
                is_about_sync_too=is_about_sync_too,
            )
            raised_in = through = None


def _piece(text: str) -> str:
    if text == "'…'":
        return f"[{QUOTES}][^{QUOTES}]{{1,200}}[{QUOTES}]"
    if text == "'…":
        return f"[{QUOTES}][^{QUOTES}]{{0,200}}?"
    if text == ELLIPSIS:
        return ".{0,400}?"
    if text.isspace():
        return r"\s+"
    if text == "`":
        return f"[{QUOTES}]?"
    if text in QUOTES:
        return f"[{QUOTES}]"
    if text.startswith("0x") and len(text) > 2:
        return "0x[0-9a-f]+"
    if text[0].isdigit():
        return r"\d+(?:[.,]\d+)?"
    return re.escape(text)
