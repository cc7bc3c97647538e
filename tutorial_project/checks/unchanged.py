"""Whether an answer is still the broken code that its exercise shows."""

from __future__ import annotations

import ast
import dis
import inspect
import linecache
import re
from collections.abc import Iterator
from types import CodeType
from typing import Any

from .own_code import function_of

_JUMPS = {*dis.hasjrel, *dis.hasjabs}
_PAIR = re.compile("((?:LOAD|STORE)_FAST)_((?:LOAD|STORE)_FAST)")
_KINDS = (
    inspect.CO_VARARGS
    | inspect.CO_VARKEYWORDS
    | inspect.CO_GENERATOR
    | inspect.CO_COROUTINE
    | inspect.CO_ASYNC_GENERATOR
)
"""What counts of a code object's flags: others say how it was compiled."""


def is_unchanged(answer: Any, broken: str) -> bool:
    """Whether the cell of an answer compiles to what the broken cell does: layout and comments do not count.

    Args:
        answer: what the learner wrote.
        broken: the cell as the exercise shows it.
    """
    function = function_of(answer)
    if function is None:
        return False
    shown = _compiled(broken)
    written = "".join(linecache.getlines(function.__code__.co_filename))
    if written:
        # Trap: a repair may stand in a decorator, a default, or another function: the whole cell counts.
        return _shape(_compiled(written)) == _shape(shown)
    return _shape(function.__code__) in [_shape(code) for code in _inside(shown)]


def _compiled(source: str) -> CodeType | None:
    try:
        return compile(source, "cell", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    except SyntaxError:
        return None


def _inside(code: CodeType | None) -> Iterator[CodeType]:
    for constant in code.co_consts if code else ():
        if isinstance(constant, CodeType):
            yield constant
            yield from _inside(constant)


def _shape(code: Any) -> Any:
    """What a code object does, without the places of its lines."""
    if isinstance(code, tuple):
        return [_shape(one) for one in code]
    if not isinstance(code, CodeType):
        return type(code).__name__, code  # 2 and 2.0 are equal
    steps = [one for step in dis.get_instructions(code) for one in _steps(step)]
    names = code.co_name, code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars
    arguments = code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags & _KINDS
    return names, arguments, steps, [_shape(constant) for constant in code.co_consts]


def _steps(step: dis.Instruction) -> list[tuple[str, int | None]]:
    if step.opname in ("NOP", "EXTENDED_ARG"):
        return []
    # Trap: since Python 3.13 two steps on local variables are one, but only where both stand on one line.
    if pair := _PAIR.fullmatch(step.opname):
        return [(pair[1], step.arg >> 4), (pair[2], step.arg & 15)] if step.arg is not None else []
    return [(step.opname, None if step.opcode in _JUMPS else step.arg)]
