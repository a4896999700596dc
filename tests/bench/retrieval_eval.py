"""How well and how fast the store finds evidence: recall@k of words, vectors and both; latency, size, import rate.

    python tests/bench/retrieval_eval.py --statements statements.jsonl.gz --claims claims_dev.jsonl.gz [--variants]

STATEMENTS: JSON lines {"id", "text"}; CLAIMS: JSON lines {"claim", "gold": [ids]}; both may be gzipped. Embeddings are
kept under --cache by the encoder's revision (statements-REVISION.npy and
claims-REVISION.npy; rows in file order), so that a second run is quick. recall@k: share of the claims with gold for
which at least one gold statement is among the first k; "all": mean share of a claim's gold statements among the first
16. `--variants` adds the table of fusions that the constants were chosen from; use it on development claims only.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from onrecord_server.domain.types import Statement, StatementDraft
from onrecord_server.nli import TextEncoder, load_encoder
from onrecord_server.store import FloatArray, fusion, open_store, sqlite

PARENT = "collections/default"
KS = (1, 4, 8, 16)
DEPTH = 50

Ranking = list[int]


def read_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a JSON-lines file, gzipped or not."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def embedded(texts: Sequence[str], encoder: TextEncoder, path: Path) -> FloatArray:
    """Unit vectors of the texts, shape (len(texts), dimension): from `path`, or computed and put there."""
    if path.exists() and len(vectors := np.load(path)) == len(texts):
        return vectors
    print(f"embedding {len(texts)} texts into {path}", file=sys.stderr)
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))  # alike lengths share a batch
    vectors = np.empty((len(texts), encoder.dimension), np.float32)
    for start in range(0, len(order), 32):
        batch = order[start : start + 32]
        vectors[batch] = encoder.encode([texts[i] for i in batch])
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, vectors)
    return vectors


def timed(call: Callable[[], Any]) -> tuple[Any, float]:
    """What a call returns, and its milliseconds of this thread's CPU: the store computes in its caller's thread."""
    began = time.thread_time()
    result = call()
    return result, (time.thread_time() - began) * 1e3


def row(name: str, rankings: Sequence[Ranking], gold: Sequence[set[int]], note: str = "") -> None:
    """Print one line of the table."""
    hits = [np.mean([bool(g & set(r[:k])) for r, g in zip(rankings, gold, strict=True)]) for k in KS]
    whole = np.mean([len(g & set(r[: KS[-1]])) / len(g) for r, g in zip(rankings, gold, strict=True)])
    print(f"{name:34}", *(f"{h * 100:6.1f}" for h in hits), f"{whole * 100:6.1f}", note)


def percentiles(milliseconds: Sequence[float]) -> str:
    """p50 / p95."""
    return "{:.1f} / {:.1f} ms".format(*np.percentile(milliseconds, [50, 95]))


def weighted_sum(words: Ranking, near: Ranking, similarity: FloatArray, weight: float) -> Ranking:
    """Another fusion, for comparison: cosine plus a bonus that falls with the rank by words."""
    scores = {i: float(similarity[i]) for i in (*words, *near)}
    for place, i in enumerate(words, start=1):
        scores[i] += weight / (1 + 0.2 * place)
    return sorted(scores, key=lambda i: -scores[i])


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--statements", type=Path, required=True)
    parser.add_argument("--claims", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=Path("build/eval"))
    parser.add_argument("--variants", action="store_true", help="compare fusions, on development claims")
    options = parser.parse_args()

    statements = list(read_jsonl(options.statements))
    claims = list(read_jsonl(options.claims))
    texts = [s["text"] for s in statements]
    encoder = load_encoder()
    vectors = embedded(texts, encoder, options.cache / f"statements-{encoder.info.revision}.npy")
    queries = embedded([c["claim"] for c in claims], encoder, options.cache / f"claims-{encoder.info.revision}.npy")
    place = {s["id"]: i for i, s in enumerate(statements)}
    asked = [i for i, c in enumerate(claims) if c["gold"]]
    gold = [{place[g] for g in claims[i]["gold"]} for i in asked]

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "record.db"
        store = open_store(path, dimension=vectors.shape[1], encoder_id="eval")
        position: dict[str, int] = {}
        began, cpu = time.perf_counter(), time.thread_time()
        for start in range(0, len(texts), 500):
            drafts = [StatementDraft(text) for text in texts[start : start + 500]]
            for i, made in enumerate(store.create(PARENT, drafts, vectors[start : start + 500]), start=start):
                assert isinstance(made, Statement)
                position[made.name] = i
        seconds, cpu = time.perf_counter() - began, time.thread_time() - cpu
        store.close()
        size = path.stat().st_size
        store, opened = timed(lambda: open_store(path, dimension=vectors.shape[1], encoder_id="eval"))
        count = len(texts)
        print(
            f"{count} statements: import {count / seconds:.0f}/s without embedding, file {size / count:.0f} bytes each"
        )
        print(f"({size / 2**20:.1f} MiB), open with index {opened:.0f} ms CPU\n")

        words: list[Ranking] = []
        near: list[Ranking] = []
        both: list[Ranking] = []
        times: dict[str, list[float]] = {"words": [], "vectors": [], "search": []}
        with store._db.reading() as connection:
            (collection,) = connection.execute("SELECT id FROM collections").fetchone()
            for i in asked:
                claim, query = claims[i]["claim"], queries[i]
                found, took = timed(lambda c=claim: store._lexical(connection, collection, c, DEPTH, ()))
                words.append([row_id - 1 for row_id in found])
                times["words"].append(took)
                found, took = timed(lambda q=query: store._index(collection).search(q, DEPTH))
                near.append([row_id - 1 for row_id in found])
                times["vectors"].append(took)
                hits, took = timed(lambda c=claim, q=query: store.search(PARENT, c, q, KS[-1]))
                both.append([position[hit.statement.name] for hit in hits])
                times["search"].append(took)
        store.close()

    print(f"{len(asked)} claims with gold; recall@k, percent; p50 / p95 CPU time of one query")
    print(f"{'':34}", *(f"{f'@{k}':>6}" for k in KS), f"{'all':>6}")
    row("words (BM25)", words, gold, percentiles(times["words"]))
    row("vectors", near, gold, percentiles(times["vectors"]))
    row("both, as the store searches", both, gold, percentiles(times["search"]))
    similarity = queries[asked] @ vectors.T
    exact = [[int(i) for i in np.argsort(-s)[:DEPTH]] for s in similarity]
    row("vectors in full precision", exact, gold)
    if not options.variants:
        return
    print(f"\nthe store: rrf k={sqlite._RRF_K} vector weight={sqlite._VECTOR_WEIGHT}")
    for k in (1, 3, 5, 10, 20, 60):
        for weight in (0.3, 0.4, 0.5, 0.6, 0.7):
            fused = [
                [i for i, _ in fusion.fuse(fusion.ranks(w), fusion.ranks(n), k=k, vector_weight=weight)]
                for w, n in zip(words, near, strict=True)
            ]
            row(f"rrf k={k} vector weight={weight}", fused, gold)
    for weight in (0.1, 0.2, 0.3, 0.5):
        summed = [weighted_sum(w, n, s, weight) for w, n, s in zip(words, near, similarity, strict=True)]
        row(f"cosine + {weight} by word rank", summed, gold)


if __name__ == "__main__":
    main()
