"""A pool of processes for what computes, made so that it suits a server."""

import os
import threading
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context, parent_process


def end_with_the_parent() -> None:
    """Let this process of a pool end as soon as the process that started it has, however that ended."""

    def wait() -> None:
        if parent := parent_process():
            parent.join()
            os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def computing_pool(processes: int = 2) -> ProcessPoolExecutor:
    """A process pool that starts new interpreters, and leaves none behind.

    Args:
        processes: how many; each starts when there is work for it.

    Returns:
        the pool; `shutdown()` ends its processes.
    """
    # Trap: a fork copies the locks of a server's threads and the sockets of its database connections.
    # Trap: processes of a pool do not notice when the one that started them is killed.
    return ProcessPoolExecutor(processes, mp_context=get_context("spawn"), initializer=end_with_the_parent)
