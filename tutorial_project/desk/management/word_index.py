"""Texts ranked by the words of a query: SQLite's FTS5, in memory."""

from __future__ import annotations

import math
import re
import sqlite3
import weakref
from collections.abc import Iterable
from dataclasses import dataclass

# `sync_to_async` is one word; "waits" and "waiting" are one too, as endings are cut off. Nothing else is alike.
TABLE = """CREATE VIRTUAL TABLE texts USING fts5(title, errors, body, tokenize = "porter unicode61 tokenchars '_'")"""
WEIGHTS = "8.0, 4.0, 1.0"
MOST_WORDS = 400
SMALL_WORDS = """
a about after all also an and any are as at be been but by can cannot could did do does doing done
each for from get gets give go goes had has have how i if in into is it its just like make makes me
must my need no not of on per one only or our out over own say says see should show so some still
take takes than that the their them then there they this to too use used using want was way we were
what when where which while who whole why will with without work works would you your s t don doesn
isn didn won line file most recent call last traceback
"""
SMALL = frozenset(SMALL_WORDS.split())
WORD = re.compile(r"\w{2,}")


@dataclass(frozen=True)
class Hit:
    """A text that shares words with a query.

    Attributes:
        number: of the text, in the order in which they were given.
        rank: how well it fits, by bm25; greater is better.
        share: of what the query's words weigh, how much this text has; words that no text has count.
        of_title: of what the title's words weigh, how much the query has.
        count: how many words of the query it has.
    """

    number: int
    rank: float
    share: float
    of_title: float
    count: int


class WordIndex:
    """An index over texts, each with a title, its errors and its body."""

    def __init__(self, texts: Iterable[tuple[str, str, str]]) -> None:
        self._database = sqlite3.connect(":memory:")
        # Trap: from Python 3.13 on, a connection that is only forgotten is a ResourceWarning.
        weakref.finalize(self, self._database.close)
        self._database.execute(TABLE)
        self._titles: list[list[str]] = []
        for number, (title, errors, body) in enumerate(texts):
            self._titles.append(words(title))
            self._database.execute(
                "INSERT INTO texts(rowid, title, errors, body) VALUES (?, ?, ?, ?)",
                (number, title, errors, body),
            )
        self._having: dict[str, frozenset[int]] = {}

    def hits(self, query: str) -> list[Hit]:
        """The texts that have words of the query, best first."""
        asked = words(query)[:MOST_WORDS]
        weights = {word: self._weight(word) for word in asked}
        known = [word for word in asked if self._texts_with(word)]
        if not known:
            return []
        rows = self._database.execute(
            f"SELECT rowid, -bm25(texts, {WEIGHTS}) FROM texts WHERE texts MATCH ? ORDER BY 2 DESC",
            (" OR ".join(f'"{word}"' for word in known),),
        )
        total = sum(weights.values())
        return [
            Hit(
                number=number,
                rank=rank,
                share=sum(weights[word] for word in known if number in self._texts_with(word)) / total,
                of_title=self._of_title(number, known),
                count=sum(number in self._texts_with(word) for word in known),
            )
            for number, rank in rows
        ]

    def _of_title(self, number: int, asked: list[str]) -> float:
        title = self._titles[number]
        total = sum(map(self._weight, title))
        # Trap: a word of the title is "asked" when a word of the query has the same stem, which only FTS5 knows.
        stems = {self._texts_with(word) for word in asked}
        return sum(self._weight(word) for word in title if self._texts_with(word) in stems) / (total or 1)

    def _weight(self, word: str) -> float:
        return math.log(1 + len(self._titles) / (len(self._texts_with(word)) or 0.5))

    def _texts_with(self, word: str) -> frozenset[int]:
        if word not in self._having:
            rows = self._database.execute("SELECT rowid FROM texts WHERE texts MATCH ?", (f'"{word}"',))
            self._having[word] = frozenset(number for (number,) in rows)
        return self._having[word]


def words(text: str) -> list[str]:
    """The words of a text that say something, each once, in order."""
    found = dict.fromkeys(word for word in WORD.findall(text.lower()) if not word.isdigit())
    return [word for word in found if word not in SMALL]
