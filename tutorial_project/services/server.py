"""The services as Python sees them: what they have seen, and what they shall wait for."""

from __future__ import annotations

import atexit
import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any, Self
from urllib.parse import urlencode

from .app import State
from .barrier import ExpectedBarrier, Hold, NamedBarriers
from .statistics import Moment, Request, Statistics
from .thread import HOST, ServerThread

EVERYBODY = 1_000_000
"""More requests than ever wait together."""


class Services:
    """The running services; `start_services()` makes one. A context manager that stops them at its end."""

    def __init__(self, port: int, barrier_timeout: float) -> None:
        self._state = State(NamedBarriers(barrier_timeout))
        self._server = ServerThread(self._state)
        self.port = self._server.start(port)
        atexit.register(self.stop)

    @property
    def url(self) -> str:
        """The address, without a slash at the end."""
        return f"http://{HOST}:{self.port}"

    @property
    def running(self) -> bool:
        """False after `stop()`."""
        return self._server.running

    @property
    def barrier_timeout(self) -> float:
        """Seconds that requests are held at a barrier for those that are missing; can be set."""
        return self._state.barriers.timeout

    @barrier_timeout.setter
    def barrier_timeout(self, seconds: float) -> None:
        self._state.barriers.timeout = seconds

    @property
    def requests(self) -> list[Request]:
        """The requests since `forget()`, in the order of their arrival; the latest ten thousand."""
        return list(self._seen.requests)

    @property
    def connections_opened(self) -> int:
        """How many TCP connections clients have opened since `forget()`."""
        return self._seen.connections_opened

    @property
    def connections_open(self) -> int:
        """How many of these TCP connections are not closed yet."""
        return self._seen.connections_opened - self._seen.connections_closed

    @property
    def waiting(self) -> int:
        """How many requests, of those that came since `forget()`, have no answer yet."""
        return self._seen.waiting

    @property
    def most_waiting(self) -> int:
        """The most requests that were without an answer at one moment."""
        return self._seen.most_waiting

    @property
    def clients_left(self) -> int:
        """How many requests lost their client before the answer."""
        return self._seen.clients_left

    def arrived(self, number: int = 1, timeout: float = 5.0) -> Moment:
        """The moment when `number` requests have arrived: `await` it, or call its `wait()`.

        Args:
            number: requests since `forget()`.
            timeout: seconds after which waiting for it raises `TimeoutError`.
        """
        seen = self._seen
        return seen.moment("requests had arrived", number, lambda: seen.arrived, timeout)

    def answered(self, number: int = 1, timeout: float = 5.0) -> Moment:
        """The moment when `number` requests have been answered; see `arrived`."""
        seen = self._seen
        return seen.moment("requests had been answered", number, lambda: seen.answered, timeout)

    def left(self, number: int = 1, timeout: float = 5.0) -> Moment:
        """The moment when `number` clients have left before their answer; see `arrived`."""
        seen = self._seen
        return seen.moment("clients had left", number, lambda: seen.clients_left, timeout)

    def closed(self, number: int = 1, timeout: float = 5.0) -> Moment:
        """The moment when `number` connections, opened since `forget()`, have been closed; see `arrived`."""
        seen = self._seen
        return seen.moment("connections had been closed", number, lambda: seen.connections_closed, timeout)

    @contextmanager
    def expect_together(
        self, parties: int, path_prefixes: tuple[str, ...] = ("/",), timeout: float | None = None
    ) -> Iterator[ExpectedBarrier]:
        """Hold requests until `parties` of them wait together, once; later ones pass.

        Requests that waited in vain are answered with 409, and then, too, later ones pass.

        Args:
            parties: how many requests must wait together.
            path_prefixes: how the paths of these requests begin.
            timeout: seconds from the first of them; None stands for the server's `barrier_timeout`.

        Returns:
            The barrier: `met`, and `most_waiting`.
        """
        timeout = self.barrier_timeout if timeout is None else timeout
        barrier = ExpectedBarrier(parties, timeout, tuple(path_prefixes))
        self._state.expected.append(barrier)
        try:
            yield barrier
        finally:
            self._server.call(partial(self._end, barrier))

    @contextmanager
    def held(self, path_prefix: str, timeout: float = 10.0) -> Iterator[Hold]:
        """Hold requests until `release()` is called; at the end of the block, those still held get a 409.

        Args:
            path_prefix: how the paths of these requests begin.
            timeout: seconds from the first of them after which it gives up.

        Returns:
            The hold: how many are `waiting`, and `release`.
        """
        barrier = ExpectedBarrier(EVERYBODY, timeout, (path_prefix,))
        self._state.expected.append(barrier)
        try:
            yield Hold(barrier, self._server.call)
        finally:
            self._server.call(partial(self._end, barrier))

    def _end(self, barrier: ExpectedBarrier) -> None:
        # Trap: on the server's loop, where a request that has arrived has also reached its barrier.
        self._state.expected.remove(barrier)
        barrier.give_up()

    @contextmanager
    def replaced(self, path_prefix: str, *, by: str) -> Iterator[None]:
        """Answer requests as another endpoint would, behind the back of whoever asks.

        They are counted under the path that they asked for.

        Args:
            path_prefix: how the paths of these requests begin, such as "/weather".
            by: path and query of the endpoint that answers them, such as "/trickle?chunks=9".
        """
        replacement = (path_prefix, by)
        self._state.replaced.append(replacement)
        try:
            yield
        finally:
            self._state.replaced.remove(replacement)

    def saying(self, path_prefix: str, content: Any, *, wait: float = 0.0) -> AbstractContextManager[None]:
        """Answer requests with a JSON content that nobody could know, behind the back of whoever asks.

        Args:
            path_prefix: how the paths of these requests begin, such as "/weather/Lisbon".
            content: what is said instead, such as `{"city": "Lisbon", "celsius": 17, "sky": "windy"}`.
            wait: seconds before the answer.
        """
        query = urlencode({"json": json.dumps(content), "wait": wait})
        return self.replaced(path_prefix, by=f"/says?{query}")

    @contextmanager
    def slowed(self, path_prefix: str, *, by: float) -> Iterator[None]:
        """Answer requests as ever, but later.

        Args:
            path_prefix: how the paths of these requests begin, such as "/weather".
            by: seconds that each of them waits before the service looks at it.
        """
        delay = (path_prefix, by)
        self._state.slowed.append(delay)
        try:
            yield
        finally:
            self._state.slowed.remove(delay)

    def forget(self) -> None:
        """Start counting anew, with nothing booked and `/flaky` failing; requests under way do not count any more."""
        self._state.statistics = Statistics()
        self._state.flaky_calls.clear()
        self._state.bookings.clear()

    def stop(self) -> None:
        """Close every connection and stop; safe to call twice."""
        self._server.stop()
        atexit.unregister(self.stop)

    @property
    def _seen(self) -> Statistics:
        return self._state.statistics

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<Services {'at ' + self.url if self.running else 'stopped'}>"
