"""A verdict as HTML: the words of its text, wrapped at words whatever the width."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from html import escape

QUOTED = ("sent", "expected", "got")
"""The evidence that is quoted as it came; the rest are sentences."""
DRAWING = "The questions at the services, as they were and as expected"
CODE = "font-family:var(--jp-code-font-family,monospace)"
# Trap: JupyterLab lets the terms of a list float, and gives them a fifth of the width.
STYLE = (
    "<style>.verdict p,.verdict ul,.verdict dl{margin:.5em 0}"
    ".verdict ul{list-style:none;padding-left:1em}.verdict li{padding-left:1.4em;text-indent:-1.4em}"
    ".verdict .mark{display:inline-block;width:1.4em;text-indent:0}"
    ".verdict dl{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:.15em 1em;text-indent:0}"
    ".verdict dt,.verdict dd{float:none;width:auto;margin:0;overflow-wrap:break-word}"
    ".verdict dt{font-weight:normal}"
    f".verdict dd.quoted{{white-space:pre-wrap;{CODE}}}"
    f".verdict code{{white-space:pre-wrap;{CODE}}}</style>"
)

Evidence = Mapping[str, str]
"""What the verdict shows against the answer, by name: "sent", "expected" and so on."""


def verdict_html(headline: str, parts: Iterable[tuple[str, Evidence]], last: tuple[str, str]) -> str:
    """A verdict as HTML that holds no script, and takes its colours from the page around it.

    Args:
        headline: shown in bold.
        parts: one for each requirement: its mark and sentence, and the evidence to show below it.
        last: a sentence, and the code to write for it.
    """
    items = "".join(f"<li>{_marked(sentence)}{_evidence(evidence)}</li>" for sentence, evidence in parts)
    sentence, code = last
    end = f"<p>{with_code(sentence)}{f' <code>{escape(code)}</code>' if code else ''}</p>" if sentence else ""
    return f'<div class="verdict">{STYLE}<p><b>{escape(headline)}</b></p>{f"<ul>{items}</ul>" * bool(items)}{end}</div>'


def _marked(sentence: str) -> str:
    mark, space, words = sentence.partition(" ")
    return f'<span class="mark">{mark}{space}</span>{with_code(words)}' if sentence else ""


def _evidence(evidence: Evidence) -> str:
    rows = "".join(f"<dt>{name}</dt>{_value(name, value)}" for name, value in evidence.items())
    return f"<dl>{rows}</dl>" if rows else ""


def _value(name: str, value: str) -> str:
    if name == "drawn":
        # Its style stands here, and not in every verdict that is stored without a drawing.
        style = f"white-space:pre;overflow-x:auto;line-height:1.2;{CODE}"
        return f'<dd role="img" aria-label="{DRAWING}" tabindex="0" style="{style}">{escape(value)}</dd>'
    if name in QUOTED:
        return f'<dd class="quoted">{escape(value)}</dd>'
    return f"<dd>{with_code(value)}</dd>"


def with_code(sentence: str) -> str:
    """A sentence as HTML; what stands between backticks is code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(sentence))
