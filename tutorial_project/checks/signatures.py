"""Whether Django can call an answer with what is in a URL."""

from __future__ import annotations

import inspect
import re
from typing import Any

from django.urls import URLPattern

from .own_code import unwrapped

Cause = tuple[str | None, str | None]


def wrong_signature(answer: Any, pattern: URLPattern, method: str, error: BaseException) -> Cause:
    """What is certain about the error of a view that Django could not call: the cause and the next step.

    Args:
        answer: a view, or the class of one.
        pattern: where it is mounted.
        method: the HTTP method of the request.
        error: what the request raised.

    Returns:
        None twice where the view takes what Django passes, or where something else failed.
    """
    function, before = _called(answer, method)
    names = list(pattern.pattern.converters)
    if not _call_failed(error, function) or _takes(function, before, names):
        return None, None
    because = "Django passes the request alone: this URL has no parameters"
    if names:
        because = f"Django passes URL parameters by name: {', '.join(names)}"
    kind = "async def" if inspect.iscoroutinefunction(function) else "def"
    return because, f"`{kind} {function.__name__}({', '.join([*before, *names])})`"


def _called(answer: Any, method: str) -> tuple[Any, list[str]]:
    """The function that takes the URL parameters, and what it is given before them."""
    inner = unwrapped(answer)
    if inspect.isclass(inner):
        return unwrapped(getattr(inner, method.lower(), None)), ["self", "request"]
    if inspect.isfunction(inner):
        return inner, ["request"]
    return unwrapped(type(inner).__call__), ["self", "request"]


def _call_failed(error: BaseException, function: Any) -> bool:
    name = re.escape(getattr(function, "__name__", ""))
    return isinstance(error, TypeError) and bool(
        re.search(rf"\b{name}\(\) (got|missing|takes)\b", str(error))
    )


def _takes(function: Any, before: list[str], names: list[str]) -> bool:
    try:
        inspect.signature(function).bind(*before, **dict.fromkeys(names))
    except TypeError:
        return False
    return True
