"""What the services have seen: requests, connections, how many at once, and who left before the answer."""

import asyncio
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from weakref import WeakKeyDictionary

REMEMBERED = 10_000
"""The number of latest requests that are kept."""


@dataclass
class Request:
    """One request: `status` is None while it waits, and stays None when the client left before the answer.

    `order` and `connection` count from 1: requests as they arrived, connections by their first request.
    `began` and `ended` count what happened at the services, so that they tell which requests were there together.
    """

    method: str
    path: str
    query: dict[str, str]
    order: int
    connection: int
    status: int | None = None
    client_left: bool = False
    began: int = 0
    ended: int | None = None


class Moment:
    """A moment the services come to: `await` it in a coroutine, call `wait()` in plain code."""

    def __init__(self, what: str, wanted: int, counted: Callable[[], int], timeout: float) -> None:
        self._what, self._wanted, self._counted, self._timeout = what, wanted, counted, timeout
        self._reached: Future[None] = Future()

    def look(self) -> None:
        """Notice whether the moment has come; any thread may call it."""
        if self._counted() >= self._wanted:
            with suppress(InvalidStateError):  # another thread noticed first, or nobody waits any more
                self._reached.set_result(None)

    def wait(self) -> None:
        """Block until the moment has come.

        Raises:
            TimeoutError: when it does not come in time; the message says how far it came.
        """
        try:
            self._reached.result(self._timeout)
        except TimeoutError:
            raise self._too_late() from None

    def __await__(self) -> Generator[Any, None, None]:
        return self._wait().__await__()

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(self._timeout):
                await asyncio.wrap_future(self._reached)
        except TimeoutError:
            raise self._too_late() from None

    def _too_late(self) -> TimeoutError:
        return TimeoutError(
            f"{self._counted()} of {self._wanted} {self._what} after {self._timeout:g} seconds"
        )


@dataclass
class Statistics:
    """Counts since the last `forget()`, written by the server's thread alone and read by any."""

    # No lock: a lock that is taken on the server's event loop trips blockbuster, which watches all threads.
    connections_opened: int = 0
    connections_closed: int = 0
    arrived: int = 0
    answered: int = 0
    clients_left: int = 0
    waiting: int = 0
    most_waiting: int = 0
    requests: deque[Request] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    _moments: list[Moment] = field(default_factory=list)
    _connections: WeakKeyDictionary[Any, int] = field(default_factory=WeakKeyDictionary)
    _connection_numbers: count = field(default_factory=lambda: count(1))
    _events: count = field(default_factory=lambda: count(1))

    def connect(self) -> None:
        """Note a connection that a client has just opened."""
        self.connections_opened += 1

    def disconnect(self) -> None:
        """Note that a connection which `connect` has noted is closed, by whichever end."""
        self.connections_closed += 1
        self._look()

    def arrive(self, method: str, path: str, query: dict[str, str], transport: Any) -> Request:
        """Note a request that has just come in over a connection."""
        self.arrived += 1
        self.waiting += 1
        self.most_waiting = max(self.most_waiting, self.waiting)
        request = Request(method, path, query, self.arrived, self._connection(transport))
        request.began = next(self._events)
        self.requests.append(request)
        self._look()
        return request

    def leave(self, request: Request) -> None:
        """Note that a request is over: answered when it has a status, else given up."""
        self.waiting -= 1
        request.ended = next(self._events)
        self.answered += request.status is not None
        self.clients_left += request.client_left
        self._look()

    def moment(self, what: str, wanted: int, counted: Callable[[], int], timeout: float) -> Moment:
        """The moment at which `counted()` reaches `wanted`, within `timeout` seconds; any thread may ask."""
        moment = Moment(what, wanted, counted, timeout)
        self._moments.append(moment)
        moment.look()
        return moment

    def _connection(self, transport: Any) -> int:
        if transport is None:  # closed already
            return 0
        if transport not in self._connections:
            self._connections[transport] = next(self._connection_numbers)
        return self._connections[transport]

    def _look(self) -> None:
        for moment in list(self._moments):
            moment.look()
