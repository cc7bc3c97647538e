import asyncio
import logging
import random
from collections.abc import Awaitable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.test import AsyncRequestFactory
from django.urls import path

from tutorial_project.checks import Outcome, Reply, Task, Trial
from tutorial_project.checks.kinds.middleware import asgi_site, expect_a_response
from tutorial_project.checks.kinds.streams import OpenStream
from tutorial_project.trips.request_log import RequestIdFilter

from ..shared import Meeting, together, told, watched_get

log = logging.getLogger("agency.on_trial")


meeting = Meeting()


async def look_up(service: str) -> None:
    log.info("asks for %s", service)
    await asyncio.sleep(0)
    log.info("has %s", service)


async def offers(request: HttpRequest) -> HttpResponse:
    log.info("looks for offers")
    await asyncio.gather(look_up("weather"), look_up("flights"))
    return HttpResponse(request.GET.get("text", "offers"))


async def meets(request: HttpRequest) -> HttpResponse:
    await meeting.wait()
    log.info(request.GET["name"])
    return HttpResponse(request.GET["name"])


async def missing(request: HttpRequest) -> HttpResponse:
    raise Http404


may_leave = asyncio.Event()
may_leave.set()


async def departures(request: HttpRequest) -> StreamingHttpResponse:
    async def body():
        for gate in ("A1", "B2"):
            log.info("streams gate %s", gate)
            yield gate
            await may_leave.wait()

    return StreamingHttpResponse(body())


LOGGED_PAGES = [
    path("offers/", offers),
    path("meets/", meets),
    path("missing/", missing),
    path("departures/", departures),
]


RequestId = Task(
    "RequestId",
    application=lambda answer: asgi_site(
        answer, LOGGED_PAGES, ["django.middleware.security.SecurityMiddleware"]
    ),
    hints=(
        "Which of your lines has to come before `get_response` is called, so that view and stream find the id?",
        'The id is `request.headers.get("X-Request-ID")`, or a new one; `current_id.set(…)` comes before the `await`, '
        "the header of the answer after it.",
        '`brought = request.headers.get("X-Request-ID", "")`, `request_id = brought if WELL_FORMED.fullmatch(brought) else '
        "uuid4().hex`, `current_id.set(request_id)`, `response = await self.get_response(request)`, "
        '`response.headers["X-Request-ID"] = request_id`',
    ),
    praise="Right: the id is set before the view starts, so every task of the request copies it, and it stays for the "
    "stream. Putting it back at the end would be fine too, if the stream is wrapped so that it sets it again.",
)


@RequestId.requirement(
    "gives the id that comes in the header `X-Request-ID` back in the answer's header of that name"
)
async def gives_the_id_back(trial: Trial) -> None:
    for name in (*(form.format(uuid4().hex[:10]) for form in FORMS), "Z", "-", "__", longest_id()):
        text = uuid4().hex
        reply = await in_its_own_task(named(trial, f"/offers/?text={text}", name))
        reply.expect(200, text=text)
        expect_the_id(reply, name)
    await gives_it_with_every_answer(trial)
    await gives_it_when_there_was_another(trial)


async def gives_it_with_every_answer(trial: Trial) -> None:
    """Refuse an answer that leaves the header out where the view refuses, or where something is sent."""
    for method, url, status in (("GET", "/missing/", 404), ("POST", "/offers/", 200)):
        reply = await in_its_own_task(named(trial, url, name := made_up_id(), method))
        reply.expect_that(reply.status == status, str(status))
        expect_the_id(reply, name)


async def gives_it_when_there_was_another(trial: Trial) -> None:
    before, reply = await after_another(trial, named(trial, "/offers/", name := made_up_id()))
    taken = reply.response.headers.get("X-Request-ID") == before
    expect_the_id(reply, name, **(OF_THE_ONE_BEFORE if taken else {}))


async def in_its_own_task(asking: Coroutine[Any, Any, Reply]) -> Reply:
    """The reply to a request that has a task for itself, as most servers give it one; Django 6.1 makes none."""
    return await asyncio.ensure_future(asking)


async def after_another(trial: Trial, asking: Awaitable[Reply]) -> tuple[str, Reply]:
    """The id of a request, and the reply to another one of the same task: a test's client does so, and some servers."""

    async def both() -> tuple[str, Reply]:
        before = AsyncRequestFactory().get("/offers/", headers={"X-Request-ID": made_up_id()})
        await trial.application.get_response_async(before)
        return before.headers["X-Request-ID"], await asking

    before, reply = await asyncio.ensure_future(both())
    reply.sent += AFTER_ANOTHER
    return before, reply


AFTER_ANOTHER = "  in a task that has handled another request before"
OF_THE_ONE_BEFORE = {
    "because": "that is the id of the request before",
    "next": "`current_id.set(…)` for each request",
}


@RequestId.requirement("makes a new id for each request that brings none")
async def makes_new_ids(trial: Trial) -> None:
    ids = []
    for _ in range(2):
        reply = told(await in_its_own_task(trial.get("/offers/")))
        words = {}
        if isinstance(reply.error, KeyError) and "request-id" in str(reply.error).lower().replace("_", "-"):
            step = '`request.headers.get("X-Request-ID")`'
            words = {"because": "`request.headers[…]` raises when there is no such header", "next": step}
        reply.expect_that(reply.error is None, "200 with a header X-Request-ID", **words)
        ids.append(new_id(reply))
    Outcome("GET /offers/, twice").expect_that(
        ids[0] != ids[1],
        "two different ids",
        got=f"{ids[0]} both times",
        because="the id is made once, kept from the request before, or made of what both have in common",
        next="`uuid4().hex` in `__call__`, which runs for each request",
    )
    await makes_one_when_there_was_another(trial)


async def makes_one_when_there_was_another(trial: Trial) -> None:
    before, reply = await after_another(trial, trial.get("/offers/"))
    reply.expect_that(
        new_id(told(reply)) != before,
        "a new X-Request-ID",
        got=f"X-Request-ID: {before}",
        **OF_THE_ONE_BEFORE,
    )


@RequestId.requirement(
    "makes a new one, too, for a request whose id is empty, longer than 64 characters, or has other characters than "
    "letters, digits, `-` and `_`"
)
async def takes_no_odd_id(trial: Trial) -> None:
    name = made_up_id()
    for odd in (
        "",
        f"{longest_id()}a",
        f"{name} 1",
        f"{name};",
        f"<{name}",
        f"{name}\t{name}",
        f"{name}ê",
        f"{name}\n",
    ):
        with logged() as records:
            reply = await named(trial, "/offers/", odd)
        reply.expect_that(reply.status == 200, "200 with a header X-Request-ID")
        made = new_id(reply)
        sent = "as it was sent" if made == odd else "a part of what was sent"
        reply.expect_that(made not in odd, "a new X-Request-ID", got=f"X-Request-ID: {made}, {sent}")
        as_sent = [record for record in records if str(record.request_id) == odd]
        reply.expect_that(
            not as_sent,
            "log lines with the new id",
            got=f"log lines with the id {odd!r}, as it was sent",
            because="whoever sends the header writes into your log",
        )


@RequestId.requirement("has the id on every log line of the view, also on those of calls that it gathers")
async def names_log_lines(trial: Trial) -> None:
    name = made_up_id()
    with logged() as records:
        reply = await named(trial, "/offers/", name)
    expect_ids(reply, records, [name] * 5)
    with logged() as records:
        reply = told(await watched_get(trial, "/offers/"))
    expect_ids(reply, records, [reply.response.headers["X-Request-ID"]] * 5)


@RequestId.requirement(
    "keeps requests apart that are under way at the same time, and lets none wait for another"
)
async def keeps_requests_apart(trial: Trial) -> None:
    names = [made_up_id() for _ in range(3)]
    random.shuffle(names)
    with logged() as records:
        replies = await together(
            trial,
            meeting,
            [f"/meets/?name={name}" for name in names],
            [{"X-Request-ID": name} for name in names],
        )
    for reply, name in zip(replies, names, strict=True):
        own = [record for record in records if record.getMessage() == name]
        reply.expect(200, text=name)
        expect_ids(reply, own, [name])
        of_another = reply.response.headers.get("X-Request-ID") in names
        expect_the_id(reply, name, **(WRITTEN_OVER if of_another else {}))


WRITTEN_OVER = {
    "because": "the id was kept where all requests share it, and another one has written over it",
    "next": "keep it in `current_id`, or in a variable of `__call__`",
}


NOT_SET = {
    "because": "no id was set in `current_id` before the view started, in the task that handles the request",
    "next": "`current_id.set(…)` in `__call__`, before `await self.get_response(request)`",
}


@RequestId.requirement(
    "has it on the log lines of a stream as well, which is made when the middleware has returned"
)
async def names_streams(trial: Trial) -> None:
    name = made_up_id()
    with logged() as records:
        reply = await named(trial, "/departures/", name)
    reply.expect(200, text="A1B2")
    expect_ids(reply, records, [name] * 2, **words_about_a_stream(records))
    expect_the_id(reply, name)
    await names_two_streams(trial)


def words_about_a_stream(records: list[logging.LogRecord]) -> dict[str, str | None]:
    """What is certain where no line of a stream has an id; nothing where some have one, or another one."""
    if {str(record.request_id) for record in records} != {"-"}:
        return {"because": None}
    return {
        "because": "the stream is made when the middleware has returned, and no id was set there by then",
        "next": "set it in the task of the request, and leave it set: it ends with that task",
    }


async def names_two_streams(trial: Trial) -> None:
    """Refuse a middleware that reads a stream before it returns, or mixes two that are under way."""
    may_leave.clear()
    try:
        with logged() as records:
            async with slow_stream(trial) as first, slow_stream(trial) as second:
                await expect_the_part(
                    first, "A1", "the first part of the stream, while the second is waited for"
                )
                await expect_the_part(
                    second, "A1", "the first part of another stream, while one is under way"
                )
                may_leave.set()
                for stream in (first, second):
                    stream.take_again()
                for stream in (first, second):
                    await expect_the_part(stream, "B2", "the second part, when nobody waits any more")
    finally:
        may_leave.set()
    ids = [stream.headers.get("x-request-id", "none") for stream in (first, second)]
    found = [str(record.request_id) for record in records]
    Outcome("GET /departures/  twice, the second one while the first is under way").expect_that(
        sorted(found) == sorted(ids * 2),
        f"two log lines with the id {ids[0]}, and two with {ids[1]}",
        got=f"log lines with the ids {', '.join(found)}",
    )


def slow_stream(trial: Trial) -> OpenStream:
    """A stream whose second part is not asked for until the first was taken."""
    return OpenStream(trial, "/departures/", slow_at=lambda text: "A1" in text)


async def expect_the_part(stream: OpenStream, part: str, expected: str) -> None:
    await stream.until(lambda: part in stream.text, expected, lambda: {"got": "nothing until then"})


def made_up_id() -> str:
    return random.choice(FORMS).format(uuid4().hex[:10])


FORMS = ("ada-{}", "Grace_{}", "{}")
"""Ids as clients write them."""


def longest_id() -> str:
    return (uuid4().hex * 2)[:64]


def new_id(reply: Reply) -> str:
    """The id of an answer to a request that brought none that may be taken; refuses when there is none."""
    made = reply.response.headers.get("X-Request-ID")
    reply.expect_that(made not in (None, "", "-", "None"), "a new X-Request-ID", got=f"X-Request-ID: {made}")
    return str(made)


def expect_the_id(reply: Reply, name: str, **words: str) -> None:
    """Refuse unless the answer's header names this id."""
    found = reply.response.headers.get("X-Request-ID")
    got = "an answer without the header X-Request-ID" if found is None else f"X-Request-ID: {found}"
    reply.expect_that(found == name, f"X-Request-ID: {name}", got=got, **(words if found else {}))


async def named(trial: Trial, url: str, name: str, method: str = "GET") -> Reply:
    sent = name if name.isascii() else name.encode("latin-1")
    reply = await trial.request(method, url, headers={"X-Request-ID": sent})
    return expect_a_response(told(reply))


@contextmanager
def logged() -> Iterator[list[logging.LogRecord]]:
    """Collect the records of the views above, with the id that the filter gives them."""
    records: list[logging.LogRecord] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)

    handler = Collector()
    handler.addFilter(RequestIdFilter())
    log.setLevel("INFO")
    log.propagate = False
    log.addHandler(handler)
    try:
        yield records
    finally:
        log.removeHandler(handler)


def expect_ids(reply: Reply, records: list[logging.LogRecord], ids: list[str], **words: str | None) -> None:
    """Refuse unless the records carry these ids."""
    found = [str(record.request_id) for record in records]  # a UUID is a fine id, too
    if not words:
        words = words_about(found, reply.response.headers.get("X-Request-ID"))
    reply.expect_that(
        found == ids,
        f"{len(ids)} log lines with the id {ids[0]}",
        got=f"log lines with the ids {', '.join(found)}" if found else "no log line",
        **words,
    )


def words_about(found: list[str], header: str | None) -> dict[str, str]:
    """What is certain about log lines with these ids, and an answer with this one."""
    if set(found) == {"-"}:
        return NOT_SET
    if header and len(set(found)) == 1 and set(found) != {header}:
        return {
            "because": "the log lines carry one id and the answer's header another",
            "next": "make the id once, and keep it in a variable of `__call__`",
        }
    return {}
