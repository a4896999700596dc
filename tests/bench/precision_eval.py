"""What a number format costs in accuracy: labels and probabilities against fp32 on labelled pairs.

    python tests/bench/precision_eval.py DATA/dev/*.jsonl.gz [--limit 400] [--precision bf16 int8]

Three-way sets only, the first `limit` pairs of each. Agreement is with fp32's label; `moved` is the greatest difference
of a pair's probabilities. The interval is of the difference in accuracy, from the pairs whose label changes (McNemar).
"""

from __future__ import annotations

import argparse
import gzip
import json
import time
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from onrecord_server.nli import load_scorer
from onrecord_server.nli.labels import LABELS

BATCH_TOKENS = 2_048


def read(path: Path, limit: int) -> list[tuple[str, str, int]]:
    """(premise, hypothesis, label) of a three-way set; nothing of another."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in islice(file, limit)]
    if not rows or any(row["label"] not in LABELS for row in rows):
        return []
    return [(row["premise"], row["hypothesis"], LABELS.index(row["label"])) for row in rows]


def scores(precision: str, pairs: list[tuple[str, str]], threads: int | None) -> tuple[npt.NDArray[np.float32], float]:
    """Probabilities, shape (len(pairs), 3), and the CPU seconds they took."""
    scorer = load_scorer(precision=precision, threads=threads, calibration="none")
    encoded = scorer.encode(pairs)
    out = np.zeros((len(pairs), 3), dtype=np.float32)
    order = sorted(range(len(pairs)), key=lambda i: len(encoded[i]))
    began = time.process_time()
    while order:
        taken = max(1, BATCH_TOKENS // len(encoded[order[-1]]))
        part, order = order[-taken:], order[:-taken]
        out[part] = scorer.score([encoded[i] for i in part])
    return out, time.process_time() - began


def main() -> None:
    """Score in each format, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", type=Path, nargs="+")
    parser.add_argument("--limit", type=int, default=400)
    parser.add_argument("--precision", nargs="+", default=["bf16", "int8"])
    parser.add_argument("--threads", type=int, default=None)
    args = parser.parse_args()
    sets = {path.name.split(".")[0]: rows for path in args.sets if (rows := read(path, args.limit))}
    rows = [row for of in sets.values() for row in of]
    pairs, gold = [(p, h) for p, h, _ in rows], np.array([label for *_, label in rows])
    places = np.repeat(np.arange(len(sets)), [len(of) for of in sets.values()])
    print(f"{len(rows)} pairs of {len(sets)} sets: {', '.join(sets)}\n")
    heads = ("accuracy", 9), ("of sets", 9), ("to fp32, 95 %", 22), ("agreement", 11), ("moved p99", 11), ("most", 7)
    print(" " * 6 + "".join(f"{head:>{wide}}" for head, wide in (*heads, ("CPU s", 8))))
    exact, took = scores("fp32", pairs, args.threads)
    for name in ("fp32", *args.precision):
        found, took = (exact, took) if name == "fp32" else scores(name, pairs, args.threads)
        right, before = found.argmax(axis=1) == gold, exact.argmax(axis=1) == gold
        change, lost = 100 * (right.mean() - before.mean()), int((right != before).sum())
        spread = 196 * lost**0.5 / len(gold)
        moved = np.abs(found - exact).max(axis=1)
        by_set = np.mean([right[places == i].mean() for i in range(len(sets))])
        agreed = (found.argmax(axis=1) == exact.argmax(axis=1)).mean()
        print(
            f"{name:6}{100 * right.mean():9.2f}{100 * by_set:9.2f}{f'{change:+.2f} ± {spread:.2f}':>22}"
            f"{100 * agreed:10.2f}%{np.quantile(moved, 0.99):11.4f}{moved.max():7.3f}{took:8.1f}"
        )


if __name__ == "__main__":
    main()
