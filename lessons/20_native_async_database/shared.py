"""The database of the three tasks, with the engine of the package."""

from collections.abc import Awaitable
from contextlib import asynccontextmanager
from typing import Any

from tutorial_project.checks.outcome import heard
from tutorial_project.classroom import postgresql

ENGINE = "django_async_backend.db.backends.postgresql"


def native_postgresql() -> dict[str, Any]:
    """A PostgreSQL of the process's own, with the async connections of the package; every model has `async_objects`."""
    # Trap: what the tasks demand is read on every Python, so the package is imported only where a check begins.
    from django_async_backend.db import async_connections
    from django_async_backend.db.models.patch import _patch_model

    _patch_model()  # what the package's app does where it is installed, as it is in the exercise's notebook
    assert async_connections
    return postgresql(ENGINE=ENGINE)


async def on_its_own(call: Awaitable[Any]) -> Any:
    """Await a call on a connection of its own, as a request of its own would."""
    from django_async_backend.db import async_connections, async_new_connection

    async with async_new_connection():
        await async_connections["default"].ensure_connection()
        heard.get()()  # fifty connections take their time, which is not the answer's
        return await call


@asynccontextmanager
async def undone_transaction():
    """A transaction of the caller's, over a connection of its own, which is undone at its end."""
    from django_async_backend.db import async_connections, async_new_connection
    from django_async_backend.db.transaction import async_atomic

    async with async_new_connection(), async_atomic():
        yield
        async_connections["default"].set_rollback(True)
