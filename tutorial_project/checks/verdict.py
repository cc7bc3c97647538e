"""A verdict, as text and as HTML that says the same."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from typing import Any

from .outcome import Refusal
from .task import Task
from .verdict_html import verdict_html

WIDTH = 92
"""Characters in a line: what JupyterLab shows on a page of 1280 pixels, beside its list of files."""
MARKS = {"done": "✓", "not yet": "✗", "not started": "○"}
EVIDENCE = ("sent", "expected", "got", "drawn", "at", "because", "next")
SEEN = ("sent", "expected", "got")
"""The evidence that is shown against broken code which nobody has changed yet: its cause is to be found."""
ADDRESS = re.compile(r"(?<=/)|(?=[?&])")
"""Where an address may be broken: after a slash, before ? and &."""

NOT_TRIED = Refusal(sent="", expected="", got="not tried")
"""Stands for a requirement that was not looked at, because the answer hangs."""


@dataclass(frozen=True)
class Result:
    """One requirement, and the refusal when it does not hold."""

    sentence: str
    name: str
    refusal: Refusal | None

    @property
    def mark(self) -> str:
        """What stands before the sentence."""
        if self.refusal is NOT_TRIED:
            return "·"
        return MARKS["not yet" if self.refusal else "done"]

    @property
    def words(self) -> str:
        """The sentence, and that it was not tried."""
        return f"{self.sentence} (not tried)" if self.refusal is NOT_TRIED else self.sentence


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
        scored = self.started and self.task.requirements
        total = max(len(self.results), len(self.task.requirements))
        score = f" · {passed} of {total}" if scored else ""
        return f"{MARKS[self.state]} {self.task.name}   {self.state}{score}"

    @property
    def last_words(self) -> tuple[str, str]:
        """What was right, or what to do next: a sentence, and the code to write for it."""
        if self.state == "done":
            return self.task.praise, ""
        hint = f"exercise.hint({self.task.name!r})" if self.task.hints else ""
        if not self.started:
            step = "Repair the code" if self.results else "Fill the gap"
            return f"{step}, run the cell, and check again.{' Stuck?' * bool(hint)}", hint
        return ("A hint:", hint) if hint else ("", "")

    @property
    def evidence(self) -> dict[str, str]:
        """What the verdict shows against the answer, by name, without what there is no evidence for."""
        names = EVIDENCE if self.started else SEEN
        return {name: value for name in names if (value := getattr(self.refusal, name, None))}

    @property
    def text(self) -> str:
        """The whole verdict in plain text."""
        return "\n".join([self.headline, *self._body()])

    @property
    def parts(self) -> list[tuple[str, dict[str, str]]]:
        """One for each requirement: its mark and sentence, and the evidence to show below it."""
        if self.problem:
            return [("", self.evidence)]
        shown = next((number for number, result in enumerate(self.results) if result.refusal), None)
        return [
            (f"{result.mark} {result.words}", self.evidence if number == shown else {})
            for number, result in enumerate(self.results)
        ]

    def _body(self) -> list[str]:
        lines = [""]
        for sentence, evidence in self.parts:
            if sentence:
                lines.append(_wrapped(f"  {sentence[:2]}", sentence[2:]))
            if evidence:
                rows = (_wrapped(f"      {name:<10} ", value) for name, value in evidence.items())
                lines += [*([""] if lines[-1] else []), *rows, ""]
        last = _wrapped("  ", " ".join(self.last_words).strip())
        return [*lines, *([""] if lines[-1] else []), *([last] if last else [])]

    def __repr__(self) -> str:
        return self.text

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        html = verdict_html(self.headline, self.parts, self.last_words)
        return {"text/plain": self.text, "text/html": html}


def _wrapped(first: str, text: str) -> str:
    """A text that starts after `first`, with its other lines below its own beginning; a drawing as it is."""
    if "\n" in text:
        return first + text.replace("\n", "\n" + " " * len(first))
    wrapper = _AddressWrapper(
        WIDTH,
        initial_indent=first,
        subsequent_indent=" " * len(first),
        break_long_words=False,
        break_on_hyphens=False,
    )
    return wrapper.fill(text)


class _AddressWrapper(textwrap.TextWrapper):
    """Breaks words that are longer than a line, where an address may be broken."""

    def _split(self, text: str) -> list[str]:
        room = self.width - len(self.subsequent_indent)
        chunks = super()._split(text)
        return [
            part
            for chunk in chunks
            for part in (ADDRESS.split(chunk) if len(chunk) > room else [chunk])
            if part
        ]


class AnswerRefused(Exception):
    """Raised by a check below its verdict, so that "Run All" stops; one line, without a traceback."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(f"{' '.join(verdict.headline.split())}: see above")
        self.verdict = verdict

    def _render_traceback_(self) -> list[str]:
        return [f"{type(self).__name__}: {self}"]
