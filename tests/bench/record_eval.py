"""Verdicts on a record, end to end: accuracy, macro-F1, false contradictions, evidence recall; the thresholds' curve.

    python tests/bench/record_eval.py --statements statements.jsonl.gz --claims claims_dev.jsonl.gz --cache build/eval

STATEMENTS: JSON lines {"id", "text"}; CLAIMS: JSON lines {"claim", "label", "gold": [ids]}; both may be gzipped. The
slow parts, embeddings and pair scores, are kept under --cache by model revision, so that a second run with other
thresholds takes seconds. `--sweep` prints the best threshold settings instead; use it on development claims only.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import itertools
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from onrecord_server.checking.checker import CANDIDATES, Checker, Gathered
from onrecord_server.checking.worker import InferenceWorker, ScoredPairs
from onrecord_server.domain.switches import Switches
from onrecord_server.domain.types import CheckOptions, Claim, NliScores, PairScore, StatementDraft, Verdict
from onrecord_server.domain.verdict import DEFAULT_OPTIONS, Thresholds
from onrecord_server.nli import load_encoder, load_scorer
from onrecord_server.store import open_store

PARENT = "collections/default"
LABELS = ("SUPPORTED", "CONTRADICTED", "NOT_ENOUGH_EVIDENCE")


def read_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a JSON-lines file, gzipped or not."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


class CachedWorker:
    """A worker whose pair scores outlive the process: a JSON-lines file by model revision."""

    def __init__(self, worker: InferenceWorker, path: Path) -> None:
        self._worker = worker
        self.scorer = worker.scorer
        self.embed = worker.embed
        self._scores: dict[tuple[str, str], tuple[list[float], bool]] = {}
        if path.exists():
            for row in read_jsonl(path):
                self._scores[row["pair"][0], row["pair"][1]] = (row["scores"], row["truncated"])
        self._file = path.open("a", encoding="utf-8")

    async def score(self, pairs: Sequence[tuple[str, str]], *, deadline: float | None = None) -> ScoredPairs:
        """As InferenceWorker.score, asking the model only for pairs that are not in the file."""
        missing = [p for p in dict.fromkeys(pairs) if p not in self._scores]
        if missing:
            answer = await self._worker.score(missing, deadline=deadline)
            for pair, one in zip(missing, answer.scores, strict=True):
                values = [round(v, 6) for v in one.scores.as_tuple()]
                self._scores[pair] = (values, one.truncated)
                self._file.write(json.dumps({"pair": pair, "scores": values, "truncated": one.truncated}) + "\n")
            self._file.flush()
        found = [self._scores[p] for p in pairs]
        return ScoredPairs([PairScore(NliScores(*s), t) for s, t in found], 0.0, 0.0)


def embed_statements(texts: Sequence[str], encoder: Any, path: Path) -> np.ndarray:
    """Vectors of the statements, shape (len(texts), dimension), from the cache or computed."""
    if path.exists() and len(vectors := np.load(path)) == len(texts):
        return vectors
    print(f"embedding {len(texts)} statements", file=sys.stderr)
    vectors = np.concatenate([encoder.encode(texts[i : i + 256]) for i in range(0, len(texts), 256)])
    np.save(path, vectors)
    return vectors


async def gather_all(checker: Checker, claims: Sequence[dict[str, Any]], options: CheckOptions) -> list[Gathered]:
    """Candidates with their scores for every claim, in order."""
    done, started = 0, time.perf_counter()
    room = asyncio.Semaphore(16)

    async def one(claim: dict[str, Any]) -> Gathered:
        nonlocal done
        async with room:
            gathered = await checker.gather(PARENT, Claim(claim["claim"]), options)
        done += 1
        if done % 200 == 0:
            print(f"{done}/{len(claims)} claims, {done / (time.perf_counter() - started):.1f}/s", file=sys.stderr)
        return gathered

    return await asyncio.gather(*(one(c) for c in claims))


def confusion(gathered: Sequence[Gathered], gold: Sequence[str], limits: Thresholds) -> Counter[tuple[str, str]]:
    """Counts of (gold label, verdict)."""
    return Counter((g, one.decide(limits).verdict.name) for one, g in zip(gathered, gold, strict=True))


def figures(counts: Counter[tuple[str, str]]) -> dict[str, float]:
    """Accuracy, macro-F1, undecidable called contradicted, recall of contradictions; all in percent."""
    total = sum(counts.values())
    f1 = []
    for label in LABELS:
        right = counts[label, label]
        gold = sum(n for (g, _), n in counts.items() if g == label)
        said = sum(n for (_, v), n in counts.items() if v == label)
        f1.append(2 * right / (gold + said) if gold + said else 0.0)

    def share(gold: str, verdict: str) -> float:
        return 100 * counts[gold, verdict] / max(1, sum(n for (g, _), n in counts.items() if g == gold))

    return {
        "accuracy": 100 * sum(counts[x, x] for x in LABELS) / total,
        "macro_f1": 100 * sum(f1) / len(f1),
        "false_contradiction": share("NOT_ENOUGH_EVIDENCE", "CONTRADICTED"),
        "contradiction_recall": share("CONTRADICTED", "CONTRADICTED"),
        "support_recall": share("SUPPORTED", "SUPPORTED"),
        "conflicting": 100 * sum(n for (_, v), n in counts.items() if v == Verdict.CONFLICTING.name) / total,
    }


def recall_at(gathered: Sequence[Gathered], claims: Sequence[dict[str, Any]], ids: dict[str, str], k: int) -> float:
    """Share of the decidable claims with at least one gold statement among the first k candidates, in percent."""
    decidable = [(g, set(c["gold"])) for g, c in zip(gathered, claims, strict=True) if c["gold"]]
    found = sum(any(ids[s.hit.statement.name] in gold for s in g.scored[:k]) for g, gold in decidable)
    return 100 * found / max(1, len(decidable))


def sweep(gathered: Sequence[Gathered], gold: Sequence[str], most_false: float) -> None:
    """Print the settings with the best macro-F1 whose false-contradiction rate stays within `most_false` percent."""
    grid = itertools.product(
        (0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
        (0.5, 0.6, 0.7, 0.8, 0.9, 0.95),
        (0.3, 0.6),
        (0.3, 0.4, 0.5, 0.55, 0.6, 0.65, 0.7),
    )
    rows = []
    for support, contradiction, margin, topic in grid:
        limits = Thresholds(support=support, contradiction=contradiction, margin=margin, topic=topic)
        row = figures(confusion(gathered, gold, limits))
        if row["false_contradiction"] <= most_false:
            rows.append((row["macro_f1"], limits, row))
    for _, limits, row in sorted(rows, key=lambda r: -r[0])[:12]:
        print(limits, {k: round(v, 1) for k, v in row.items()})


async def run(args: argparse.Namespace) -> None:
    """Everything between arguments and table."""
    args.cache.mkdir(parents=True, exist_ok=True)
    statements = list(read_jsonl(args.statements))
    claims = list(read_jsonl(args.claims))
    if args.limit:
        claims = [claims[i] for i in sorted(np.random.default_rng(5).permutation(len(claims))[: args.limit])]
    scorer, encoder = load_scorer(args.model), load_encoder()
    vectors = embed_statements(
        [s["text"] for s in statements], encoder, args.cache / f"statements-{encoder.info.revision}.npy"
    )
    store = open_store(":memory:", dimension=encoder.dimension, encoder_id=encoder.info.model_id)
    drafts = [StatementDraft(text=s["text"], labels=(s["id"],)) for s in statements]
    ids: dict[str, str] = {}
    for i in range(0, len(drafts), 500):
        for stored in store.create(PARENT, drafts[i : i + 500], vectors[i : i + 500]):
            if isinstance(stored, Exception):
                raise stored
            ids[stored.name] = stored.labels[0]

    worker = InferenceWorker(scorer, encoder)
    await worker.start()
    cached = CachedWorker(worker, args.cache / f"pairs-{scorer.info.revision}-{scorer.info.precision}.jsonl")
    checker = Checker(store, cached, switches=Switches().without(args.without).including(args.including))
    # for a sweep every candidate is scored, whatever its topic, so that the topic threshold can move
    options = DEFAULT_OPTIONS if args.sweep is None else replace(DEFAULT_OPTIONS, topic_threshold=0.2)
    gathered = await gather_all(checker, claims, options)
    await worker.stop(1.0)
    store.close()

    gold = [c["label"] for c in claims]
    if args.sweep is not None:
        sweep(gathered, gold, args.sweep)
        return
    counts = confusion(gathered, gold, Thresholds.resolve(CheckOptions()))
    print(f"model {scorer.info.model_id} {scorer.info.revision} {scorer.info.precision}; {len(claims)} claims")
    for name, value in figures(counts).items():
        print(f"{name:22} {value:5.1f}")
    for k in (1, 4, CANDIDATES):
        print(f"evidence recall@{k:<6} {recall_at(gathered, claims, ids, k):5.1f}")
    verdicts = [v.name for v in Verdict]
    print(f"{'gold / verdict':22}" + "".join(f"{v[:13]:>15}" for v in verdicts))
    for label in LABELS:
        print(f"{label:22}" + "".join(f"{counts[label, v]:15}" for v in verdicts))


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--statements", type=Path, required=True)
    parser.add_argument("--claims", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=Path("build/eval"))
    parser.add_argument("--model", default="builtin")
    parser.add_argument("--limit", type=int, default=0, help="only this many claims, a fixed random sample")
    parser.add_argument(
        "--sweep", type=float, metavar="PERCENT", help="search thresholds, false contradictions <= this"
    )
    parser.add_argument(
        "--without", action="append", default=[], metavar="PART", help="leave out a part of the rule; repeatable"
    )
    parser.add_argument(
        "--including", action="append", default=[], metavar="PART", help="a part that is off by default; repeatable"
    )
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
