"""The timeline as a picture: one lane a request, drawn as SVG that follows JupyterLab's theme."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .timeline import Lane, Span, Timeline

WIDTH, LABEL, LANE, MOST_LANES = 760, 150, 20, 60
INK = "var(--jp-ui-font-color1, currentColor)"
STYLE = (
    f"<style>.timeline text{{font:12px sans-serif;fill:{INK}}}"
    ".timeline .inside{fill:#8ab6e8;fill-opacity:.45;stroke:#3674b5}"
    ".timeline .runs{fill:#b5472f}.timeline .asks{fill:none;stroke:#3674b5;stroke-width:2}"
    f".timeline .axis{{stroke:{INK};stroke-opacity:.4}}</style>"
)
LEGEND = "outlined: inside the view · solid: running · thin bar: waiting for a service"


def timeline_html(timeline: Timeline) -> str:
    """The picture above its text twin, as HTML that holds no script.

    Args:
        timeline: what to draw; of more than sixty requests the first sixty are drawn.
    """
    text = escape(timeline.text)
    return f"{timeline_svg(timeline)}<pre>{text}</pre>"


def timeline_svg(timeline: Timeline) -> str:
    """The picture alone: an SVG element with the text twin as its accessible name."""
    lanes = timeline.lanes[:MOST_LANES]
    rows = [(lane, 1 + len(lane.of_kind("asks"))) for lane in lanes]
    thickness = LANE if len(lanes) <= 12 else 8
    height = sum(n for _, n in rows) * thickness + 40
    body = "".join(_draw(rows, thickness, min(lane.sent for lane in lanes), timeline.seconds))
    return (
        f'<svg class="timeline" role="img" viewBox="0 0 {WIDTH} {height}" style="max-width:{WIDTH}px"'
        f' xmlns="http://www.w3.org/2000/svg"><title>{escape(timeline.text)}</title>{STYLE}{body}'
        f'<text x="{LABEL}" y="{height - 6}">{LEGEND} · {timeline.seconds:.2f} s in all</text></svg>'
    )


def _draw(rows: list[tuple[Lane, int]], thickness: int, zero: float, seconds: float) -> Iterator[str]:
    y, scale = 4, (WIDTH - LABEL - 10) / max(seconds, 1e-6)
    for lane, height in rows:
        yield from _lane(lane, y, thickness, zero, scale)
        y += height * thickness
    yield f'<line class="axis" x1="{LABEL}" x2="{WIDTH - 10}" y1="{y + 4}" y2="{y + 4}"/>'


def _lane(lane: Lane, y: float, thickness: int, zero: float, scale: float) -> Iterator[str]:
    if thickness == LANE:
        yield f'<text x="4" y="{y + 14}">{lane.number} {escape(lane.path[:20])}</text>'
    for kind, shape in (("view", "inside"), ("runs", "runs")):
        for span in lane.of_kind(kind):
            yield _bar(span, shape, y + 2, thickness - 4, zero, scale)
    for row, span in enumerate(lane.of_kind("asks"), 1):
        top = y + row * thickness
        yield _bar(span, "asks", top + thickness / 2 - 3, 6, zero, scale)
        yield f'<text x="{LABEL - 8}" y="{top + 14}" text-anchor="end">{escape(span.name)}</text>'


def _bar(span: Span, shape: str, y: float, height: float, zero: float, scale: float) -> str:
    x = LABEL + (span.started - zero) * scale
    width = max((span.ended - span.started) * scale, 2)
    return f'<rect class="{shape}" x="{x:.1f}" y="{y}" width="{width:.1f}" height="{height}" rx="2"/>'
