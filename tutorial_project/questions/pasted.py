"""Text as people paste it: a traceback from a terminal, a cell or a web page, a line of a log, or only words."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from .quote import KIND, Quote
from .store import Question

COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
MARGIN = re.compile(r"^(?:E  |>  | *[|+][ |+-]*)(?=\s*\S)", re.MULTILINE)
"""What pytest and exception groups write before each line."""
NAMED = re.compile(r"(?:[A-Za-z_]\w*\.)*(?P<kind>[A-Z]\w*)(?:: |\(['\"])$")
ERROR = re.compile(r"(Error|Exception|Warning|Operation|Iteration|Timeout|Group)$")
FRAME = re.compile(
    r"File [\"']?(?P<file>[^\"'\n]+?)[\"']?(?:, line \d+|:\d+), in (?:[\w.<>]+\.)?(?P<function>[\w<>]+)"
)
FEWEST_LETTERS, MOST_LETTERS = 18, 300
"""So long is a text that may be a part of a message."""
PACKAGE = re.compile(r"\s*File \S*(?:site-packages|lib[\\/]python)")
LOOKS_LIKE_AN_ERROR = re.compile(
    r"Traceback \(most|^\s*(?:[\w.]+\.)?[A-Z]\w*(?:Error|Exception|Warning|Operation)\b(?=:|$)|"
    r"^\s*(?:[a-z_]\w*\.)+[A-Z]\w*(?=:|$)|"
    r"\b(?:error|fatal|warning|critical)\b\s*:",
    re.MULTILINE | re.IGNORECASE,
)

SCENES = (
    (
        re.compile(r"Cell In ?\[|^In ?\[\d+\]|ipython-input|ipykernel|\.ipynb", re.MULTILINE),
        re.compile(r"notebook|\bcell\b"),
    ),
    (
        re.compile(
            r"^FAILED |^E {3}|\bpytest\b|\bunittest\b|[\\/]tests?[\\/]|\btests?(?:_\w+)?\.py", re.MULTILINE
        ),
        re.compile(r"\btests?\b|\bpytest|\bfixture|Client`"),
    ),
    (re.compile(r"celery|ForkPoolWorker", re.IGNORECASE), re.compile(r"Celery")),
)
"""Where an error happened: by what a text has of it, and the title of a question that is about this place."""

OTHER_FRAMEWORK = re.compile(
    r"[\\/](?:fastapi|starlette|flask|quart|sanic|litestar|tornado|discord|telegram|aiogram|sqlalchemy)\w*[\\/]"
)
OURS = re.compile(r"django|asgiref|rest_framework|\bninja\b|\badrf\b|SynchronousOnlyOperation", re.IGNORECASE)


@dataclass(frozen=True)
class Found:
    """An error in a text.

    Attributes:
        question: that quotes it.
        quote: the one that fits.
        start: where its message begins in the text.
        end: where it ends.
        order: of two errors in one text the greater one comes first.
    """

    question: Question
    quote: Quote
    start: int
    end: int
    order: tuple[bool, bool, int, int, int] = (False, False, 0, 0, 0)


def plain(text: str) -> str:
    """A pasted text without colours, margins and the escapes of a web page."""
    return MARGIN.sub("", html.unescape(COLOUR.sub("", text)))


def own_lines(text: str) -> str:
    """A plain text without the frames that lie in packages: what is left was written by whoever asks."""
    parts = re.split(r"(?=^\s*File )", text, flags=re.MULTILINE)
    return "".join(part for part in parts if not PACKAGE.match(part)) + "".join(
        line for part in parts if PACKAGE.match(part) for line in part.splitlines(True)[2:]
    )


def fits_the_scene(title: str, text: str) -> int:
    """Whether a title is about the place of a pasted text, such as a notebook or a test: 2; about any: 1; about another: 0."""
    here = [bool(of_text.search(text)) for of_text, of_title in SCENES if of_title.search(title)]
    return 1 if not here else 2 * all(here)


def is_of_another_framework(text: str) -> bool:
    """Whether a traceback leads through another framework, and nowhere through Django."""
    return bool(OTHER_FRAMEWORK.search(text)) and not OURS.search(text)


def is_an_error(text: str) -> bool:
    """Whether a text looks like an error, and not like a question."""
    return bool(LOOKS_LIKE_AN_ERROR.search(text))


def occurrences(quote: Quote, text: str) -> Iterator[tuple[int, int]]:
    """Where a quoted error stands in a plain text, as start and end."""
    for match in quote.pattern.finditer(text):
        if _is_of_kind(quote, text[: match.start()]) and _came_by(quote, text, match.start()):
            yield match.span()


def is_at(quote: Quote, text: str, start: int) -> bool:
    """Whether the quoted error's message begins at one place of a plain text, or contains what the quote begins with."""
    begins = quote.pattern.search if quote.message.startswith("…") else quote.pattern.match
    return bool(begins(text, start)) and _is_of_kind(quote, text[:start]) and _came_by(quote, text, start)


def part(text: str) -> Quote | None:
    """A short plain text as the part of a message that it may be; None where it is too short or too long for one."""
    message = KIND.sub("", text.strip().rstrip(".…"))
    is_one = FEWEST_LETTERS <= len(message) < MOST_LETTERS and message.count(" ") >= 2
    return Quote(message) if is_one else None


def is_a_part_of(piece: Quote, quote: Quote) -> bool:
    """Whether a part is the greater part of a quoted message, without its beginning or its end."""
    if _is_a_frame_known(quote) or piece.weight <= quote.weight / 2:
        return False
    return bool(piece.pattern.search(quote.message))


def found_in(text: str, questions: Sequence[Question]) -> list[Found]:
    """The questions whose errors are in a plain text: the last error first, and of two for one error the more exact.

    Args:
        text: as `plain` returns it.
        questions: to choose from.
    """
    found = [
        Found(question, quote, start, end)
        for question in questions
        for quote in question.quotes
        for start, end in occurrences(quote, text)
    ]
    if not found and (piece := part(text)):
        whole = (0, len(text))
        found = [
            Found(q, quote, *whole) for q in questions for quote in q.quotes if is_a_part_of(piece, quote)
        ]
    return sorted(
        (
            replace(one, order=(*_place(one, found, text), _nearness(one, text), one.quote.weight))
            for one in found
        ),
        key=lambda one: one.order,
        reverse=True,
    )


def _is_a_frame_known(quote: Quote) -> bool:
    return bool(quote.raised_in or quote.through)


def _place(one: Found, found: list[Found], text: str) -> tuple[bool, bool, int]:
    """What sync code meets as well comes last, warnings after errors, the last of several first; what overlaps is one."""
    end = max(other.end for other in found if other.start < one.end and one.start < other.end)
    named = NAMED.search(text[max(0, one.start - 200) : one.start])
    kind = one.quote.kind or (named["kind"] if named else "")
    is_a_warning = kind.endswith("Warning") or "never awaited" in one.quote.message
    return not one.quote.is_about_sync_too, not is_a_warning, end


def _is_of_kind(quote: Quote, before: str) -> bool:
    """Whether the name before the message, where there is one, is that of the quoted error."""
    if quote.kind and quote.message.startswith("…"):  # the name stands farther away
        return f"{quote.kind}: " in before[-400:]
    named = NAMED.search(before[-200:])
    if not quote.kind or named is None or not ERROR.search(named["kind"]):
        return True
    return named["kind"] == quote.kind


def _came_by(quote: Quote, text: str, start: int) -> bool:
    """Whether the frames that the quote asks for are in the traceback of the message that begins there."""
    return not _is_a_frame_known(quote) or _frames_from(quote, text, start) > 0


def _nearness(one: Found, text: str) -> int:
    """How much a question's frames say of one error: those that came first were the nearest to its own code."""
    return _frames_from(one.quote, text, one.start) if _is_a_frame_known(one.quote) else 0


def _frames_from(quote: Quote, text: str, start: int) -> int:
    """How many frames the traceback has from the one that the quote asks for; 0 where it has none such."""
    frames = _frames(text[:start]) or _frames(text)
    if quote.raised_in:
        return int(bool(frames) and _is_frame(frames[-1], quote.raised_in))
    fitting = (place for place, frame in enumerate(frames) if _is_frame(frame, quote.through or ("", "")))
    return len(frames) - next(fitting, len(frames))


def _frames(text: str) -> list[tuple[str, str]]:
    return [(match["file"].replace("\\", "/"), match["function"]) for match in FRAME.finditer(text)]


def _is_frame(frame: tuple[str, str], wanted: tuple[str, str]) -> bool:
    file = ".*".join(map(re.escape, wanted[0].split("…")))
    return bool(re.fullmatch(file, frame[0])) and wanted[1] in (frame[1], "…")
