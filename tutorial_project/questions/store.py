"""The questions that people ask, from `questions.md` of each lesson."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from pathlib import Path

from tutorial_project import paths

from .quote import Quote, quotes_of

PLACE = re.compile(r"^(Seen in|Near) \[(.+)\]\(\.\./\.\./(\w+/\w+\.ipynb)#(\S+)\)\.$", re.MULTILINE)
BLOCK = re.compile(r"^```(text|text sync|output)\n(.*?)^```$\n*", re.DOTALL | re.MULTILINE)
ASKED = re.compile(r"^Also asked: (.+)$\n*", re.MULTILINE)
MEANS, REMEDY = "**What it means:** ", "**What to do:** "


@dataclass(frozen=True)
class Question:
    """A question, what is seen, and the answer.

    Attributes:
        lesson: the name of the folder it is from.
        title: the question as people ask it.
        quotes: the messages by which it is recognised; none where it has no message, or only a common one.
        shown: every message and output that it quotes, as written; "…" stands for what differs.
        answer: one to three sentences, as Markdown.
        section: the heading under which the lesson shows it.
        notebook: where that is, from the root of the project.
        anchor: of the heading, as JupyterLab writes it.
        is_seen: whether the error happens under that heading; else the heading is only the nearest.
        body: all that stands below the title, as Markdown; without `asked`.
        asked: the same question in other words: of beginners, of other frameworks, as keywords.
    """

    lesson: str
    title: str
    quotes: tuple[Quote, ...]
    shown: tuple[str, ...]
    answer: str
    section: str
    notebook: str
    anchor: str
    is_seen: bool
    body: str
    asked: tuple[str, ...] = ()

    @property
    def is_proven(self) -> bool:
        """Whether its messages have this one meaning, whatever the code that gave them."""
        return MEANS in self.answer

    @property
    def means(self) -> str:
        """What it means: where the answer does not mark it, its first sentence."""
        return self._parts[0]

    @property
    def remedy(self) -> str:
        """What to do; empty where the answer is one sentence."""
        return self._parts[1]

    @property
    def _parts(self) -> tuple[str, str]:
        if self.is_proven:
            means, _, remedy = self.answer.partition(REMEDY)
            return means.removeprefix(MEANS).strip(), remedy.strip()
        sentences = re.split(r"(?<=[.?!])\s+(?=[A-Z`])", self.answer, maxsplit=1)
        return sentences[0], " ".join(sentences[1:])


def questions_of(folder: Path) -> list[Question]:
    """The questions of a lesson, in order; none where it has no `questions.md`.

    Raises:
        ValueError: when a question does not say where it is seen; the message names the question.
    """
    file = folder / "questions.md"
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    return [_question(folder.name, part) for part in re.split(r"^## ", text, flags=re.MULTILINE)[1:]]


def all_questions() -> list[Question]:
    """The questions of all lessons, in the order of the lessons."""
    return [question for folder in sorted(paths.LESSONS.glob("[0-9]*")) for question in questions_of(folder)]


@functools.cache
def proven_questions() -> tuple[Question, ...]:
    """Those whose messages prove the cause; read once a process."""
    return tuple(question for question in all_questions() if question.is_proven)


def _question(lesson: str, text: str) -> Question:
    title, _, body = text.strip().partition("\n")
    asked = tuple(words.strip() for line in ASKED.findall(body) for words in line.split(";"))
    body = ASKED.sub("", body)
    place, blocks = PLACE.search(body), BLOCK.findall(body)
    if place is None:
        raise ValueError(
            f"{lesson}/questions.md: {title!r} needs a line  "
            f"Seen in [Heading](../../notebooks/{lesson}.ipynb#Heading)."
        )
    seen, section, notebook, anchor = place.groups()
    quotes = tuple(
        quote for kind, block in blocks if kind != "output" for quote in quotes_of(block, "sync" in kind)
    )
    return Question(
        lesson=lesson,
        title=title,
        quotes=quotes,
        shown=tuple(block.strip() for _, block in blocks),
        answer=PLACE.sub("", BLOCK.sub("", body)).strip(),
        section=section,
        notebook=notebook,
        anchor=anchor,
        is_seen=seen == "Seen in",
        body=body.strip(),
        asked=asked,
    )
