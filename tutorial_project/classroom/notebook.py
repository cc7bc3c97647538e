"""What the classroom asks of the notebook it is imported in."""

from __future__ import annotations

from typing import Any

from IPython.core.getipython import get_ipython


def watch_cells() -> None:
    """Forget Django's URL caches after each cell, so that new views and `urlpatterns` count.

    Does nothing outside a notebook. Safe to call again.
    """
    shell = get_ipython()
    if shell is not None and forget_urls not in shell.events.callbacks["post_run_cell"]:
        shell.events.register("post_run_cell", forget_urls)


def forget_urls(*_: Any) -> None:
    """Make Django read `urlpatterns` again at the next request."""
    from django.urls import clear_url_caches

    clear_url_caches()
