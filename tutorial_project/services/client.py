"""The smallest client of the services, for lessons that are not about clients."""

from __future__ import annotations

import asyncio
import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import anyio._backends._asyncio  # noqa: F401 - httpx loads both at its first request, 0.2 s on the event loop
import httpcore  # noqa: F401
import httpx

from .start import running_services

TIMEOUT = 5.0
"""Seconds that an answer may take."""

# verify=False: to read the certificate authorities, a new client would hold the loop for some 20 ms,
# and for nothing, as the services speak plain HTTP. trust_env=False: no proxy for this machine itself.
_OPTIONS: dict[str, Any] = {"verify": False, "trust_env": False, "timeout": TIMEOUT}


FAILURES = (httpx.HTTPError, httpx.InvalidURL)
"""What httpx raises. Trap: for a name of 65,000 characters it is no `HTTPError`."""


class ServiceError(Exception):
    """A service failed.

    Attributes:
        status: the HTTP status of its answer, None when there was no answer.
        retry_after: its header `Retry-After`, None when it sent none.
    """

    def __init__(self, message: str, status: int | None = None, retry_after: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after


async def ask(service: str, /, **query: Any) -> dict[str, Any]:
    """Ask one of the agency's services, without blocking the event loop.

    The services are started when they are not running.

    Args:
        service: the path of the service, such as "weather/Lisbon".
        query: parameters, such as `wait=0.3` for a service that takes 0.3 seconds.

    Returns:
        The service's answer.

    Raises:
        ServiceError: when the service answers with an error, does not answer within five seconds, or
            cannot be asked, as with a name of 65,000 characters.
    """
    url = _url(service)
    with _span(service):
        try:
            async with asyncio.timeout(TIMEOUT), httpx.AsyncClient(**_OPTIONS) as client:
                response = await client.get(url, params=query or None)
        except (TimeoutError, *FAILURES) as error:
            raise _no_answer(service, error) from error
    return _content(service, response)


def ask_blocking(service: str, /, **query: Any) -> dict[str, Any]:
    """Ask one of the agency's services and block the thread until it has answered.

    Arguments, result and errors are those of `ask`.
    """
    url = _url(service)
    with _span(service):
        try:
            with httpx.Client(**_OPTIONS) as client:
                response = client.get(url, params=query or None)
        except FAILURES as error:
            raise _no_answer(service, error) from error
    return _content(service, response)


def _url(service: str) -> str:
    return f"{running_services().url}/{service.strip('/')}"


def _span(service: str) -> AbstractContextManager[None]:
    # Looked up, not imported: the classroom imports Django, and nothing records before it is imported.
    recording = sys.modules.get("tutorial_project.classroom.watching.recording")
    return recording.span(service.strip("/").partition("/")[0]) if recording else nullcontext()


def _content(service: str, response: httpx.Response) -> dict[str, Any]:
    try:
        content = response.json()
    except ValueError as error:
        message = f"{service} answered {response.status_code} with a body that is not JSON"
        raise ServiceError(message, response.status_code) from error
    if response.status_code >= 400:
        said = content.get("error", content) if isinstance(content, dict) else content
        message = f"{service} answered {response.status_code}: {said}"
        raise ServiceError(message, response.status_code, response.headers.get("Retry-After"))
    if not isinstance(content, dict):
        raise ServiceError(f"{service} answered with JSON that is no object", response.status_code)
    return content


def _no_answer(service: str, error: Exception) -> ServiceError:
    if isinstance(error, TimeoutError | httpx.TimeoutException):
        return ServiceError(f"{service} did not answer within {TIMEOUT:g} seconds")
    if isinstance(error, httpx.InvalidURL):
        return ServiceError(f"{service[:60]}… cannot be asked: {error}")
    return ServiceError(f"{service} broke off: {error}")
