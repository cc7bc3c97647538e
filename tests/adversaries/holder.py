"""Holds the event loop for a moment, at a chosen place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import blocking
from .calls import Adversary, Call
from .rehearsal import Rehearsal
from .stepping import stepped
from .taps import is_stream, tap


class Holder(Adversary):
    """Blocks once in each call, and once in the stream that it gives back.

    Args:
        block: holds the thread for a moment.
        before_step: 0 blocks before the first wait, 1 when that is over; None when all is done. Of a stream, which
            begins when the call is done, the same piece counts.
    """

    def __init__(self, block: Callable[[], None], before_step: int | None) -> None:
        self._block, self._place = block, before_step

    def meet(self, answer: Any) -> None:
        self._block = blocking.in_the_code_of(answer, self._block)

    async def call(self, call: Call) -> Any:
        if call.lasts:
            return await call.proceed()
        try:
            value = await stepped(call.proceed(), self._at)
        except Exception:
            self._at(None)
            raise
        if is_stream(value):
            tap(value, self._at_piece, lambda: self._at(None))
        else:
            self._at(None)
        return value

    def _at_piece(self, number: int, piece: Any) -> Any:
        self._at(number)
        return piece

    def _at(self, place: int | None) -> None:
        if place == self._place:
            self._block()

    def can_act(self, heard: Rehearsal) -> bool:
        if self._place is None:
            return any(take.is_over for take in heard.awaited)
        # After the one wait of an answer that waits once, nothing comes but its end.
        return any(self._place == 0 or max(take.waits, len(take.pieces)) > 1 for take in heard.awaited)
