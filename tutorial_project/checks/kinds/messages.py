"""The messages of an HTTP answer over ASGI, and what makes them impossible to pass on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tutorial_project.checks.outcome import quoted

Message = dict[str, Any]
Fault = tuple[str, str, str | None]
"""What was found, why it is wrong, and the next step."""


def fault(messages: Sequence[Any], returned: Any) -> Fault | None:
    """What a server could not pass on in an answer, or None.

    Args:
        messages: what the application sent, in order.
        returned: what its call gave back.
    """
    if not messages:
        also = "" if returned is None else f", and {quoted(returned)} was returned"
        return (
            f"nothing was sent{also}",
            "an ASGI application answers with messages; what it returns is not looked at",
            '`await send({"type": "http.response.start", …})`',
        )
    strange = [message for message in messages if not isinstance(message, dict) or "type" not in message]
    if strange:
        return quoted(strange[0]), 'every message is a dictionary with a "type"', None
    return _order(messages) or _start(messages[0]) or _body(messages[0], messages[1:])


def _order(messages: Sequence[Message]) -> Fault | None:
    kinds = [message["type"] for message in messages]
    shown = ", then ".join(kinds)
    if kinds[0] != "http.response.start" or "http.response.start" in kinds[1:]:
        return shown, "an answer starts once, before its body", None
    if unknown := set(kinds) - {"http.response.start", "http.response.body"}:
        return shown, f"a server knows no message of the type {quoted(min(unknown))}", None
    last = [not message.get("more_body", False) for message in messages[1:]]
    if last[-1:] != [True] or any(last[:-1]):
        return shown, "an answer ends with its one `http.response.body` that has no `more_body`", None
    return None


def _start(message: Message) -> Fault | None:
    if not isinstance(message.get("status"), int):
        return f"the status {message.get('status')!r}", "a status is a number", None
    if all(map(_is_pair_of_bytes, message.get("headers", ()))):
        return None
    return (
        f"the headers {quoted(message['headers'])}",
        "ASGI headers are bytes: a list of pairs, each of a name and a value",
        '`[(b"content-type", b"text/plain")]`',
    )


def _body(start: Message, messages: Sequence[Message]) -> Fault | None:
    bodies = [message.get("body", b"") for message in messages]
    wrong = [body for body in bodies if not isinstance(body, bytes)]
    if not wrong:
        return _length(start, sum(map(len, bodies)))
    return f"the body {quoted(repr(wrong[0]))}", "a body is bytes, and this one is not", "`.encode()`"


def _length(start: Message, length: int) -> Fault | None:
    said = {value for name, value in start.get("headers", ()) if name.lower() == b"content-length"}
    if said <= {str(length).encode()}:
        return None
    wrong = min(said - {str(length).encode()}).decode("latin-1")
    return (
        f"content-length: {wrong}, and a body of {length} bytes",
        "the length of a body is that of its bytes",
        None,
    )


def _is_pair_of_bytes(header: Any) -> bool:
    pair = isinstance(header, list | tuple) and len(header) == 2
    return pair and all(isinstance(part, bytes) for part in header)
