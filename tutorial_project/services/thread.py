"""A daemon thread with an event loop of its own, on which the aiohttp server runs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress

from aiohttp import web

from .app import State, build_app
from .statistics import Statistics

HOST = "127.0.0.1"
LIMIT = 5.0
"""Seconds that the server may take to start, or to stop."""


class ServicesError(RuntimeError):
    """The services could not be started."""


class ServerThread:
    """The aiohttp server for one `State`, on a background thread."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()

    @property
    def running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def start(self, port: int) -> int:
        """Start to listen on 127.0.0.1, and return the port; 0 asks for any free one.

        Raises:
            ServicesError: when the server does not listen within five seconds.
        """
        listening: Future[int] = Future()
        self._thread = threading.Thread(
            target=self._run, args=(port, listening), name="services", daemon=True
        )
        self._thread.start()
        try:
            return listening.result(LIMIT)
        except TimeoutError:
            raise ServicesError(
                f"the services did not start within {LIMIT:g} seconds: call start again"
            ) from None
        except OSError as error:
            raise ServicesError(
                f"the services cannot use port {port}: choose another, or 0 for any"
            ) from error

    def stop(self) -> None:
        """Close every connection, answered or not, and wait for the thread to end; safe to call twice."""
        self.call(self._stop.set)
        if self._thread is not None:
            self._thread.join(LIMIT)

    def call(self, callback: Callable[[], object]) -> None:
        """Run a callback on the server's loop soon; do nothing when the server has stopped."""
        if self.running and self._loop is not None:
            with suppress(RuntimeError):  # the loop was closed in the meantime
                self._loop.call_soon_threadsafe(callback)

    def _run(self, port: int, listening: Future[int]) -> None:
        # asyncio.Runner, not asyncio.run: nest_asyncio replaces asyncio.run by one that fits the main thread only.
        # debug=False: PYTHONASYNCIODEBUG is for the learner's loop; here it would fill the notebook with logs.
        try:
            with asyncio.Runner(debug=False) as runner:
                runner.run(self._serve(port, listening))
        except Exception as error:
            if listening.done():
                raise
            listening.set_exception(error)

    async def _serve(self, port: int, listening: Future[int]) -> None:
        self._loop = asyncio.get_running_loop()
        # Not 0 seconds for the shutdown: aiohttp takes that to mean that it may wait forever.
        runner = web.AppRunner(
            build_app(self._state), handler_cancellation=True, access_log=None, shutdown_timeout=0.01
        )
        await runner.setup()
        try:
            await self._listen(runner, port, listening)
        finally:
            self._state.stopping = True
            await runner.cleanup()

    async def _listen(self, runner: web.AppRunner, port: int, listening: Future[int]) -> None:
        assert runner.server is not None  # it was set up above
        accept = self._counting(runner.server)
        server = await asyncio.get_running_loop().create_server(accept, HOST, port, backlog=2048)
        try:
            listening.set_result(server.sockets[0].getsockname()[1])
            await self._stop.wait()
        finally:
            server.close()

    def _counting(self, server: web.Server) -> Callable[[], asyncio.Protocol]:
        counted_by: dict[asyncio.Protocol, Statistics] = {}
        aiohttps_own = server.connection_lost

        def accept() -> asyncio.Protocol:
            connection, statistics = server(), self._state.statistics
            counted_by[connection] = statistics  # kept, so that it closes where it was opened
            statistics.connect()
            return connection

        def lost(connection: web.RequestHandler, error: BaseException | None = None) -> None:
            aiohttps_own(connection, error)
            counted_by.pop(connection).disconnect()

        server.connection_lost = lost  # type: ignore[method-assign, assignment]
        return accept
