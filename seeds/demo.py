"""The main job, once through: a real server, the article, the sample claims over gRPC, a table of verdicts.

    python seeds/demo.py            needs onrecord[server]; `make demo` installs it

Starts `onrecord serve` on a free port with an empty record in a temporary folder, and stops it at the end.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

import onrecord

SEEDS = Path(__file__).resolve().parent
START_SECONDS = 120
COLOURS = {"SUPPORTED": "green", "CONTRADICTED": "red", "CONFLICTING": "magenta", "NOT_ENOUGH_EVIDENCE": "yellow"}


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """A real server process on a free port of 127.0.0.1; yields its address, stops it with SIGTERM."""
    ready_file = folder / "ready"
    command = [sys.executable, "-m", "onrecord", "serve", "--listen", "127.0.0.1:0"]
    command += ["--store", str(folder / "record.db"), "--ready-file", str(ready_file), "--log-level", "warning"]
    process = subprocess.Popen(command)  # noqa: S603 -- our own command line
    try:
        deadline = time.monotonic() + START_SECONDS
        while not ready_file.exists():
            if process.poll() is not None:
                raise SystemExit(f"the server stopped at start, exit status {process.returncode}")
            if time.monotonic() > deadline:
                raise SystemExit(f"the server was not ready after {START_SECONDS} s")
            time.sleep(0.05)
        yield ready_file.read_text("utf-8").strip()
    finally:
        process.terminate()
        process.wait(timeout=30)


def row(claim: dict[str, object], result: onrecord.CheckResult) -> list[str]:
    """One line of the table."""
    verdict, expected = result.verdict.value, str(claim["expected"])
    mark = "" if verdict == expected else f"\n[bold red]✗ expected {expected}[/]"
    quotes = []
    for item in result.evidence:
        if item.relation is not onrecord.Relation.NEUTRAL:
            who = item.statement.speaker.name or "narrator"
            quotes.append(f"{item.relation.value.lower()}: [bold]{who}[/]: {item.quote}")
    text = "\n".join(quotes[:2]) or result.explanation
    return [str(claim["claim"]), f"[{COLOURS[verdict]}]{verdict}[/]\n{result.confidence:.2f}{mark}", text]


def main() -> int:
    """Entry point; exit status 0 when every claim got a verdict."""
    console = Console(width=None if sys.stdout.isatty() else 140)
    claims = [json.loads(line) for line in (SEEDS / "claims.jsonl").read_text("utf-8").splitlines()]
    started = time.perf_counter()
    console.print("Starting the server; it loads the models, which takes some seconds …")
    with tempfile.TemporaryDirectory() as folder, server(Path(folder)) as address, onrecord.Client(address) as client:
        info = client.info()
        console.print(f"Server {info.version} at {address}, model {info.model.model_id} ({info.model.precision})")
        console.print("Ingesting the article …")
        report = client.ingest((SEEDS / "article.txt").read_text("utf-8"))
        speakers = Counter(s.speaker.name or "narrator" for s in report.statements)
        console.print(f"Ingested the article: {len(report.statements)} statements, {dict(speakers)}")
        console.print(f"Checking {len(claims)} claims …")
        began = time.perf_counter()
        outcomes = client.check_batch([claim["claim"] for claim in claims])
        seconds = time.perf_counter() - began

    table = Table(show_lines=True, expand=True)
    for title, ratio in (("claim", 4), ("verdict", 3), ("evidence", 7)):
        table.add_column(title, ratio=ratio, overflow="fold")
    right, failed = 0, 0
    for claim, outcome in zip(claims, outcomes, strict=True):
        if isinstance(outcome, onrecord.OnrecordError):
            failed += 1
            table.add_row(claim["claim"], "[bold red]✗ error[/]", str(outcome))
            continue
        right += outcome.verdict.value == claim["expected"]
        table.add_row(*row(claim, outcome))
    console.print(table)
    console.print(
        f"{right} of {len(claims)} verdicts as a careful reader gives them, the others marked ✗; "
        f"{len(claims)} claims checked over gRPC in {seconds:.1f} s, {time.perf_counter() - started:.1f} s in all."
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
