"""A notebook that cannot run in this environment: its first cell says why, and so does every other."""

from __future__ import annotations

import ast

from IPython.core.error import InputRejected
from IPython.core.getipython import get_ipython

from .requirement import missing_here


class MissingRequirement(InputRejected):
    """This notebook cannot run here; the message says what it needs. It is shown without a traceback."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


def require(requirement: str) -> None:
    """Go on where a requirement is met; elsewhere say what is needed, here and in every cell below.

    Args:
        requirement: such as "django>=6.1".

    Raises:
        MissingRequirement: when it is not met.
    """
    if missing := missing_here(requirement):
        refuse_cells(missing)
        raise MissingRequirement(missing)


class _RefuseCells(ast.NodeTransformer):
    def __init__(self, missing: str) -> None:
        self._missing = missing

    def visit(self, node: ast.AST) -> ast.AST:
        raise MissingRequirement(self._missing)


def refuse_cells(missing: str) -> None:
    """Let every further cell of this notebook say what is missing, and nothing else; nothing outside a notebook."""
    shell = get_ipython()
    if shell is not None:
        shell.ast_transformers.append(_RefuseCells(missing))
