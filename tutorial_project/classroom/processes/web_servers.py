"""One application on the servers that people deploy: each a process of its own, gone with the kernel."""

from __future__ import annotations

import atexit
import http.client
import re
import socket
import sys
import time
from typing import Any, Self, TypeVar

from .server_commands import FRONT_DESK, SERVERS, command, environment
from .supervised import SupervisedProcess

__all__ = ["SERVERS", "ServerDidNotStart", "ServerProcess", "start_server", "start_servers", "stop_servers"]

START_LIMIT = 60.0
"""Seconds that a server may take until it answers."""
PORT_TAKEN = re.compile(r"address (is )?(already )?in use|10048", re.IGNORECASE)

_running: dict[str, ServerProcess] = {}
Process = TypeVar("Process", bound="ServerProcess")


class ServerDidNotStart(RuntimeError):
    """A server ended, or did not answer in time; `log` is what it printed."""

    def __init__(self, name: str, what: str, log: str) -> None:
        self.log = log
        super().__init__(f"{name} {what}. The end of its log:\n" + "\n".join(log.splitlines()[-5:]))


class ServerProcess(SupervisedProcess):
    """A server in a process of its own, on a free port of 127.0.0.1, under a supervisor.

    Args:
        name: which server, a key of `COMMANDS`.
        options: more options for its command line.
        project: the package that holds `asgi.py` and `wsgi.py`.
        settings: the settings module; by default the one that `asgi.py` and `wsgi.py` name.
    """

    program: tuple[str, ...] = (sys.executable, "-m")
    """What stands before the command line."""

    def __init__(
        self, name: str, *options: str, project: str = FRONT_DESK, settings: str | None = None
    ) -> None:
        self.name, self._options, self._project = name, options, project
        self._environment = environment(name, project, settings)
        self._launch()

    @property
    def url(self) -> str:
        """The address, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def command(self) -> str:
        """What one types to start it, with PORT in the place of the number."""
        return " ".join(self.arguments("PORT"))

    def arguments(self, port: object) -> list[str]:
        """The command line, after `python -m`."""
        return [*command(self.name, self._project, port), *self._options]

    def _launch(self) -> None:
        self.port = _free_port()
        self._begin([*self.program, *self.arguments(self.port)], self._environment)

    def wait_until_it_answers(self) -> Self:
        """Return once a request is answered; a port that somebody else took meanwhile is given up for another.

        Raises:
            ServerDidNotStart: when the process ends, or does not answer within twenty seconds.
        """
        deadline, attempts = time.monotonic() + START_LIMIT, 3
        while not self._answers():
            if time.monotonic() > deadline:
                self.stop()
                raise ServerDidNotStart(self.name, f"did not answer within {START_LIMIT:g} seconds", self.log)
            if not self.running:
                self.stop()
                attempts -= 1
                if not attempts or not PORT_TAKEN.search(self.log):
                    raise ServerDidNotStart(self.name, "ended instead of serving", self.log)
                self._launch()
            time.sleep(0.02)
        return self

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        try:
            connection.request("GET", "/")
            connection.getresponse().read()
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
        return True

    def __repr__(self) -> str:
        return f"<{self.name} {'running' if self.running else 'stopped'}>"


def start_server(name: str, *options: str, **project: Any) -> ServerProcess:
    """Start one server as a process of its own; a second call for the same server stops the first.

    Args:
        name: one of `SERVERS`, such as "uvicorn".
        options: more options for its command line, for example "--lifespan", "on".
        project: `project="tutorial_project"` for another project than the front desk, `settings=…` for
            another settings module.

    Returns:
        The running server; `with start_server(…) as server:` stops it at the end of the block.

    Raises:
        LookupError: when there is no such server on this platform.
        ServerDidNotStart: when it ends, or does not answer within twenty seconds.
    """
    return _replace(name, ServerProcess(name, *options, **project)).wait_until_it_answers()


def start_servers(*names: str) -> list[ServerProcess]:
    """Start several servers at the same time, each with the front desk; see `start_server`."""
    servers = [_replace(name, ServerProcess(name)) for name in names]
    return [server.wait_until_it_answers() for server in servers]


def stop_servers() -> None:
    """Stop every server that this process started, all at the same time."""
    for server in _running.values():
        server.let_go()
    for server in _running.values():
        server.stop()
    _running.clear()


atexit.register(stop_servers)


def _replace(name: str, server: Process) -> Process:
    if name in _running:
        _running.pop(name).stop()
    _running[name] = server
    return server


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]
