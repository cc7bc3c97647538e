"""A solution on a site of its own, and what odd requests do to it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote_to_bytes

from asgiref.sync import sync_to_async
from django.apps import apps
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.contrib.sessions.models import Session
from django.test import AsyncClient, override_settings
from solved import solution

from tutorial_project.checks.loading import load_task
from tutorial_project.checks.trial import Trial
from tutorial_project.classroom.data.connections import connected_to
from tutorial_project.classroom.opening import fresh_sample_database

from .odd_requests import OddRequest

PATIENCE = 10.0
"""Seconds that a request may take which is alone."""


class Site:
    """The shipped solution of a task behind Django's handler, with visitors who have sessions.

    Args:
        lesson: the name of the lesson.
        name: the name of the task.
        database: the sample data of this process.
    """

    def __init__(self, lesson: str, name: str, database: Any) -> None:
        self.task = load_task(lesson, name)
        self._answer, self._database = solution(lesson, name), database
        self._cookies: dict[str, str] = {}

    @contextmanager
    def open(self) -> Iterator[Site]:
        """Let requests come within the `with` block; an error becomes a 500, as on a real site."""
        settings = {**self.task.settings, "DEBUG_PROPAGATE_EXCEPTIONS": False}
        with override_settings(**settings), self._databases():
            self.application = Trial(self._answer, self.task).application
            self._state = self.task.state() if self.task.state else {}
            yield self

    @contextmanager
    def _databases(self) -> Iterator[None]:
        if self.task.database is None:
            yield
            return
        with connected_to({"default": self.task.database()}):
            self._database = fresh_sample_database()
            yield

    async def visitors_come(self) -> None:
        """Fresh data, and a session for each visitor who has one."""
        await asyncio.to_thread(self._database.restore)
        users = get_user_model().objects
        staff = await users.acreate(username="staff", is_staff=True)
        await staff.user_permissions.aset([permission async for permission in Permission.objects.all()])
        self._cookies = {"nobody": "", "garbage cookie": "sessionid=%00; csrftoken=\u00b2; =;"}
        for name, user in {"ada": await users.aget(username="ada"), "staff": staff}.items():
            client = AsyncClient()
            await client.aforce_login(user)
            self._cookies[name] = f"sessionid={client.cookies['sessionid'].value}"
        session = client.session
        session.clear()
        session["seen"] = True
        await session.acycle_key()
        self._cookies["somebody with a session"] = f"sessionid={session.session_key}"

    async def status(self, request: OddRequest, patience: float = PATIENCE) -> int:
        """Send one request as a server would, leave after the first piece of a stream, and return the status.

        Args:
            request: what is asked, and by whom.
            patience: seconds that it may take.

        Raises:
            TimeoutError: when the request is not over by then.
            whatever the application raises.
        """
        started: list[int] = []
        inbox = iter([{"type": "http.request", "body": request.body, "more_body": False}])
        gone = asyncio.Event()

        async def receive() -> dict[str, Any]:
            for message in inbox:
                return message
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                started.append(message["status"])
            elif message.get("more_body") and message.get("body"):
                gone.set()

        async with asyncio.timeout(patience):
            await self.application(self._scope(request), receive, send)
        return started[0] if started else 0

    def _scope(self, request: OddRequest) -> dict[str, Any]:
        headers = {"host": "testserver", "cookie": self._cookies[request.visitor], "content-type": request.content_type, "content-length": str(len(request.body))}  # fmt: skip
        return {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": request.method,
            "path": unquote_to_bytes(request.path).decode("utf-8", "replace"),
            "raw_path": request.path.encode(),
            "root_path": "",
            "scheme": "http",
            "query_string": request.query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in headers.items() if value],
            "client": ("127.0.0.1", 50000),
            "server": ("127.0.0.1", 8000),
            "state": self._state,
        }


@sync_to_async
def everything_stored() -> dict[str, list[Any]]:
    """All rows of the database, but for sessions, which a visit may begin."""
    return {
        model._meta.label: sorted(map(repr, model._base_manager.values_list()))
        for model in apps.get_models()
        if model is not Session
    }
