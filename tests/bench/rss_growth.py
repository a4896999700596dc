"""Growth of the server's resident memory over minutes of steady load.

    python tests/bench/rss_growth.py [--minutes 30] [--load 0.8]

Checks, batches and pairs at four fifths of the highest rate (Poisson arrivals, texts never the same twice). The set is
read from /proc every second (Linux). The first sixth of the time is left out: buffers and the allocator's arenas fill.
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
            self.samples.append((time.monotonic() - began, memory(self._process)[0]))

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
    parser.add_argument("--trial-seconds", type=float, default=20, help="of each trial that looks for that rate")
    parser.add_argument("--cache-pairs", default="2000", help="scores that the server remembers")
    model_options(parser)
    given = parser.parse_args()
    arguments = [*serve_arguments(given)[:-1], given.cache_pairs]
    with served(*arguments) as (address, process):
        asked = ("--target", address, "--warmup", 2, "--deadline", 30)
        # the rate is searched for apart, so that its fullest moments lie before the samples; without health checks,
        # which would pass for capacity
        found = bench(*asked, "--mix", WORK, "--sweep", "0.1x", "--duration", given.trial_seconds)
        trials = found["capacity"]["trials"]
        rate = given.load * max(sum(c["good_per_second"] for c in trial["calls"].values()) for trial in trials)
        if not rate:
            raise SystemExit("nothing was answered")
        sampler = Sampler(process)
        sampler.start()
        report = bench(*asked, "--mix", MIX, "--rate", rate, "--duration", 60 * given.minutes)
        sampler.stop()
        peak = memory(process)[1]
    if len(sampler.samples) < 10:
        raise SystemExit("too short to tell; give it more --minutes")
    share, first, last = growth(sampler.samples)
    for seconds, mib in sampler.samples[:: max(1, len(sampler.samples) // 30)]:
        print(f"{seconds:7.0f} s {mib:8.1f} MiB", file=sys.stderr)
    calls = report["rows"][0]["calls"].values()
    answered, sent = (sum(one[key] for one in calls) for key in ("ok_count", "sent_count"))
    detail = (
        f"{first:.1f} to {last:.1f} MiB in {given.minutes:g} min, peak {peak:.1f}; {rate:.1f} calls/s, "
        f"{answered:,} of {sent:,} answered"
    )
    return 0 if figure("growth of resident memory", 100 * share, 2, 0, "%", detail) else 1


if __name__ == "__main__":
    sys.exit(main())
