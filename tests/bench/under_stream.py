"""Interactive checks while a bulk stream saturates the server, against the same on an idle server: p99 to p99.

    python tests/bench/under_stream.py [--seconds 60]

One caller who waits for each answer before the next check (with --rate: checks that come by themselves), first alone,
then beside a stream of claims that is kept full. Exit status 1 when p99 grows more than threefold, or the stream gets
nowhere.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from common import bench, figure, model_options, serve_arguments, served


def measure(address: str, seconds: float, out: Path | None = None, rate: float | None = None) -> bool:
    """Measure at a server, print the row. `out`: a folder for the two reports."""
    load = ("--concurrency", 1) if rate is None else ("--rate", rate)
    asked = ("--target", address, *load, "--duration", seconds, "--warmup", min(5.0, seconds))
    reports = [
        bench(*asked, *more, out=None if out is None else out / name)
        for name, more in (("idle.json", ()), ("under-stream.json", ("--with-stream",)))
    ]
    rows = [report["rows"][0] for report in reports]
    stream = rows[1]["stream"]["claims_per_second"]
    if stream == 0 or any(row["calls"]["check"]["latency_ms"] is None for row in rows):
        print(f"nothing was answered: {rows[1]['stream']}", file=sys.stderr)
        return False
    idle, busy = (row["calls"]["check"]["latency_ms"] for row in rows)
    detail = (
        f"p99 {busy['p99']['value']:.0f} against {idle['p99']['value']:.0f} ms, p50 {busy['p50']['value']:.0f} against "
        f"{idle['p50']['value']:.0f} ms, {busy['count']} and {idle['count']} checks, stream {stream:.1f} claims/s"
    )
    return figure("interactive p99 under a full stream, to idle", busy["p99"]["value"] / idle["p99"]["value"], 3, 1.5,
                  "x", detail)  # fmt: skip


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60, help="measured, each of the two")
    parser.add_argument("--rate", type=float, default=None, help="checks a second, Poisson arrivals")
    model_options(parser)
    given = parser.parse_args()
    with served(*serve_arguments(given)) as (address, _):
        return 0 if measure(address, given.seconds, rate=given.rate) else 1


if __name__ == "__main__":
    sys.exit(main())
