"""Holding requests until several wait at the same time: a proof of overlap without a stopwatch."""

import asyncio
from collections.abc import Callable


class NotTogether(Exception):
    """Fewer requests than demanded were waiting when the time was up; answered with 409."""


class Barrier:
    """Holds requests until `parties` of them wait together; then it is over, and holds nobody any more.

    Attributes:
        parties: how many requests must wait together.
        timeout: seconds from the first arrival, or from `renew`, after which the barrier gives up.
        waiting: how many are held now.
        most_waiting: the most that were ever held at one moment.
        met: True once all of them were held together.
        over: True once it is met, or was given up.
    """

    def __init__(self, parties: int, timeout: float) -> None:
        self.parties = parties
        self.timeout = timeout
        self.waiting = 0
        self.most_waiting = 0
        self.met = False
        self._deadline = 0.0
        self._over = asyncio.Event()

    @property
    def over(self) -> bool:
        return self._over.is_set()

    async def hold(self) -> None:
        """Wait for the other requests; only on the server's event loop.

        Raises:
            NotTogether: when they did not all come within `timeout` seconds.
        """
        self._enter()
        try:
            while not self.over:
                await self._until_the_deadline()
        finally:
            self.waiting -= 1
        if not self.met:
            raise NotTogether(f"only {self.most_waiting} of {self.parties} requests were waiting together")

    async def _until_the_deadline(self) -> None:
        try:
            async with asyncio.timeout_at(self._deadline):
                await self._over.wait()
        except TimeoutError:
            if asyncio.get_running_loop().time() >= self._deadline:  # nobody has renewed it meanwhile
                self.give_up()

    def renew(self) -> None:
        """Count the seconds anew; only on the server's event loop."""
        self._deadline = asyncio.get_running_loop().time() + self.timeout

    def give_up(self) -> None:
        """Let everybody go who is still held; only on the server's event loop."""
        self._over.set()

    def open(self) -> None:
        """Let everybody pass, as if all had come; only on the server's event loop."""
        self.met = True
        self._over.set()

    def _enter(self) -> None:
        if not self.waiting:
            self.renew()
        self.waiting += 1
        self.most_waiting = max(self.most_waiting, self.waiting)
        if self.waiting == self.parties:
            self.met = True
            self._over.set()

    def __repr__(self) -> str:
        state = "met" if self.met else f"not met, at most {self.most_waiting} waited together"
        return f"<Barrier for {self.parties} requests: {state}>"


class NamedBarriers:
    """The barriers that requests ask for by name; when one is over, the name stands for the next group.

    Attributes:
        timeout: seconds that new barriers wait for their last request.
    """

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout
        self._current: dict[tuple[str, int], Barrier] = {}

    async def hold(self, name: str, parties: int) -> None:
        """Wait until `parties` requests are held under this name.

        Raises:
            NotTogether: when they did not all come in time.
        """
        await self._group(name, parties).hold()

    def _group(self, name: str, parties: int) -> Barrier:
        group = self._current.get((name, parties))
        if group is None or group.over or not group.waiting:
            group = self._current[name, parties] = Barrier(parties, self.timeout)
        return group


class ExpectedBarrier(Barrier):
    """A barrier for requests that do not know of it, recognised by how their path begins."""

    def __init__(self, parties: int, timeout: float, path_prefixes: tuple[str, ...]) -> None:
        super().__init__(parties, timeout)
        self.path_prefixes = path_prefixes

    def wants(self, path: str) -> bool:
        """Whether a request to this path is to be held now."""
        return not self.over and path.startswith(self.path_prefixes)


class Hold:
    """Requests that are held until somebody says otherwise; any thread may call it."""

    def __init__(self, barrier: ExpectedBarrier, call: Callable[[Callable[[], object]], None]) -> None:
        self._barrier, self._call = barrier, call

    @property
    def waiting(self) -> int:
        """How many requests are held now."""
        return self._barrier.waiting

    @property
    def most_waiting(self) -> int:
        """The most that were held at one moment."""
        return self._barrier.most_waiting

    def renew(self) -> None:
        """Count the seconds after which it gives up anew: whoever holds them is there, and looks."""
        self._call(self._barrier.renew)

    def release(self) -> None:
        """Let them be answered, and all that come later."""
        self._call(self._barrier.open)
