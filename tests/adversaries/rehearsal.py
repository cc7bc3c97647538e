"""One run of the check around a right answer: what it asks, and what it is given."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from .calls import Adversary, Call
from .kept import Kept, KeptStream
from .stepping import stepped


class Take:
    """One call: `kept` is None of one that was cancelled, `waits` counts how often the answer gave way."""

    kept: Kept | None = None
    waits = 0

    def __init__(self, call: Call, is_async: bool) -> None:
        self.kind, self.asked, self.user, self.lasts = call.kind, call.asked, call.user, call.lasts
        self.is_async = is_async

    @property
    def pieces(self) -> list[Any]:
        """What a stream has sent."""
        return self.kept.pieces if isinstance(self.kept, KeptStream) else []

    @property
    def is_over(self) -> bool:
        """Whether the answer came to its end, and a stream to its own."""
        return self.kept is not None and (not isinstance(self.kept, KeptStream) or self.kept.ended)

    def count(self, step: int) -> None:
        self.waits = max(self.waits, step)


class Rehearsal(Adversary):
    """Listens to every call, and changes nothing."""

    def __init__(self) -> None:
        self.takes: list[Take] = []

    async def call(self, call: Call) -> Any:
        take = self._new_take(call, is_async=True)
        take.kept = await stepped(call.kept(), take.count)
        return take.kept.live()

    def plain_call(self, call: Call) -> Any:
        take = self._new_take(call, is_async=False)
        take.kept = call.kept_now()
        return take.kept.live()

    def _new_take(self, call: Call, is_async: bool) -> Take:
        self.takes.append(take := Take(call, is_async))
        return take

    @property
    def awaited(self) -> list[Take]:
        """The calls of an async answer, without those that last as long as the server."""
        return [take for take in self.takes if take.is_async and not take.lasts]

    @property
    def questions(self) -> set[Hashable]:
        """All that was asked, by whomever."""
        return {(take.asked, take.user) for take in self.takes if not take.lasts}

    @property
    def gives_way(self) -> bool:
        """Whether anybody else can come in while a call is under way."""
        return any(take.waits or take.pieces for take in self.awaited)
