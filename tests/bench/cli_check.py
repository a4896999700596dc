"""How long `onrecord check` takes against a warm server, from the prompt to the verdict, and where the time goes.

    python tests/bench/cli_check.py [--repeat N] [--model builtin]

Starts a server with the article on record, then runs the command as a shell would, a new process each time. The shares
are of runs in turns: the interpreter alone, with gRPC and the stubs, with all that the command loads, and the command.
Exits with 1 when the median of the command is over 0.5 s. Run it on a machine that is otherwise quiet.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

from common import child_environment, served

CLIENT = Path(__file__).parents[2] / "client"
CLAIM = "Putin said that Russia opposes interference in China's affairs."
BUDGET = 0.5
MODULES = "import onrecord.cli.check, onrecord.client, onrecord.cli._show"


def seconds(command: list[str]) -> tuple[float, float]:
    """Wall-clock and CPU time of one run."""
    environment = child_environment(CLIENT)
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment)
    wall, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    if not done.stdout and command[-1] == CLAIM:
        raise SystemExit("the command said nothing")
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, spent


def main() -> int:
    parser = argparse.ArgumentParser(description="Time one check from the command line.")
    parser.add_argument("--repeat", type=int, default=21)
    parser.add_argument("--model", default="fake", choices=["fake", "builtin"])
    given = parser.parse_args()
    with served("--model", given.model, "--encoder", given.model) as (address, _):
        run = [sys.executable, "-m", "onrecord", "check", "--target", address, CLAIM]
        cases = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "+ import grpc and the stubs": [sys.executable, "-c", "import grpc, onrecord.v1.check_service_pb2_grpc"],
            "+ all that the command loads": [sys.executable, "-c", MODULES],
            f"onrecord check ({given.model} model)": run,
            "the same, --json": [*run[:-1], "--json", CLAIM],
        }
        for command in cases.values():
            seconds(command)
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in cases}
        for _ in range(given.repeat):
            for name, command in cases.items():
                times[name].append(seconds(command))
    print(f"| {given.repeat} runs in turns, ms | median | best | CPU, median |\n|---|---|---|---|")
    for name, measured in times.items():
        walls, spent = [wall for wall, _ in measured], [cpu for _, cpu in measured]
        row = (statistics.median(walls), min(walls), statistics.median(spent))
        print(f"| {name} | {' | '.join(f'{value * 1_000:.0f}' for value in row)} |")
    median = statistics.median(wall for wall, _ in times[f"onrecord check ({given.model} model)"])
    print(f"\nbudget {BUDGET * 1_000:.0f} ms: {'met' if median <= BUDGET else 'MISSED'}")
    return 0 if median <= BUDGET else 1


if __name__ == "__main__":
    sys.exit(main())
