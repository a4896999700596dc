"""Growth of the memory of the server and its models' processes over minutes of steady load.

    python tests/bench/rss_growth.py [--minutes 30] [--load 0.8]

Checks, batches and pairs at four fifths of the highest rate (Poisson arrivals, texts never the same twice). It is read
from /proc every second (Linux). The first sixth of the time is left out: buffers and the allocator's arenas fill.
So does the server's memory of scores, which is small here, lest its filling be taken for growth. Growth is the mean of
the last tenth against the first tenth of the rest. Exit status 1 from 2 % on.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time

from common import bench, figure, memory, model_options, serve_arguments, served

EVERY = 1.0
LEFT_OUT = 1 / 6
WORK = "check=8,batch=1,pairs=1"
MIX = f"{WORK},health=1"
HEALTHY = 11 / 10  # calls of that mix to those that are work
ANSWERED = 0.98  # of the calls, at least
CALLERS = 6  # enough to keep the models busy


class Sampler(threading.Thread):
    """Reads the memory of a process until stopped."""

    def __init__(self, process: int) -> None:
        super().__init__(daemon=True)
        self._process = process
        self._stop_asked = threading.Event()
        self.samples: list[tuple[float, float]] = []  # seconds from the start, MiB

    def run(self) -> None:
        """Sample."""
        began = time.monotonic()
        while not self._stop_asked.wait(EVERY):
            self.samples.append((time.monotonic() - began, memory(self._process)))

    def stop(self) -> None:
        """Ask it to end, and wait."""
        self._stop_asked.set()
        self.join()


def growth(samples: list[tuple[float, float]]) -> tuple[float, float, float]:
    """Share by which the memory grew, and the two means it is made of, MiB."""
    kept = [mib for seconds, mib in samples if seconds >= LEFT_OUT * samples[-1][0]]
    tenth = max(1, len(kept) // 10)
    first, last = sum(kept[:tenth]) / tenth, sum(kept[-tenth:]) / tenth
    return last / first - 1, first, last


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--load", type=float, default=0.8, help="share of the highest rate")
    parser.add_argument("--trial-seconds", type=float, default=90, help="of the trial that looks for that rate")
    parser.add_argument("--cache-pairs", default="2000", help="scores that the server remembers")
    model_options(parser)
    given = parser.parse_args()
    arguments = [*serve_arguments(given)[:-1], given.cache_pairs]
    with served(*arguments) as (address, process):
        asked = ("--target", address, "--warmup", 2, "--deadline", 30)
        # the highest rate by a few callers who wait: none of them is refused, so that what is done is of the mix that
        # was asked for; before the samples, and without health checks, which would pass for capacity
        found = bench(*asked, "--mix", WORK, "--concurrency", CALLERS, "--duration", given.trial_seconds)
        most = found["rows"][0]["calls"].values()
        if sum(one["ok_count"] for one in most) < ANSWERED * sum(one["sent_count"] for one in most):
            raise SystemExit("too few were answered to tell the highest rate by; is something else running?")
        rate = given.load * sum(one["good_per_second"] for one in most) * HEALTHY
        sampler = Sampler(process)
        sampler.start()
        report = bench(*asked, "--mix", MIX, "--rate", rate, "--duration", 60 * given.minutes)
        sampler.stop()
    if len(sampler.samples) < 10:
        raise SystemExit("too short to tell; give it more --minutes")
    share, first, last = growth(sampler.samples)
    for seconds, mib in sampler.samples[:: max(1, len(sampler.samples) // 30)]:
        print(f"{seconds:7.0f} s {mib:8.1f} MiB", file=sys.stderr)
    calls = report["rows"][0]["calls"].values()
    answered, sent = (sum(one[key] for one in calls) for key in ("ok_count", "sent_count"))
    detail = (
        f"{first:.1f} to {last:.1f} MiB in {given.minutes:g} min, at most "
        f"{max(mib for _, mib in sampler.samples):.1f}; {rate:.1f} calls/s, "
        f"{answered:,} of {sent:,} answered"
    )
    return 0 if figure("growth of resident memory", 100 * share, 2, 0, "%", detail) else 1


if __name__ == "__main__":
    sys.exit(main())
