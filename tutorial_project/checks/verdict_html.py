"""A verdict as HTML: the words of its text, wrapped at words whatever the width."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .verdict import Result, Verdict

QUOTED = ("sent", "expected", "got")
"""The evidence that is quoted as it came; the rest are sentences."""
CODE = "font-family:var(--jp-code-font-family,monospace)"
# Trap: JupyterLab lets the terms of a list float, and gives them a fifth of the width.
STYLE = (
    "<style>.verdict p,.verdict ul,.verdict dl{margin:.5em 0}"
    ".verdict ul{list-style:none;padding-left:1em}.verdict li{padding-left:1.4em;text-indent:-1.4em}"
    ".verdict dl{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:.15em 1em;text-indent:0}"
    ".verdict dt,.verdict dd{float:none;width:auto;margin:0;overflow-wrap:break-word}"
    ".verdict dt{font-weight:normal}"
    f".verdict dd.quoted{{white-space:pre-wrap;{CODE}}}"
    f".verdict code{{white-space:pre-wrap;{CODE}}}</style>"
)


def verdict_html(verdict: Verdict) -> str:
    """The verdict as HTML that holds no script, and takes its colours from the page around it."""
    return f'<div class="verdict">{STYLE}{"".join(_parts(verdict))}</div>'


def _parts(verdict: Verdict) -> Iterator[str]:
    yield f"<p><b>{escape(verdict.headline)}</b></p>"
    if verdict.problem:
        yield _evidence(verdict)
    if verdict.results:
        yield f"<ul>{''.join(_result(verdict, result) for result in verdict.results)}</ul>"
    sentence, code = verdict.last_words
    if sentence:
        yield f"<p>{_with_code(sentence)}{f' <code>{escape(code)}</code>' if code else ''}</p>"


def _result(verdict: Verdict, result: Result) -> str:
    shown = result.refusal is not None and result.refusal is verdict.refusal
    return f"<li>{result.mark} {_with_code(result.words)}{_evidence(verdict) if shown else ''}</li>"


def _evidence(verdict: Verdict) -> str:
    rows = (f"<dt>{name}</dt>{_value(name, value)}" for name, value in verdict.evidence.items())
    return f"<dl>{''.join(rows)}</dl>"


def _value(name: str, value: str) -> str:
    if name in QUOTED:
        return f'<dd class="quoted">{escape(value)}</dd>'
    return f"<dd>{_with_code(value)}</dd>"


def _with_code(sentence: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(sentence))
