"""The report as one HTML page that needs nothing else: no script, no font, no picture from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from onrecord._bench.chart import Axis, Chart

Report = Mapping[str, Any]
_Found = list[tuple[float, Report]]

PERCENTILES = (("p99", "s3"), ("p95", "s2"), ("p50", "s1"))
_WIDE = 8  # loads that differ by more than this factor get a logarithmic axis

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --soft: #5b6675; --paper: #fff; --panel: #f5f7fa; --line: #d9dfe7;
  --s1: #1769c2; --s2: #b4640b; --s3: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaf0; --soft: #9aa6b5; --paper: #14181e; --panel: #1c222b;
  --line: #36404d; --s1: #6cb0f5; --s2: #eea24e; --s3: #f28b82; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 28px 24px 60px; max-width: 1160px; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif; }
h1 { font-size: 26px; line-height: 1.2; margin: 0 0 4px; } h2 { font-size: 19px; margin: 36px 0 10px; }
h3 { font-size: 15px; margin: 0 0 6px; } p { margin: 6px 0; } .soft { color: var(--soft); }
.charts { display: grid; gap: 14px; grid-template-columns: repeat(auto-fit, minmax(380px, 1fr)); }
.chart { background: var(--panel); border: 1px solid var(--line); border-radius: 8px; padding: 12px 14px; }
.chart svg { width: 100%; max-width: 560px; height: auto; display: block; margin: 0 auto; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; width: 100%; }
th, td { padding: 5px 10px; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
th { font-weight: 600; color: var(--soft); vertical-align: bottom; white-space: normal; }
td:nth-child(-n+2), th:nth-child(-n+2) { text-align: left; }
.notes li { margin: 4px 0; } svg text { fill: var(--soft); font-size: 11px; }
.grid { stroke: var(--line); stroke-width: 1; } .line, .whisker { fill: none; stroke-width: 2; }
.whisker { stroke-width: 1.2; opacity: .6; } .line.ideal { stroke: var(--soft); stroke-dasharray: 4 4;
  stroke-width: 1.2; }
.line.s1, .whisker.s1 { stroke: var(--s1); } .line.s2, .whisker.s2 { stroke: var(--s2); }
.line.s3, .whisker.s3 { stroke: var(--s3); } .line.s3 { stroke-width: 4; }
.dot.s1, svg text.s1 { fill: var(--s1); } .dot.s2, svg text.s2 { fill: var(--s2); }
.dot.s3, svg text.s3 { fill: var(--s3); } svg text.key { font-weight: 600; }
@media print { body { max-width: none; } .chart { break-inside: avoid; } }
"""


def render(report: Report) -> str:
    """The page, UTF-8. Everything that came from elsewhere is escaped."""
    rows = report["rows"] or (report["capacity"] or {}).get("trials", [])
    kinds = sorted({kind for row in rows for kind in row["calls"]})
    body = [_head(report)]
    for loop in ("open", "closed"):
        chosen = [row for row in rows if row["load"]["loop"] == loop]
        for kind in kinds:
            charts = _charts(chosen, kind, report["plan"]["deadline_seconds"])
            if charts:
                name = "calls as they come (open loop)" if loop == "open" else "callers who wait (closed loop)"
                body.append(f'<h2>{escape(kind)}: {name}</h2><div class="charts">{"".join(charts)}</div>')
    body += [_table(rows), _notes(rows), _footer(report)]
    title = f"Load on {report['target']}"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{escape(title)}</h1>\n"
        + "\n".join(body)
        + "\n</body>\n</html>"
    )


def _head(report: Report) -> str:
    server, client, plan = report["server"], report["client"], report["plan"]
    fake = " — a FAKE, for tests only" if server["fake"] else ""
    mix = ", ".join(f"{kind} {weight:g}" for kind, weight in plan["mix"].items())
    deadline = "none" if plan["deadline_seconds"] is None else f"{plan['deadline_seconds']:g} s"
    lines = [
        f"model {server['model_id']} ({server['model_revision'][:12]}), {server['precision']}{fake} · "
        f"{server['statement_count']:,} statements · onrecord {server['version']}",
        f"mix: {mix} · {plan['duration_seconds']:g} s a row after {plan['warmup_seconds']:g} s of warm-up · "
        f"deadline {deadline} · {plan['arrivals']} arrivals · claims: {report['data']['claims']}",
        f"generator: {client['processor'] or client['machine']}, {client['cpu_count']} cores, "
        f"Python {client['python']}, grpcio {client['grpcio']}",
    ]
    if found := report["capacity"]:
        line = f"highest rate {found['saturated_per_second']:.2f}/s ({found['saturated_concurrency']} callers)"
        if found["sustained_per_second"] is not None:
            share = 100 * found["sustained_good_share"]
            line += f" · sustained with {share:.0f} % in time: {found['sustained_per_second']:.2f}/s"
        lines.append(line)
    return "".join(f'<p class="soft">{escape(line)}</p>' for line in lines)


def _load(row: Report) -> float:
    return float(row["load"].get("rate") or row["load"]["concurrency"])


def _words(row: Report) -> str:
    asked = row["load"]
    return f"{asked['rate']:.4g}/s" if asked["loop"] == "open" else f"callers: {asked['concurrency']}"


def _charts(rows: Sequence[Report], kind: str, deadline: float | None) -> list[str]:
    found = sorted(((_load(row), row["calls"][kind]) for row in rows if kind in row["calls"]), key=lambda one: one[0])
    if not found:
        return []
    is_open = rows[0]["load"]["loop"] == "open"
    across = "offered, all calls a second" if is_open else "callers"
    loads = [load for load, _ in found]
    log = max(loads) / min(loads) > _WIDE
    return [
        _panel("Latency", _latency(found, across, Axis(loads, log=log, from_zero=True), deadline)),
        _panel("Goodput", _goodput(found, across, Axis(loads, log=log, from_zero=True))),
    ]


def _latency(found: _Found, across: str, x: Axis, deadline: float | None) -> str:
    answered = [(load, one["latency_ms"]) for load, one in found if one["latency_ms"] is not None]
    values = [t[key][end] for _, t in answered for key, _ in PERCENTILES for end in ("value", "low", "high")]
    if deadline is not None:
        values.append(1_000 * deadline)
    y = Axis([v for v in values if v is not None], log=True)
    chart = Chart("Latency against load", across, "milliseconds", x, y)
    if deadline is not None:
        loads = [load for load, _ in found]
        chart.line([(min(loads), 1_000 * deadline), (max(loads), 1_000 * deadline)], "ideal")
    for key, style in PERCENTILES:
        points = []
        for load, times in answered:
            p = times[key]
            ends = (p["low"] or p["value"], p["high"] or p["value"])
            note = f"{key} {p['value']:.1f} ms at {load:.4g}; 95 %: {_end(p['low'])} to {_end(p['high'])}"
            points.append(((load, p["value"]), ends, note))
        chart.series(points, style, key)
    return chart.done()


def _goodput(found: _Found, across: str, x: Axis) -> str:
    sent = [one["sent_per_second"] + _unsent(one) for _, one in found]
    good = [one["good_per_second"] for _, one in found]
    log = max(sent, default=1.0) > _WIDE * max(min(sent, default=1.0), 1e-9)
    y = Axis([*sent, *good], log=log, from_zero=True)
    chart = Chart("Answered in time against load", across, "calls a second", x, y)
    for values, style, label in ((sent, "s2", "due"), (good, "s1", "answered in time")):
        points = [
            ((load, value), None, f"{value:.2f}/s {label} at {load:.4g}")
            for (load, _), value in zip(found, values, strict=True)
            if value > 0 or not log
        ]
        chart.series(points, style, label)
    return chart.done()


def _unsent(one: Report) -> float:
    """Calls a second that were due and not sent."""
    return float(one["unsent_count"] * one["sent_per_second"] / one["sent_count"]) if one["sent_count"] else 0.0


def _end(value: float | None) -> str:
    return "open" if value is None else f"{value:.1f}"


def _panel(title: str, svg: str) -> str:
    return f'<div class="chart"><h3>{escape(title)}</h3>{svg}</div>'


_HEAD = ("load", "calls", "sent", "good %", "95 %", "good/s", "items/s", "p50 ms", "p90", "p95", "p99", "95 %", "max",
         "server: queue p50 ms", "queue p99", "model p50", "other outcomes")  # fmt: skip


def _table(rows: Iterable[Report]) -> str:
    lines = ["".join(f"<th>{escape(name)}</th>" for name in _HEAD)]
    for row in rows:
        for kind, one in row["calls"].items():
            lines.append("".join(f"<td>{escape(cell)}</td>" for cell in _cells(row, kind, one)))
    listed = "".join(f"<tr>{line}</tr>" for line in lines)
    return f'<h2>All rows</h2><div class="scroll"><table>{listed}</table></div>'


def _cells(row: Report, kind: str, one: Report) -> list[str]:
    share, times, stages = one["good_share"], one["latency_ms"], one["server_ms"]
    cells = [_words(row), kind]
    cells += [f"{one['sent_count']:,}", "", ""] if share is None else [
        f"{one['sent_count']:,}", f"{100 * share['value']:.1f}", f"{100 * share['low']:.1f}–{100 * share['high']:.1f}",
    ]  # fmt: skip
    cells += [f"{one['good_per_second']:.2f}", f"{one['items_per_second']:.1f}"]
    if times is None:
        cells += [""] * 6
    else:
        cells += [f"{times[key]['value']:.1f}" for key in ("p50", "p90", "p95", "p99")]
        cells += [f"{_end(times['p99']['low'])}–{_end(times['p99']['high'])}", f"{times['max']:.1f}"]
    named = (("queue", "p50"), ("queue", "p99"), ("inference", "p50"))
    cells += [f"{stages[stage][key]['value']:.1f}" if stages else "" for stage, key in named]
    others = {code: n for code, n in one["codes"].items() if code != "OK"}
    if one["unsent_count"]:
        others["not sent"] = one["unsent_count"]
    others |= {f"{code} (items)": n for code, n in one["failed_items"].items()}
    return [*cells, ", ".join(f"{n:,} {code}" for code, n in others.items())]


def _notes(rows: Iterable[Report]) -> str:
    notes = [f"{_words(row)}: {note}" for row in rows for note in [*row["notes"], *_beside(row)]]
    if not notes:
        return ""
    return f'<h2>Notes</h2><ul class="notes">{"".join(f"<li>{escape(note)}</li>" for note in notes)}</ul>'


def _beside(row: Report) -> Iterable[str]:
    if (streamed := row["stream"]) is not None:
        others = ", ".join(f"{n:,} {code}" for code, n in streamed["codes"].items() if code != "OK")
        rate = f"{streamed['claims_per_second']:.1f}"
        yield f"beside the calls, {rate} claims/s of a stream{f' ({others})' if others else ''}"


def _footer(report: Report) -> str:
    return (
        '<p class="soft">A call is good when it is answered within the deadline (the dashed line) of when it was due. '
        "In an open loop, latency runs from when a call was due, not from when it was sent; only answers have one. "
        f"Intervals: {escape(report['intervals'])}.</p>"
    )
