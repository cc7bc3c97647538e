"""The questions that people ask: what they quote happens where they say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import build
import nbformat
import pytest
from nbformat import NotebookNode
from project import ROOT

from tutorial_project.questions.store import Question, questions_of

QUESTIONS = [question for folder in build.lesson_folders() for question in questions_of(folder)]
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def printed(cell: NotebookNode) -> Iterator[str]:
    """What a cell shows, as text, in one line."""
    for output in cell.get("outputs", []):
        text = output.get("text") or output.get("data", {}).get("text/plain", "")
        if output.output_type == "error":
            text = f"{output.ename}: {output.evalue}"
        yield " ".join(COLOUR.sub("", text).split())


def sections(notebook: NotebookNode) -> dict[str, str]:
    """What is shown under each heading of a notebook, its lower headings included."""
    shown: dict[str, str] = {}
    open_ones: list[tuple[int, str]] = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            for marks, heading in re.findall(r"^(#+) (.+)$", cell.source, re.MULTILINE):
                open_ones = [entry for entry in open_ones if entry[0] < len(marks)] + [(len(marks), heading)]
                shown.setdefault(heading, "")
        for _, heading in open_ones:
            shown[heading] += "\n".join(printed(cell)) + "\n"
    return shown


def is_shown(error: str, text: str) -> bool:
    """Whether a quoted error is in a text; of a shortened one, each part."""
    return all(" ".join(part.split()) in text for part in error.split("…"))


def quoted(question: Question) -> list[str]:
    """The lines that a question quotes, without those of a traceback."""
    lines = [line.strip() for block in question.shown for line in block.splitlines()]
    return [line for line in lines if line != "…" and not line.startswith("File ")]


def name(question: Question) -> str:
    return f"{question.lesson[:2]}-{question.title}"


@pytest.mark.parametrize("question", QUESTIONS, ids=name)
def test_a_question_links_to_a_heading_under_which_its_error_is_shown(question: Question) -> None:
    shown = sections(nbformat.read(ROOT / question.notebook, as_version=4))
    assert question.section in shown
    assert question.anchor == question.section.replace("`", "").replace(" ", "-")
    # Other wordings, of other versions and packages, stand beside the one that is shown.
    lines = quoted(question)
    assert not lines or question.is_seen == any(is_shown(line, shown[question.section]) for line in lines)


@pytest.mark.parametrize("question", QUESTIONS, ids=name)
def test_a_question_is_answered_in_one_to_three_sentences_of_its_own_lesson(question: Question) -> None:
    assert Path(question.notebook).stem == question.lesson
    prose = re.sub(r"`.*?`", "code", question.answer).replace("**", "")
    assert 1 <= len(re.findall(r"[.?!](?=\s|$)", prose)) <= 3


def test_other_wordings_are_for_the_search_and_not_for_the_page(tmp_path: Path) -> None:
    (tmp_path / "questions.md").write_text(
        "## Why?\n\nBecause.\n\nAlso asked: what for; how come\n\nSeen in [Here](../../notebooks/01_a.ipynb#Here).\n"
    )
    (question,) = questions_of(tmp_path)
    assert question.asked == ("what for", "how come")
    assert "Also asked" not in question.body + question.answer


def test_no_question_is_asked_twice() -> None:
    titles = [question.title for question in QUESTIONS]
    assert len(titles) == len(set(titles)) > 40


def test_a_quote_that_is_not_shown_is_found_out() -> None:
    assert is_shown(
        "ValueError: The view … returned an unawaited", "ValueError: The view a.b returned an unawaited"
    )
    assert not is_shown("ValueError: The … fell", "ValueError: The view stood")


def test_a_question_that_does_not_say_where_is_refused(tmp_path: Path) -> None:
    (tmp_path / "questions.md").write_text("## Why?\n\nBecause.\n")
    with pytest.raises(ValueError, match=r"'Why\?' needs a line  Seen in"):
        questions_of(tmp_path)
