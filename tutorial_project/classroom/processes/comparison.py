"""The same questions to several servers, and the answers as a table."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from html import escape
from typing import Any


class Comparison:
    """What several servers do with the same application: one row a server, one column a question.

    Displays as a table in a notebook; `text` says the same.

    Args:
        servers: what is compared; anything that has a `name`.
    """

    def __init__(self, servers: Sequence[Any]) -> None:
        self.servers = list(servers)
        self.columns: dict[str, list[str]] = {"": [server.name for server in servers]}

    async def ask(self, question: str, probe: Callable[[Any], Awaitable[Any]]) -> None:
        """Put one question to all servers at the same time; print the answers, and keep them as a column.

        Args:
            question: the title of the column; the same title again replaces the column.
            probe: finds the answer of one server.

        Raises:
            whatever a probe raises.
        """
        answers = await asyncio.gather(*(probe(server) for server in self.servers))
        self.columns[question] = [str(answer) for answer in answers]
        width = max(len(server.name) for server in self.servers)
        for server, answer in zip(self.servers, answers, strict=True):
            print(f"{server.name:<{width}}  {answer}")

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """The titles of the columns, then one row a server."""
        return [tuple(self.columns), *zip(*self.columns.values(), strict=True)]

    @property
    def text(self) -> str:
        """The table in plain text."""
        widths = [max(map(len, column)) for column in zip(*self.rows, strict=True)]
        lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in self.rows]
        return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        head, *body = self.rows
        cells = "".join(f'<th scope="col">{escape(title)}</th>' for title in head)
        rows = "".join(_row(*row) for row in body)
        return f"<table><thead><tr>{cells}</tr></thead><tbody>{rows}</tbody></table>"


def _row(name: str, *answers: str) -> str:
    cells = "".join(f"<td>{escape(answer)}</td>" for answer in answers)
    return f'<tr><th scope="row">{escape(name)}</th>{cells}</tr>'
