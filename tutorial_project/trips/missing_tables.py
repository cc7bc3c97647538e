"""What a page answers before the database has tables: 503 and the command that makes them."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse

from tutorial_project.trips.models import Trip

ADVICE = "The database has no tables yet: run `python manage.py load_sample_data`, then reload this page.\n"


def needs_tables(view: Callable[..., Any]) -> Callable[..., Any]:
    """Return `view`, async or sync as it was, answering 503 where the agency's tables do not exist.

    Every other database error passes through unchanged.
    """
    return _async_view(view) if iscoroutinefunction(view) else _sync_view(view)


def _async_view(view: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(view)
    async def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return await view(request, *args, **kwargs)
        except DatabaseError:
            if await sync_to_async(_tables_exist)():
                raise
            return _advise()

    return answer


def _sync_view(view: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except DatabaseError:
            if _tables_exist():
                raise
            return _advise()

    return answer


def _tables_exist() -> bool:
    return Trip._meta.db_table in connection.introspection.table_names()


def _advise() -> HttpResponse:
    return HttpResponse(ADVICE, status=503, content_type="text/plain; charset=utf-8")
