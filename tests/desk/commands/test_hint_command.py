"""python manage.py hint."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from tutorial_project.desk.progress import Progress


def test_each_call_gives_the_next_hint_and_then_the_last_again(learner: Path, capsys) -> None:
    for _ in range(4):
        call_command("hint", "2", "hello")
    assert capsys.readouterr().out.splitlines() == [
        "Hint 1 of 3: Why?",
        "Hint 2 of 3: Where?",
        "Hint 3 of 3: Like this.",
        "Hint 3 of 3: Like this.",
    ]


def test_hints_are_remembered_where_the_notebook_remembers_them(learner: Path, capsys) -> None:
    Progress("02_both").hinted("hello", 3)
    call_command("hint", "02", "hello")
    assert "Hint 2 of 3" in capsys.readouterr().out


def test_the_only_task_needs_no_name(learner: Path, capsys) -> None:
    call_command("hint", "1")
    assert "Hint 1 of 3: Why?" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["2"], ["2", "helo"]])
def test_an_unknown_task_is_answered_with_those_there_are(learner: Path, arguments: list[str]) -> None:
    with pytest.raises(CommandError, match="Its tasks: hello, farewell"):
        call_command("hint", *arguments)
