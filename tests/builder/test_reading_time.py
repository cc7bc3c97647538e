"""How long a lesson takes is counted from what is to be read, predicted and run."""

from __future__ import annotations

from pathlib import Path

import build
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from reading_time import CORE_LIMIT, ReadingTime, reading_time


def test_words_lines_predictions_and_runs_count() -> None:
    text = " ".join(["word"] * 298) + " **Predict.** [link](https://example.org/not/read)"  # 300 words: 90 s
    code = "\n\n".join(["wait = 1"] * 4)  # 4 lines: 10 s, and a run
    notebook = new_notebook(cells=[new_markdown_cell(text), new_code_cell(code)])
    assert reading_time(notebook) == ReadingTime(core=round((90 + 30 + 10 + 8) / 60), deeper=0)


def test_what_stands_below_going_deeper_is_counted_for_itself() -> None:
    core, deeper, still_deeper = (new_markdown_cell(" ".join(["word"] * 800)) for _ in range(3))
    notebook = new_notebook(cells=[core, new_markdown_cell("## Going deeper"), deeper, still_deeper])
    assert reading_time(notebook) == ReadingTime(core=4, deeper=8)


def test_the_core_of_a_lesson_takes_half_an_hour_at_most(lesson: Path) -> None:
    assert build.minutes(lesson).core <= CORE_LIMIT
