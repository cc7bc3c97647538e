"""How tests are spread over processes."""

from __future__ import annotations

import re

from xdist.scheduler import LoadScopeScheduling


class ByNotebookAndLesson(LoadScopeScheduling):
    """Keeps the cells of a notebook together, and the tests of one lesson of each test module."""

    def _split_scope(self, nodeid: str) -> str:
        scope, _, test = nodeid.rpartition("::")
        lesson = re.search(r"\[(?:\w+-)?(\d\d_\w+)", test)
        return f"{scope} {lesson[1]}" if lesson else scope
