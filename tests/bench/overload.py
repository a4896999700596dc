"""Ten times the load that a server can do, with deadlines of 1 s: what is still answered in time, and health.

    python tests/bench/overload.py [--seconds 30] [--times 10]

First the highest rate of checks is found with callers who wait (closed loop, same deadline), then arrivals come at ten
times that rate, one in twenty of them a health check. Then so many callers wait once more: a machine's own speed
moves, so the rate that counts is the mean of before and after. Exit status 1 when fewer checks are answered in time
than 85 % of it, or a health check takes 100 ms, fails, or is not answered.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from common import bench, figure, model_options, serve_arguments, served

DEADLINE = 1.0
HEALTH_MS = 100.0
CHECKS = 0.95  # of the calls; the others ask for health


def measure(address: str, seconds: float, times: float, out: Path | None = None) -> bool:
    """Measure at a server, print two rows. `out`: a folder for the report."""
    asked = ("--target", address, "--deadline", DEADLINE, "--duration", seconds, "--warmup", min(3.0, seconds))
    # checks alone: refused callers come again, and the health checks among them would pass for capacity
    found = bench(*asked, "--sweep", "1x", "--mix", "check", out=None if out is None else out / "capacity.json")
    best = max(found["capacity"]["trials"], key=lambda trial: _good(trial["calls"]))
    before = _good(best["calls"])
    report = bench(
        *asked, "--rate", times * before / CHECKS, "--mix", "check=19,health=1", "--max-in-flight", 10_000,
        out=None if out is None else out / "overload.json",
    )  # fmt: skip
    row = report["rows"][0]
    checks, health = row["calls"]["check"], row["calls"]["health"]
    again = bench(*asked, "--mix", "check", "--concurrency", best["load"]["concurrency"])
    after = _good(again["rows"][0]["calls"])
    capacity = (before + after) / 2
    detail = (
        f"{checks['good_per_second']:.1f} in time of {row['load']['rate'] * CHECKS:.0f}/s offered, capacity "
        f"{before:.1f}/s before and {after:.1f}/s after; refused after {_median(checks)} ms (p50); {_outcomes(checks)}"
    )
    good = figure(
        f"goodput at {times:g}x, to capacity", 100 * checks["good_per_second"] / capacity, 85, 97, "%", detail
    )
    return _healthy(times, health) and good


def _good(calls: dict[str, Any]) -> float:
    return float(calls["check"]["good_per_second"])


def _healthy(times: float, health: dict[str, Any]) -> bool:
    latency = health["latency_ms"]
    if latency is None or health["ok_count"] < health["sent_count"] or health["unsent_count"]:
        print(f"| health under {times:g}x load | not always answered: {_outcomes(health)} |")
        return False
    detail = f"p99 {latency['p99']['value']:.1f} ms of {latency['count']} checks, the generator's own delay included"
    return figure(f"slowest health check under {times:g}x load", latency["max"], HEALTH_MS, 20, "ms", detail)


def _median(calls: dict[str, Any]) -> str:
    times = calls["failure_latency_ms"]
    return "" if times is None else f"{times['p50']['value']:.0f}"


def _outcomes(calls: dict[str, Any]) -> str:
    counted = {**calls["codes"], **({"unsent": calls["unsent_count"]} if calls["unsent_count"] else {})}
    return ", ".join(f"{n:,} {code}" for code, n in counted.items())


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=30, help="measured, each trial and the overload")
    parser.add_argument("--times", type=float, default=10, help="offered load, in multiples of the capacity")
    model_options(parser)
    given = parser.parse_args()
    with served(*serve_arguments(given)) as (address, _):
        return 0 if measure(address, given.seconds, given.times) else 1


if __name__ == "__main__":
    sys.exit(main())
