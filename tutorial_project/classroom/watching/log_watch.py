"""What is logged and warned about while somebody looks."""

from __future__ import annotations

import logging
import re
import warnings
from collections import Counter
from traceback import walk_tb
from typing import Any

from .own_frames import is_own, shown


class LogWatch(logging.Handler):
    """Collects what is logged from WARNING on, and warnings; nothing of it is printed meanwhile."""

    def __init__(self, lines: Counter[str]) -> None:
        super().__init__(logging.WARNING)
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        if record.name == "py.warnings":
            message = record.getMessage().splitlines()[0].partition(": ")[2]
            self._lines[message] += 1
            return
        line = f"{record.levelname} {record.name}: {record.getMessage().splitlines()[0]}"
        self._lines[line + _error_line(record.exc_info)] += 1

    def __enter__(self) -> None:
        self._warnings = warnings.catch_warnings()
        self._warnings.__enter__()
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        logging.root.addHandler(self)

    def __exit__(self, *error: Any) -> None:
        logging.root.removeHandler(self)
        logging.captureWarnings(False)
        self._warnings.__exit__(*error)


def _error_line(exc_info: Any) -> str:
    if not exc_info or exc_info[1] is None:
        return ""
    error = exc_info[1]
    own = [shown(frame, line) for frame, line in walk_tb(error.__traceback__) if is_own(frame)]
    at = f", at {own[-1]}" if own else ""
    return f" | {type(error).__name__}: {re.sub(r'[0-9]{6,}', '…', str(error).partition(chr(10))[0])}{at}"
