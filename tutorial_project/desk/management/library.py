"""Everything that the tutorial knows, asked with an error or a question."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace

from tutorial_project.questions.pasted import (
    Found,
    fits_the_scene,
    found_in,
    is_an_error,
    is_of_another_framework,
    own_lines,
    plain,
)
from tutorial_project.questions.store import Question, all_questions

from .pages import Page, all_pages
from .word_index import Hit, WordIndex

QUESTION_FIRST = 1.6
"""A question answers; a page that ranks like it only mentions the words."""
LEAST_SHARE = 0.3
"""A text that has all of the query's words counts some four times as much as one that has few of them."""
LIKENESS = 3.0
"""A wording that has the query's words and few others counts some three times as much as one that is found in it."""
OF_KINDS = {("how", "how"): 1.1, ("why", "why"): 1.1, ("how", "why"): 0.9, ("why", "how"): 0.9}
"""Who asks how something is done asks less often about what went wrong, and the other way round."""
ENOUGH = 0.2
"""Of what the query's words weigh, a text has at least so much, or it is not even related."""
ENOUGH_OF_A_WORD = 0.4
"""The same where a text has a single word of the query."""
ENOUGH_OF_AN_ERROR = 0.6
"""The same where the query is an error, which shares common words with many."""
BEYOND_DOUBT = 0.8
"""So much of the query is in the text, and so much of the title in the query, where words alone are sure."""
LIMITS = frozenset(
    {"every", "everywhere", "have", "instead", "must", "need", "never", "should", "stop", "without"}
    | {"when", "where", "which", "who", "whose"}
)
"""Words that make a question another one, and too common to rank by: where only one of two has them, nothing is sure."""
MOST = 8
HOW = re.compile(
    r"^how (?:do|does|to|can|should|would|could|must)\b|\b(?:how to|a way to|how (?:do|can) (?:i|we|you))\b"
)
WHY = re.compile(
    r"\bwhy\b|\b(?:fail|break|refuse|hang|freeze|raise|lose|vanish)(?:s|ed|ing)?\b|\b(?:broke|broken|lost|wrong|stuck)\b|"
    r"\b(?:not|n['’]t|never|nothing|nobody|no effect)\b|\w(?:Error|Exception|Operation)\b",
    re.IGNORECASE,
)
NAME = re.compile(r"`(\w+(?:\.\w+)+|\w{6,})")


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
                *(
                    ("\n".join([q.title, *q.asked]), "\n".join(q.shown), f"{q.answer}\n{q.section}")
                    for q in self.questions
                ),
                *((page.title, page.errors, page.text) for page in self.pages),
            ]
        )

    def find(self, text: str) -> list[Answer]:
        """What fits a text, best first: an error as it was pasted, a question, or words.

        An error that nothing knows gives only what shares its words, and none of it is sure.
        """
        asked = plain(text)
        hits = self._index.hits(asked)
        recognised = list(self._recognised(text, asked, {hit.number: hit.rank for hit in hits}))
        if not recognised and (mended := self._index.mended(asked)) != asked:
            recognised = [replace(one, sure=False) for one in self._recognised(mended, mended, {})]
        about_words = [] if any(one.sure for one in recognised) else list(self._by_words(asked, hits))
        answers: dict[tuple[str, str, str], Answer] = {}
        for answer in [*recognised, *about_words]:
            answers.setdefault((answer.lesson, answer.heading, answer.title), answer)
        return list(answers.values())[:MOST]

    def _recognised(self, text: str, asked: str, of_all: dict[int, float]) -> Iterator[Answer]:
        """The questions whose errors are in the text; of several for one error, first what the rest of it is about."""
        found = found_in(asked, self.questions)
        rest = own_lines(asked)
        for one in found:
            rest = rest.replace(asked[one.start : one.end], " ")
        of_rest = {hit.number: hit.rank for hit in self._index.hits(rest)}
        number = {question: place for place, question in enumerate(self.questions)}
        found.sort(
            key=lambda one: (
                one.order,
                fits_the_scene(one.question.title, text),
                names_in(rest, one),
                one.question.is_proven,
                of_rest.get(number[one.question], 0.0),
                of_all.get(number[one.question], 0.0),
            ),
            reverse=True,
        )
        for one in found:
            sure = not (one.quote.is_about_sync_too or is_of_another_framework(asked))
            yield _of_question(one.question, sure=sure, is_recognised=True)

    def _by_words(self, asked: str, hits: list[Hit]) -> Iterator[Answer]:
        is_error = is_an_error(asked)
        kind = kind_of(asked)
        ranked = sorted(
            hits,
            key=lambda hit: (self._title(hit.number).lower() == asked.strip().lower(), self._fit(hit, kind)),
            reverse=True,
        )
        for hit in ranked:
            if hit.share >= _least_share(hit, is_error):
                sure = not is_error and min(hit.by_title, hit.of_title) >= BEYOND_DOUBT
                answer = self._of(hit.number, sure and hit is ranked[0], hit.share)
                yield replace(answer, sure=answer.sure and is_the_same_question(asked, answer.title))

    def _fit(self, hit: Hit, kind: str) -> float:
        fits = (1 + hit.of_wording + hit.of_title + LIKENESS * hit.likeness) * (LEAST_SHARE + hit.share)
        if hit.number < len(self.questions):
            fits *= QUESTION_FIRST * OF_KINDS.get((kind, kind_of(self._title(hit.number))), 1.0)
        return hit.rank * fits

    def _title(self, number: int) -> str:
        number_of_page = number - len(self.questions)
        return self.questions[number].title if number_of_page < 0 else self.pages[number_of_page].title

    def _of(self, number: int, sure: bool, share: float) -> Answer:
        if number < len(self.questions):
            return _of_question(self.questions[number], sure=sure, share=share)
        page = self.pages[number - len(self.questions)]
        return Answer(page.title, page.lesson, page.notebook, page.heading, sure, share=share)


def _least_share(hit: Hit, is_error: bool) -> float:
    if is_error:
        return ENOUGH_OF_AN_ERROR
    return ENOUGH_OF_A_WORD if hit.count == 1 else ENOUGH


def is_the_same_question(asked: str, title: str) -> bool:
    """Whether small words, which do not rank, make no other question of what has the words of a title."""
    mine, theirs = (frozenset(re.findall(r"[a-z]+", text.lower())) for text in (asked, title))
    return kind_of(asked) in ("", kind_of(title)) and mine & LIMITS == theirs & LIMITS


def kind_of(text: str) -> str:
    """Whether a text asks how something is done, or says that something went wrong; empty where it may be either."""
    if WHY.search(text):
        return "why"
    return "how" if HOW.search(text.strip().lower()) else ""


def names_in(text: str, found: Found) -> int:
    """How many names of code, such as `request.user`, a text has in common with a question besides its error."""
    error = f"{found.quote.kind}: {found.quote.message}".lower()
    names = {name.lower() for name in NAME.findall(f"{found.question.title} {found.question.answer}")}
    return sum(name in text.lower() and name not in error for name in names)


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
