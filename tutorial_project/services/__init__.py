"""The slow services "out there": weather, flights and exchange rates from a real server on loopback."""

from importlib import import_module
from typing import Any

_HOMES = {
    "ServiceError": "client",
    "ask": "client",
    "ask_blocking": "client",
    "Services": "server",
    "ServicesError": "thread",
    "running_services": "start",
    "start_services": "start",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    # Loaded at the first use: aiohttp and httpx cost more than half a second, and many lessons need neither.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
