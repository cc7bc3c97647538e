"""The questions that people ask, from `questions.md` of each lesson."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

SEEN_IN = re.compile(r"^Seen in \[(.+)\]\(\.\./\.\./(\w+/\w+\.ipynb)#(\S+)\)\.$", re.MULTILINE)
ERROR = re.compile(r"^```text\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Question:
    """A question, what is seen, and the answer.

    Attributes:
        lesson: the name of the folder it is from.
        title: the question as people ask it.
        error: the message that is seen; empty where there is none. "…" stands for what differs.
        answer: one to three sentences, as Markdown.
        section: the heading under which the lesson shows it.
        notebook: where that is, from the root of the project.
        anchor: of the heading, as JupyterLab writes it.
        body: all that stands below the title, as Markdown.
    """

    lesson: str
    title: str
    error: str
    answer: str
    section: str
    notebook: str
    anchor: str
    body: str

    @property
    def words(self) -> set[str]:
        """The words by which it is found."""
        return words(f"{self.title} {self.error} {self.answer}")


def questions_of(folder: Path) -> list[Question]:
    """The questions of a lesson, in order; none where it has no `questions.md`.

    Raises:
        ValueError: when a question does not say where it is seen; the message names the question.
    """
    file = folder / "questions.md"
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    return [_question(folder.name, part) for part in re.split(r"^## ", text, flags=re.MULTILINE)[1:]]


def _question(lesson: str, text: str) -> Question:
    title, _, body = text.strip().partition("\n")
    seen, error = SEEN_IN.search(body), ERROR.search(body)
    if seen is None:
        raise ValueError(
            f"{lesson}/questions.md: {title!r} needs a line  "
            f"Seen in [Heading](../../notebooks/{lesson}.ipynb#Heading)."
        )
    answer = SEEN_IN.sub("", ERROR.sub("", body)).strip()
    section, notebook, anchor = seen.groups()
    message = error[1].strip() if error else ""
    return Question(lesson, title, message, answer, section, notebook, anchor, body.strip())


def words(text: str) -> set[str]:
    """The words of a text in lower case; `sync_to_async` is one word."""
    return set(re.findall(r"\w{2,}", text.lower()))


def best_matches(text: str, questions: Sequence[Question], most: int = 12) -> list[Question]:
    """The questions that share most with a text, best first.

    A word counts the more, the fewer questions have it; twice in a quoted error. A word that no question
    has stands for the one most like it. A question that shares little with the text is left out.

    Args:
        text: some words of an error, or of a question.
        questions: to choose from.
        most: how many to return at most.
    """
    known = Counter(word for question in questions for word in question.words)
    weight = {word: math.log(1 + len(questions) / count) for word, count in known.items()}
    asked = {match for word in words(text) for match in get_close_matches(word, known, 1, 0.8)}

    def score(question: Question) -> float:
        return sum(weight[w] * (1 + (w in words(question.error))) for w in asked & question.words)

    ranked = sorted(questions, key=score, reverse=True)[:most]
    enough = max(sum(weight[word] for word in asked) / 2, math.log(4))
    return [question for question in ranked if score(question) >= enough]
