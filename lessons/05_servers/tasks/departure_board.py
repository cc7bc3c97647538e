from __future__ import annotations

import asyncio
from uuid import uuid4

from django.http import Http404

from tutorial_project.checks import NotStarted, Task, Trial
from tutorial_project.checks.kinds.asgi import Exchange, exchange, http_scope

DEPARTURES = "07:10 Lisbon\n09:45 Québec\n"


departure_board = Task(
    "departure_board",
    hints=(
        "Which two messages make an answer, and which of their values are bytes?",
        "Look at `scope` first: its type says whether you can answer at all, its path says what. Then send twice.",
        'Send `{"type": "http.response.start", "status": …, "headers": [(b"content-type", …)]}`, then '
        '`{"type": "http.response.body", "body": ….encode()}`; before both: `if scope["type"] != "http": raise …`',
    ),
    praise="Right: this is all that a server asks of Django, too. "
    "The body could as well go out in several messages, each but the last with `more_body`.",
)


@departure_board.requirement(
    "answers `GET /departures/` with 200, `content-type: text/plain; charset=utf-8` and the text `DEPARTURES`"
)
async def answers_with_the_departures(trial: Trial) -> None:
    content_type = ("content-type", "text/plain; charset=utf-8")
    for query in (b"", b"day=today"):
        found = await exchange(trial.answer, http_scope("/departures/", query_string=query))
        found.sent += f"?{query.decode()}" if query else ""
        found.expect_answer(200, DEPARTURES.encode(), [content_type])


@departure_board.requirement("answers any other path with 404 and the text `no such page`")
async def answers_404_elsewhere(trial: Trial) -> None:
    made_up = f"/{uuid4().hex[:6]}/"
    for other in ("/", "/departures", "/departures/today/", "/old/departures/", "/Departures/", made_up):
        found = await exchange(trial.answer, http_scope(other))
        words = {}
        if isinstance(found.error, Http404):
            words = {"because": "no Django is around this application, to make an answer of `Http404`"}
        found.expect_that(found.error is None, "an answer of two messages", **words)
        found.expect_answer(404, b"no such page")
    await _keeps_visitors_apart(trial)


async def _keeps_visitors_apart(trial: Trial) -> None:
    """Refuse when one who asks at the same moment gets a part of another's answer."""
    paths = ["/departures/", "/nowhere/", "/departures/"]
    answers = await asyncio.gather(*(exchange(trial.answer, http_scope(path)) for path in paths))
    for path, found in zip(paths, answers, strict=True):
        found.sent += "  while others ask for other pages"
        known = path == "/departures/"
        found.expect_answer(200 if known else 404, DEPARTURES.encode() if known else b"no such page")


@departure_board.requirement(
    "raises `ValueError` for a connection that is not `http`, and sends nothing to it"
)
async def refuses_other_connections(trial: Trial) -> None:
    websocket = http_scope("/departures/", type="websocket")
    lifespan = {"type": "lifespan"}
    made_up, alike = (
        http_scope("/departures/", type=f"{begin}-{uuid4().hex[:6]}") for begin in ("type", "http")
    )
    for scope, kind in (
        (lifespan, "lifespan.startup"),
        (websocket, "websocket.connect"),
        (made_up, f"{made_up['type']}.begin"),
        (alike, f"{alike['type']}.begin"),
    ):
        try:
            found = await exchange(trial.answer, scope, {"type": kind})
        except NotStarted as other_error:  # no stub: it has answered requests
            found = Exchange(kind, error=other_error.__cause__)
        found.sent = f'a connection of the type "{scope["type"]}"'
        if found.messages:
            found.value, found.error = f"the message {found.messages[0]!r}", None
        found.expect_error(ValueError, because=_why_not_refused(found, scope["type"]))


def _why_not_refused(found: Exchange, kind: str) -> str | None:
    answered = bool(found.messages) and str(found.messages[0].get("type")).startswith("http.")
    if answered or isinstance(found.error, KeyError):
        return f'"{kind}" has messages of its own, and this answer took it for `http`'
    if found.error is None and not found.messages:
        return "a server takes a quiet return for a connection that was served; an error tells it that this type is unknown"
    return None
