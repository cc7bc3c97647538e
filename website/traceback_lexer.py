"""How an error on purpose is coloured."""

from __future__ import annotations

from pygments.lexer import RegexLexer, bygroups
from pygments.token import Comment, Generic, Text


class TracebackLexer(RegexLexer):
    """The stored traceback of a cell: its frames, the lines that an arrow points at, and the error."""

    name = "Traceback of a notebook"
    aliases = ["notebook-traceback"]
    tokens = {
        "root": [
            (r"^-{10,}\n", Comment),
            (r"^ +… .*\n?", Comment),
            (r"^(?:Cell In|  Cell In|File |  File ).*\n?", Generic.Subheading),
            (r"^-+> .*\n?", Generic.Strong),
            (r"^([\w.]+)( {2,}Traceback .*\n?)", bygroups(Generic.Error, Comment)),
            (r"^[A-Z][\w.]*(?::.*)?(?:\n|$)", Generic.Error),
            (r".*\n|.+", Text),
        ]
    }
