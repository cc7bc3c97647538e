import asyncio
import csv
import io
import json
import random
import threading
import traceback
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any
from unittest import mock
from uuid import uuid4

from django.contrib.auth.models import User
from django.core.exceptions import SynchronousOnlyOperation
from django.db.backends.sqlite3.base import DatabaseWrapper
from django.db.models.query import ValuesListIterable

from tutorial_project.checks import Outcome, Reply, Task, Trial
from tutorial_project.checks.kinds.streams import OpenStream
from tutorial_project.checks.outcome import described, heard, quoted
from tutorial_project.checks.proofs.event_loop import first_moment
from tutorial_project.classroom import queries
from tutorial_project.trips.models import Review, Trip
from tutorial_project.words import counted

COLUMNS = ["id", "trip", "author", "rating", "text"]


MANY = 2500


OTHERS = 2.0
"""Seconds without another row after which a file counts as held up."""


PIECE = 2**16
"""Bytes: Django cuts an answer that is longer than this, also when the view made it in one piece."""


reviews_csv = Task(
    "reviews_csv",
    routes=["reviews.csv"],
    hints=(
        "Who asks for the next piece of the answer, and what may your code do before it is asked?",
        "Give the response an async generator. Inside it, `async for` over `aiterator()` reads the table in "
        "portions, and `csv.writer` writes into a small buffer that you empty after every line.",
        '`async for review in Review.objects.order_by("pk").select_related("trip", "author").aiterator(): '
        "writer.writerow([…]); yield buffer.getvalue(); buffer.seek(0); buffer.truncate()`",
    ),
    praise="Right: whatever the size of the table, the view holds one portion of it. `values(…).aiterator()` "
    "would do too, and so would a chunk of a hundred lines at a time, which costs less.",
)


@contextmanager
def collected_streams_noted() -> Iterator[list[str]]:
    """Collect Django's warnings about sync iterators, which it reads to their end before the first byte."""
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        notes: list[str] = []
        yield notes
        notes.extend(str(w.message) for w in heard if "must consume synchronous" in str(w.message))


async def export(trial: Trial) -> Reply:
    with collected_streams_noted():
        reply = await trial.get("/reviews.csv")
    if isinstance(reply.error, SynchronousOnlyOperation) and in_values_list(reply.error):
        Outcome(reply.sent, described(reply.error)).expect_that(
            False,
            "the file",
            because="`values_list(…).aiterator()` runs its query on the event loop, in all versions of Django so far",
            next="`values(…).aiterator()`, or the reviews themselves",
        )
    return reply


def in_values_list(error: BaseException) -> bool:
    """Whether the error comes from the rows of `values_list`, which start their query too early."""
    frames = traceback.walk_tb(error.__traceback__)
    return any(frame.f_code is ValuesListIterable.__iter__.__code__ for frame, _ in frames)


def lines_of(reply: Reply) -> list[list[str]]:
    reply.expect(200)
    return [line for line in csv.reader(io.StringIO(reply.text, newline="")) if line]


async def expected_lines() -> list[list[str]]:
    columns = ("pk", "trip__title", "author__username", "rating", "text")
    rows = Review.objects.order_by("pk").values_list(*columns)
    return [COLUMNS] + [[str(value) for value in row] async for row in rows]


@reviews_csv.requirement(
    "answers `GET /reviews.csv` with 200, `Content-Type: text/csv` (a charset may follow) and "
    '`Content-Disposition: attachment; filename="reviews.csv"`'
)
async def is_a_csv_file(trial: Trial) -> None:
    reply = await export(trial)
    reply.expect(200)
    told = {
        name: reply.response.headers.get(name, "(none)") for name in ("Content-Type", "Content-Disposition")
    }
    kind, disposition = told.values()
    reply.expect_that(
        kind.split(";")[0] == "text/csv" and disposition == 'attachment; filename="reviews.csv"',
        'Content-Type: text/csv, Content-Disposition: attachment; filename="reviews.csv"',
        got=", ".join(f"{name}: {value}" for name, value in told.items()),
    )


@reviews_csv.requirement(
    "sends the line `id,trip,author,rating,text`, also where there is no review, and a line for each review in the order "
    "of the ids: its id, the trip's title, the author's username, the rating and the text"
)
async def has_all_reviews(trial: Trial) -> None:
    expect_lines(await export(trial), await expected_lines())
    await review_here_and_there()
    await rename_a_trip_and_an_author()
    expect_lines(await export(trial), await expected_lines())
    only = await Review.objects.order_by("pk").alast()
    for number in (1, 0):
        await Review.objects.exclude(pk__in=[only.pk][:number]).adelete()
        reply = await export(trial)
        reply.sent += f"   with {counted(number, 'review')}"
        expect_lines(reply, await expected_lines())


async def review_here_and_there() -> None:
    """Write reviews of the moment, in no order, without a text and with a long one, far behind; take one away."""
    authors, trips = [[row async for row in model.objects.all()] for model in (User, Trip)]
    pairs = random.sample([(trip, author) for trip in trips for author in authors], 20)
    taken = {(r.trip_id, r.author_id) async for r in Review.objects.all()}
    new = [(trip, author) for trip, author in pairs if (trip.pk, author.pk) not in taken]
    texts = ["", f"  {uuid4().hex}\n", f"{uuid4().hex} " * 20, *(f"Visit {uuid4().hex}" for _ in new)]
    last = await Review.objects.order_by("pk").alast()
    far = {"pk": last.pk + random.randint(20_000, 90_000)}  # as where many were deleted
    for (trip, author), text in zip(sorted(new, key=lambda pair: -pair[0].pk), texts, strict=False):
        rating = random.randint(1, 5)
        await Review.objects.acreate(trip=trip, author=author, rating=rating, text=text, **far)
        far = {}
    await (await Review.objects.order_by("pk").afirst()).adelete()


async def rename_a_trip_and_an_author() -> None:
    """Give the trip and the author of the first review other names than before; the author is inactive now."""
    review = await Review.objects.order_by("pk").afirst()
    await Trip.objects.filter(pk=review.trip_id).aupdate(title=f"Trip {uuid4().hex}")
    await User.objects.filter(pk=review.author_id).aupdate(username=uuid4().hex, is_active=False)


@reviews_csv.requirement("writes texts with commas, quotes and line breaks so that `csv.reader` reads them")
async def quotes_texts(trial: Trial) -> None:
    await Review.objects.filter(pk=1).aupdate(text='Sun, sea and "sand".\nWe come again.')
    because = (
        "a comma, a quote or a line break inside of a text was taken for the end of a field or of a line"
    )
    expect_lines(
        await export(trial), await expected_lines(), because=because, next="`csv.writer` quotes them"
    )


def expect_lines(reply: Reply, expected: list[list[str]], **words: str) -> None:
    """Refuse at the first line that is not as expected."""
    found = lines_of(reply)
    for line, wanted in zip(found, expected, strict=False):
        reply.expect_that(line == wanted, as_json(wanted), got=as_json(line), **words)
    number = f"{len(expected)} lines"
    reply.expect_that(len(found) == len(expected), number, got=f"{len(found)} lines", **words)


def as_json(value: Any) -> str:
    return quoted(json.dumps(value, ensure_ascii=False))


async def write_many_reviews() -> None:
    """Fill the table up to 2,500 reviews."""
    ada, trip = await User.objects.aget(username="ada"), await Trip.objects.aget(pk=1)
    missing = MANY - await Review.objects.acount()
    await Review.objects.abulk_create(
        Review(trip=trip, author=ada, rating=5, text=f"Visit {n}") for n in range(missing)
    )
    heard.get()()  # the time that this took is not the answer's


@contextmanager
def at_each_row(act: Callable[[], None]) -> Iterator[None]:
    """Act in the thread that fetches a row from SQLite, through whichever API, before it has the row."""
    make_cursor = DatabaseWrapper.create_cursor

    def fetch(cursor: Any, row: tuple[Any, ...]) -> tuple[Any, ...]:
        act()
        return row

    def watched(connection: Any, name: str | None = None) -> Any:
        cursor = make_cursor(connection, name)
        cursor.row_factory = fetch
        return cursor

    with mock.patch.object(DatabaseWrapper, "create_cursor", watched):
        yield


@contextmanager
def counted_rows() -> Iterator[list[int]]:
    """Count the rows that any thread fetches."""
    fetched = [0]

    def count() -> None:
        fetched[0] += 1

    with at_each_row(count):
        yield fetched


@contextmanager
def first_rows_meet() -> Iterator[None]:
    """Hold the first row of two threads until each has one: both files are as far as that by then."""
    both, met = threading.Barrier(2, timeout=OTHERS), set[int]()

    def meet() -> None:
        if threading.get_ident() not in met:
            met.add(threading.get_ident())
            with suppress(threading.BrokenBarrierError):  # an answer may read for all in one thread
                both.wait()

    with at_each_row(meet):
        yield


@reviews_csv.requirement("sends ten queries at most for 2,500 reviews, and none for each of them")
async def sends_few_queries(trial: Trial) -> None:
    await expect_few_queries(trial, await Review.objects.acount())
    await write_many_reviews()
    await expect_few_queries(trial, MANY)


async def expect_few_queries(trial: Trial, number: int) -> None:
    with queries() as sent:
        reply = await export(trial)
    reply.expect(200)
    reply.sent += f"   with {number} reviews"
    each = len(sent) >= number
    reply.expect_that(
        len(sent) <= 10,
        "10 queries at most",
        got=f"{len(sent)} queries",
        because=f"a query is sent for each of the {number} reviews" if each else None,
        next='`select_related("trip", "author")`'
        if each
        else "larger portions, or one query that is read in portions",
    )


@reviews_csv.requirement("sends the first review before it has read the last one of 2,500 from the database")
async def reads_as_it_sends(trial: Trial) -> None:
    await write_many_reviews()
    expected = await expected_lines()
    with collected_streams_noted() as notes, counted_rows() as fetched:
        async with slow_at_the_first_review(trial, expected) as stream:
            rows, piece = fetched[0], len(stream.text.encode())
            await read_while_it_comes(stream)
    expect_all_rows(stream, expected, "by a slow partner")
    cause, step = why_all(bool(notes), in_one_piece=piece >= PIECE)
    got = f"{rows} rows fetched when the first review was sent"
    Outcome(f"GET /reviews.csv, with {MANY} reviews, by a slow client", got).expect_that(
        rows < MANY,
        f"fewer than {MANY} rows fetched when the first review is sent",
        because=cause,
        next=step,
    )


@reviews_csv.requirement(
    "sends another partner the whole file while a slow one has not taken more than the first review, and each of two "
    "that ask at the same moment"
)
async def holds_up_nobody(trial: Trial) -> None:
    expected = await expected_lines()
    with counted_rows() as fetched:
        await expect_nobody_held_up(trial, expected, fetched)
    await expect_two_whole_files(trial, expected)


async def expect_two_whole_files(trial: Trial, expected: list[list[str]]) -> None:
    with first_rows_meet():
        async with OpenStream(trial, "/reviews.csv") as one, OpenStream(trial, "/reviews.csv") as other:
            for stream in (one, other):
                await read_while_it_comes(stream)
    for stream in (one, other):
        expect_all_rows(stream, expected, "while another one asks")


async def expect_nobody_held_up(trial: Trial, expected: list[list[str]], fetched: list[int]) -> None:
    async with slow_at_the_first_review(trial, expected) as slow:
        other = asyncio.ensure_future(export(trial))
        await while_rows_come(other, fetched)
        Outcome(f"{slow.sent}  while another partner has taken the first review").expect_that(
            other.done(),
            "the whole file",
            got=f"no row was read for {OTHERS:g} seconds, and the file is not complete",
        )
        expect_lines(other.result(), expected)
        await read_while_it_comes(slow)
    expect_all_rows(slow, expected, "by a slow partner")


def expect_all_rows(stream: OpenStream, expected: list[list[str]], remark: str) -> None:
    found = [line for line in csv.reader(io.StringIO(stream.text, newline="")) if line]
    Outcome(f"{stream.sent}  {remark}", f"{len(found)} lines").expect_that(
        found == expected, f"the whole file, of {len(expected)} lines"
    )


@asynccontextmanager
async def slow_at_the_first_review(trial: Trial, expected: list[list[str]]) -> AsyncIterator[OpenStream]:
    """A client that takes the first review, and for now nothing more."""
    key = expected[1][0]
    async with OpenStream(trial, "/reviews.csv", slow_at=lambda text: has_line(text, key)) as stream:
        # Trap: the whole table takes longer than `until` waits, on a busy machine; the task's limit ends this.
        await first_moment(lambda: stream.held or stream.ended)
        await stream.until(lambda: stream.held, "a first review", lambda: {"got": quoted(repr(stream.text))})
        yield stream


async def while_rows_come(reply: asyncio.Future[Reply], fetched: list[int]) -> None:
    """Wait for a reply as long as rows are read for it, however busy the machine is."""
    before = -1
    while not reply.done() and before < fetched[0] <= 3 * MANY:
        before = fetched[0]
        heard.get()()
        await asyncio.wait([reply], timeout=OTHERS)


async def read_while_it_comes(stream: OpenStream) -> None:
    """Let a slow client take the rest; the time that all of it takes is not counted while more comes."""
    reading = asyncio.ensure_future(stream.read_on())
    before = -1
    while not reading.done() and before < len(stream.messages) <= 3 * MANY:
        before = len(stream.messages)
        heard.get()()
        await asyncio.wait([reading], timeout=1)
    await reading


def has_line(text: str, key: str) -> bool:
    """Whether a line of this review stands near the beginning, in quotes or without."""
    return any(line[:1] == [key] for line in csv.reader(io.StringIO(text[:10_000], newline="")))


def why_all(sync_iterator: bool, in_one_piece: bool) -> tuple[str, str]:
    if sync_iterator:
        return (
            "under ASGI Django reads a sync iterator to its end before it sends the first byte",
            "give `StreamingHttpResponse` an async generator",
        )
    if in_one_piece:
        return "the answer came in one piece", "`StreamingHttpResponse`, with an async generator"
    return (
        "the whole table was in memory before the first line left: a QuerySet keeps what it has read, a list does, and so "
        "does a portion that is as large as the table",
        "`async for … in ….aiterator()`, which reads 2,000 rows at a time unless you say something else",
    )
