"""What the classroom asks of the notebook it is imported in."""

from __future__ import annotations

import asyncio
import sys
from typing import Any


def shell() -> Any:
    """The IPython that runs the notebook; None outside of one, where nobody needs to import IPython."""
    module = sys.modules.get("IPython.core.getipython")
    return module.get_ipython() if module else None


def watch_cells() -> None:
    """Forget Django's URL caches after each cell, and let a cell that awaits be interrupted.

    Does nothing outside a notebook. Safe to call again.
    """
    notebook = shell()
    if notebook is not None and forget_urls not in notebook.events.callbacks["post_run_cell"]:
        notebook.events.register("post_run_cell", forget_urls)
        wake_up(asyncio.get_running_loop())


def names_in_notebook(value: Any) -> list[str]:
    """The names under which the notebook knows this very object; none outside a notebook."""
    notebook = shell()
    names = notebook.user_ns if notebook is not None else {}
    return [name for name, other in names.items() if other is value and not name.startswith("_")]


def forget_urls(*_: Any) -> None:
    """Make Django read `urlpatterns` again at the next request."""
    from django.urls import clear_url_caches

    clear_url_caches()


def wake_up(loop: asyncio.AbstractEventLoop) -> None:
    """Let the event loop turn a few times a second."""
    # ipykernel 7 notes an interrupt in a future and does not wake the loop: a cell that awaits for ever
    # would never hear of it.
    loop.call_later(0.25, wake_up, loop)
