"""What an app sends as JSON, taken out of a request with care."""

from __future__ import annotations

import json
from typing import Any

from django.core.exceptions import BadRequest
from django.http import HttpRequest


def fields_of(request: HttpRequest, **kinds: type) -> dict[str, Any]:
    """The named values of the JSON object in a request's body.

    Args:
        request: its whole body is read; nothing has to be awaited.
        kinds: the names, each with the type of its value, such as `username=str` or `trip=int`.

    Returns:
        these values by name; what else the object holds is left out.

    Raises:
        BadRequest: to which Django answers 400, for a body that is no such object.
    """
    try:
        sent = json.loads(request.body)
        return {name: _checked(sent[name], kind) for name, kind in kinds.items()}
    except (ValueError, KeyError, TypeError, RecursionError):
        wanted = ", ".join(f"{name} ({kind.__name__})" for name, kind in kinds.items())
        raise BadRequest(f"send a JSON object with {wanted}") from None


def _checked(value: Any, kind: type[Any]) -> Any:
    # Trap: isinstance would take True for an int.
    if type(value) is not kind:
        raise TypeError
    if isinstance(value, str):
        value.encode()  # Trap: half of a surrogate pair is JSON, and no text that can be stored
        if "\0" in value:  # Trap: PostgreSQL stores no text with a NUL
            raise ValueError
    return value
