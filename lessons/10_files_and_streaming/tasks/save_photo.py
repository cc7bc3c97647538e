import asyncio
import os
import random
import shutil
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any
from unittest import mock
from uuid import uuid4

from asgiref.sync import iscoroutinefunction

from tutorial_project.checks import Refusal, Reply, Task, Trial
from tutorial_project.checks.outcome import quoted
from tutorial_project.classroom.data.sample import temporary_folder
from tutorial_project.classroom.watching.recording import record

PHOTO = b"a photo, " + uuid4().hex[:14].encode()


BOUNDARY = uuid4().hex


LARGE_PHOTO = b"\xff" * 3_000_000


MEDIA = temporary_folder()


save_photo = Task(
    "save_photo",
    beside="writes_in_a_thread",
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
        shutil.rmtree(file) if file.is_dir() else file.unlink()


def photo(content: bytes = PHOTO) -> dict[str, Any]:
    return {"photo": ("lisbon.jpg", content, "image/jpeg")}


def sent_by_the_same_app(content: bytes) -> dict[str, Any]:
    """What this app sends, with a boundary of its own: the same photo again is the same request, byte for byte."""
    return {
        "files": photo(content),
        "headers": {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"},
    }


def photos() -> dict[str, bytes]:
    """What is saved: content by name."""
    files = sorted(file for file in MEDIA.rglob("*") if file.is_file())
    return {file.relative_to(MEDIA).as_posix(): file.read_bytes() for file in files}


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


PATIENCE = 2.0
"""Seconds that the check waits at most for all threads to be about to open their files."""


class Gate:
    """Threads that are about to do something under MEDIA_ROOT: they wait until `open`."""

    def __init__(self) -> None:
        self.waiting, self._go = 0, threading.Event()
        self._loop_thread = threading.get_ident()

    def open(self) -> None:
        self._go.set()

    def pass_through(self, file: Any) -> None:
        here = isinstance(file, str | Path) and MEDIA in Path(file).parents
        # Trap: on the event loop nobody may wait; that it writes there is another requirement's matter.
        if here and threading.get_ident() != self._loop_thread:
            self.waiting += 1
            self._go.wait(3 * PATIENCE)  # longer than the check holds it

    async def all_wait(self, sending: list[asyncio.Future[Reply]]) -> None:
        """Return when each of these waits here, or has ended; give up when some do neither."""
        deadline = monotonic() + PATIENCE
        while self.waiting + sum(each.done() for each in sending) < len(sending) and monotonic() < deadline:
            await asyncio.sleep(0.001)

    def held(self, opens: Callable[..., Any], writes: Callable[[Any], bool]) -> Callable[..., Any]:
        """A function that opens files, and waits here before it opens one to write."""

        def open_later(file: Any, flags: Any = None, *args: Any, **options: Any) -> Any:
            if writes(flags or options.get("mode")):
                self.pass_through(file)
            return opens(file, *(() if flags is None else (flags,)), *args, **options)

        return open_later

    def held_move(self, moves: Callable[..., Any]) -> Callable[..., Any]:
        """A function that gives a file another name, and waits here before."""

        def move_later(file: Any, name: Any, *args: Any, **options: Any) -> Any:
            self.pass_through(name)
            return moves(file, name, *args, **options)

        return move_later


@contextmanager
def files_held() -> Iterator[tuple[Gate, Gate]]:
    """A gate in front of each file that is opened to write, and one in front of each that gets another name."""
    files, names = Gate(), Gate()
    by_mode = files.held(open, lambda mode: isinstance(mode, str) and bool(set(mode) & set("wxa+")))
    by_flags = files.held(os.open, lambda flags: bool((flags or 0) & os.O_CREAT))
    try:
        with (
            mock.patch("builtins.open", by_mode),
            mock.patch("io.open", by_mode),
            mock.patch("os.open", by_flags),
            mock.patch("os.rename", names.held_move(os.rename)),
            mock.patch("os.replace", names.held_move(os.replace)),
        ):
            yield files, names
    finally:
        files.open()
        names.open()


async def sent_together(trial: Trial, contents: list[bytes], when_held: Callable[[], None]) -> list[Reply]:
    """Send these photos under one name; let all files be opened together, and then get their names together."""
    with files_held() as (files, names):
        sending = [asyncio.ensure_future(trial.post("/photos/", files=photo(each))) for each in contents]
        await files.all_wait(sending)
        when_held()
        files.open()
        await names.all_wait(sending)
        names.open()
        return await asyncio.gather(*sending)


async def expect_it_written_first(trial: Trial) -> None:
    """Refuse a view that has ended while its file could not be opened yet."""
    early = []

    def look() -> None:
        ended = any(span.kind == "view" for span in recording.spans)
        early.extend([ended] if ended and PHOTO not in photos().values() else [])

    no_photos()
    with record() as recording:
        [reply] = await sent_together(trial, [PHOTO], look)
    if early and reply.status == 201:
        deadline = monotonic() + PATIENCE
        while PHOTO not in photos().values() and monotonic() < deadline:
            await asyncio.sleep(0.001)  # for the thread: it must not write after the check
        reply.sent += "   while its file cannot be opened yet"
        reply.refuse(
            expected="an answer when the photo is written",
            because="nobody waits for the thread that writes it",
            next="`await` what runs in the thread",
        )


@save_photo.requirement(
    "saves the file that `POST /photos/` brings in the field `photo` under `settings.MEDIA_ROOT`, and answers 201 "
    '`{"name": "lisbon.jpg", "size": 23}`: the name of the saved file and its bytes, when it is written'
)
async def saves_the_photo(trial: Trial) -> None:
    await expect_it_written_first(trial)
    no_photos()
    for _ in range(2):
        name, content = f"{uuid4().hex}A.JPG", b"\n\xff\x00" + PHOTO + b"\n" * random.randint(1, 99)
        reply = await trial.post("/photos/", files={"photo": (name, content, "image/jpeg")})
        expect_saved(reply, content, photos())
        reply.expect(201, json={"name": name, "size": len(content)})


@save_photo.requirement("saves several photos that come at the same moment, each as it was sent")
async def saves_several_at_once(trial: Trial) -> None:
    no_photos()
    sent = {f"{uuid4().hex[:8]}.jpg": PHOTO + uuid4().hex[:number].encode() for number in range(1, 6)}
    uploads = ({"photo": (name, content, "image/jpeg")} for name, content in sent.items())
    replies = await asyncio.gather(*(trial.post("/photos/", files=files) for files in uploads))
    for reply, (name, content) in zip(replies, sent.items(), strict=True):
        reply.sent += f"   {name}, and four others at once"
        expect_saved(reply, content, photos())
        reply.expect(201, json={"name": name, "size": len(content)})


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
    for body in ({}, {"data": {"photo": "lisbon.jpg"}}, {"json": {"photo": "lisbon.jpg"}}):
        reply = await trial.post("/photos/", **body)
        reply.expect(400, json={"error": "no photo"})


@save_photo.requirement(
    "keeps what is there: a second `lisbon.jpg` is saved under another name, which the answer tells, also when both come "
    "at the same moment"
)
async def keeps_both(trial: Trial) -> None:
    no_photos()
    first = await trial.post("/photos/", **sent_by_the_same_app(b"the first"))
    first.expect(201)
    again = await trial.post("/photos/", **sent_by_the_same_app(b"the first"))
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
    again.sent += "   a second time"
    expect_saved(again, b"the first", saved)
    again.expect_that(
        again.json["name"] != first.json["name"], "another name than that of the first photo, which is kept"
    )
    again.expect_that(len(saved) == 3, "three files", got=f"under MEDIA_ROOT: {sorted(saved)}")
    await keeps_names_that_begin_alike(trial)
    await keeps_all_of_one_moment(trial)


async def keeps_names_that_begin_alike(trial: Trial) -> None:
    no_photos()
    beginning, contents = "holiday " * 10, [b"the first", b"another one"]
    for number, content in enumerate(contents):
        name = f"{beginning}{number}.jpg"
        reply = await trial.post("/photos/", files={"photo": (name, content, "image/jpeg")})
        expect_saved(reply, content, photos())
    reply.expect_that(
        contents[0] in photos().values(),
        "the photo of before, whose name begins alike, and this one",
        got=f"under MEDIA_ROOT: {photos()}",
    )


async def keeps_all_of_one_moment(trial: Trial) -> None:
    """Refuse a photo that was written over another one, or names the other's file; an error writes over nothing."""
    no_photos()
    contents = [PHOTO + uuid4().hex.encode() for _ in range(3)]
    for reply, content in zip(await sent_together(trial, contents, lambda: None), contents, strict=True):
        reply.sent += "   while two others send a lisbon.jpg, too"
        if reply.status == 201:
            expect_saved(reply, content, photos())


def parsed_on_the_loop(error: BaseException | None) -> bool:
    """Whether a call was refused that Django's parser makes: it reads and writes temporary files."""
    frames = traceback.extract_tb(error.__traceback__) if error else []
    return any(frame.filename.replace("\\", "/").endswith("django/http/request.py") for frame in frames)


@contextmanager
def parsing_named() -> Iterator[None]:
    """Say so in the refusal when it was Django's parser that wrote on the event loop."""
    try:
        yield
    except Refusal as refusal:
        if parsed_on_the_loop(refusal.__cause__):
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


@save_photo.requirement(
    "takes a file name of any length, and saves it under a shorter one where a disk would refuse it: 255 bytes, a "
    "letter can have four"
)
async def shortens_long_names(trial: Trial) -> None:
    no_photos()
    # Trap: Django answers 400 to a part whose headers, the name among them, are longer than 1,024 bytes.
    for stem in ("l" * 250, "\u00e9" * 250, "\u6771" * 250, "\U00020000" * 200):
        for content in (b"the first", b"another one"):
            reply = await trial.post("/photos/", files={"photo": (f"{stem}.jpg", content, "image/jpeg")})
            too_long = isinstance(reply.error, OSError)
            words = {
                "because": "the disk refuses so long a name",
                "next": "`max_length=60` for `default_storage.save`",
            }
            reply.expect_that(True, "201", **(words if too_long else {}))
            expect_saved(reply, content, photos())
