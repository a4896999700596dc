"""What each guard does on labelled pairs: how often it fires, what the model had said there, and what it costs.

    python tests/bench/guard_eval.py --pairs DEV.jsonl.gz [DEV2.jsonl.gz …] [--scored 300] [--cache DIR] [--show 5]
    python tests/bench/guard_eval.py --statements statements.jsonl.gz --claims claims_dev.jsonl.gz

Lines {"premise", "hypothesis", "label"}; other labels than entailment, neutral and contradiction are left out. The
model reads only pairs on which a guard fires, at most --scored of them a file and guard (a fixed draw); its scores
are kept under --cache by model revision. A decision counts as the rule makes it at the default thresholds, topic and
wording aside. `--scored 0` runs without a model. With --statements and --claims ("id", "text"; "claim", "label",
"gold") two more sets are made: each claim with the statements that decide it, and each undecidable claim with its
--near nearest ones.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sklearn.feature_extraction.text import TfidfVectorizer

from onrecord_server.domain.guards import GUARDS
from onrecord_server.domain.types import CheckOptions, NliScores, Relation, Stance
from onrecord_server.domain.verdict import DEFAULT_OPTIONS, Candidate, Guard, Thresholds, judge
from onrecord_server.nli import load_scorer
from onrecord_server.nli.labels import LABELS

BATCH = 32  # pairs
Pair = tuple[str, str]
Row = dict[str, Any]


def read_jsonl(path: Path) -> list[Row]:
    """The objects of a JSON-lines file, gzipped or not."""
    text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return [json.loads(line) for line in text.decode("utf-8").splitlines()]


def read_record(statements: Path, claims: Path, near: int) -> list[Row]:
    """Pairs of a record: claims with what decides them, and undecidable ones with their nearest statements (TF-IDF)."""
    texts = {row["id"]: row["text"] for row in read_jsonl(statements)}
    rows = read_jsonl(claims)
    labels = {"SUPPORTED": "entailment", "CONTRADICTED": "contradiction"}
    pairs = [
        {"premise": texts[i], "hypothesis": row["claim"], "label": labels[row["label"]], "file": "decided"}
        for row in rows
        for i in row["gold"]
    ]
    open_claims = [row["claim"] for row in rows if not row["gold"]]
    vectorizer = TfidfVectorizer(sublinear_tf=True, stop_words="english")
    similarity = (vectorizer.fit_transform(texts.values()) @ vectorizer.transform(open_claims).T).toarray()
    known = list(texts.values())
    for claim, column in zip(open_claims, similarity.T, strict=True):
        pairs += [
            {"premise": known[i], "hypothesis": claim, "label": "neutral", "file": "undecidable"}
            for i in column.argsort()[: -near - 1 : -1]
        ]
    return pairs


def score(pairs: Sequence[Pair], model: str, threads: int, cache: Path) -> dict[Pair, NliScores]:
    """The model's word on each pair, from the cache where it is there."""
    if not pairs:
        return {}
    scorer = load_scorer(model, threads=threads)
    cache.mkdir(parents=True, exist_ok=True)
    path = cache / f"guards-{scorer.info.revision}-{scorer.info.precision}.jsonl"
    known: dict[Pair, NliScores] = {}
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            known[row["pair"][0], row["pair"][1]] = NliScores(*row["scores"])
    missing = [pair for pair in dict.fromkeys(pairs) if pair not in known]
    encoded = scorer.encode(missing)
    order = sorted(range(len(missing)), key=lambda i: len(encoded[i]))
    with path.open("a", encoding="utf-8") as out:
        for start in range(0, len(order), BATCH):
            chosen = order[start : start + BATCH]
            for i, row in zip(chosen, scorer.score([encoded[i] for i in chosen]), strict=True):
                known[missing[i]] = NliScores(*(round(float(p), 6) for p in row))
                out.write(json.dumps({"pair": missing[i], "scores": known[missing[i]].as_tuple()}) + "\n")
            out.flush()
    return known


def decision(scores: NliScores, guards: tuple[Guard, ...] = ()) -> Relation:
    """What the rule makes of a pair on the claim's topic."""
    limits = Thresholds.resolve(CheckOptions(), DEFAULT_OPTIONS)
    return judge(Candidate(scores=scores, similarity=1.0, guards=guards), Stance.ASSERTED, limits).relation


def cost(name: str, pairs: Sequence[Pair]) -> float:
    """Microseconds of CPU time a pair, texts seen for the first time included."""
    started = time.process_time()
    for premise, claim in pairs:
        GUARDS[name](premise, claim)
    return 1e6 * (time.process_time() - started) / max(1, len(pairs))


def show(counts: Counter[str]) -> str:
    """Counts by gold label."""
    return " / ".join(str(counts[label]) for label in LABELS)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=Path, nargs="+", default=[])
    parser.add_argument("--statements", type=Path)
    parser.add_argument("--claims", type=Path)
    parser.add_argument("--near", type=int, default=4, help="statements an undecidable claim is paired with")
    parser.add_argument("--scored", type=int, default=300, help="pairs a file and guard that the model reads")
    parser.add_argument("--cache", type=Path, default=Path("build/eval"))
    parser.add_argument("--model", default="builtin")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--show", type=int, default=0, help="print so many pairs that each guard gets wrong")
    args = parser.parse_args()
    read = ((path.name, row) for path in args.pairs for row in read_jsonl(path))
    rows = [{**row, "file": name} for name, row in read if row["label"] in LABELS]
    if args.statements and args.claims:
        rows += read_record(args.statements, args.claims, args.near)
    files = sorted({row["file"] for row in rows})
    pairs = [(row["premise"], row["hypothesis"]) for row in rows]
    print(f"{len(rows)} pairs of {len(files)} sets; counts are of gold {' / '.join(LABELS)}")
    costs = {name: cost(name, pairs) for name in GUARDS}
    fired = {name: [row for row, p in zip(rows, pairs, strict=True) if guard(*p)] for name, guard in GUARDS.items()}
    chosen: dict[str, list[Row]] = {name: [] for name in GUARDS}
    for name, found in fired.items():
        for file in files:
            of_file = [row for row in found if row["file"] == file]
            chosen[name] += random.Random(0).sample(of_file, min(args.scored, len(of_file)))
    wanted = [(row["premise"], row["hypothesis"]) for found in chosen.values() for row in found]
    scores = score(wanted, args.model, args.threads, args.cache)
    for name, guard in GUARDS.items():
        print(f"\n{name}: {costs[name]:.0f} us a pair; fires on {show(Counter(r['label'] for r in fired[name]))}")
        changed: dict[Relation, Counter[str]] = {r: Counter() for r in (Relation.SUPPORTS, Relation.CONTRADICTS)}
        wrong: list[Row] = []
        for row in chosen[name]:
            said = scores[row["premise"], row["hypothesis"]]
            before = decision(said)
            found = guard(row["premise"], row["hypothesis"])
            if found and decision(said, (found,)) is not before:
                changed[before][row["label"]] += 1
                wanted_label = "entailment" if before is Relation.SUPPORTS else "contradiction"
                wrong += [row] if row["label"] == wanted_label else []
        for relation, counts in changed.items():
            print(f"  of {len(chosen[name])} scored, the model {relation.value} and the guard objects: {show(counts)}")
        for row in wrong[: args.show]:
            print(f"  - {row['label']} ({row['file']})\n    {row['premise']}\n    {row['hypothesis']}")


if __name__ == "__main__":
    main()
