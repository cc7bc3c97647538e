"""The tasks of an exercise as a row of marks, as text and as HTML that says the same."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

from tutorial_project.checks.verdict import MARKS, WIDTH

ROW = "display:flex;flex-wrap:wrap;gap:.2em 1.5em;list-style:none;margin:.5em 0;padding:0"


@dataclass(frozen=True)
class Marks:
    """What became of each task.

    Args:
        states: "not started", "not yet" or "done", by the name of the task.
        next: where to go on, a sentence.
    """

    states: Mapping[str, str]
    next: str = ""

    @property
    def count(self) -> str:
        """How many tasks are done."""
        return f"{list(self.states.values()).count('done')} of {len(self.states)} done"

    @property
    def text(self) -> str:
        """A mark and a name for each task, in lines that a page shows whole."""
        # Trap: a mark must not end one line while its name begins the next.
        row = "   ".join(f"{MARKS[state]}\0{name}" for name, state in self.states.items())
        lines = textwrap.wrap(row, WIDTH, break_on_hyphens=False)
        return "\n".join([*lines, "", ". ".join(filter(None, [self.count, self.next]))]).replace("\0", " ")

    @property
    def html(self) -> str:
        """The same as a list in a row; what a mark means is read out."""
        row = "".join(
            f'<li><span role="img" aria-label="{state}" title="{state}">{MARKS[state]}</span> '
            f"<code>{escape(name)}</code></li>"
            for name, state in self.states.items()
        )
        last = ". ".join(filter(None, [self.count, escape(self.next)]))
        return f'<ul style="{ROW}">{row}</ul><p>{last}</p>'

    def __repr__(self) -> str:
        return self.text

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        return {"text/plain": self.text, "text/html": self.html}
