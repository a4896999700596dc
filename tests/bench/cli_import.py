"""How fast `onrecord statements import` is, from a file to a served record, and what of it is the command's own work.

    python tests/bench/cli_import.py [--count 100000] [--statements FILE.jsonl] [--model builtin] [--now]

Imports with --defer-index (--now: without), into a server process of its own, and tells wall-clock rate and CPU time of
the command and of the server: on a busy machine only the latter say what the work costs. Exits with 1 when the deferred
rate is under 20,000 statements a second.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import figure, served

TICK = os.sysconf("SC_CLK_TCK")


def made_up(path: Path, count: int) -> None:
    """A file of so many statements, no two alike."""
    with path.open("w", encoding="utf-8") as out:
        for number in range(count):
            text = f"The ministry said in report {number} that it opposes any interference in domestic affairs."
            line = {"text": text, "speaker": f"Speaker {number % 500}", "stated_time": "2021-08-29"}
            out.write(json.dumps({**line, "source": {"publisher": "The Daily"}}) + "\n")


def cpu(process: int) -> float:
    """CPU seconds of a process so far (Linux)."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def main() -> int:
    parser = argparse.ArgumentParser(description="Time an import from the command line.")
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--statements", type=Path)
    parser.add_argument("--model", default="fake", choices=["fake", "builtin"])
    parser.add_argument("--now", action="store_true")
    given = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        served("--model", given.model, "--encoder", given.model) as (
            address,
            server,
        ),
    ):
        path = given.statements or Path(folder, "statements.jsonl")
        if given.statements is None:
            made_up(path, given.count)
        command = [sys.executable, "-m", "onrecord", "statements", "import", str(path), "--target", address]
        command += ["--collection", "bench", "--json", *([] if given.now else ["--defer-index"])]
        before, used, begin = os.times(), cpu(server), time.perf_counter()
        done = subprocess.run(command, env={**os.environ, "XDG_STATE_HOME": folder}, stdout=subprocess.PIPE, check=True)
        wall, after = time.perf_counter() - begin, os.times()
        spent = after.children_user + after.children_system - before.children_user - before.children_system
        used = cpu(server) - used
    count = json.loads(done.stdout)["created_count"]
    detail = f"{count:,} in {wall:.1f} s; CPU: command {spent:.1f} s, server {used:.1f} s"
    name = f"statements import{'' if given.now else ' --defer-index'}, {given.model} models"
    met = figure(name, count / wall, 0 if given.now else 20_000, 0 if given.now else 20_000, "/s", detail)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
