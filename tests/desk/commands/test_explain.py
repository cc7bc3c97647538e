"""python manage.py explain."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.management import call_command

LOCKED = """## Why is the database locked?

```text
OperationalError: database is locked
```

SQLite has one writer.

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
def asked(learner: Path) -> Path:
    """A learner's folder in which one lesson answers one question, and the other four."""
    (learner / "lessons" / "02_both" / "questions.md").write_text(LOCKED, encoding="utf-8")
    again = [
        NEVER.replace("nothing happen", f"nothing happen, {word}") for word in ("ever", "again", "so far")
    ]
    (learner / "lessons" / "01_hello" / "questions.md").write_text(
        "\n".join([NEVER, *again]), encoding="utf-8"
    )
    return learner


def test_an_error_is_answered_with_its_lesson(asked: Path, capsys) -> None:
    call_command("explain", "django.db.utils.OperationalError: database is locked")
    assert capsys.readouterr().out.splitlines() == [
        "Why is the database locked?",
        "    OperationalError: database is locked",
        "  SQLite has one writer.",
        "  → notebooks/02_both.ipynb, “Two writers”",
    ]


def test_words_need_no_quotes_and_may_be_misspelt(asked: Path, capsys) -> None:
    call_command("explain", "databse", "lokced")
    assert "SQLite has one writer." in capsys.readouterr().out


def test_names_in_the_message_may_be_the_readers_own(asked: Path, capsys) -> None:
    call_command("explain", "RuntimeWarning: coroutine 'send_invoice' was never awaited")
    assert "Nobody awaited it." in capsys.readouterr().out


def test_of_many_that_fit_three_are_told_in_full_and_the_others_by_title(asked: Path, capsys) -> None:
    call_command("explain", "coroutine never awaited")
    printed = capsys.readouterr().out
    assert printed.count("Nobody awaited it.") == 3
    assert "To see one, add a word of it:\n  01  Why does nothing happen, so far?" in printed


def test_what_is_unknown_is_said_to_be_with_what_to_do(asked: Path, capsys) -> None:
    call_command("explain", "printer out of paper")
    printed = capsys.readouterr().out
    assert printed.startswith("No question here has these words.")
    assert "python manage.py doctor" in printed


@pytest.mark.parametrize(
    ("words", "number"),
    [
        ("You cannot call this from an async context", "02"),
        ("SynchronousOnlyOperation template", "08"),
        ("SynchronousOnlyOperation, works logged out", "12"),
        ("object HttpResponse can't be used in 'await' expression", "13"),
        ("You cannot use ATOMIC_REQUESTS with async views.", "09"),
        ("Unclosed client session", "06"),
    ],
)
def test_the_questions_of_the_lessons_are_found(words: str, number: str, capsys) -> None:
    call_command("explain", words)
    assert f"→ notebooks/{number}_" in capsys.readouterr().out.partition("\n\n")[0]
