"""The standard runs of `onrecord bench` against a server that this starts, as a table for docs/benchmarks.md.

    python tests/bench/standard.py [--out build/bench] [--seconds 15] [--claims C.jsonl --statements S.jsonl]

Writes a report (JSON, and a page with charts) for each run, and table.md with everything in one. By default the article
of seeds/ is on the record and its sample claims are checked; the server remembers no scores.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import overload
import under_stream
from common import CLAIMS, bench, model_options, serve_arguments, served

# name, what it is in words, times of the usual seconds (a long call must fit many times), options of `onrecord bench`
RUNS: tuple[tuple[str, str, int, tuple[object, ...]], ...] = (
    ("one-caller", "one caller", 2, ("--concurrency", 1)),
    ("batches", "2 callers of batches of 64 claims", 6, ("--mix", "batch", "--size", 64, "--concurrency", 2)),
    ("stream", "a full stream of claims", 2, ("--mix", "health", "--rate", 1, "--with-stream")),
    ("pairs", "4 callers of 64 pairs", 2, ("--mix", "pairs", "--size", 64, "--concurrency", 4)),
    ("load", "checks as they come, deadline 1 s", 1,
     ("--capacity", "--sweep", "0.25x,0.5x,0.8x,0.9x,1x,2x,10x", "--deadline", 1, "--max-in-flight", 10_000)),
    ("mixed", "a mix as it comes, a fifth abandoned after 50 ms, deadline 5 s", 2,
     ("--mix", "check=16,batch=1,pairs=1,health=2", "--size", 32, "--sweep", "0.5x,0.8x", "--abandon", 0.2,
      "--deadline", 5)),
)  # fmt: skip


def table(reports: Sequence[tuple[str, dict[str, Any]]]) -> str:
    """All runs as Markdown."""
    lines = [_made_with(reports[0][1]), ""]
    for words, report in reports:
        if found := report["capacity"]:
            sustained = found["sustained_per_second"]
            lines.append(
                f"{words[:1].upper()}{words[1:]}: at most {found['saturated_per_second']:.2f} calls/s in time with "
                f"{found['saturated_concurrency']} callers"
                + (f"; {sustained:.2f} calls/s with 99 % in time." if sustained is not None else ".")
            )
    lines += [
        "",
        "| run | load | calls | sent | in time % | in time/s | items/s | p50 ms | p95 | p99 (95 %) | max |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for words, report in reports:
        for row in report["rows"]:
            lines += [f"| {words} | {_load(row)} | {_cells(kind, one)} |" for kind, one in row["calls"].items()]
            if stream := row["stream"]:
                rate = f"{stream['claims_per_second']:.1f}"
                lines.append(f"| {words} | {_load(row)} | the stream | {stream['ok_count']:,} | | | {rate} | | | | |")
    every = ((words, row) for words, report in reports for row in report["rows"])
    notes = [f"- {words}, {_load(row)}: {note}" for words, row in every for note in row["notes"]]
    return "\n".join([*lines, "", *notes]).rstrip()


def _made_with(report: dict[str, Any]) -> str:
    server, client = report["server"], report["client"]
    model = f"model {server['model_id']} (`{server['model_revision'][:12]}`), {server['precision']}"
    machine = f"{client['processor']}, {client['cpu_count']} cores, generator on the same machine"
    return f"{machine}; {model}{', a FAKE' if server['fake'] else ''}; {server['statement_count']:,} statements."


def _load(row: dict[str, Any]) -> str:
    asked = row["load"]
    return f"{asked['rate']:.3g}/s" if asked["loop"] == "open" else f"{asked['concurrency']} callers"


def _cells(kind: str, one: dict[str, Any]) -> str:
    share, times = one["good_share"], one["latency_ms"]
    cells = [kind, f"{one['sent_count']:,}", "" if share is None else f"{100 * share['value']:.1f}"]
    cells += [f"{one['good_per_second']:.2f}", f"{one['items_per_second']:.1f}"]
    if times is None:
        return " | ".join([*cells, "", "", "", ""])
    p99 = times["p99"]
    ends = "–".join("" if end is None else f"{end:.0f}" for end in (p99["low"], p99["high"]))
    cells += [f"{times['p50']['value']:.0f}", f"{times['p95']['value']:.0f}", f"{p99['value']:.0f} ({ends})"]
    return " | ".join([*cells, f"{times['max']:.0f}"])


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    parser.add_argument("--seconds", type=float, default=15, help="measured, each row and each trial")
    parser.add_argument("--claims", type=Path, default=CLAIMS)
    parser.add_argument("--statements", type=Path, default=None, help="served instead of the article")
    model_options(parser)
    given = parser.parse_args()
    warmup = min(3.0, given.seconds)
    reports = []
    with served(*serve_arguments(given), statements=given.statements) as (address, _):
        for name, words, times, options in RUNS:
            print(f"{name}: {words} …", file=sys.stderr)
            asked = ("--target", address, "--duration", times * given.seconds, "--warmup", warmup, *options)
            reports.append((words, bench(*asked, out=given.out / f"{name}.json", claims=given.claims)))
        rows = io.StringIO()
        with contextlib.redirect_stdout(rows):
            print("interactive checks beside a stream; overload …", file=sys.stderr)
            under_stream.measure(address, 4 * given.seconds, given.out)
            overload.measure(address, given.seconds, 10, out=given.out)
    head = "| figure | measured | at least | aim | | |\n|---|---|---|---|---|---|"
    made = f"{table(reports)}\n\n{head}\n{rows.getvalue()}"
    (given.out / "table.md").write_text(made, encoding="utf-8")
    print(made)
    return 0


if __name__ == "__main__":
    sys.exit(main())
