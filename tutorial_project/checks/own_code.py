"""Which code is the learner's own: behind wrappers, on stacks, and in tasks."""

from __future__ import annotations

import functools
import inspect
import linecache
import sys
from collections.abc import Callable, Iterable, Iterator
from types import FrameType, FunctionType, TracebackType
from typing import Any


def unwrapped(answer: Any) -> Any:
    """What a learner wrote, behind `functools.partial`, decorators, `as_view()` and bound methods."""
    while True:
        inner = _inside(answer)
        if inner is None:
            return answer
        answer = inner


def _inside(answer: Any) -> Any:
    if isinstance(answer, functools.partial | functools.partialmethod):
        return answer.func
    # Trap: what `as_view()` gives is a function named "view", which knows its class by this attribute alone.
    return next(
        (inner for name in ("view_class", "__wrapped__", "__func__") if (inner := _attribute(answer, name))),
        None,
    )


def _attribute(answer: Any, name: str) -> Any:
    try:
        return inspect.getattr_static(answer, name, None) and getattr(answer, name, None)
    except Exception:  # an answer may be any object
        return None


def names_of(answer: Any) -> list[str]:
    """The names that an answer has by itself, and what it wraps, from the outside to the inside."""
    names = []
    while answer is not None:
        names.append(getattr(answer, "__name__", None) or type(answer).__name__)
        answer = _inside(answer)
    return names


def function_of(answer: Any) -> FunctionType | None:
    """The function in which the code of an answer begins; of a class the first that was written in it."""
    inner = unwrapped(answer)
    if inspect.isfunction(inner):
        return inner
    kind = inner if inspect.isclass(inner) else type(inner)
    functions = [f for f in map(unwrapped, vars(kind).values()) if inspect.isfunction(f)]
    return next((f for f in functions if f.__module__ == kind.__module__), None)


class OwnCode:
    """The code that shares its globals with an answer: its notebook, or its module.

    Args:
        answer: a function, class or any other object to call.
        others: functions that do not count, though they may stand in the same module: those that prove.
    """

    def __init__(self, answer: Any, others: Iterable[Callable[..., Any]] = ()) -> None:
        self._globals = getattr(function_of(answer), "__globals__", None)
        self._others = {function.__code__ for function in others}

    def holds(self, frame: FrameType) -> bool:
        """Whether a frame runs the learner's own code."""
        return frame.f_globals is self._globals and frame.f_code not in self._others

    def innermost(self, frames: Iterable[FrameType]) -> FrameType | None:
        """The last of the frames, which come from the outside to the inside, that is the learner's own."""
        own = [frame for frame in frames if self.holds(frame)]
        return own[-1] if own else None

    def raised(self, error: BaseException) -> bool:
        """Whether an error was raised by a line of the learner's own."""
        frames = frames_of(error.__traceback__)
        return bool(frames) and self.holds(frames[-1])

    def line_passed_by(self, error: BaseException) -> str | None:
        """The innermost line of the learner's own through which an error came, as code."""
        own = [entry for entry in entries_of(error.__traceback__) if self.holds(entry.tb_frame)]
        # Trap: the frame itself has gone on since, to an `except` or a `finally`.
        return shown_line(own[-1].tb_frame, own[-1].tb_lineno) if own else None


def entries_of(traceback: TracebackType | None) -> Iterator[TracebackType]:
    """The entries of a traceback, from the outside to the inside."""
    while traceback is not None:
        yield traceback
        traceback = traceback.tb_next


def frames_of(traceback: TracebackType | None) -> list[FrameType]:
    """The frames of a traceback, from the outside to the inside."""
    return [entry.tb_frame for entry in entries_of(traceback)]


def frames_below(frame: FrameType | None) -> list[FrameType]:
    """A frame and those that called it, from the outside to the inside."""
    frames = []
    while frame is not None:
        frames.append(frame)
        frame = frame.f_back
    return frames[::-1]


def shown_line(frame: FrameType, number: int | None = None) -> str:
    """A line as code, and the function it belongs to.

    Args:
        frame: runs the function.
        number: of the line in its file; by default the one on which the frame is.
    """
    number = frame.f_lineno if number is None else number
    line = linecache.getline(frame.f_code.co_filename, number).strip()
    where = f", in {shown_function(frame)}" if not frame.f_code.co_name.startswith("<") else ""
    if line.endswith(("(", "[", "{", ",")):
        line += "…"  # the statement goes on below
    return f"`{line}`{where}" if line else f"line {number}{where}"


def shown_function(frame: FrameType) -> str:
    """The function that a frame runs, with its class, as code."""
    return f"`{frame.f_code.co_qualname.rpartition('<locals>.')[2]}`"


def frames_of_thread(ident: int | None) -> list[FrameType]:
    """What a thread is doing at this moment, from the outside to the inside; nothing before it has begun."""
    return frames_below(sys._current_frames().get(ident or 0))
