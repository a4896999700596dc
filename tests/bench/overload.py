"""Ten times the load that a server can do, with deadlines of 1 s: what is still answered in time, and health.

    python tests/bench/overload.py [--seconds 30] [--times 10] [--rounds 1]

First the highest rate of checks is found with callers who wait (closed loop, same deadline), then arrivals come at ten
times that rate, one in twenty of them a health check. Then so many callers wait once more: a machine's own speed
moves, so the rate that counts is the mean of before and after; with several rounds the two take turns, and what counts
is all that was answered in time to all of that rate. Exit status 1 when fewer checks are answered in time than 85 % of
it, or a health check takes 100 ms, fails, or is not answered.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from common import bench, figure, model_options, serve_arguments, served

DEADLINE = 1.0
HEALTH_MS = 100.0
CHECKS = 0.95  # of the calls; the others ask for health


def measure(address: str, seconds: float, times: float, rounds: int = 1, out: Path | None = None) -> bool:
    """Measure at a server, print two rows. `out`: a folder for the reports of the search and of the last round."""
    asked = ("--target", address, "--deadline", DEADLINE, "--duration", seconds, "--warmup", min(3.0, seconds))
    # checks alone: refused callers come again, and the health checks among them would pass for capacity
    found = bench(*asked, "--sweep", "1x", "--mix", "check", out=None if out is None else out / "capacity.json")
    best = max(found["capacity"]["trials"], key=lambda trial: _good(trial["calls"]))
    callers = ("--mix", "check", "--concurrency", best["load"]["concurrency"])
    # measured anew: the best of several trials is better than its callers are on the whole
    capacities = [_good(bench(*asked, *callers)["rows"][0]["calls"])]
    offered = times * capacities[0]
    calls = []
    for _ in range(rounds):
        report = bench(
            *asked, "--rate", offered / CHECKS, "--mix", "check=19,health=1", "--max-in-flight", 10_000,
            out=None if out is None else out / "overload.json",
        )  # fmt: skip
        calls.append(report["rows"][0]["calls"])
        capacities.append(_good(bench(*asked, *callers)["rows"][0]["calls"]))
    between = [(before + after) / 2 for before, after in pairwise(capacities)]
    in_time = list(map(_good, calls))
    codes = sum((Counter(_codes(one["check"])) for one in calls), Counter[str]())
    detail = (
        f"{_list(in_time)} in time of {offered:.0f}/s offered, capacity {_list(capacities)}/s around them; refused "
        f"after {_list(map(_median, calls))} ms (p50); {_outcomes(codes)}"
    )
    good = figure(f"goodput at {times:g}x, to capacity", 100 * sum(in_time) / sum(between), 85, 97, "%", detail)
    return _healthy(times, [one["health"] for one in calls]) and good


def _good(calls: dict[str, Any]) -> float:
    return float(calls["check"]["good_per_second"])


def _healthy(times: float, health: list[dict[str, Any]]) -> bool:
    for one in health:
        if one["latency_ms"] is None or one["ok_count"] < one["sent_count"] or one["unsent_count"]:
            print(f"| health under {times:g}x load | not always answered: {_outcomes(_codes(one))} |")
            return False
    spreads = [one["latency_ms"] for one in health]
    detail = (
        f"p99 {_list(one['p99']['value'] for one in spreads)} ms of {sum(one['count'] for one in spreads)} checks, the "
        "generator's own delay included"
    )
    slowest = max(one["max"] for one in spreads)
    return figure(f"slowest health check under {times:g}x load", slowest, HEALTH_MS, 20, "ms", detail)


def _median(calls: dict[str, Any]) -> float:
    times = calls["check"]["failure_latency_ms"]
    return 0.0 if times is None else float(times["p50"]["value"])


def _codes(calls: dict[str, Any]) -> dict[str, int]:
    return {**calls["codes"], **({"unsent": calls["unsent_count"]} if calls["unsent_count"] else {})}


def _outcomes(codes: Mapping[str, int]) -> str:
    return ", ".join(f"{n:,} {code}" for code, n in codes.items())


def _list(values: Iterable[float]) -> str:
    return ", ".join(f"{value:.1f}" for value in values)


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=30, help="measured, each trial and the overload")
    parser.add_argument("--rounds", type=int, default=1, help="overloads, each between two closed loops")
    parser.add_argument("--times", type=float, default=10, help="offered load, in multiples of the capacity")
    model_options(parser)
    given = parser.parse_args()
    with served(*serve_arguments(given)) as (address, _):
        return 0 if measure(address, given.seconds, given.times, given.rounds) else 1


if __name__ == "__main__":
    sys.exit(main())
