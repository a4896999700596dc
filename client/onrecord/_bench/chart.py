"""Line charts as inline SVG, with linear or logarithmic axes. Colours are CSS variables of the page."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape

Point = tuple[float, float]

WIDTH, HEIGHT = 460, 320
_LEFT, _TOP, _RIGHT, _BOTTOM = 58, 34, 16, 44
_LETTER = 7  # width of a letter of the key, roughly
_NARROW = 4.0  # a logarithmic axis spans this factor at least, or it would hardly have a tick
_CLOSE = 0.1  # of the width: labels of ticks that are nearer than this would touch


class Axis:
    """From values to places 0 to 1, and where its ticks are. `values`: everything that is to fit, above 0 if `log`."""

    def __init__(self, values: Iterable[float], *, log: bool, from_zero: bool = False) -> None:
        found = [v for v in values if math.isfinite(v) and (v > 0 or not log)] or [1.0]
        low, high = min(found), max(found)
        self._log = log
        if log:
            wider = max(1.15, (_NARROW * low / high) ** 0.5)
            self._low, self._high = low / wider, high * wider
            self.ticks = _log_ticks(self._low, self._high)
        else:
            low = 0.0 if from_zero else low
            step = _step((high - low) or abs(high) or 1.0)
            self._low, self._high = math.floor(low / step) * step, math.ceil(high / step) * step
            if self._low == self._high:
                self._high += step
            count = round((self._high - self._low) / step)
            self.ticks = [self._low + i * step for i in range(count + 1)]

    def place(self, value: float) -> float:
        """0 at the low end, 1 at the high one; values beyond are moved to the end."""
        if self._log:
            share = math.log(max(value, self._low) / self._low) / math.log(self._high / self._low)
        else:
            share = (value - self._low) / (self._high - self._low)
        return max(0.0, min(1.0, share))


class Chart:
    """A diagram with two axes."""

    def __init__(self, title: str, across: str, up: str, x: Axis, y: Axis) -> None:
        self._x, self._y = x, y
        self._keys = float(_LEFT)
        self._parts = [
            f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">',
            f"<title>{escape(title)}</title>",
        ]
        for tick in y.ticks:
            _, at = self._at((0, tick))
            self._parts += [
                f'<path class="grid" d="M{_LEFT} {at:.1f}H{WIDTH - _RIGHT}"/>',
                f'<text x="{_LEFT - 7}" y="{at + 4:.1f}" text-anchor="end">{_short(tick)}</text>',
            ]
        last = -1.0
        for tick in x.ticks:
            if (place := x.place(tick)) - last < _CLOSE:
                continue
            last = place
            at = _LEFT + place * (WIDTH - _LEFT - _RIGHT)
            self._parts += [
                f'<path class="grid" d="M{at:.1f} {HEIGHT - _BOTTOM}v4"/>',
                f'<text x="{at:.1f}" y="{HEIGHT - _BOTTOM + 18}" text-anchor="middle">{_short(tick)}</text>',
            ]
        middle = _TOP + (HEIGHT - _TOP - _BOTTOM) / 2
        self._parts += [
            f'<text x="{(_LEFT + WIDTH - _RIGHT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">{escape(across)}</text>',
            f'<text x="12" y="{middle}" text-anchor="middle" transform="rotate(-90 12 {middle})">{escape(up)}</text>',
        ]

    def _at(self, point: Point) -> Point:
        x, y = point
        return (
            _LEFT + self._x.place(x) * (WIDTH - _LEFT - _RIGHT),
            _TOP + (1 - self._y.place(y)) * (HEIGHT - _TOP - _BOTTOM),
        )

    def series(self, points: Sequence[tuple[Point, Point | None, str]], style: str, label: str = "") -> None:
        """A line with a dot at each point: (x, y), the ends of y's interval if any, and a tooltip.

        `label` is written above the diagram in the line's colour.
        """
        if len(points) > 1:
            path = "L".join("{:.1f} {:.1f}".format(*self._at(point)) for point, _, _ in points)
            self._parts.append(f'<path class="line {style}" d="M{path}"/>')
        for point, ends, note in points:
            x, y = self._at(point)
            if ends is not None:
                low, high = (self._at((point[0], end))[1] for end in ends)
                self._parts.append(f'<path class="whisker {style}" d="M{x:.1f} {low:.1f}V{high:.1f}"/>')
            self._parts.append(
                f'<circle class="dot {style}" cx="{x:.1f}" cy="{y:.1f}" r="3"><title>{escape(note)}</title></circle>'
            )
        if label:
            self._parts.append(f'<text class="key {style}" x="{self._keys:.0f}" y="18">{escape(label)}</text>')
            self._keys += _LETTER * len(label) + 14

    def line(self, points: Sequence[Point], style: str) -> None:
        """A line without dots, as a reference."""
        path = "L".join("{:.1f} {:.1f}".format(*self._at(point)) for point in points)
        self._parts.append(f'<path class="line {style}" d="M{path}"/>')

    def done(self) -> str:
        """The SVG element."""
        return "".join([*self._parts, "</svg>"])


def _log_ticks(low: float, high: float) -> list[float]:
    """1, 2, 5, 10 … inside the range; every digit when it is short, powers of ten alone when it is long."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    span = high / low
    digits: Sequence[int] = range(1, 10) if span < 10 else (1, 2, 5) if span < 1e4 else (1,)
    return [d * 10.0**e for e in range(first, last + 1) for d in digits if low <= d * 10.0**e <= high]


def _step(span: float) -> float:
    """A round step that gives four to ten ticks."""
    power = 10.0 ** math.floor(math.log10(span / 4))
    return next(power * d for d in (1, 2, 2.5, 5, 10) if span / (power * d) <= 8)


def _short(value: float) -> str:
    return f"{value / 1000:g}k" if value >= 10_000 else f"{round(value, 6):g}"
