"""python manage.py explain."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from django.core.management import call_command

from tutorial_project import paths

LOCKED = """## Why is the database locked?

```text
OperationalError: database is locked
```

SQLite has one writer. Let it wait.

Seen in [Two writers](../../notebooks/02_both.ipynb#Two-writers).
"""
NEVER = """## Why does nothing happen?

```text
RuntimeWarning: coroutine '…' was never awaited
```

Nobody awaited it.

Seen in [A call](../../notebooks/01_hello.ipynb#A-call).
"""


@pytest.fixture
def asked(learner: Path, monkeypatch) -> Path:
    """A learner's folder in which one lesson answers one question, and the other four."""
    monkeypatch.setattr(paths, "NOTEBOOKS", learner / "notebooks")
    (learner / "lessons" / "02_both" / "questions.md").write_text(LOCKED, encoding="utf-8")
    again = [
        NEVER.replace("nothing happen", f"nothing happen, {word}") for word in ("ever", "again", "so far")
    ]
    (learner / "lessons" / "01_hello" / "questions.md").write_text(
        "\n".join([NEVER, *again]), encoding="utf-8"
    )
    return learner


def test_an_error_is_answered_with_its_meaning_its_remedy_and_its_lesson(asked: Path, capsys) -> None:
    call_command("explain", "django.db.utils.OperationalError: database is locked")
    assert capsys.readouterr().out.splitlines() == [
        "Why is the database locked?",
        "  What it means  SQLite has one writer.",
        "  What to do     Let it wait.",
        "  Shown in       notebooks/02_both.ipynb, “Two writers”",
    ]


def test_words_need_no_quotes(asked: Path, capsys) -> None:
    call_command("explain", "why", "database", "locked")
    assert capsys.readouterr().out.startswith("Why is the database locked?")


def test_misspelled_words_may_be_about_something_and_are_not_sure(asked: Path, capsys) -> None:
    call_command("explain", "databse", "lokced")
    assert not capsys.readouterr().out.startswith("Why is the database locked?")
    call_command("explain", "--json", "databse", "lokced")
    assert not any(answer["sure"] for answer in json.loads(capsys.readouterr().out))


def test_names_in_the_message_may_be_the_readers_own(asked: Path, capsys) -> None:
    call_command("explain", "RuntimeWarning: coroutine 'send_invoice' was never awaited")
    assert "What it means  Nobody awaited it." in capsys.readouterr().out


def test_of_many_that_fit_one_is_told_in_full_and_the_others_by_title(asked: Path, capsys) -> None:
    call_command("explain", "coroutine 'ask' was never awaited")
    printed = capsys.readouterr().out
    assert printed.count("Nobody awaited it.") == 1
    assert (
        "About this as well:\n  Why does nothing happen, ever?\n    → notebooks/01_hello.ipynb, “A call”"
        in printed
    )


def test_what_is_unknown_is_said_to_be_with_what_to_do(asked: Path, capsys) -> None:
    call_command("explain", "printer out of paper")
    printed = capsys.readouterr().out
    assert printed.startswith("Nothing here is about this.")
    assert "python manage.py doctor" in printed
    assert "→" not in printed, "no place"


def test_what_only_shares_words_is_called_the_nearest(asked: Path, capsys) -> None:
    call_command("explain", "a database for colours, painters and pictures")
    assert not json_of(capsys, "a database for colours, painters and pictures")
    call_command("explain", "locked doors, locked database, wooden")
    printed = capsys.readouterr().out
    assert printed.startswith(
        "Nothing here is surely about this. Nearest to it:\n  Why is the database locked?"
    )
    assert "python manage.py doctor" in printed


def json_of(capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, object]]:
    capsys.readouterr()
    call_command("explain", "--json", *words)
    return json.loads(capsys.readouterr().out)


def test_for_programs_it_is_a_list_best_first(asked: Path, capsys) -> None:
    assert json_of(capsys, "OperationalError: database is locked") == [
        {
            "title": "Why is the database locked?",
            "lesson": "02_both",
            "notebook": "notebooks/02_both.ipynb",
            "heading": "Two writers",
            "sure": True,
        }
    ]
    assert json_of(capsys, "printer out of paper") == []


def test_a_traceback_may_come_from_standard_input(asked: Path, capsys, monkeypatch) -> None:
    pasted = (
        'Traceback (most recent call last):\n  File "a.py", line 1\nOperationalError: database\n is locked\n'
    )
    monkeypatch.setattr("sys.stdin", io.StringIO(pasted))
    call_command("explain", "-")
    assert capsys.readouterr().out.startswith("Why is the database locked?")


def test_what_sync_code_meets_as_well_is_answered_and_not_sure(asked: Path, capsys) -> None:
    file = asked / "lessons" / "02_both" / "questions.md"
    file.write_text(LOCKED.replace("```text", "```text sync"), encoding="utf-8")
    call_command("explain", "OperationalError: database is locked")
    printed = capsys.readouterr().out
    assert printed.startswith("This happens elsewhere as well.")
    assert "What it means  SQLite has one writer." in printed
    assert json_of(capsys, "OperationalError: database is locked")[0]["sure"] is False


def test_a_heading_that_does_not_show_it_is_the_nearest(asked: Path, capsys) -> None:
    file = asked / "lessons" / "02_both" / "questions.md"
    file.write_text(LOCKED.replace("Seen in", "Near"), encoding="utf-8")
    call_command("explain", "OperationalError: database is locked")
    assert "  Nearest to it  notebooks/02_both.ipynb, “Two writers”" in capsys.readouterr().out
