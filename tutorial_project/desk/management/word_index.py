"""Texts ranked by the words of a query: SQLite's FTS5, in memory."""

from __future__ import annotations

import math
import re
import sqlite3
import weakref
from collections.abc import Iterable
from dataclasses import dataclass

# `sync_to_async` is one word; "waits" and "waiting" are one too, as endings are cut off. What else is alike is listed below.
TABLE = """CREATE VIRTUAL TABLE texts USING fts5(title, errors, body, tokenize = "porter unicode61 tokenchars '_'")"""
WORDS_TABLE = """CREATE VIRTUAL TABLE words USING fts5(word, tokenize = "porter unicode61 tokenchars '_'")"""
WEIGHTS = "8.0, 4.0, 1.0"
MOST_WORDS = 400
SMALL_WORDS = """
a about after all also always am an and another any anybody anything are as at be because been best better but by can cannot
correct could did do does doing done don each error errors ever every everybody everything example examples exactly fail failed
failing fails for from get gets getting give go goes going gives got had happen happens has have he help her his how i if in
instead into is issue it its just keep keeps like make makes me might must my need needs never no not now of on one only or our
out over own per please possible problem proper properly question raise raises really right same say says see she should show
simple simply so some somebody somehow something still such take takes tell than that the their them then there these they thing
things think this those to too trying understand use used uses using very want wants was way ways we well were what when where
which while who whole whose why will with without work working works would wrong yet you your
across actually add again already app application back based beginner between bit certain code dev developer different
either even few find following good hello here hi however kind know let lot many maybe mean means more much multiple
new newbie nothing once otherwise pls project put reason run seem seems several sometimes stuff sure thank thanks though
using various via whether matter matters
inside ok okay implement implementation implementing correctly currently recommended help helps
possibly useful advice suggest suggestion explain explained
s t d ll re ve doesn isn didn won aren couldn wasn file line most recent call last traceback django python
"""
SAME_WORDS = """
async: asynchronous asynchronously
sync: synchronous synchronously
together: parallel parallelize concurrent concurrently concurrency simultaneous simultaneously overlap overlaps
view: endpoint endpoints controller controllers
database: db
postgresql: postgres pg
websocket: ws websockets
sse: eventsource server-sent-events
drf: restframework djangorestframework
mail: email emails mails e-mail e-mails
hangs: freeze freezes frozen stuck unresponsive hang
login: signin sign-in
thread_sensitive: thread-sensitive
answer: reply replies replied respond responds
api: upstream upstreams service services supplier suppliers partner partners microservice microservices
visitor: customer customers traveller travellers
browser: tab
test: unittest
notebook: jupyter jupyterlab colab ipynb
fetch: retrieve retrieves retrieving retrieved
fast: quick quicker quickly faster speed
slow: slower slowly slowness latency
"""
PHRASES = """
sse: server-sent events, server sent events
drf: rest framework
slow: takes too long, take too long, takes long
together: at the same time, at once, in parallel, at the same moment
number: how many, amount of, quantity of
timeout: time out, time-out
queryset: query set
websocket: web socket, web sockets
startup: start up, starts up
shutdown: shut down, shuts down, shutting down
"""
COMMON = {
    other: word
    for lines, separator in ((SAME_WORDS, None), (PHRASES, ", "))
    for word, _, others in (line.partition(": ") for line in lines.strip().splitlines())
    for other in others.split(separator)
}
OTHER_WORDS = re.compile(
    rf"(?<!\w)(?:{'|'.join(sorted(map(re.escape, COMMON), key=len, reverse=True))})(?!\w)"
)
SMALL = frozenset(SMALL_WORDS.split())
WORD = re.compile(r"\w{2,}")
STATUS = re.compile(r"[2-5]\d\d")
NAME = re.compile(r"\b(?:[a-z]+(?=[A-Z])|(?=[A-Z]+[a-z]+[A-Z])|(?=\w+_\w))\w+")
PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
PLAIN_WORD = re.compile(r"(?<![\w.])[a-z]{6,}(?!\w)")
FEWEST_LETTERS = 6
"""So long is a word whose spelling may be mended: of shorter ones many a word is one letter off."""


@dataclass(frozen=True)
class Hit:
    """A text that shares words with a query.

    Attributes:
        number: of the text, in the order in which they were given.
        rank: how well it fits, by bm25; greater is better.
        share: of what the query's words weigh, how much this text has; words that no text has count.
        of_title: of what the title's words weigh, how much the query has.
        of_wording: the same of the title in the wording that fits best.
        likeness: of the query and the wording that fits best, how much both have.
        by_title: of what the query's words weigh, how much the title has.
        count: how many words of the query it has.
    """

    number: int
    rank: float
    share: float
    of_title: float
    of_wording: float
    likeness: float
    by_title: float
    count: int


class WordIndex:
    """An index over texts, each with a title, its errors and its body.

    A title may have several lines: after the first each is another wording of it.
    """

    def __init__(self, texts: Iterable[tuple[str, str, str]]) -> None:
        self._database = sqlite3.connect(":memory:")
        # Trap: from Python 3.13 on, a connection that is only forgotten is a ResourceWarning.
        weakref.finalize(self, self._database.close)
        self._database.execute(TABLE)
        self._titles: list[list[list[str]]] = []
        all_errors: list[str] = []
        for number, (title, errors, body) in enumerate(texts):
            self._titles.append([words(line) for line in title.splitlines()])
            all_errors.append(errors)
            self._database.execute(
                "INSERT INTO texts(rowid, title, errors, body) VALUES (?, ?, ?, ?)",
                (number, with_parts(title), with_parts(errors), with_parts(body)),
            )
        self._having: dict[str, frozenset[int]] = {}
        self._words_of_titles = sorted({word for title in self._titles for line in title for word in line})
        self._spelled: dict[str, list[str]] = {}
        for word in {word for errors in all_errors for word in words(errors)}.union(self._words_of_titles):
            self._spelled.setdefault(word[0], []).append(word)
        self._database.execute(WORDS_TABLE)
        self._database.executemany(
            "INSERT INTO words(rowid, word) VALUES (?, ?)", list(enumerate(self._words_of_titles))
        )

    def hits(self, query: str) -> list[Hit]:
        """The texts that have words of the query, best first."""
        asked = words(self._with_known_parts(query))[:MOST_WORDS]
        mended = {word: self._mended(word) for word in asked}
        known = [word for word in dict.fromkeys(mended.values()) if self._texts_with(word)]
        if not known:
            return []
        rows = self._database.execute(
            f"SELECT rowid, -bm25(texts, {WEIGHTS}) FROM texts WHERE texts MATCH ? ORDER BY 2 DESC",
            (" OR ".join(f'"{word}"' for word in known),),
        )
        total = sum(map(self._weight, asked))
        of_titles = self._words_of_titles_like(known)
        return [self._hit(number, rank, known, total, of_titles) for number, rank in rows]

    def mended(self, text: str) -> str:
        """A text in which words that are one letter off are spelled as in the titles and errors."""
        return PLAIN_WORD.sub(lambda word: self._mended(word[0]), text)

    def _hit(self, number: int, rank: float, known: list[str], total: float, of_titles: set[str]) -> Hit:
        wordings = [self._shared(wording, of_titles) for wording in self._titles[number]]
        of_wordings = [both / (whole or 1) for both, whole in wordings]
        mine = [word for word in known if number in self._texts_with(word)]
        return Hit(
            number=number,
            rank=rank,
            share=sum(map(self._weight, mine)) / total,
            of_title=of_wordings[0],
            of_wording=max(of_wordings),
            likeness=max(both / math.sqrt((whole or 1) * total) for both, whole in wordings),
            by_title=min(1.0, wordings[0][0] / total),
            count=len(mine),
        )

    def _with_known_parts(self, query: str) -> str:
        """A query with its names that no text has taken apart, such as `TransactionManagementError`."""
        return NAME.sub(
            lambda name: name[0] if self._texts_with(name[0].lower()) else parts_of(name[0]), query
        )

    def _mended(self, word: str) -> str:
        """A word that no text has, as that of a title from which it is one letter off; else as it is."""
        if len(word) < FEWEST_LETTERS or self._texts_with(word):
            return word
        near = (known for known in self._spelled.get(word[0], ()) if is_one_letter_off(word, known))
        return max(near, key=lambda known: (len(self._texts_with(known)), known), default=word)

    def _words_of_titles_like(self, asked: list[str]) -> set[str]:
        # Trap: which words have the same stem, only FTS5 knows.
        rows = self._database.execute(
            "SELECT rowid FROM words WHERE words MATCH ?", (" OR ".join(f'"{word}"' for word in asked),)
        )
        return {self._words_of_titles[number] for (number,) in rows}

    def _shared(self, wording: list[str], asked: set[str]) -> tuple[float, float]:
        """What the words weigh that a wording shares with the query, and what all of them do."""
        return (
            sum(self._weight(word) for word in wording if word in asked),
            sum(map(self._weight, wording)),
        )

    def _weight(self, word: str) -> float:
        return math.log(1 + len(self._titles) / (len(self._texts_with(word)) or 0.5))

    def _texts_with(self, word: str) -> frozenset[int]:
        if word not in self._having:
            rows = self._database.execute("SELECT rowid FROM texts WHERE texts MATCH ?", (f'"{word}"',))
            self._having[word] = frozenset(number for (number,) in rows)
        return self._having[word]


def common(text: str) -> str:
    """A text in lower case, with the word of the lessons in the place of others that mean the same."""
    return OTHER_WORDS.sub(lambda match: COMMON[match[0]], text.lower())


def with_parts(text: str) -> str:
    """A text to be found by the words of its names too: `is_authenticated` is found by "authenticated"."""
    return common(f"{text}\n{' '.join(map(parts_of, NAME.findall(text)))}")


def parts_of(name: str) -> str:
    """The words of a name in code."""
    return " ".join(PART.findall(name))


def is_one_letter_off(word: str, other: str) -> bool:
    """Whether two words differ by one letter: too much, missing, another, or changed with its neighbour."""
    if abs(len(word) - len(other)) > 1 or len(other) < FEWEST_LETTERS:
        return False
    pairs = enumerate(zip(word, other, strict=False))
    start = next((place for place, (mine, theirs) in pairs if mine != theirs), min(len(word), len(other)))
    ends = word[start:], other[start:]
    swapped = ends[0][:2] == ends[1][1::-1] and ends[0][2:] == ends[1][2:]
    return swapped or any(ends[0][one:] == ends[1][two:] for one, two in ((1, 0), (0, 1), (1, 1)))


def words(text: str) -> list[str]:
    """The words of a text that say something, each once, in order."""
    found = dict.fromkeys(
        word for word in WORD.findall(common(text)) if not word.isdigit() or STATUS.fullmatch(word)
    )
    return [word for word in found if word not in SMALL]
