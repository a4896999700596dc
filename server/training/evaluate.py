"""Accuracy on every dev set and, given a record, verdicts over retrieved statements.

Example: evaluate.py MODEL DATA/dev --limit 400 --record RECORD --out scores.json
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from packed import (
    CONTRADICTION,
    ENTAILMENT,
    NOT_ENTAILMENT,
    Pair,
    encode,
    load_model,
    load_tokenizer,
    pick_device,
    predict,
    read_lines,
    softmax,
)
from retrieve import Index

VERDICTS = ("SUPPORTED", "NOT_ENOUGH_EVIDENCE", "CONTRADICTED")


def accuracy(probabilities: npt.NDArray[np.float64], gold: npt.NDArray[Any]) -> float:
    """Per cent right. Two-way sets only say whether the hypothesis follows, so they are scored two-way."""
    if (gold == NOT_ENTAILMENT).any():
        right = (probabilities[:, ENTAILMENT] < 0.5) == (gold != ENTAILMENT)
    else:
        right = probabilities.argmax(1) == gold
    return round(100 * float(right.mean()), 2)


def expected_calibration_error(probabilities: npt.NDArray[np.float64], gold: npt.NDArray[Any], bins: int = 15) -> float:
    """Mean distance between confidence and accuracy over equal-width confidence bins, in per cent."""
    confidence, right = probabilities.max(1), probabilities.argmax(1) == gold
    where = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [
        abs(float(confidence[where == b].mean()) - float(right[where == b].mean())) * float((where == b).mean())
        for b in range(bins)
        if (where == b).any()
    ]
    return round(100 * sum(gaps), 2)


def dev_sets(folder: Path, limit: int, limits: dict[str, int]) -> list[tuple[str, list[Pair]]]:
    """The first rows of each set: files are already shuffled, and a fixed head makes runs comparable."""
    found = []
    for path in sorted(folder.glob("*.jsonl.gz")):
        name = path.name.removesuffix(".jsonl.gz")
        found.append((name, read_lines(path)[: limits.get(name, limit)]))
    return found


def pair_scores(model: Any, tokenizer: Any, folder: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Accuracy per dev set and their mean, plus calibration over the three-way sets together."""
    limits = {name: int(count) for name, count in (item.split("=") for item in args.full)}
    packed = encode(tokenizer, dev_sets(folder, args.limit, limits), args.max_premise, args.max_hypothesis)
    logits = predict(model, packed, pick_device(args.device))
    if args.logits:
        np.savez(args.logits, logits=logits, y=packed.y, src=packed.src, names=np.array(packed.names))
    probabilities = softmax(logits)
    sets: dict[str, float] = {}
    full: dict[str, float] = {}
    three_way = np.zeros(len(packed), bool)
    for s, name in enumerate(packed.names):
        rows = np.where(packed.src == s)[0]
        head = rows[: args.limit]
        sets[name] = accuracy(probabilities[head], packed.y[head])
        if len(rows) > len(head):
            full[f"{name}:{len(rows)}"] = accuracy(probabilities[rows], packed.y[rows])
        if not (packed.y[rows] == NOT_ENTAILMENT).any():
            three_way[head] = True
    return {
        "sets": sets,
        "mean": round(float(np.mean(list(sets.values()))), 2),
        "longer": full,
        "ece_three_way": expected_calibration_error(probabilities[three_way], packed.y[three_way]),
    }


def verdicts(probabilities: npt.NDArray[np.float64], owner: npt.NDArray[Any], claims: int) -> npt.NDArray[Any]:
    """Max over a claim's statements: the stronger of support and contradiction, when it reaches one half."""
    found = np.ones(claims, np.int64)
    for c in range(claims):
        rows = probabilities[owner == c]
        support, against = rows[:, ENTAILMENT].max(), rows[:, CONTRADICTION].max()
        if max(support, against) >= 0.5:
            found[c] = 0 if support >= against else 2
    return found


def macro_f1(gold: npt.NDArray[Any], found: npt.NDArray[Any]) -> float:
    """Mean F1 of the three verdicts."""
    scores = []
    for c in range(3):
        hit = int(((gold == c) & (found == c)).sum())
        scores.append(2 * hit / max(1, int((gold == c).sum() + (found == c).sum())))
    return float(np.mean(scores))


def record_scores(model: Any, tokenizer: Any, record: Path, args: argparse.Namespace) -> dict[str, Any]:
    """End-to-end verdicts for the first claims of a record, with plain TF-IDF retrieval and no gate."""
    statements = read_lines(record / "statements.jsonl.gz")
    claims = read_lines(record / "claims_dev.jsonl.gz")[: args.record_claims]
    index = Index([s["text"] for s in statements])
    near = index.nearest([c["claim"] for c in claims], args.top)
    pairs: list[Pair] = [
        {"premise": statements[int(i)]["text"], "hypothesis": claim["claim"], "label": "neutral"}
        for claim, row in zip(claims, near, strict=True)
        for i in row
    ]
    packed = encode(tokenizer, [("record", pairs)], args.max_premise, args.max_hypothesis)
    probabilities = softmax(predict(model, packed, pick_device(args.device)))
    gold = np.array([VERDICTS.index(c["label"]) for c in claims])
    found = verdicts(probabilities, np.repeat(np.arange(len(claims)), args.top), len(claims))
    reachable = [
        bool(set(c["gold"]) & {statements[int(i)]["id"] for i in row})
        for c, row in zip(claims, near, strict=True)
        if c["gold"]
    ]
    return {
        "claims": len(claims),
        "accuracy": round(100 * float((gold == found).mean()), 1),
        "macro_f1": round(100 * macro_f1(gold, found), 1),
        "undecidable_called_contradicted": round(100 * float((found[gold == 1] == 2).mean()), 1),
        "undecidable_called_supported": round(100 * float((found[gold == 1] == 0).mean()), 1),
        "contradiction_recall": round(100 * float((found[gold == 2] == 2).mean()), 1),
        "support_recall": round(100 * float((found[gold == 0] == 0).mean()), 1),
        "gold_in_top": round(100 * float(np.mean(reachable)), 1),
    }


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="folder with weights, config and tokenizer")
    parser.add_argument("dev", type=Path, help="folder with the dev sets, *.jsonl.gz")
    parser.add_argument("--limit", type=int, default=400, help="rows of each set (default 400)")
    parser.add_argument("--full", nargs="*", default=[], metavar="SET=ROWS", help="score these sets on more rows, too")
    parser.add_argument("--record", type=Path, help="folder with statements.jsonl.gz and claims_dev.jsonl.gz")
    parser.add_argument("--record-claims", type=int, default=300, help="claims of the record to judge")
    parser.add_argument("--top", type=int, default=8, help="statements retrieved for a claim")
    parser.add_argument("--max-premise", type=int, default=200)
    parser.add_argument("--max-hypothesis", type=int, default=64)
    parser.add_argument("--logits", type=Path, help="save logits here (export.py fits the temperature on them)")
    parser.add_argument("--out", type=Path, help="write the scores here as JSON")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0 leaves torch's choice")
    return parser.parse_args()


def main() -> None:
    """Score a model and print the scores as JSON."""
    args = arguments()
    if args.threads:
        torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)
    model, tokenizer = load_model(args.model, pick_device(args.device)), load_tokenizer(args.model)
    start = time.monotonic()
    scores: dict[str, Any] = {"model": args.model.name, "limit": args.limit}
    scores |= pair_scores(model, tokenizer, args.dev, args)
    print(json.dumps(scores), flush=True)
    if args.record:
        scores["record"] = record_scores(model, tokenizer, args.record, args)
    scores["seconds"] = round(time.monotonic() - start)
    text = json.dumps(scores, indent=1)
    if args.out:
        args.out.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
