"""The charts and the page: whatever was measured can be drawn, and what others wrote stays text."""

from __future__ import annotations

import re
import xml.dom.minidom
from collections import Counter

import pytest

from onrecord._bench.calls import Outcome
from onrecord._bench.chart import Axis, Chart
from onrecord._bench.driving import Plan, Row
from onrecord._bench.lag import Lag
from onrecord._bench.page import render
from onrecord._bench.report import report
from onrecord._bench.schedule import Load
from onrecord._bench.searching import Capacity
from onrecord._bench.tally import Tally
from onrecord.types import CheckOptions, ModelInfo, ServerInfo

SERVER = ServerInfo(
    "1", ModelInfo("<b>m</b>", "r" * 40, (), "fp32", 512, fake=True), ModelInfo("e", "1", (), "", 1, fake=True), "s", 5,
    CheckOptions(), (),
)  # fmt: skip


def row(load: Load, latencies: list[float], code: str = "OK", **more: object) -> Row:
    tally = Tally(1.0)
    for seconds in latencies:
        tally.add(Outcome("check", 0.0, 0.0, seconds, code, items=1, timings=[(1.0, 2.0, 3.0, 7.0)]))
    return Row(load, 10.0, tally, Lag(), **more)  # type: ignore[arg-type]


def page(rows: list[Row], found: Capacity | None = None) -> str:
    plan = Plan(mix={"check": 1.0}, duration=10.0, deadline=1.0)
    return render(report("<host>", SERVER, plan, {"claims": "<file>"}, rows, found))


def drawings(html: str) -> list[str]:
    """The SVG elements, each of which must be well-formed."""
    found = re.findall(r"<svg.*?</svg>", html, re.DOTALL)
    for svg in found:
        xml.dom.minidom.parseString(svg)
    return found


def test_a_sweep_is_drawn_with_its_intervals() -> None:
    latency, goodput = drawings(page([row(Load(rate=r), [r / 100 + i / 1_000 for i in range(500)]) for r in (1, 2, 4)]))
    assert latency.count("<circle") == 9
    assert latency.count('class="whisker') == 9
    assert [name in latency for name in ("p50", "p95", "p99")] == [True] * 3
    assert goodput.count("<circle") == 6


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [row(Load(rate=3), [])],
        [row(Load(rate=3), [0.1])],
        [row(Load(rate=3), [0.1] * 20, "RESOURCE_EXHAUSTED OVERLOADED")],
        [row(Load(concurrency=1), [0.0]), row(Load(concurrency=64), [0.1, 3.0])],
        [row(Load(rate=1), [0.1]), row(Load(rate=100), [2.0], "DEADLINE_EXCEEDED")],
        [row(Load(rate=1), [0.1], streamed=Counter({"OK": 3, "UNAVAILABLE <x>": 1}))],
    ],
)
def test_anything_measured_can_be_drawn(rows: list[Row]) -> None:
    html = page(rows)
    drawings(html)
    assert "nan" not in html
    assert "<x>" not in html


def test_a_search_alone_is_drawn_from_its_trials() -> None:
    found = Capacity(9.0, 8, None, [row(Load(concurrency=4), [0.1]), row(Load(rate=8.0), [0.1])])
    html = page([], found)
    assert len(drawings(html)) == 4
    assert "highest rate 9.00/s (8 callers)" in html


def test_what_others_wrote_is_escaped() -> None:
    html = page([row(Load(rate=1), [0.1])])
    for text in ("<b>m</b>", "<host>", "<file>"):
        assert text not in html
        assert text.replace("<", "&lt;").replace(">", "&gt;") in html


@pytest.mark.parametrize("values", [[0.02, 700.0], [5.0], [5.0, 5.1], [1e-3, 1e7], [], [0.0, -1.0], [float("inf")]])
@pytest.mark.parametrize("log", [True, False])
def test_an_axis_has_ticks_in_order_and_keeps_values_inside(values: list[float], log: bool) -> None:
    axis = Axis(values, log=log)
    assert 1 <= len(axis.ticks) <= 14
    assert axis.ticks == sorted(axis.ticks)
    assert all(0 <= axis.place(value) <= 1 for value in [*values, *axis.ticks, -5.0, 1e12])


def test_a_chart_of_nothing_is_a_chart() -> None:
    chart = Chart("t", "x", "y", Axis([], log=False), Axis([], log=True))
    chart.series([], "s1", "none")
    assert len(drawings(chart.done())) == 1
