"""The report of `onrecord bench` as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from onrecord.cli._draw import Out, Table, Text
from onrecord.cli._report import complain, printable
from onrecord.cli._show import MAX_WIDTH


def show(made: Mapping[str, Any]) -> None:
    """What was measured, with what, a row for each load and kind of call; notes go to stderr."""
    out = Out(MAX_WIDTH)
    server, plan, data = made["server"], made["plan"], made["data"]
    fake = ", a FAKE for tests only" if server["fake"] else ""
    model = f"model {server['model_id']} ({server['model_revision'][:12]}), {server['precision']}{fake}"
    deadline = plan["deadline_seconds"]
    within = "no deadline" if deadline is None else f"deadline {deadline:g} s"
    out.print(Text(printable(f"{model}; {server['statement_count']:,} statements; claims: {data['claims']}"), "dim"))
    out.print(Text(f"{plan['duration_seconds']:g} s a row, {within}, {plan['arrivals']} arrivals in open loops", "dim"))
    if made["capacity"]:
        out.print()
        out.print(capacity(made["capacity"]))
        if not made["rows"]:
            _rows(out, made["capacity"]["trials"])
    _rows(out, made["rows"])


def capacity(found: Mapping[str, Any]) -> str:
    """The two figures of the search in one line."""
    line = f"highest rate {found['saturated_per_second']:.2f}/s with {found['saturated_concurrency']} callers"
    if found["sustained_per_second"] is not None:
        line += (
            f"; {found['sustained_per_second']:.2f}/s is sustained with "
            f"{100 * found['sustained_good_share']:.0f} % answered in time"
        )
    return line


def _rows(out: Out, rows: Sequence[Mapping[str, Any]]) -> None:
    if not rows:
        return
    out.print()
    out.print(_latencies(rows))
    out.print(Text("good: answered in time; p50 to max: milliseconds from when a call was due to its answer", "dim"))
    if server := _server_times(rows):
        out.print()
        out.print(server)
    for row in rows:
        if streamed := row["stream"]:
            others = ", ".join(f"{n:,} {printable(code)}" for code, n in streamed["codes"].items() if code != "OK")
            shown = f"{load(row)}: beside it, {streamed['claims_per_second']:.1f} claims/s of a stream"
            out.print(f"{shown} ({others})" if others else shown)
    if failures := [line for row in rows for line in _failures(row)]:
        out.print()
        for line in failures:
            out.print(line)
    for row in rows:
        for note in row["notes"]:
            complain(f"{load(row)}: {note}")


def load(row: Mapping[str, Any]) -> str:
    """The load of a row in words."""
    asked = row["load"]
    if asked["loop"] == "open":
        return f"{asked['rate']:.4g}/s"
    return f"{asked['concurrency']} caller{'s' * (asked['concurrency'] != 1)}"


def _latencies(rows: Sequence[Mapping[str, Any]]) -> Table:
    table = _table(
        "load", "calls", "sent", "good %", "good/s", "items/s", "p50", "p95", "p99", "p99 95\N{NO-BREAK SPACE}%", "max"
    )
    for row in rows:
        for number, (kind, one) in enumerate(row["calls"].items()):
            times = one["latency_ms"]
            cells = [
                load(row) if number == 0 else "",
                kind,
                f"{one['sent_count']:,}",
                "" if one["good_share"] is None else f"{100 * one['good_share']['value']:.1f}",
                f"{one['good_per_second']:.2f}",
                f"{one['items_per_second']:.1f}",
            ]
            if times is not None:
                cells += [f"{times[key]['value']:.1f}" for key in ("p50", "p95", "p99")]
                cells += [between(times["p99"]), f"{times['max']:.1f}"]
            table.row(*cells)
    return table


def between(figure: Mapping[str, float | None]) -> str:
    """The interval of a percentile; an open end is left out."""
    low, high = figure["low"], figure["high"]
    return f"{'' if low is None else f'{low:.0f}'}–{'' if high is None else f'{high:.0f}'}"


def _server_times(rows: Sequence[Mapping[str, Any]]) -> Table | None:
    """The server's own account of where the time of its answers went."""
    table = _table(
        "server's own, ms", "calls", "search p50", "queue p50", "queue p99", "model p50", "total p50", "total p99"
    )
    for row in rows:
        for kind, one in row["calls"].items():
            if stages := one["server_ms"]:
                cells = (("retrieval", "p50"), ("queue", "p50"), ("queue", "p99"), ("inference", "p50"),
                         ("total", "p50"), ("total", "p99"))  # fmt: skip
                table.row(load(row), kind, *(f"{stages[stage][key]['value']:.1f}" for stage, key in cells))
    return table if table.row_count else None


def _failures(row: Mapping[str, Any]) -> list[str]:
    """Outcomes that are no answers, a line for each kind of call that had any."""
    lines = []
    for kind, one in row["calls"].items():
        counted = {code: n for code, n in one["codes"].items() if code != "OK"} | {
            f"{code} (items)": n for code, n in one["failed_items"].items()
        }
        if one["unsent_count"]:
            counted["not sent"] = one["unsent_count"]
        if counted:
            listed = ", ".join(f"{n:,} {printable(code)}" for code, n in counted.items())
            lines.append(f"{load(row)}, {kind}: {listed}")
    return lines


def _table(*head: str) -> Table:
    table = Table(gap=1)
    table.column(head[0], least=10)
    table.column(head[1], least=6)
    for name in head[2:]:
        table.column(name.replace(" ", "\n"), right=True)
    return table
