"""The timeline as a picture: one lane a request, drawn as SVG that follows JupyterLab's theme."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Protocol

from .lane import Lane

WIDTH, LEFT, RIGHT = 760, 160, 16
TOP, LANE, THIN_LANE, WIDE_LANES, MOST_LANES = 4.0, 20, 7, 12, 60
# JupyterLab's own colour where there is JupyterLab, else that of the text around the picture.
INK = "var(--jp-ui-font-color1, currentColor)"
BLUE, RED = "#3b7dc4", "#c8452d"
STYLE = (
    f"<style>.timeline text{{font:12px sans-serif;fill:{INK}}}"
    f".timeline .way{{stroke:{INK};stroke-opacity:.45;stroke-width:1.5;stroke-dasharray:2 3}}"
    f".timeline .view{{fill:{BLUE};fill-opacity:.3;stroke:{BLUE}}}"
    f".timeline .runs{{fill:{BLUE}}}.timeline .asks{{fill:none;stroke:{BLUE};stroke-width:1.5}}"
    f".timeline .holds{{fill:{RED}}}.timeline text.loud{{fill:#fff;font-weight:bold}}"
    f".timeline .still{{fill:{RED};fill-opacity:.14}}"
    f".timeline .axis{{stroke:{INK};stroke-opacity:.35}}</style>"
)
LEGEND = {
    "way": "on its way",
    "view": "inside the view",
    "runs": "has the thread",
    "asks": "waits",
    "holds": "holds the event loop",
}


class Drawn(Protocol):
    """What is drawn: requests, the seconds from the first to the last answer, and the same in words."""

    lanes: list[Lane]

    @property
    def seconds(self) -> float: ...

    @property
    def text(self) -> str: ...


def timeline_html(timeline: Drawn) -> str:
    """The picture above its text twin, as HTML that holds no script.

    Args:
        timeline: what to draw; of more than sixty requests the first sixty are drawn.
    """
    return f'{timeline_svg(timeline)}<pre style="white-space:pre-wrap;word-break:normal">{escape(timeline.text)}</pre>'


def timeline_svg(timeline: Drawn) -> str:
    """The picture alone: an SVG element with the text twin as its accessible name."""
    lanes = timeline.lanes[:MOST_LANES]
    scale = Scale(min(lane.sent for lane in timeline.lanes), timeline.seconds)
    body, bottom = _wide(lanes, scale) if len(lanes) <= WIDE_LANES else _thin(lanes, scale)
    body = [
        *_standstill(lanes, bottom, scale),
        *body,
        *_axis(bottom + 6, scale),
        *_legend(bottom + 44, lanes),
    ]
    return (
        f'<svg class="timeline" role="img" viewBox="0 0 {WIDTH} {bottom + 54:g}" style="max-width:{WIDTH}px"'
        f' xmlns="http://www.w3.org/2000/svg"><title>{escape(timeline.text)}</title>{STYLE}{"".join(body)}</svg>'
    )


@dataclass(frozen=True)
class Scale:
    """Where a moment, in seconds of `time.perf_counter`, is on the picture."""

    zero: float
    seconds: float

    def x(self, moment: float) -> float:
        return LEFT + (moment - self.zero) / max(self.seconds, 1e-6) * (WIDTH - LEFT - RIGHT)

    @property
    def step(self) -> float:
        """Seconds between two marks of the axis: at most eight marks."""
        steps = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)
        return next((step for step in steps if self.seconds <= 8 * step), 10)


def _wide(lanes: list[Lane], scale: Scale) -> tuple[list[str], float]:
    body: list[str] = []
    y = TOP
    for lane in lanes:
        body += _lane(lane, y, scale)
        y += LANE * (1 + len(lane.of_kind("asks")))
    return body, y


def _lane(lane: Lane, y: float, scale: Scale) -> Iterator[str]:
    yield _label(lane, y + 14)
    yield from _bars(lane, y + 2, LANE - 4, scale)
    for span in lane.of_kind("holds"):
        left, right = scale.x(span.started), scale.x(span.ended)
        if right - left > 140:
            at = f'x="{(left + right) / 2:.1f}" y="{y + 14:g}"'
            yield f'<text class="loud" {at} text-anchor="middle">{LEGEND["holds"]}</text>'
    for row, span in enumerate(lane.of_kind("asks"), 1):
        top = y + row * LANE
        yield f'<text x="{LEFT - 10}" y="{top + 13:g}" text-anchor="end">{escape(_short(span.name))}</text>'
        yield _bar("asks", scale.x(span.started), scale.x(span.ended), top + 6, 7)


def _thin(lanes: list[Lane], scale: Scale) -> tuple[list[str], float]:
    body: list[str] = []
    y, path = TOP, None
    for lane in lanes:
        body += [_label(lane, y + 9)] if lane.path != path else []
        body += _bars(lane, y + 1, THIN_LANE - 2, scale)
        path, y = lane.path, y + THIN_LANE
    return body, y


def _label(lane: Lane, y: float) -> str:
    return f'<text x="4" y="{y:g}">{lane.number} {escape(_short(lane.path))}</text>'


def _standstill(lanes: list[Lane], bottom: float, scale: Scale) -> Iterator[str]:
    for span in (span for lane in lanes for span in lane.of_kind("holds")):
        yield _bar("still", scale.x(span.started), scale.x(span.ended), TOP, bottom - TOP)


def _bars(lane: Lane, y: float, height: float, scale: Scale) -> Iterator[str]:
    views = lane.of_kind("view") or lane.of_kind("holds")
    inside = [(span.started, span.ended) for span in views] or [(lane.answered, lane.answered)]
    yield _line("way", scale.x(lane.sent), scale.x(inside[0][0]), y + height / 2)
    yield _line("way", scale.x(inside[-1][1]), scale.x(lane.answered), y + height / 2)
    for kind in ("view", "runs", "holds"):
        for span in lane.of_kind(kind):
            yield _bar(kind, scale.x(span.started), scale.x(span.ended), y, height)


def _axis(y: float, scale: Scale) -> Iterator[str]:
    yield _line("axis", LEFT, WIDTH - RIGHT, y)
    for mark in range(int(scale.seconds / scale.step) + 1):
        x = scale.x(scale.zero + mark * scale.step)
        yield f'<line class="axis" x1="{x:.1f}" x2="{x:.1f}" y1="{y:g}" y2="{y + 5:g}"/>'
        unit = "" if mark else " s"
        yield f'<text x="{x:.1f}" y="{y + 18:g}" text-anchor="middle">{mark * scale.step:g}{unit}</text>'


def _legend(y: float, lanes: list[Lane]) -> Iterator[str]:
    seen = {span.kind for lane in lanes for span in lane.spans} | {"way"}
    x = 4.0
    for kind, words in LEGEND.items():
        if kind in seen:
            yield _line(kind, x, x + 18, y - 4) if kind == "way" else _bar(kind, x, x + 18, y - 8, 8)
            yield f'<text x="{x + 24:g}" y="{y:g}">{words}</text>'
            x += 42 + 6.2 * len(words)


def _bar(kind: str, left: float, right: float, y: float, height: float) -> str:
    width = max(right - left, 1.5)
    return f'<rect class="{kind}" x="{left:.1f}" y="{y:g}" width="{width:.1f}" height="{height:g}" rx="2"/>'


def _line(kind: str, left: float, right: float, y: float) -> str:
    return f'<line class="{kind}" x1="{left:.1f}" x2="{right:.1f}" y1="{y:g}" y2="{y:g}"/>'


def _short(text: str) -> str:
    return text if len(text) <= 20 else f"{text[:19]}…"
