"""Errors that the checks recognise, with their cause and the next step, from the questions of the lessons."""

from __future__ import annotations

import traceback

from tutorial_project.questions.pasted import is_at
from tutorial_project.questions.quote import Quote
from tutorial_project.questions.store import proven_questions


def explain(error: BaseException) -> tuple[str | None, str | None]:
    """The cause of an error and the next step, or None twice where nothing is certain.

    Of an exception group the first error that is recognised counts.
    """
    if isinstance(error, BaseExceptionGroup):
        return next((words for e in error.exceptions if (words := explain(e)) != (None, None)), (None, None))
    frames = "".join(traceback.format_tb(error.__traceback__))  # once: for each quote it would take seconds
    known = [
        (quote, question)
        for question in proven_questions()
        for quote in question.quotes
        if quote.kind == type(error).__name__ and _is_this(quote, error, frames)
    ]
    if not known:
        return None, None
    _, question = max(known, key=lambda one: (bool(one[0].raised_in or one[0].through), one[0].weight))
    return question.means.rstrip("."), question.remedy.rstrip(".") or None


def _is_this(quote: Quote, error: BaseException, frames: str) -> bool:
    """Whether the quote is this error, and not only a part of what it says."""
    start = len(frames) + len(type(error).__name__) + 2
    return is_at(quote, f"{frames}{type(error).__name__}: {error}\n", start)
