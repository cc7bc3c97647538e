"""python manage.py explain "an error, or a question": what it means, what to do, and the lesson that shows it."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

from django.core.management import CommandParser
from rich.text import Text

from tutorial_project.desk.management.classroom_command import ClassroomCommand
from tutorial_project.desk.management.library import Answer, Library
from tutorial_project.questions.store import Question

NOTHING = "Nothing here is about this."
NEAREST = "Nothing here is surely about this. Nearest to it:"
WHAT_TO_DO = """If it is an error, paste the whole of it, its last line included:
  python manage.py explain -      (then paste, and end with Ctrl-D; on Windows Ctrl-Z and Enter)
If it happens in a lesson or an exercise, run  python manage.py doctor  and open an issue with the cell and its output."""
RELATED = "Perhaps related:"
ELSEWHERE_TOO = "This happens elsewhere as well. Where it is no other error, it means:"
BEST_FIT = "This may be about it:"
FURTHER = "About this as well:"
MOST_TITLES = 5


class Command(ClassroomCommand):
    help = "Explains an error or answers a question: what it means, what to do, and where a lesson shows it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "words", nargs="+", help="an error as you see it, or your question; - reads it from here"
        )
        parser.add_argument("--json", action="store_true", help="print a list, best first, for programs")

    def handle(self, *, words: list[str], **options: Any) -> None:
        found = Library().find(sys.stdin.read() if words == ["-"] else " ".join(words))
        if options["json"]:
            self.stdout.write(
                json.dumps([answer.as_json() for answer in found], ensure_ascii=False, indent=1)
            )
        else:
            self.console().print(report(found))


def report(found: Sequence[Answer]) -> Text:
    """What was found, as it is read: the best in full where it is about the text, of others only the titles."""
    if not found:
        return Text("\n").join([Text(NOTHING), Text(WHAT_TO_DO)])
    best = found[0]
    if best.question is None or not (best.sure or best.is_recognised or best.share >= 0.6):
        return Text("\n\n").join([titles(NEAREST, found), Text(WHAT_TO_DO)])
    paragraphs = [] if best.sure else [Text(ELSEWHERE_TOO if best.is_recognised else BEST_FIT)]
    paragraphs.append(in_full(best.question))
    for heading, others in (
        (FURTHER, [answer for answer in found[1:] if answer.sure]),
        (RELATED, [answer for answer in found[1:] if not answer.sure]),
    ):
        if others:
            paragraphs.append(titles(heading, others))
    return Text("\n\n").join(paragraphs)


def in_full(question: Question) -> Text:
    """A question: what it means, what to do, where it is shown."""
    answer = [("What it means", question.means), ("What to do", question.remedy)]
    rows = [
        *(answer if question.quotes else [("Answer", question.answer)]),
        ("Shown in" if question.is_seen else "Nearest to it", f"{question.notebook}, “{question.section}”"),
    ]
    lines = "\n".join(f"  {name:<13}  {text}" for name, text in rows if text)
    return Text.assemble((f"{question.title}\n", "bold"), lines)


def titles(heading: str, answers: Sequence[Answer]) -> Text:
    """Titles, each with its place."""
    lines = [
        f"  {answer.title}\n    → {answer.notebook}, “{answer.heading}”" for answer in answers[:MOST_TITLES]
    ]
    return Text("\n".join([heading, *lines]))
