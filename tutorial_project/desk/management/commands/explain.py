"""python manage.py explain "words of an error": what it means, and the lesson where it happens."""

from __future__ import annotations

from typing import Any

from django.core.management import CommandParser
from rich.text import Text

from tutorial_project import paths
from tutorial_project.desk.management.classroom_command import ClassroomCommand
from tutorial_project.desk.management.questions import Question, best_matches, questions_of

NOTHING = """No question here has these words. Try the last line of the traceback, or only the name of the error:
  python manage.py explain "SynchronousOnlyOperation"
If it happens in a lesson or an exercise, run  python manage.py doctor  and open an issue with the cell and its output."""

FURTHER = "These fit as well. To see one, add a word of it:"
IN_FULL = 3
"""So many questions are printed with their answers; of others only the titles."""


class Command(ClassroomCommand):
    help = "Explains an error: prints the questions that fit best, with their answers and lessons."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("words", nargs="+", help="some words of the error, or of your question")

    def handle(self, *, words: list[str], **options: Any) -> None:
        questions = [q for folder in sorted(paths.LESSONS.iterdir()) for q in questions_of(folder)]
        found = best_matches(" ".join(words), questions)
        paragraphs = [report(question) for question in found[:IN_FULL]] or [Text(NOTHING)]
        if further := found[IN_FULL:]:
            paragraphs.append(Text("\n".join([FURTHER, *map(one_line, further)])))
        self.console().print(Text("\n\n").join(paragraphs))


def report(question: Question) -> Text:
    """A question with its error, its answer and its place."""
    error = "".join(f"    {line}\n" for line in question.error.splitlines())
    place = f"  → {question.notebook}, “{question.section}”"
    return Text.assemble((f"{question.title}\n", "bold"), (error, "red"), f"  {question.answer}\n{place}")


def one_line(question: Question) -> str:
    """A question and the number of its lesson."""
    return f"  {question.lesson[:2]}  {question.title}"
