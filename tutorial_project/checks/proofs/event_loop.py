"""Proofs that look at what an answer does, never at its source and never at a clock."""

from __future__ import annotations

import asyncio
import functools
import inspect
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from blockbuster import BlockBuster

judging: ContextVar[bool] = ContextVar("judging", default=False)
"""Whether the code that runs is the judge's own, which waits for an answer, and not the answer's."""


@contextmanager
def as_the_judge() -> Iterator[None]:
    """Let the code of this block call what an answer may not, while it waits for one."""
    before = judging.set(True)
    try:
        yield
    finally:
        judging.reset(before)


_joins_allowed: ContextVar[bool] = ContextVar("joins_allowed", default=False)


@contextmanager
def joins_allowed() -> Iterator[None]:
    """Let an answer join threads in this block, where another proof shows that they have ended by then."""
    before = _joins_allowed.set(True)
    try:
        yield
    finally:
        _joins_allowed.reset(before)


@contextmanager
def blocking_calls_refused(answer: Any, *, but_joins: bool = False) -> Iterator[None]:
    """Make blocking calls raise `blockbuster.BlockingError` when the answer makes them on this thread's event loop.

    Only calls that come from the answer's own file or notebook count: the kernel around it may block. So may a loop
    on another thread, which nobody else waits for, and the judge, whom a cell of that same notebook has called.

    Args:
        answer: a function, class or bound view of the learner.
        but_joins: let the answer join threads, as in `joins_allowed`.
    """
    guard = BlockBuster(scanned_modules=_files_of(answer))
    real_sleep = time.sleep
    if (but_joins or _joins_allowed.get()) and "threading.Lock.acquire" in guard.functions:
        guard.functions["threading.Lock.acquire"].can_block_in("threading.py", "join")
    _allow_to_others(guard)
    guard.activate()
    try:
        with _imported_names_guarded(answer, real_sleep, time.sleep):
            yield
    finally:
        guard.deactivate()


def _allow_to_others(guard: BlockBuster) -> None:
    here = threading.get_ident()

    def allowing(allowed: Callable[..., bool]) -> Callable[..., bool]:
        return lambda *args, **kwargs: (
            threading.get_ident() != here or judging.get() or allowed(*args, **kwargs)
        )

    for function in guard.functions.values():
        function.can_block_predicate = allowing(function.can_block_predicate)


@contextmanager
def _imported_names_guarded(answer: Any, real: Any, guarded: Any) -> Iterator[None]:
    # `from time import sleep` copied the function before the guard replaced it in its module.
    namespace = getattr(_plain(answer), "__globals__", {})
    names = [name for name, value in namespace.items() if value is real]
    namespace.update(dict.fromkeys(names, guarded))
    try:
        yield
    finally:
        namespace.update(dict.fromkeys(names, real))


def _plain(answer: Any) -> Any:
    while isinstance(answer, functools.partial):
        answer = answer.func
    if inspect.isclass(answer):
        return next((f for f in vars(answer).values() if inspect.isfunction(f)), answer)
    return inspect.unwrap(answer)


def _files_of(answer: Any) -> list[ModuleType]:
    code: CodeType | None = getattr(_plain(answer), "__code__", None)
    file = code.co_filename if code else __file__
    module = ModuleType("answer")
    # Each cell of a notebook is a file of its own, in one folder for each kernel.
    module.__file__ = str(Path(file).parent) if "ipykernel" in file else file
    return [module]


async def run_without_a_loop(function: Callable[[], Any]) -> Any:
    """Call a function in a thread where no event loop runs, as a script would.

    Raises:
        whatever the function raises.
    """
    done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    loop = asyncio.get_running_loop()

    def settle(method: str, value: Any) -> None:
        if not done.done():
            getattr(done, method)(value)

    def run() -> None:
        try:
            loop.call_soon_threadsafe(settle, "set_result", function())
        except BaseException as error:
            loop.call_soon_threadsafe(settle, "set_exception", error)

    threading.Thread(target=run, daemon=True).start()
    return await done


async def first_moment(condition: Callable[[], bool], pending: asyncio.Future[Any] | None = None) -> bool:
    """Give the event loop back until the condition holds; False when `pending` ends before it does."""
    while not condition():
        if pending is not None and pending.done():
            return condition()
        await asyncio.sleep(0)
    return True


def tasks_of(answer: Any, before: set[asyncio.Task[Any]]) -> list[asyncio.Task[Any]]:
    """The unfinished tasks that run the answer's own code.

    Args:
        answer: a function, class or bound view of the learner.
        before: tasks that do not count: those there were before the answer was called.
    """
    # Trap: a Jupyter kernel has tasks of its own on this loop, and begins new ones at any moment.
    own = _place(getattr(_plain(answer), "__code__", None))
    new = [task for task in asyncio.all_tasks() - before if not task.done()]
    return [task for task in new if own and _place(getattr(task.get_coro(), "cr_code", None)) == own]


def _place(code: CodeType | None) -> Path | None:
    if code is None:
        return None
    return Path(code.co_filename).parent if "ipykernel" in code.co_filename else Path(code.co_filename)
