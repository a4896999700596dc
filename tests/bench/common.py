"""What the measurements share: a served article, `onrecord bench` as a function, and one form for what came out."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc

from onrecord.v1 import statement_service_pb2, statement_service_pb2_grpc

SEEDS = Path(__file__).resolve().parents[2] / "seeds"
CLAIMS = SEEDS / "claims.jsonl"
PARENT = "collections/default"


def sample_claims() -> list[str]:
    """The sample claims."""
    return [json.loads(line)["claim"] for line in CLAIMS.read_text(encoding="utf-8").splitlines()]


def different_claims(count: int, turn: int) -> list[str]:
    """So many claims, no two of them alike, nor any alike in another turn: sample claims in other words."""
    claims = sample_claims()
    return [f"In report {turn}-{number} it says: {claims[number % len(claims)]}" for number in range(count)]


def child_environment(package: Path) -> dict[str, str]:
    """The environment of a command that finds the package there, and whose bytecode is kept, as that of an installed
    one is: where PYTHONDONTWRITEBYTECODE is set, a third of a short command's time would go into compiling it anew.
    """
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    return {
        **kept,
        "PYTHONPATH": os.pathsep.join([str(package), os.environ.get("PYTHONPATH", "")]),
        "PYTHONPYCACHEPREFIX": str(Path(tempfile.gettempdir()) / "onrecord-bench-bytecode"),
    }


def article() -> str:
    """The article's text."""
    return (SEEDS / "article.txt").read_text(encoding="utf-8")


@contextmanager
def served(*arguments: str, statements: Path | None = None) -> Iterator[tuple[str, int]]:
    """A server process with the article on record, or a file of statements: address and process id."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "onrecord_server", "--listen", "127.0.0.1:0", "--log-level", "warning"]
        command += ["--store", f"{folder}/record.db", *arguments]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line:
                raise SystemExit("the server did not start")
            address = line.partition(" serving on ")[2].split()[0]
            if statements is None:
                ingest(address)
            else:
                subprocess.run(
                    [sys.executable, "-m", "onrecord", "statements", "import", str(statements), "--target", address],
                    check=True,
                    stdout=subprocess.DEVNULL,
                )
            yield address, process.pid
        finally:
            process.terminate()
            process.wait()


def ingest(address: str) -> None:
    """Put the article on the record."""
    with grpc.insecure_channel(address) as channel:
        statement_service_pb2_grpc.StatementServiceStub(channel).IngestDocument(
            statement_service_pb2.IngestDocumentRequest(text=article())
        )


def bench(*arguments: object, out: Path | None = None, claims: Path = CLAIMS) -> dict[str, Any]:
    """The report of `onrecord bench`; its progress goes to stderr. `out`: also written there, with .html beside."""
    command = [sys.executable, "-m", "onrecord", "bench", "--claims", str(claims), *map(str, arguments), "--json"]
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        command += ["-o", str(out), "--html", str(out.with_suffix(".html"))]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode not in (0, 1) or not done.stdout:
        raise SystemExit(f"onrecord bench ended with {done.returncode}: {' '.join(command)}")
    report: dict[str, Any] = json.loads(done.stdout)
    for row in report["rows"]:
        for note in row["notes"]:
            print(note, file=sys.stderr)
    return report


def family(process: int) -> list[int]:
    """A process and those that it has started, and they (Linux)."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # ended meanwhile
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
    found = [process]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def memory(process: int) -> float:
    """MiB that a process and those that it has started hold now, what they share counted once (Linux)."""
    total = 0
    for one in family(process):
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()
            total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024


def model_options(parser: argparse.ArgumentParser) -> None:
    """--model, --encoder and --precision: what is served."""
    parser.add_argument("--model", default="builtin")
    parser.add_argument("--encoder", default="builtin")
    parser.add_argument("--precision", default="auto")


def serve_arguments(given: argparse.Namespace) -> list[str]:
    """The same as flags of a server that remembers no scores."""
    return [
        *("--model", given.model, "--encoder", given.encoder, "--precision", given.precision), "--cache-pairs", "0",
    ]  # fmt: skip


def figure(name: str, value: float, least: float, aim: float, unit: str = "x", detail: str = "") -> bool:
    """Print one row of a Markdown table, and whether `least` is met: from above when the aim is below it.

    The row: name, value, least, aim, what it was made of.
    """
    lower = aim < least
    met = value <= least if lower else value >= least
    reached = value <= aim if lower else value >= aim
    word = "aim reached" if reached else "met" if met else "MISSED"
    shown = f"{value:.3g}" if abs(value) < 1_000 else f"{value:.0f}"
    bound = "<=" if lower else ">="
    print(
        f"| {name} | {shown} {unit} | {bound} {least:g} {unit} | {bound} {aim:g} {unit} | {word} | {detail} |",
        flush=True,
    )
    return met
