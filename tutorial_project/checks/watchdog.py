"""An answer that blocks the event loop for ever is interrupted, and one that ends the process does not end it."""

from __future__ import annotations

import _thread
import asyncio
import ctypes
import itertools
import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import CodeType, FrameType
from typing import Any, cast

from .own_code import OwnCode, frames_below, frames_of_thread, shown_line

STANDS_STILL = 0.25
"""Seconds without a turn, once the time is over, after which the event loop counts as blocked."""
TRY_AGAIN = 0.02
"""Seconds between two interrupts, and without a turn once the first was sent."""
POLITE, ANY_CODE = 5, 25
"""Interrupts after which the answer cannot catch them any more, and after which any code is interrupted."""

# Trap: on Windows a signal ends a loop of Python code, but wakes up nobody who waits for a lock.
SIGNAL: Any = getattr(signal, "SIGUSR2", None) or getattr(signal, "SIGBREAK", signal.SIGINT)


class Interrupted(BaseException):
    """Raised where an answer blocks the event loop for ever."""


class StoppedByHand(KeyboardInterrupt):
    """Somebody presses ■ or Ctrl-C while an answer is judged; an answer may raise a KeyboardInterrupt of its own."""


class _Pending:
    """`_PENDING[number]` makes a signal pending without a call."""

    # Trap: after a call Python looks at once for signals. A subscript is no call: this one stays pending, and its
    # handler runs again at the next step of the code that was interrupted, outside of the `except` that caught it.
    __getitem__ = _thread.interrupt_main


_PENDING: Any = _Pending()


@dataclass(frozen=True)
class Standstill:
    """Where the learner's code held the event loop, as code, and whether it was "running" or "waiting" there."""

    place: str
    doing: str


class Watchdog:
    """Watches the event loop of the calling thread, from another thread.

    When the time is over (`deadline`, of `time.monotonic`) and the loop does not turn, the learner's code that
    holds it is interrupted with `Interrupted`, again and again, until the loop turns.

    Trap: nothing interrupts C code that never looks for signals, such as one huge regular expression; and where
    the loop runs outside of the main thread, only Python code can be interrupted, and no wait for a lock.

    Args:
        own: tells the learner's code from all other.
        waiting: the code of who waits for the answer, and is not interrupted.
    """

    def __init__(self, own: OwnCode, waiting: CodeType) -> None:
        self.deadline = float("inf")
        self.late: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.standstill: Standstill | None = None
        self.escaped: list[BaseException] = []
        self._own, self._waiting, self._loop = own, waiting, asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._in_main = threading.current_thread() is threading.main_thread()
        self._turned, self._over, self._sending = threading.Event(), threading.Event(), threading.Lock()
        self._interrupts, self._unseen, self._endless = 0, False, False
        self._condemned: set[asyncio.Task[Any]] = set()
        self._hit: set[asyncio.Task[Any] | None] = set()

    # What the judge uses

    def __enter__(self) -> Watchdog:
        if self._in_main:
            self._before = {SIGNAL: signal.signal(SIGNAL, self._on_signal)}
            self._before[signal.SIGINT] = signal.signal(signal.SIGINT, self._on_stop)
        self._run = asyncio.Handle._run
        asyncio.Handle._run = self._contained(self._run)  # type: ignore[method-assign]
        self._handler = self._loop.get_exception_handler()
        self._loop.set_exception_handler(self._on_error)
        if getattr(sys.unraisablehook, "__code__", None) is not _HEARS_OF_UNRAISABLE:
            sys.unraisablehook = _without_interrupts(sys.unraisablehook)
        # Trap: at its end Python waits for every thread that is no daemon, and one of the answer's may never end.
        # A thread takes after the one that starts it.
        self._me = cast(Any, threading.current_thread())
        self._daemon, self._me._daemonic = self._me.daemon, True
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._me._daemonic = self._daemon
        asyncio.Handle._run = self._run  # type: ignore[method-assign]
        self._loop.set_exception_handler(self._handler)
        for task in filter(None, self._hit):
            with suppress(asyncio.CancelledError, asyncio.InvalidStateError):
                task.exception()  # or asyncio would report that nobody has looked at it
        with self._sending:
            pass  # nothing is sent from now on
        # Trap: a signal that arrives after its handler has gone ends the process.
        while self._in_main and self._unseen:
            time.sleep(0.001)
        for number, handler in (self._before if self._in_main else {}).items():
            if handler is not None:
                signal.signal(number, handler)

    @contextmanager
    def uncatchable(self, tasks: Iterable[asyncio.Task[Any]]) -> Iterator[None]:
        """Interrupt the learner's code in these tasks at every step that it takes within the `with` block."""
        self._condemned, self._endless = set(tasks), True
        self._send()
        try:
            yield
        finally:
            self._condemned, self._endless = set(), False

    # On the other thread

    def _watch(self) -> None:
        while not self._over.wait(min(max(self.deadline - time.monotonic(), TRY_AGAIN), STANDS_STILL)):
            if time.monotonic() >= self.deadline and not self._turns(self._patience):
                self._interrupt()

    @property
    def _patience(self) -> float:
        return STANDS_STILL if self.standstill is None else TRY_AGAIN

    def _turns(self, within: float) -> bool:
        self._turned.clear()
        try:
            self._loop.call_soon_threadsafe(self._on_turn)
        except RuntimeError:  # the loop is closed
            return True
        return self._turned.wait(within)

    def _interrupt(self) -> None:
        if self.standstill is None:
            self.standstill = self._where()
        for self._interrupts in itertools.count(1):
            # Trap: code of asyncio's own must not be hit again while it deals with the first hit.
            self._endless = POLITE < self._interrupts <= ANY_CODE
            self._send()
            if self._turned.wait(TRY_AGAIN) or self._over.is_set():
                break
        self._interrupts, self._endless = 0, False

    def _send(self) -> None:
        with self._sending:
            if self._over.is_set():
                return
            if not self._in_main:
                raise_in(self._thread)
                return
            self._unseen = True
            if hasattr(signal, "pthread_kill"):
                signal.pthread_kill(self._thread, SIGNAL)
            else:
                _thread.interrupt_main(SIGNAL)

    def _where(self) -> Standstill:
        frame = self._own.innermost(in_one_turn(frames_of_thread(self._thread)))
        return Standstill(shown_line(frame) if frame is not None else "", doing(self._thread))

    # On the thread of the loop

    async def in_time(self, task: asyncio.Task[Any]) -> bool:
        """Wait until the task is done, or the time is over; whether it is done, and never held the loop till then."""
        # Trap: a proof may stop the clock of the loop, and every limit of asyncio with it.
        while not task.done() and time.monotonic() < self.deadline:
            self.late = self._loop.create_future()
            await asyncio.wait([task, self.late], return_when=asyncio.FIRST_COMPLETED)
        return task.done() and self.standstill is None

    def _on_turn(self) -> None:
        self._turned.set()
        if not self.late.done():
            self.late.set_result(None)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._unseen = False
        if self._may_raise(frame):
            self._hit.add(asyncio.current_task(self._loop))
            if self._endless:
                _PENDING[number]
            raise Interrupted
        if self._endless:
            _PENDING[number]

    def _may_raise(self, frame: FrameType | None) -> bool:
        turn = in_one_turn(frames_below(frame))
        if not turn or any(frame.f_code in (self._waiting, _HEARS_OF_UNRAISABLE) for frame in turn):
            return False
        if self._own.innermost(turn) is not None:
            return self._interrupts > 0 or asyncio.current_task(self._loop) in self._condemned
        return self._interrupts > ANY_CODE and not self._turned.is_set()

    def _on_stop(self, number: int, frame: FrameType | None) -> None:
        self.deadline = time.monotonic()  # an answer that blocks the loop would not hear of it
        before = self._before[signal.SIGINT]
        try:
            if callable(before):
                before(number, frame)
        except KeyboardInterrupt:
            raise StoppedByHand from None

    def _on_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if isinstance(context.get("exception"), Interrupted):
            return
        if self._handler is not None:
            self._handler(loop, context)
        else:
            loop.default_exception_handler(context)

    def _contained(self, run: Any) -> Any:
        # Trap: asyncio lets these two through to whoever runs the loop, and ends it; the task has kept its error.
        def contained(handle: Any) -> None:
            try:
                run(handle)
            except (SystemExit, KeyboardInterrupt) as error:
                others = handle._loop is not self._loop or self._over.is_set()
                if isinstance(error, StoppedByHand) or others:
                    raise
                self.escaped.append(error)
                if isinstance(task := getattr(handle._callback, "__self__", None), asyncio.Task):
                    self._hit.add(task)

        return contained


def in_one_turn(frames: list[FrameType]) -> list[FrameType]:
    """Those of the frames that belong to the turn that an event loop is in; none outside of a loop."""
    turns = [n for n, frame in enumerate(frames) if frame.f_code is _TURN]
    return frames[turns[-1] + 1 :] if turns else []


def _without_interrupts(report: Any) -> Any:
    """The same hook of `sys.unraisablehook`, which hears of no interrupt.

    Trap: what C calls, such as a driver's callback, a finalizer or a weak reference's, cannot raise: Python reports it
    and goes on. It stays for good: a thread that sleeps in C hears of its interrupt when it wakes, after the check.
    """

    def heard(unraisable: Any) -> None:
        if not issubclass(unraisable.exc_type, Interrupted):
            report(unraisable)

    return heard


_TURN = asyncio.Handle._run.__code__
_HEARS_OF_UNRAISABLE = _without_interrupts(sys.unraisablehook).__code__


def doing(*threads: int) -> str:
    """Whether one of some threads is "running", or all are "waiting"; empty where the system does not tell.

    Args:
        threads: the `ident` of each.
    """
    if not hasattr(time, "pthread_getcpuclockid"):
        return ""
    try:
        before = _processor_seconds(threads)
        time.sleep(2 * TRY_AGAIN)
        after = _processor_seconds(threads)
    except OSError:  # a thread has ended meanwhile
        return ""
    return (
        "running" if any(now - then > 0.001 for then, now in zip(before, after, strict=True)) else "waiting"
    )


def _processor_seconds(threads: Iterable[int]) -> list[float]:
    return [time.clock_gettime(time.pthread_getcpuclockid(thread)) for thread in threads]


async def done_within(seconds: float, *tasks: asyncio.Future[Any]) -> bool:
    """Wait until all tasks are done, at most this many seconds, whatever clock the loop has; without tasks, all of them."""
    loop = asyncio.get_running_loop()
    over: asyncio.Future[None] = loop.create_future()

    def ring() -> None:
        if not over.done():
            over.set_result(None)

    timer = threading.Timer(seconds, loop.call_soon_threadsafe, (ring,))
    timer.daemon = True
    timer.start()
    while not over.done() and (left := [task for task in tasks or (over,) if not task.done()]):
        await asyncio.wait({*left, over}, return_when=asyncio.FIRST_COMPLETED)
    timer.cancel()
    return all(task.done() for task in tasks)


def raise_in(thread: int) -> None:
    """Raise `Interrupted` in a thread, as soon as it runs Python code again.

    Args:
        thread: its `ident`.
    """
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(Interrupted))
