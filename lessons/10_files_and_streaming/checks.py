import asyncio
import csv
import gc
import io
import json
import re
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from unittest import mock

from asgiref.sync import iscoroutinefunction
from django.contrib.auth.models import User
from django.core.exceptions import SynchronousOnlyOperation
from django.db.backends.sqlite3.base import DatabaseWrapper
from django.db.models.query import ValuesListIterable

from tutorial_project.classroom.checks import Outcome, Refusal, Reply, Task, Trial, counted_queries
from tutorial_project.classroom.checks.evidence import described, quoted
from tutorial_project.classroom.checks.proofs import tasks_of
from tutorial_project.classroom.checks.streams import OpenStream
from tutorial_project.classroom.database import temporary_folder
from tutorial_project.trips.departures import board
from tutorial_project.trips.models import Review, Trip

COLUMNS = ["id", "trip", "author", "rating", "text"]
MANY = 2500
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
    "sends the line `id,trip,author,rating,text`, and a line for each review in the order of the ids: "
    "its id, the trip's title, the author's username, the rating and the text"
)
async def has_all_reviews(trial: Trial) -> None:
    expect_lines(await export(trial), await expected_lines())


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


@contextmanager
def counted_rows() -> Iterator[list[int]]:
    """Count the rows that any thread fetches from SQLite, through whichever API."""
    fetched = [0]
    make_cursor = DatabaseWrapper.create_cursor

    def count(cursor: Any, row: tuple[Any, ...]) -> tuple[Any, ...]:
        fetched[0] += 1
        return row

    def watched(connection: Any, name: str | None = None) -> Any:
        cursor = make_cursor(connection, name)
        cursor.row_factory = count
        return cursor

    with mock.patch.object(DatabaseWrapper, "create_cursor", watched):
        yield fetched


@reviews_csv.requirement("sends the first review before it has read the last one of 2,500 from the database")
async def reads_as_it_sends(trial: Trial) -> None:
    await write_many_reviews()
    first = (await expected_lines())[1]
    with collected_streams_noted() as notes, counted_rows() as fetched:
        async with OpenStream(trial, "/reviews.csv", slow_at=lambda text: f"\n{first[0]}," in text) as stream:
            await stream.until(
                lambda: stream.held, "a first review", lambda: {"got": quoted(repr(stream.text))}
            )
            rows, piece = fetched[0], len(stream.text)
            await stream.read_on()
    cause, step = why_all(bool(notes), in_one_piece=piece >= PIECE)
    got = f"{rows} rows fetched when the first review was sent"
    Outcome(f"GET /reviews.csv, with {MANY} reviews, by a slow client", got).expect_that(
        rows < MANY,
        f"fewer than {MANY} rows fetched when the first review is sent",
        because=cause,
        next=step,
    )


def why_all(sync_iterator: bool, in_one_piece: bool) -> tuple[str, str]:
    if sync_iterator:
        return (
            "under ASGI Django reads a sync iterator to its end before it sends the first byte",
            "give `StreamingHttpResponse` an async generator",
        )
    if in_one_piece:
        return "the answer came in one piece", "`StreamingHttpResponse`, with an async generator"
    return (
        "the whole table was in memory before the first line left: a QuerySet keeps what it has read, and a list does",
        "`async for … in ….aiterator()`",
    )


@reviews_csv.requirement("sends ten queries at most, however many reviews there are")
async def sends_few_queries(trial: Trial) -> None:
    number = await Review.objects.acount()
    with counted_queries() as sent:
        reply = await export(trial)
    reply.expect(200)
    reply.expect_that(
        len(sent) <= 10,
        "10 queries at most",
        got=f"{len(sent)} queries",
        because=f"a query is sent for each of the {number} reviews" if len(sent) >= number else None,
        next='`select_related("trip", "author")`',
    )


LISBON, KYOTO, BERGEN = (
    {"to": city, "gate": gate} for city, gate in (("Lisbon", 7), ("Kyoto", 4), ("Bergen", 2))
)
HEARTBEAT = ": still here\n\n"

departures_feed = Task(
    "departures_feed",
    routes=["departures/"],
    hints=(
        "Where does a generator stand when its client goes away, and which part of `try` runs in every case?",
        "Join the board inside the generator. Wait for its queue with a time limit: the limit's `TimeoutError` "
        "is the moment for a heartbeat. Leave the board in `finally`.",
        "`try: while True: try: async with asyncio.timeout(HEARTBEAT): departure = await queue.get()` … "
        '`except TimeoutError: yield ": still here\\n\\n"` … `finally: board.leave(queue)`',
    ),
    praise="Right: `finally` runs wherever the generator stands when the client goes, at an `await` or at a `yield`. "
    "A context manager of your own around `join` and `leave` would do the same.",
)


def shown(stream: OpenStream) -> dict[str, str | None]:
    """What was sent so far, for a verdict."""
    return {"got": quoted(repr(stream.text)) if stream.messages else "nothing was sent"}


async def connected(stream: OpenStream) -> None:
    """Wait until the answer has joined the board."""
    await stream.until(
        lambda: board.listeners == 1 or (board.join.called and bool(stream.text)),
        "1 listener of `board`",
        lambda: {"got": f"{board.listeners} listeners"} | why_nobody_listens(),
    )
    Outcome(stream.sent, "0 listeners").expect_that(
        board.listeners == 1, "1 listener of `board`", **why_nobody_listens()
    )


def why_nobody_listens() -> dict[str, str]:
    if board.listeners:
        return {}
    if not board.join.called:
        return {"because": "nobody called `board.join()` for this client"}
    return {
        "because": "the board was joined and left again: a `finally` of the view runs when the view returns, and its "
        "generator begins after that",
        "next": "join and leave inside the generator",
    }


async def event_comes(stream: OpenStream, expected: list[Any], said: str, otherwise: Any) -> None:
    """Wait until the last of these events has come; refuse when it came in another form."""
    await stream.until(lambda: expected[-1]["to"] in stream.text, said, otherwise)
    await turns()  # for the rest of an event that is sent in pieces
    come = events(stream.text) == expected
    Outcome(stream.sent).expect_that(come, said, **({} if come else otherwise()))


async def turns() -> None:
    """Give the event loop many turns, and no time: whoever waits for nothing can go on."""
    for _ in range(1000):
        await asyncio.sleep(0)


@contextmanager
def empty_board() -> Iterator[None]:
    """A board without listeners, now and afterwards, whose `join` is watched."""
    for queue in list(board._queues):
        board.leave(queue)
    try:
        with mock.patch.object(board, "join", wraps=board.join), warnings.catch_warnings():
            # Trap: Django warns of a sync iterator whenever a generator fails with a TypeError, whatever it is.
            warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume")
            yield
    finally:
        board.announce(LISBON)  # wakes an answer that would wait for ever, so that it can be ended


def events(text: str) -> list[Any]:
    """The data of each complete event, from JSON where it is JSON."""
    blocks = text.replace("\r\n", "\n").split("\n\n")[:-1]
    data = ["\n".join(line[5:].strip() for line in b.split("\n") if line.startswith("data:")) for b in blocks]
    return [from_json(text) for text in data if text]


def from_json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


@departures_feed.requirement(
    "answers `GET /departures/` at once, before anything departs, with 200, `Content-Type: text/event-stream`, "
    "`Cache-Control: no-cache` and `X-Accel-Buffering: no`"
)
async def starts_at_once(trial: Trial) -> None:
    with empty_board():
        async with OpenStream(trial, "/departures/") as stream:
            await stream.until(
                lambda: bool(stream.messages),
                "status and headers, before anything departs",
                lambda: {
                    "got": "nothing was sent",
                    "because": "the view waits for a departure before it gives back the response",
                    "next": "wait inside the generator",
                },
            )
    kind, *others = ("text/event-stream", "no-cache", "no")
    told = [stream.headers.get(name, "") for name in ("content-type", "cache-control", "x-accel-buffering")]
    right = stream.status == 200 and told[0].split(";")[0] == kind and told[1:] == others
    Outcome(stream.sent, f"{stream.status} {as_headers(told)}").expect_that(
        right, f"200 {as_headers([kind, *others])}"
    )


def as_headers(values: list[str]) -> str:
    names = ("Content-Type", "Cache-Control", "X-Accel-Buffering")
    return ", ".join(f"{name}: {value or '(none)'}" for name, value in zip(names, values, strict=True))


@departures_feed.requirement(
    'sends what `board` announces as an event at once: `data: {"to": "Kyoto", "gate": 4}` and an empty line'
)
async def sends_events_one_by_one(trial: Trial) -> None:
    with empty_board():
        async with OpenStream(trial, "/departures/") as stream:
            await connected(stream)
            for number, departure in enumerate((LISBON, KYOTO), 1):
                board.announce(departure)
                await event_comes(
                    stream,
                    [LISBON, KYOTO][:number],
                    repr(f"data: {json.dumps(departure)}\n\n"),
                    lambda: shown(stream) | {"because": why_no_event(stream.text)},
                )
            board.announce(BERGEN)
            await turns()
            Outcome(stream.sent, "nothing yet, although it was announced").expect_that(
                events(stream.text) == [LISBON, KYOTO, BERGEN],
                f"{json.dumps(BERGEN)} at once",
                because="the feed waits for something else than its queue, and looks into that when it wakes up",
                next="await `queue.get()`, with a time limit around it",
            )


def why_no_event(text: str) -> str | None:
    """The cause, where it is certain."""
    if "Lisbon" not in text:
        return None
    if not re.search("^data:", text, re.MULTILINE):
        return "no line starts with `data:`: a browser ignores every line whose field it does not know"
    if not events(text):
        return "the empty line is missing that ends an event: the browser goes on collecting"
    return "the data is not the JSON of the departure"


@departures_feed.requirement(
    "sends the comment `: still here` and an empty line whenever `HEARTBEAT` seconds pass without a departure, "
    "and loses no departure over it"
)
async def sends_heartbeats(trial: Trial) -> None:
    with empty_board():
        async with OpenStream(trial, "/departures/") as stream:
            await connected(stream)
            await stream.until(
                lambda: stream.text.count(HEARTBEAT) >= 2, repr(HEARTBEAT * 2), lambda: shown(stream)
            )
            board.announce(BERGEN)
            said = f"two heartbeats, and then {json.dumps(BERGEN)}"
            await event_comes(stream, [BERGEN], said, lambda: shown(stream))


@departures_feed.requirement(
    "ends, with every task that it has started, and leaves `board` when the client goes while it waits for a departure"
)
async def leaves_while_waiting(trial: Trial) -> None:
    before = asyncio.all_tasks()
    with empty_board():
        async with OpenStream(trial, "/departures/") as stream:
            await connected(stream)
            board.announce(KYOTO)
            await event_comes(stream, [KYOTO], json.dumps(KYOTO), lambda: shown(stream))
            await ends(stream)
            await nobody_listens(stream)
            await turns()  # for a task that is cancelled and has not ended yet
            left = tasks_of(trial.answer, before)
    for task in left:
        task.cancel()
    Outcome(f"{stream.sent}, and the client goes", f"{len(left)} task of the feed that goes on").expect_that(
        not left,
        "no task that goes on",
        because="a task that the feed has started is still there, and nothing cancels a task but its own `cancel()`",
        next="`task.cancel()` in the `finally`; or no task: a time limit around `queue.get()` is enough",
    )


@departures_feed.requirement(
    "leaves `board`, too, when the client goes while an event is on its way over a slow connection"
)
async def leaves_while_sending(trial: Trial) -> None:
    with empty_board():
        async with OpenStream(trial, "/departures/", slow_at=lambda text: "Kyoto" in text) as stream:
            await connected(stream)
            board.announce(KYOTO)
            await stream.until(lambda: stream.held, json.dumps(KYOTO), lambda: shown(stream))
            await ends(stream)
            await nobody_listens(
                stream,
                because="a generator that waits at its `yield` gets a GeneratorExit, and no CancelledError",
                next="`finally: board.leave(queue)`",
            )


async def ends(stream: OpenStream) -> None:
    stream.leave()
    before = len(stream.messages)
    to_nobody = lambda: len(stream.messages) - before  # noqa: E731
    said = "the feed ends when the client goes"
    words = {
        "because": "the CancelledError was caught, and not raised again",
        "next": "`raise` at the end of `except asyncio.CancelledError:`, or only a `finally:`",
    }
    got = lambda: f"it goes on, with {to_nobody()} messages to nobody"  # noqa: E731
    await stream.until(lambda: stream.ended or to_nobody() > 3, said, lambda: {"got": got()} | words)
    Outcome(stream.sent, got()).expect_that(stream.ended, said, **words)


async def nobody_listens(stream: OpenStream, **words: str) -> None:
    if board.listeners:
        gc.collect()  # what stands at a `yield` is closed when Python throws it away
    with suppress(TimeoutError):
        async with asyncio.timeout(0.2):
            while board.listeners:
                await asyncio.sleep(0)
    Outcome(f"{stream.sent}, and the client goes", f"{board.listeners} listener of `board`").expect_that(
        board.listeners == 0,
        "0 listeners of `board`",
        **({"because": "`board.leave(queue)` was not called when the generator was cancelled"} | words),
    )


PHOTO = b"a small photo of Lisbon"
LARGE_PHOTO = b"\xff" * 3_000_000
MEDIA = temporary_folder()

save_photo = Task(
    "save_photo",
    routes=["photos/"],
    settings={"MEDIA_ROOT": str(MEDIA)},
    hints=(
        "Which steps between the request and the answer touch a disk? There is one before you write.",
        "Put all of them into one sync function, reading `request.FILES` as well, and cross to a thread once.",
        '`def save(): photo = request.FILES.get("photo"); return photo and (default_storage.save(photo.name, photo), '
        "photo.size)`, then `await asyncio.to_thread(save)`",
    ),
    praise="Right: one crossing, and whatever touches the disk is on its other side. A sync view would do as well: "
    "Django runs it in a thread from its first line to its last.",
)


def no_photos() -> None:
    for file in MEDIA.iterdir():
        file.unlink()


def photo(content: bytes = PHOTO) -> dict[str, Any]:
    return {"photo": ("lisbon.jpg", content, "image/jpeg")}


def photos() -> dict[str, bytes]:
    """What is saved: content by name."""
    return {file.name: file.read_bytes() for file in sorted(MEDIA.iterdir()) if file.is_file()}


def expect_saved(reply: Reply, content: bytes, saved: dict[str, bytes]) -> None:
    """Refuse unless the file that the answer names holds this content."""
    reply.expect(201)
    name, size = (reply.json.get(key) for key in ("name", "size"))
    found = {each: f"{len(data):,} bytes" for each, data in saved.items()}
    because, step = None, None
    if saved.get(name) == b"":
        because = "the upload had been read to its end before it was saved, or it was never written"
    elif content in saved.values() and name in saved:
        because = "the storage chose a free name and returned it, and the answer tells the name that was sent"
        step = "`name = default_storage.save(…)`"
    reply.expect_that(
        saved.get(name) == content,
        f"{len(content):,} bytes, as sent, in the file that the answer names",
        got=f"{quoted(reply.text)}, and under MEDIA_ROOT: {found or 'nothing'}",
        because=because,
        next=step,
    )
    reply.expect_that(size == len(content), f'"size": {len(content)}')


@save_photo.requirement(
    "saves the file that `POST /photos/` brings in the field `photo` under `settings.MEDIA_ROOT`, and answers 201 "
    '`{"name": "lisbon.jpg", "size": 23}`: the name of the saved file and its bytes'
)
async def saves_the_photo(trial: Trial) -> None:
    no_photos()
    reply = await trial.post("/photos/", files=photo())
    expect_saved(reply, PHOTO, photos())
    reply.expect(201, json={"name": "lisbon.jpg", "size": len(PHOTO)})


@save_photo.requirement('answers 400 `{"error": "no photo"}` when no file comes in that field')
async def asks_for_a_photo(trial: Trial) -> None:
    no_photos()
    reply = await trial.post("/photos/", files={"picture": ("lisbon.jpg", PHOTO)})
    missing = type(reply.error).__name__ == "MultiValueDictKeyError"
    reply.expect(
        400,
        json={"error": "no photo"},
        because="`request.FILES[…]` raises for a field that did not come" if missing else None,
        next='`request.FILES.get("photo")`' if missing else None,
    )


@save_photo.requirement(
    "keeps what is there: a second `lisbon.jpg` is saved under another name, which the answer tells"
)
async def keeps_both(trial: Trial) -> None:
    no_photos()
    (await trial.post("/photos/", files=photo(b"the first"))).expect(201)
    reply = await trial.post("/photos/", files=photo(b"another one"))
    saved = photos()
    reply.expect_that(
        b"the first" in saved.values(),
        "the first photo, as it was, and the second",
        got=f"under MEDIA_ROOT: {saved}",
        because="the second file was written over the first",
        next="`default_storage.save` chooses a free name, and returns it",
    )
    expect_saved(reply, b"another one", saved)


@contextmanager
def parsing_named() -> Iterator[None]:
    """Say so in the refusal when it was Django's parser that wrote on the event loop."""
    try:
        yield
    except Refusal as refusal:
        if (
            "io.BufferedRandom" in refusal.got
        ):  # a temporary file: the body of the request, or the upload in it
            refusal.because = (
                "the first look at `request.FILES` parses the body, and that writes a large upload"
            )
            refusal.next = "look at `request.FILES` inside the function that runs in the thread"
        raise


async def save_with_a_free_loop(trial: Trial, content: bytes) -> None:
    no_photos()
    files = photo(content)
    view = trial.answer.as_view() if hasattr(trial.answer, "as_view") else trial.answer
    if iscoroutinefunction(view):  # a sync view may block: Django runs it in a thread
        with parsing_named():
            reply = await trial.leaves_the_loop_free("/photos/", method="POST", files=files)
    else:
        reply = await trial.post("/photos/", files=files)
    expect_saved(reply, content, photos())


@save_photo.requirement("writes in a thread, so that the event loop stays free")
async def writes_in_a_thread(trial: Trial) -> None:
    await save_with_a_free_loop(trial, PHOTO)


@save_photo.requirement(
    "reads `request.FILES` in a thread, too: a photo of 3 MB is written to a temporary file while Django parses it"
)
async def parses_in_a_thread(trial: Trial) -> None:
    await save_with_a_free_loop(trial, LARGE_PHOTO)
