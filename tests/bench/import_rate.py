"""How fast statements come onto the record over gRPC, against the time of their embeddings alone, and without them.

    python tests/bench/import_rate.py --statements FILE.jsonl.gz [--count 3000] [--deferred 100000]

The floor is the encoder at work on the same texts in the same messages, in this process, with nothing around it; the
import goes to a server process of its own. Both take turns, so that a busy machine hits both alike; CPU seconds are
told beside wall seconds, since only they say what a busy machine's own work costs.
"""

from __future__ import annotations

import argparse
import gzip
import json
import resource
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import grpc
from common import family, figure, serve_arguments, served

from onrecord.v1 import statement_pb2 as statement
from onrecord.v1 import statement_service_pb2 as pb
from onrecord.v1 import statement_service_pb2_grpc as pb_grpc
from onrecord_server.nli import load_encoder

CHUNK = 500


def texts_of(path: Path | None, count: int, words: int | None) -> list[str]:
    """So many texts, no two alike; with `words`, each cut to its first ones."""
    if path is None:
        found = [f"Minister {n % 97} said that measure {n % 89} would cost {n} million." for n in range(count)]
    else:
        raw = path.read_bytes()
        lines = (gzip.decompress(raw) if path.suffix == ".gz" else raw).splitlines()
        found = [json.loads(line)["text"] for line in lines]
    if words:
        found = [" ".join(text.split()[:words]) for text in found]
    return [f"{found[n % len(found)]} ({n})" if n >= len(found) else found[n] for n in range(count)]


def messages(texts: Sequence[str], parent: str, defer_index: bool) -> Iterator[pb.StreamImportStatementsRequest]:
    """The messages of an import."""
    for start in range(0, len(texts), CHUNK):
        yield pb.StreamImportStatementsRequest(
            parent=parent,
            request_id=f"message-{start}",
            defer_index=defer_index,
            statements=[
                statement.Statement(text=text, speaker=statement.Speaker(name="Anna Keller"))
                for text in texts[start : start + CHUNK]
            ],
        )


def cpu_of(process: int) -> float:
    """CPU seconds of a server and its models' processes so far (Linux)."""
    times = (Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()[11:13] for one in family(process))
    return sum(int(user) + int(system) for user, system in times) / 100


def imported(stub: pb_grpc.StatementServiceStub, texts: Sequence[str], parent: str, defer_index: bool) -> float:
    """Seconds until the last acknowledgement. The messages are made beforehand: that is the client's business."""
    made = list(messages(texts, parent, defer_index))
    began = time.perf_counter()
    stored = sum(len(answer.names) for answer in stub.StreamImportStatements(iter(made)))
    seconds = time.perf_counter() - began
    if stored != len(texts):
        raise SystemExit(f"{stored} of {len(texts)} statements were stored")
    return seconds


def against_floor(given: argparse.Namespace) -> bool:
    """The import's rate over that of the encoder alone, the median of rounds in turns."""
    texts = texts_of(given.statements, given.count * (given.rounds + 1), None)
    encoder = load_encoder(given.encoder, precision="auto")
    ratios = []
    with served(*serve_arguments(given)) as (address, process), grpc.insecure_channel(address) as channel:
        stub = pb_grpc.StatementServiceStub(channel)
        for turn in range(given.rounds + 1):  # the first warms up both, and is not counted
            some = texts[turn * given.count : (turn + 1) * given.count]
            before = cpu_of(process)
            seconds = imported(stub, some, f"collections/turn-{turn}", False)
            cpu = cpu_of(process) - before
            began, begun = time.perf_counter(), time.process_time()
            for start in range(0, len(some), CHUNK):
                encoder.encode(some[start : start + CHUNK])
            floor, floor_cpu = time.perf_counter() - began, time.process_time() - begun
            shown = f"import {seconds:.2f} s ({cpu:.2f} CPU), embedding {floor:.2f} s ({floor_cpu:.2f} CPU)"
            print(f"turn {turn}: {shown}", file=sys.stderr, flush=True)
            if turn:
                ratios.append(floor / seconds)
    return figure(
        "import against embedding alone", statistics.median(ratios), 0.85, 0.95, detail=f"{given.count:,} statements"
    )


def deferred(given: argparse.Namespace) -> bool:
    """Statements a second with defer_index, and the CPU time of each in the server."""
    texts = texts_of(given.statements, given.deferred, given.words)
    with (
        served("--model", "fake", "--encoder", "fake") as (address, process),
        grpc.insecure_channel(address) as channel,
    ):
        stub = pb_grpc.StatementServiceStub(channel)
        imported(stub, texts[:CHUNK], "collections/warm", True)
        before, own = cpu_of(process), resource.getrusage(resource.RUSAGE_SELF)
        seconds = imported(stub, texts, "collections/deferred", True)
        cpu, own_after = cpu_of(process) - before, resource.getrusage(resource.RUSAGE_SELF)
    mine = own_after.ru_utime + own_after.ru_stime - own.ru_utime - own.ru_stime
    per = 1e6 / len(texts)
    length = statistics.mean(map(len, texts))
    detail = f"{cpu * per:.0f} us CPU each in the server, {mine * per:.0f} in the client; {length:.0f} code points each"
    return figure("import with defer_index", len(texts) / seconds, 20_000, 40_000, "/s", detail)


def main() -> int:
    """Entry point. Exit status 1: a figure was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--statements", type=Path, help="JSON lines with `text`; without, made-up sentences")
    parser.add_argument("--count", type=int, default=3_000, help="statements of one round with embeddings")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--deferred", type=int, default=100_000, help="statements without embeddings")
    parser.add_argument("--words", type=int, help="cut the statements that are deferred to so many words")
    parser.add_argument("--only", choices=("floor", "deferred"))
    parser.add_argument("--model", default="builtin", help="not used; with a fake one embedding would run in threads")
    parser.add_argument("--encoder", default="builtin")
    parser.add_argument("--precision", default="auto")
    given = parser.parse_args()
    met = True
    if given.only != "deferred":
        met &= against_floor(given)
    if given.only != "floor":
        met &= deferred(given)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
