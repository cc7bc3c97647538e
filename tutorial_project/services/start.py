"""One server for the process: started at the first call, found again at the next."""

from __future__ import annotations

import threading

from .server import Services
from .thread import ServicesError

_starting = threading.Lock()
_current: Services | None = None


def start_services(*, port: int = 0, barrier_timeout: float = 2.0) -> Services:
    """Start the services on 127.0.0.1, on a background thread; they stop when the process ends.

    There is one server in a process: when it runs already, it is returned with its counts at zero.

    Args:
        port: where to listen; 0 stands for any free port.
        barrier_timeout: seconds that requests are held at a barrier for those that are missing.

    Raises:
        ServicesError: when the server does not start, or runs already on another port than this one.
    """
    global _current
    with _starting:
        if _current is None or not _current.running:
            _current = Services(port, barrier_timeout)
        elif port not in (0, _current.port):
            raise ServicesError(f"the services run at {_current.url} already: stop() them first")
        else:
            _current.forget()
            _current.barrier_timeout = barrier_timeout
        return _current


def running_services() -> Services:
    """The running services, with their counts untouched; started when they are not running."""
    return _current if _current is not None and _current.running else start_services()
