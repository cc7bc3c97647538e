"""What a notebook of the tutorial imports."""

from .checks import counted_queries as queries
from .exercise import open_exercise
from .lesson import open_lesson
from .postgresql import postgresql
from .scripts import run_script
from .serving import serve
from .timeline import span
from .together import send_together
from .warned import show_warnings

__all__ = [
    "open_exercise",
    "open_lesson",
    "postgresql",
    "queries",
    "run_script",
    "send_together",
    "serve",
    "show_warnings",
    "span",
]
