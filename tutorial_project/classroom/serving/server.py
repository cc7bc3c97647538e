"""The notebook's URLs on a real server: uvicorn on a thread of the kernel."""

from __future__ import annotations

import asyncio
import atexit
import os
import socket
import threading
from typing import Any

import uvicorn

from .handlers import asgi_application

START_LIMIT = 5.0
"""Seconds that a server may take to start or to stop."""

_servers: dict[str, Server] = {}


class Server:
    """A server on a free port of 127.0.0.1, on a daemon thread with its own event loop.

    A context manager: it is stopped at the end of the `with` block, and in any case when the
    kernel ends.
    """

    def __init__(self, application: Any, **config: Any) -> None:
        self._socket = _listening_socket()
        self.port: int = self._socket.getsockname()[1]
        options = {"lifespan": "off", "log_config": None, "access_log": False, "timeout_graceful_shutdown": 2}
        self._uvicorn = uvicorn.Server(uvicorn.Config(application, **(options | config)))
        self.loop: asyncio.AbstractEventLoop
        self._failure: BaseException | None = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"server-{self.port}", daemon=True)

    @property
    def url(self) -> str:
        """The address, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    def page(self, path: str) -> str:
        """The address of a page for the reader's browser, which need not be on this machine.

        On a hub it goes through jupyter-server-proxy, so links in the page have to be relative; in a
        codespace it is the one that GitHub forwards to this port.

        Args:
            path: such as "/departures/".
        """
        if hub := os.environ.get("JUPYTERHUB_SERVICE_PREFIX"):
            return f"{hub.rstrip('/')}/proxy/{self.port}{path}"
        if codespace := os.environ.get("CODESPACE_NAME"):
            domain = os.environ.get("GITHUB_CODESPACES_PORT_FORWARDING_DOMAIN", "app.github.dev")
            return f"https://{codespace}-{self.port}.{domain}{path}"
        return f"{self.url}{path}"

    @property
    def thread_id(self) -> int:
        """The identifier of the thread on which its event loop runs; 0 before it is started."""
        return self._thread.ident or 0

    @property
    def running(self) -> bool:
        return self._thread.is_alive() and self._uvicorn.started

    def start(self) -> Server:
        """Start, and return once requests are answered.

        Raises:
            RuntimeError: when the server does not start within five seconds.
        """
        self._thread.start()
        if not self._ready.wait(START_LIMIT) or not self._uvicorn.started:
            self.stop()
            raise RuntimeError(
                f"the server did not start: {self._failure or 'no answer in 5 s'}"
            ) from self._failure
        return self

    def _run(self) -> None:
        # asyncio.Runner, and not uvicorn's own run(): nest_asyncio breaks that one (Python 3.12+).
        try:
            with asyncio.Runner() as runner:
                runner.run(self._serve())
        except (Exception, SystemExit) as error:
            self._failure = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        serving = asyncio.create_task(self._uvicorn.serve(sockets=[self._socket]))
        while not self._uvicorn.started and not serving.done():  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.005)
        self._ready.set()
        await serving

    def stop(self) -> None:
        """Stop: open requests get two seconds to finish. Safe to call twice."""
        self._uvicorn.should_exit = True
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join(START_LIMIT)
        self._socket.close()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<Server {'running' if self.running else 'stopped'}>"

    def _repr_html_(self) -> str:
        link = f'<a href="{self.page("/")}" target="_blank">{self.url}</a>'
        return f"Server running at {link}" if self.running else "Server stopped"


def _listening_socket() -> socket.socket:
    # Trap: asyncio switches off Nagle's delay for sockets of this protocol number only, and
    # socket.create_server leaves it 0: each answer on a kept connection would be 40 ms late.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    listening.listen(2048)
    return listening


def serve(application: Any = None, *, name: str = "notebook", **config: Any) -> Server:
    """Put an ASGI application, by default the notebook's Django, on a server of its own.

    A second call, such as the same cell run again, stops the first server and starts anew.

    Args:
        application: an ASGI application; None stands for Django with the notebook's `urlpatterns`.
        name: two servers that shall run side by side need two names.
        config: options of `uvicorn.Config`, for example `lifespan="on"`.

    Returns:
        The running `Server`; `with serve() as server:` stops it at the end of the block.

    Raises:
        RuntimeError: when it does not start within five seconds.
    """
    if name in _servers:
        _servers.pop(name).stop()
    _servers[name] = Server(asgi_application() if application is None else application, **config).start()
    return _servers[name]


@atexit.register
def stop_all_servers() -> None:
    """Stop every server that `serve` started in this process."""
    for server in _servers.values():
        server.stop()
    _servers.clear()
