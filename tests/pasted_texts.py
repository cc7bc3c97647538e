"""The texts with which `explain` is measured."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tutorial_project.desk.management.library import Answer

FOLDER = Path(__file__).with_name("desk") / "pasted"


@dataclass(frozen=True)
class Case:
    """A text, and the headings to which it may lead, as number of the lesson and beginning of the heading."""

    headings: tuple[str, ...]
    text: str

    def __str__(self) -> str:
        return " ".join(self.text.split())[-60:]

    def is_met_by(self, answer: Answer) -> bool:
        """Whether an answer is one of those that are wanted."""
        return any(f"{answer.lesson[:2]} {answer.heading}".startswith(heading) for heading in self.headings)


def cases(name: str) -> list[Case]:
    """The cases of a file."""
    parts = re.split(r"^### ?", (FOLDER / name).read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    split = (part.partition("\n") for part in parts)
    return [
        Case(tuple(filter(None, head.split(" | "))), text.replace("␛", "\x1b").rstrip("\n"))
        for head, _, text in split
    ]
