"""Ways to hold an event loop for a moment that blockbuster does not find.

Each imports what it needs inside: it runs as if it stood in a learner's notebook.
"""

from __future__ import annotations

from types import FunctionType
from typing import Any

from .checks import function_of

MOMENT = 0.35
"""Seconds: more than the classroom allows one step on the loop, and less than any limit of a task."""


def in_the_code_of(answer: Any, block: Any) -> Any:
    """The same function as if it stood in the notebook of an answer, as a helper that a learner wrote."""
    known = getattr(function_of(answer), "__globals__", {})
    return FunctionType(block.__code__, known, block.__name__, block.__defaults__)


def ask_a_future(moment: float = MOMENT) -> None:
    """As `future.result()` on the loop."""
    import time
    from concurrent.futures import ThreadPoolExecutor

    pool = ThreadPoolExecutor(1)
    pool.submit(time.sleep, moment).result()
    pool.shutdown(wait=False)


def join_a_thread(moment: float = MOMENT) -> None:
    """As `thread.join()` on the loop."""
    import threading
    import time

    thread = threading.Thread(target=time.sleep, args=(moment,))
    thread.start()
    thread.join()


def leave_a_pool(moment: float = MOMENT) -> None:
    """As the end of `with ThreadPoolExecutor()`."""
    import time
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        pool.submit(time.sleep, moment)
