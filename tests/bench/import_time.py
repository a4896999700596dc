"""How long `import onrecord` and the start of the command take, in fresh interpreters.

    python tests/bench/import_time.py [--repeat N]

Prints, for each, the median and the best of N runs in milliseconds, interpreter start included, and the budget. Exits
with 1 when a median is over its budget. Run it on a machine that is otherwise quiet, after one run to warm the caches.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

from common import child_environment

CLIENT = Path(__file__).parents[2] / "client"
MAIN = "from onrecord.cli import main; main({})"
CASES = (
    ("python -c pass", "pass", None),
    ("import onrecord", "import onrecord", 250),
    ("import onrecord; onrecord.Client", "import onrecord; onrecord.Client", None),
    ("onrecord --help", MAIN.format(["--help"]), 400),
    ("onrecord check --help", MAIN.format(["check", "--help"]), None),
)


def milliseconds(code: str) -> float:
    """One run in a fresh interpreter."""
    environment = child_environment(CLIENT)
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL, env=environment)
    return (time.perf_counter() - begin) * 1_000


def main() -> int:
    parser = argparse.ArgumentParser(description="Time the client's imports.")
    parser.add_argument("--repeat", type=int, default=11)
    repeat = parser.parse_args().repeat
    over = 0
    print(f"{'':36} median   best  budget   (ms, {repeat} runs)")
    for name, code, budget in CASES:
        milliseconds(code)
        times = [milliseconds(code) for _ in range(repeat)]
        median = statistics.median(times)
        over += budget is not None and median > budget
        print(f"{name:36} {median:6.0f} {min(times):6.0f}  {budget or '':>6}")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
