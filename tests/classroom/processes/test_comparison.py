"""The same question to several servers."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from tutorial_project.classroom.processes.comparison import Comparison


def compared() -> Comparison:
    return Comparison([SimpleNamespace(name="daphne"), SimpleNamespace(name="waitress")])


async def speaks(server: SimpleNamespace) -> str:
    return "<ASGI>" if server.name == "daphne" else "WSGI"


def test_answers_are_printed_and_kept_as_a_column(capsys: pytest.CaptureFixture[str]) -> None:
    comparison = compared()
    asyncio.run(comparison.ask("speaks", speaks))
    assert capsys.readouterr().out == "daphne    <ASGI>\nwaitress  WSGI\n"
    assert repr(comparison) == "          speaks\n----------------\ndaphne    <ASGI>\nwaitress  WSGI"


def test_the_page_says_the_same_as_the_text_and_escapes_it() -> None:
    comparison = compared()
    asyncio.run(comparison.ask("speaks", speaks))
    page = comparison._repr_html_()
    assert '<th scope="row">daphne</th><td>&lt;ASGI&gt;</td>' in page
    assert '<th scope="col">speaks</th>' in page


def test_the_same_question_again_replaces_its_column() -> None:
    comparison = compared()
    for _ in range(2):
        asyncio.run(comparison.ask("speaks", speaks))
    assert list(comparison.columns) == ["", "speaks"]


def test_all_servers_are_asked_at_the_same_time() -> None:
    async def ask_both() -> None:
        everybody = asyncio.Barrier(2)
        async with asyncio.timeout(10):
            await compared().ask("together", lambda server: everybody.wait())

    asyncio.run(ask_both())
