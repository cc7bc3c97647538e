"""The id of the current request, for the log lines of all who work for it."""

from __future__ import annotations

import logging
from contextvars import ContextVar

current_id: ContextVar[str] = ContextVar("current_id", default="-")
"""The id of the request that this task, or thread, works for; a dash outside of any request."""


class RequestIdFilter(logging.Filter):
    """Gives each log record the attribute `request_id`; belongs on a handler."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = current_id.get()
        return True
