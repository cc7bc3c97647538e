"""What operations see while a real server has visitors: answers and times, the event loop, threads, the log."""

from __future__ import annotations

import asyncio
import re
import sys
import threading
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import perf_counter
from types import FrameType
from typing import Any

import httpx
from django.http import HttpRequest
from django.urls import URLPattern

from tutorial_project.classroom.percentiles import percentile
from tutorial_project.classroom.watching.log_watch import LogWatch
from tutorial_project.classroom.watching.own_frames import is_own, shown, waits_at

from .handlers import RecordedASGIHandler, asgi_application
from .server import Server

LIMIT = 12.0
"""Seconds after which a visitor goes away."""
STANDS_STILL = 0.25
"""Seconds without a turn of the event loop that are worth a line."""
SHORT_STEP = 0.08
"""Seconds: where each visitor kept the loop for less than that, there are many of them, and no line is at fault."""


@dataclass(frozen=True)
class Visit:
    """One request, and what became of it.

    Attributes:
        path: where it went.
        status: of the answer; 0 where there was none.
        first, last: seconds until the first byte of the body had come, and until its last one had.
        pieces: in how many pieces the body came.
        text: the body, or the error that came instead.
    """

    path: str
    status: int
    first: float
    last: float
    pieces: int
    text: str


@dataclass
class Duty:
    """What operations see of a server; its text is a table.

    Attributes:
        server: the running server.
        visits: every request, in the order in which they were answered.
        log: what was logged and warned about, each line with how often it came.
        held: the longest time for which the event loop did not turn, in seconds, and the line on which it stood for
            most of it; many visitors who keep it for a moment each do not count.
        threads: how many threads there were more than before, at most.
        figures: what else was measured, by name.
    """

    server: Server
    visits: list[Visit] = field(default_factory=list)
    log: Counter[str] = field(default_factory=Counter)
    held: tuple[float, str] = (0.0, "")
    threads: int = 0
    figures: dict[str, object] = field(default_factory=dict)

    async def send(
        self, *paths: str, times: int = 1, method: str = "GET", leaves_after: float = LIMIT, **request: Any
    ) -> list[Visit]:
        """Send requests at the same moment, and wait until each is over.

        Args:
            paths: where they go.
            times: how often each is sent.
            method: the HTTP method of all of them.
            leaves_after: seconds after which a visitor goes away.
            request: options of `httpx.AsyncClient.stream`, such as `json` and `headers`.

        Returns:
            What became of each, in the order of the paths.
        """
        async with httpx.AsyncClient(
            base_url=self.server.url, timeout=None, trust_env=False, verify=False
        ) as client:
            visiting = [
                self._visit(client, method, path, leaves_after, request)
                for path in paths
                for _ in range(times)
            ]
            return await asyncio.gather(*visiting)

    async def _visit(self, client: Any, method: str, path: str, limit: float, request: Any) -> Visit:
        sent, first, status, pieces = perf_counter(), 0.0, 0, []
        try:
            async with asyncio.timeout(limit), client.stream(method, path, **request) as response:
                status = response.status_code
                async for piece in response.aiter_bytes():
                    first = first or perf_counter() - sent
                    pieces.append(piece)
            text = b"".join(pieces).decode(errors="replace")
        except TimeoutError:
            text = f"left after {limit:g} s"
        except httpx.HTTPError as error:
            text = type(error).__name__
        last = perf_counter() - sent
        self.visits.append(visit := Visit(path, status, first or last, last, len(pieces), text))
        return visit

    def note(self, name: str, value: object) -> None:
        """Add a figure to the table."""
        self.figures[name] = value

    def statuses(self, path: str) -> dict[int, int]:
        """How often which status was the answer to a path; 0 stands for no answer."""
        return dict(Counter(visit.status for visit in self.visits if visit.path == path))

    def waiting_tasks(self) -> Counter[str]:
        """At which lines of the reader tasks of the server wait now, and how many at each."""
        places = map(waits_at, asyncio.all_tasks(self.server.loop))
        return Counter(sorted(place for place in places if place))

    def __repr__(self) -> str:
        pages = sorted({_page(visit.path) for visit in self.visits})
        rows = [(page, self._answers(page)) for page in pages]
        rows += [(name, str(value)) for name, value in self.figures.items()]
        rows += [("event loop", self._loop), ("threads", f"{self.threads} more than before, at most")]
        rows += [("log", f"{line}  × {times}" if times > 1 else line) for line, times in self.log.items()]
        rows += [("log", "nothing")] * (not self.log)
        width = max(len(name) for name, _ in rows)
        return "\n".join(f"{name:<{width}}   {value}" for name, value in rows)

    @property
    def _loop(self) -> str:
        seconds, place = self.held
        if seconds < STANDS_STILL:
            return "turned all the time"
        return f"did not turn for {seconds:.2f} s" + (f", at {place}" if place else "")

    def _answers(self, page: str) -> str:
        visits = [visit for visit in self.visits if _page(visit.path) == page]
        statuses = Counter(str(visit.status or visit.text) for visit in visits)
        answers = ", ".join(f"{number} × {status}" for status, number in statuses.items())
        first, last = ([getattr(visit, name) for visit in visits] for name in ("first", "last"))
        if len(visits) == 1:
            return f"{answers}   first byte after {first[0]:.2f} s, last after {last[0]:.2f} s"
        return f"{answers}   p50 {percentile(last, 50):.2f} s, p95 {percentile(last, 95):.2f} s"


def _page(path: str) -> str:
    """The path with a mark in the place of keys: what visitors of one page have in common."""
    return re.sub(r"\d+", "…", path)


@asynccontextmanager
async def on_duty(
    urlpatterns: Sequence[URLPattern] = (), *, application: Any = None, **config: Any
) -> AsyncIterator[Duty]:
    """A real server with somebody who looks at it, for the `async with` block.

    Args:
        urlpatterns: what it serves; without any, the URLs of the notebook. No request needs a CSRF token.
        application: an ASGI application to serve in place of Django.
        config: options of `uvicorn.Config`, such as `lifespan="on"`.

    Returns:
        What is seen: print it when the block is over.
    """
    if application is None:
        application = _Site(urlpatterns) if urlpatterns else asgi_application()
    with Server(application, **config).start() as server:
        duty = Duty(server)
        with LogWatch(duty.log), _LoopWatch(duty):
            yield duty


class _Site(RecordedASGIHandler):
    def __init__(self, urlpatterns: Sequence[URLPattern]) -> None:
        super().__init__()
        self._urlpatterns = tuple(urlpatterns)

    async def get_response_async(self, request: HttpRequest) -> Any:
        request.urlconf = self._urlpatterns
        request._dont_enforce_csrf_checks = True
        return await super().get_response_async(request)


class _LoopWatch:
    """Asks the server's loop for a turn, again and again, from another thread, and notes where it stands meanwhile."""

    def __init__(self, duty: Duty) -> None:
        self._duty, self._over = duty, threading.Event()
        self._before = threading.active_count() + 1
        self._watching = threading.Thread(target=self._watch, name="on duty", daemon=True)

    def __enter__(self) -> None:
        self._watching.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._watching.join()

    def _watch(self) -> None:
        while not self._over.wait(0.01):
            turn, asked, places = threading.Event(), perf_counter(), Counter[str]()
            visitors: set[FrameType] = set()
            self._duty.server.loop.call_soon_threadsafe(turn.set)
            while not turn.wait(0.04) and not self._over.is_set():
                if own := self._own_frames():
                    places[shown(own[0], own[0].f_lineno)] += 1
                    visitors.add(own[-1])
            seconds = perf_counter() - asked
            if seconds >= SHORT_STEP * len(visitors):
                place = max(places, key=places.__getitem__, default="")
                self._duty.held = max(self._duty.held, (seconds, place), key=lambda held: held[0])
            self._duty.threads = max(self._duty.threads, threading.active_count() - self._before)

    def _own_frames(self) -> list[FrameType]:
        """What a reader wrote and the server's thread runs now, from the inside to the outside."""
        frame, own = sys._current_frames().get(self._duty.server.thread_id), []
        while frame is not None:
            own += [frame] * is_own(frame)
            frame = frame.f_back
        return own
