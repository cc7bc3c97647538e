"""Plays back what a right answer gave, and does nothing."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Hashable
from typing import Any

from .calls import Adversary, Call
from .rehearsal import Rehearsal, Take

PAUSE = 0.01
"""Seconds for which it gives way, as an answer that asks somebody does."""


class Replay(Adversary):
    """Gives the first call what the first call for the same thing got, the second the second, and so on.

    To what was not asked before it gives what the call at the same place in the row got.

    Args:
        heard: the calls of the rehearsal, with what they got.
    """

    def __init__(self, heard: Rehearsal) -> None:
        self._takes = heard.takes
        self._takes_for: dict[Hashable, list[Take]] = defaultdict(list)
        for take in heard.takes:
            self._takes_for[take.asked].append(take)
        self._played: dict[Hashable, int] = defaultdict(int)
        self._calls = 0

    async def call(self, call: Call) -> Any:
        kept = self._next_take(call).kept
        call.drop()
        await asyncio.sleep(PAUSE)
        if kept is None:  # the call was cancelled
            return await asyncio.Event().wait()
        return await call.give(kept)

    def plain_call(self, call: Call) -> Any:
        kept = self._next_take(call).kept
        return kept.again() if kept else None

    def _next_take(self, call: Call) -> Take:
        known = self._takes_for.get(call.asked)
        takes, place = (known, self._played[call.asked]) if known else (self._takes, self._calls)
        self._played[call.asked] += 1
        self._calls += 1
        return takes[min(place, len(takes) - 1)]
