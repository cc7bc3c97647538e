"""Listening to the pieces of a stream, which goes on as it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import StreamingHttpResponse

OnPiece = Callable[[int, Any], Any]


def is_stream(value: Any) -> bool:
    """Whether this is a response that is sent while it is made."""
    return getattr(value, "streaming", False)


def tap(
    response: StreamingHttpResponse,
    on_piece: OnPiece = lambda number, piece: piece,
    on_end: Callable[[], None] = lambda: None,
) -> None:
    """Call `on_piece` with the number, from 0, of each piece and the piece, and send what it gives; then `on_end`."""
    # Trap: not `response.streaming_content`, which would put one more generator around the view's own. That one would
    # be closed some turns of the loop later when the client leaves, and checks count these turns.
    response._iterator = (_AsyncTap if response.is_async else _Tap)(response._iterator, on_piece, on_end)


class _Taps:
    def __init__(self, iterator: Any, on_piece: OnPiece, on_end: Callable[[], None]) -> None:
        self._iterator, self._on_piece, self._on_end = iterator, on_piece, on_end
        self._number = -1

    def _heard(self, piece: Any) -> Any:
        self._number += 1
        return self._on_piece(self._number, piece)


class _Tap(_Taps):
    def __iter__(self) -> _Tap:
        return self

    def __next__(self) -> Any:
        try:
            return self._heard(next(self._iterator))
        except StopIteration:
            self._on_end()
            raise


class _AsyncTap(_Taps):
    def __aiter__(self) -> _AsyncTap:
        return self

    async def __anext__(self) -> Any:
        try:
            return self._heard(await anext(self._iterator))
        except StopAsyncIteration:
            self._on_end()
            raise
