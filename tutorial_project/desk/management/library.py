"""Everything that the tutorial knows, asked with an error or a question."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass

from tutorial_project.questions.pasted import found_in, is_an_error, own_lines, plain
from tutorial_project.questions.store import Question, all_questions

from .pages import Page, all_pages
from .word_index import Hit, WordIndex

QUESTION_FIRST = 1.6
"""A question answers; a page that ranks like it only mentions the words."""
ENOUGH = 0.3
"""Of what the query's words weigh, a text has at least so much, or it is not even related."""
ENOUGH_OF_AN_ERROR = 0.6
"""The same where the query is an error, which shares common words with many, and for a single word."""
BEYOND_DOUBT = 0.75
"""So much of the query is in the text, and so much of the title in the query, where words alone are sure."""
MOST = 8
NAME = re.compile(r"`(\w+(?:\.\w+)+)")


@dataclass(frozen=True)
class Answer:
    """Something that fits.

    Attributes:
        title: the question, the symptom or the heading.
        lesson: the name of its folder.
        notebook: where it is shown, from the root of the project.
        heading: under which.
        sure: whether it is about what was asked: its error is in the text, or its words leave no doubt.
        question: what answers it, or None for a page.
        is_recognised: whether one of its errors is in the text.
        share: of the query's words, by weight; 1 where an error is recognised.
    """

    title: str
    lesson: str
    notebook: str
    heading: str
    sure: bool
    question: Question | None = None
    is_recognised: bool = False
    share: float = 1.0

    def as_json(self) -> dict[str, str | bool]:
        """What `--json` prints of it."""
        kept = ("title", "lesson", "notebook", "heading", "sure")
        return {key: value for key, value in asdict(self).items() if key in kept}


class Library:
    """The questions and pages of all lessons."""

    def __init__(
        self, questions: Iterable[Question] | None = None, pages: Iterable[Page] | None = None
    ) -> None:
        self.questions = list(all_questions() if questions is None else questions)
        self.pages = list(all_pages() if pages is None else pages)
        self._index = WordIndex(
            [
                *((q.title, "\n".join(q.shown), f"{q.answer}\n{q.section}") for q in self.questions),
                *((page.title, page.errors, page.text) for page in self.pages),
            ]
        )

    def find(self, text: str) -> list[Answer]:
        """What fits a text, best first: an error as it was pasted, a question, or words.

        An error that nothing knows gives only what shares its words, and none of it is sure.
        """
        asked = plain(text)
        hits = self._index.hits(asked)
        recognised = list(self._recognised(asked))
        about_words = [] if any(one.sure for one in recognised) else list(self._by_words(asked, hits))
        answers: dict[tuple[str, str, str], Answer] = {}
        for answer in [*recognised, *about_words]:
            answers.setdefault((answer.lesson, answer.heading, answer.title), answer)
        return list(answers.values())[:MOST]

    def _recognised(self, asked: str) -> Iterator[Answer]:
        """The questions whose errors are in the text; of several for one error, first what the rest of it is about."""
        found = found_in(asked, self.questions)
        rest = own_lines(asked)
        for one in found:
            rest = rest.replace(asked[one.start : one.end], " ")
        ranks = {
            self.questions[hit.number]: hit.rank for hit in self._index.hits(rest) if self._is_question(hit)
        }
        found.sort(
            key=lambda one: (
                one.order,
                names_in(rest, one.question),
                one.question.is_proven,
                ranks.get(one.question, 0.0),
            ),
            reverse=True,
        )
        for one in found:
            yield _of_question(one.question, sure=not one.quote.is_about_sync_too, is_recognised=True)

    def _by_words(self, asked: str, hits: list[Hit]) -> Iterator[Answer]:
        is_error = is_an_error(asked)
        ranked = sorted(hits, key=self._fit, reverse=True)
        for hit in ranked:
            if hit.share >= (ENOUGH_OF_AN_ERROR if is_error or hit.count == 1 else ENOUGH):
                sure = not is_error and min(hit.share, hit.of_title) >= BEYOND_DOUBT
                yield self._of(hit.number, sure and hit is ranked[0], hit.share)

    def _fit(self, hit: Hit) -> float:
        return hit.rank * (1 + hit.of_title) * (QUESTION_FIRST if self._is_question(hit) else 1.0)

    def _is_question(self, hit: Hit) -> bool:
        return hit.number < len(self.questions)

    def _of(self, number: int, sure: bool, share: float) -> Answer:
        if number < len(self.questions):
            return _of_question(self.questions[number], sure=sure, share=share)
        page = self.pages[number - len(self.questions)]
        return Answer(page.title, page.lesson, page.notebook, page.heading, sure, share=share)


def names_in(text: str, question: Question) -> int:
    """How many names of code, such as `request.user`, a text has in common with a question."""
    names = set(NAME.findall(f"{question.title} {question.answer}"))
    return sum(name in text for name in names)


def _of_question(
    question: Question, *, sure: bool, is_recognised: bool = False, share: float = 1.0
) -> Answer:
    return Answer(
        question.title,
        question.lesson,
        question.notebook,
        question.section,
        sure,
        question,
        is_recognised,
        share,
    )
