"""Warnings, shown under the cell that caused them."""

from __future__ import annotations

import gc
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from asgiref.sync import SyncToAsync


@contextmanager
def show_warnings() -> Iterator[None]:
    """Print the warnings of the `with` block, also those that the garbage collector brings about.

    Python says "coroutine … was never awaited" when it throws the coroutine away: in a notebook that
    may be many cells later. An error leaves the block as ever, after the warnings are printed.
    """
    gc.collect()  # what cells above left behind is not this block's
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always", RuntimeWarning)
        try:
            yield
        except BaseException as error:
            _let_go(error)
            raise
        finally:
            # Trap: asgiref's shared thread holds the error of its last call until it is called again.
            SyncToAsync.single_thread_executor.submit(gc.collect).result(timeout=10)
            gc.collect()
            _print_each(heard)


def _let_go(error: BaseException) -> None:
    # Trap: the traceback's frames hold the coroutine for as long as the notebook holds the error.
    traceback.clear_frames(error.__traceback__)
    for frame, _ in traceback.walk_tb(error.__traceback__):
        _ = frame.f_locals  # before Python 3.13 a snapshot, which only a look brings up to date


def _print_each(heard: list[warnings.WarningMessage]) -> None:
    for warning in heard:
        print(f"{warning.category.__name__}: {warning.message}")
