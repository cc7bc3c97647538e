"""Right for one of several, and a copy of that for all others."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Hashable
from typing import Any
from weakref import WeakKeyDictionary

from django.http import HttpResponse

from .calls import Adversary, Call
from .kept import Kept, KeptMessages, KeptStream
from .rehearsal import Rehearsal, Take
from .taps import is_stream, tap

Asked = Call | Take


class OneRow(Adversary):
    """Repeats the first or the last row of every list that it gives: in JSON, in a value, and in the pieces of a stream.

    Args:
        row: 0 for the first, -1 for the last.
    """

    def __init__(self, row: int) -> None:
        self._row = row

    async def call(self, call: Call) -> Any:
        return self._copied(await call.proceed())

    def plain_call(self, call: Call) -> Any:
        return self._copied(call.proceed_now())

    def _copied(self, value: Any) -> Any:
        if is_stream(value):
            if self._row == 0:
                tap(value, self._piece)
        elif isinstance(value, HttpResponse):
            if value.headers.get("Content-Type", "").startswith("application/json"):
                value.content = json.dumps(self._rows(json.loads(value.content)))
        else:
            return self._rows(value)
        return value

    def _rows(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: self._rows(part) for name, part in value.items()}
        if not isinstance(value, list | tuple) or not value:
            return value
        parts = [self._rows(part) for part in value]
        if isinstance(value, tuple):  # its parts are no rows
            return tuple(parts)
        return [parts[self._row]] * len(parts)

    def _piece(self, number: int, piece: Any) -> Any:
        # The head of a table is often a piece of its own, so the second piece is the first row.
        if number == 1:
            self._first = piece
        return self._first if number > 1 else piece

    def can_act(self, heard: Rehearsal) -> bool:
        return any(self._changes(take) for take in heard.takes)

    def _changes(self, take: Take) -> bool:
        if isinstance(take.kept, KeptStream):
            return self._row == 0 and len(set(take.pieces[1:])) > 1
        if isinstance(take.kept, KeptMessages) or take.kept is None or take.kept.error is not None:
            return False
        before, after = take.kept.again(), self._copied(take.kept.again())
        if isinstance(before, HttpResponse):
            return self._copied(before).content != take.kept.again().content
        return before != after


class Visitor:
    """A call that is under way, with what it got when that is there."""

    def __init__(self, call: Call) -> None:
        self.call, self.kept, self.done = call, Kept(), asyncio.Event()


class OneOfMany(Adversary):
    """Gives everybody what the first caller got who differs from them in one thing alone.

    Args:
        alike: what remains of a call without that thing.
        thing: that thing.
    """

    def __init__(self, alike: Callable[[Asked], Hashable], thing: Callable[[Asked], Hashable]) -> None:
        self._alike, self._thing = alike, thing
        self._first: dict[Hashable, Visitor] = {}

    async def call(self, call: Call) -> Any:
        if call.lasts:
            return await call.proceed()
        visitor = Visitor(call)
        first = self._first.setdefault(self._alike(call), visitor)
        if not _same(call, first.call):
            await call.unheard()
            await first.done.wait()
            return await call.give(first.kept)
        try:
            visitor.kept = await call.kept()
        finally:
            visitor.done.set()
        return visitor.kept.live()

    def plain_call(self, call: Call) -> Any:
        visitor = Visitor(call)
        visitor.kept = call.kept_now()
        first = self._first.setdefault(self._alike(call), visitor)
        if _same(call, first.call):
            return visitor.kept.live()
        visitor.kept.drop()
        return first.kept.again()

    def can_act(self, heard: Rehearsal) -> bool:
        return len({self._thing(take) for take in heard.takes if not take.lasts}) > 1


def one_question() -> OneOfMany:
    """Answers every question of a kind with what the first of them was answered."""
    return OneOfMany(alike=lambda call: call.kind, thing=lambda call: call.asked)


def one_user() -> OneOfMany:
    """Answers every user with what the first of them was answered to the same."""
    return OneOfMany(alike=lambda call: call.asked, thing=lambda call: call.user)


def _same(call: Call, other: Call) -> bool:
    return (call.asked, call.user) == (other.asked, other.user)


class OneAtOnce(Adversary):
    """Right as long as callers come one by one; those that are there together all get what one of them got.

    So does an answer that keeps what belongs to a request where all requests write it.

    Args:
        place: 0 for the first of them to come, -1 for the last.
    """

    def __init__(self, place: int) -> None:
        self._place = place
        self._there: WeakKeyDictionary[asyncio.AbstractEventLoop, list[Visitor]] = WeakKeyDictionary()

    async def call(self, call: Call) -> Any:
        if call.lasts:
            return await call.proceed()
        there = self._there.setdefault(asyncio.get_running_loop(), [])
        there.append(visitor := Visitor(call))
        try:
            visitor.kept = await call.kept()
            other = there[self._place]
        finally:
            visitor.done.set()
            if all(visitor.done.is_set() for visitor in there):
                there.clear()
        if _same(call, other.call):
            return visitor.kept.live()
        visitor.kept.drop()
        await other.done.wait()
        return await call.give(other.kept)

    def can_act(self, heard: Rehearsal) -> bool:
        # Nobody else comes while an answer works that never waits; and where all ask the same, all get the same.
        return heard.gives_way and len(heard.questions) > 1
