"""A verdict, as text and as HTML that says the same."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Any

from .outcome import Refusal
from .task import Task

WIDTH = 92
"""Characters in a line: what JupyterLab shows on a page of 1280 pixels, beside its list of files."""
MARKS = {"done": "✓", "not yet": "✗", "not started": "○"}


@dataclass(frozen=True)
class Result:
    """One requirement, and the refusal when it does not hold."""

    sentence: str
    name: str
    refusal: Refusal | None


@dataclass(frozen=True)
class Verdict:
    """What the checks found: every requirement, and the evidence against the first that fails."""

    task: Task
    results: list[Result]
    problem: Refusal | None = None
    started: bool = True

    @property
    def state(self) -> str:
        """ "not started", "not yet" or "done"."""
        if not self.started:
            return "not started"
        refused = self.problem or any(result.refusal for result in self.results)
        return "not yet" if refused else "done"

    @property
    def broken(self) -> str:
        """The name of the first proof that refused, or an empty string."""
        return next((result.name for result in self.results if result.refusal), "")

    @property
    def refusal(self) -> Refusal | None:
        """The evidence that the verdict shows."""
        return self.problem or next((result.refusal for result in self.results if result.refusal), None)

    @property
    def headline(self) -> str:
        passed = sum(result.refusal is None for result in self.results)
        score = f" · {passed} of {len(self.task.requirements)}" if self.started else ""
        return f"{MARKS[self.state]} {self.task.name}   {self.state}{score}"

    @property
    def text(self) -> str:
        """The whole verdict in plain text."""
        return "\n".join([self.headline, *self._body()])

    def _body(self) -> list[str]:
        if not self.started:
            return [
                "",
                f"  Fill the gap, run the cell, and check again. Stuck? exercise.hint({self.task.name!r})",
            ]
        lines = [""]
        for result in self.results:
            lines.append(_wrapped(f"  {MARKS['not yet' if result.refusal else 'done']} ", result.sentence))
            if result.refusal is not None and result.refusal is self.refusal:
                lines += ["", *_evidence(result.refusal), ""]
        if self.problem:
            lines += ["", *_evidence(self.problem), ""]
        last = self.task.praise if self.state == "done" else f"A hint: exercise.hint({self.task.name!r})"
        return [*lines, *([""] if lines[-1] else []), _wrapped("  ", last)]

    def __repr__(self) -> str:
        return self.text

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"text/plain": self.text, "text/html": self.html}

    @property
    def html(self) -> str:
        """The same words, the first line in bold."""
        headline, _, body = self.text.partition("\n")
        return f"<pre><b>{escape(headline)}</b>\n{escape(body)}</pre>"


def _evidence(refusal: Refusal) -> Iterator[str]:
    for name in ("sent", "expected", "got", "because", "next"):
        if value := getattr(refusal, name):
            yield _wrapped(f"      {name:<10} ", value)


def _wrapped(first: str, text: str) -> str:
    """A text that starts after `first`, with its other lines below its own beginning."""
    return textwrap.fill(
        text,
        WIDTH,
        initial_indent=first,
        subsequent_indent=" " * len(first),
        break_long_words=False,
        break_on_hyphens=False,
    )


class AnswerRefused(Exception):
    """Raised by a check, so that "Run All" stops; shown as the verdict, without a traceback."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.headline)
        self.verdict = verdict

    def _render_traceback_(self) -> list[str]:
        return self.verdict.text.splitlines()
