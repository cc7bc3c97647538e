"""Ways to hold an event loop for a moment that blockbuster does not find: none of them stands in the answer's own file."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

MOMENT = 0.3
"""Seconds: more than the classroom allows one step on the loop, and less than any limit of a task."""


def ask_a_future() -> None:
    """As `future.result()` on the loop."""
    pool = ThreadPoolExecutor(1)
    pool.submit(time.sleep, MOMENT).result()
    pool.shutdown(wait=False)


def join_a_thread() -> None:
    """As `thread.join()` on the loop."""
    thread = threading.Thread(target=time.sleep, args=(MOMENT,))
    thread.start()
    thread.join()


def leave_a_pool() -> None:
    """As the end of `with ThreadPoolExecutor()`."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(time.sleep, MOMENT)
