"""Small diagrams as inline SVG. Colours are CSS variables of the page, so that they follow its light or dark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

Point = tuple[float, float]

WIDTH, HEIGHT = 340, 300
_LEFT, _TOP, _RIGHT, _BOTTOM = 46, 12, 12, 42
_INNER_WIDTH = WIDTH - _LEFT - _RIGHT
_INNER_HEIGHT = HEIGHT - _TOP - _BOTTOM


class Chart:
    """A diagram with two axes in percent, x from 0 to 100, y from `low` to 100."""

    def __init__(self, title: str, across: str, up: str, *, low: float = 0.0) -> None:
        self._low = low
        self._parts = [
            f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">',
            f"<title>{escape(title)}</title>",
        ]
        for i in range(6):
            share = i / 5
            x, y = self._at((share, low))[0], self._at((0, low + share * (1 - low)))[1]
            self._parts += [
                f'<path class="grid" d="M{_LEFT} {y:.1f}H{WIDTH - _RIGHT}"/>',
                f'<text x="{_LEFT - 7}" y="{y + 4:.1f}" text-anchor="end">{100 * (low + share * (1 - low)):.0f}</text>',
                f'<text x="{x:.1f}" y="{HEIGHT - _BOTTOM + 17}" text-anchor="middle">{100 * share:.0f}</text>',
            ]
        middle = _TOP + _INNER_HEIGHT / 2
        self._parts += [
            f'<text x="{_LEFT + _INNER_WIDTH / 2}" y="{HEIGHT - 6}" text-anchor="middle">{escape(across)}</text>',
            f'<text x="12" y="{middle}" text-anchor="middle" transform="rotate(-90 12 {middle})">{escape(up)}</text>',
        ]

    def _at(self, point: Point) -> Point:
        """Place of a point with shares 0 to 1."""
        x, y = point
        y = max(self._low, min(1.0, y))
        return _LEFT + x * _INNER_WIDTH, _TOP + (1 - (y - self._low) / (1 - self._low)) * _INNER_HEIGHT

    def bars(self, bars: Sequence[tuple[float, float, float, str]], style: str) -> None:
        """(from, to, height, tooltip) each."""
        for start, end, height, note in bars:
            (left, top), (right, bottom) = self._at((start, height)), self._at((end, self._low))
            self._parts.append(
                f'<rect class="{style}" x="{left + 1:.1f}" y="{top:.1f}" width="{max(1.0, right - left - 2):.1f}" '
                f'height="{max(0.0, bottom - top):.1f}"><title>{escape(note)}</title></rect>'
            )

    def line(self, points: Sequence[Point], style: str) -> None:
        """A line through the points."""
        if len(points) > 1:
            path = "L".join(f"{x:.1f} {y:.1f}" for x, y in map(self._at, points))
            self._parts.append(f'<path class="line {style}" d="M{path}"/>')

    def dots(self, dots: Sequence[tuple[Point, float, str]], style: str) -> None:
        """(point, radius, tooltip) each."""
        for point, radius, note in dots:
            x, y = self._at(point)
            self._parts.append(
                f'<circle class="{style}" cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}">'
                f"<title>{escape(note)}</title></circle>"
            )

    def done(self) -> str:
        """The SVG element."""
        return "".join([*self._parts, "</svg>"])


def reliability(bins: Sequence[Mapping[str, float]], title: str, style: str) -> str:
    """How often answers of each confidence are right; on the diagonal, confidence means what it says.

    A bar for each bin that holds anything, its dot at the bin's mean confidence, larger the more answers it holds.
    """
    chart = Chart(title, "confidence %", "right %")
    total = max(1.0, sum(b["count"] for b in bins))
    notes = [
        f"{b['count']:,.0f} answers, confidence {100 * b['confidence']:.1f} %, right {100 * b['accuracy']:.1f} %"
        for b in bins
    ]
    chart.bars([(b["low"], b["high"], b["accuracy"], n) for b, n in zip(bins, notes, strict=True)], f"bar {style}")
    chart.line([(0, 0), (1, 1)], "ideal")
    chart.dots(
        [
            ((b["confidence"], b["accuracy"]), 2 + 7 * (b["count"] / total) ** 0.5, n)
            for b, n in zip(bins, notes, strict=True)
        ],
        f"dot {style}",
    )
    return chart.done()


def coverage(curve: Sequence[Mapping[str, float]], title: str) -> str:
    """Accuracy of the surest share of the answers, against that share."""
    lowest = min((point["accuracy"] for point in curve), default=0.0)
    low = next((edge for edge in (0.75, 0.5, 0.25) if lowest >= edge), 0.0)
    chart = Chart(title, "answered % (the surest first)", "right %", low=low)
    points = [(point["coverage"], point["accuracy"]) for point in curve]
    chart.line(points, "after")
    chart.dots(
        [
            ((p["coverage"], p["accuracy"]), 3.0,
             f"{100 * p['coverage']:.0f} % answered, confidence {p['confidence']:.2f} and more: "
             f"{100 * p['accuracy']:.1f} % right")
            for p in curve
        ],
        "dot after",
    )  # fmt: skip
    return chart.done()
