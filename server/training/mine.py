"""Hard negatives and long gold pairs: FEVER-style training claims against the statements a retriever brings up.

At inference a claim meets its eight nearest statements, and most of them do not decide it. Ordinary NLI data has no
such pairs, which is where false contradictions come from. A retrieved statement that does not repeat the claim's gold
evidence is presumed neutral; the current model only vetoes. So that length and mixed topics say nothing about the
label, gold evidence is also embedded among sentences of a retrieved statement (label kept), and neutral ones alike.

Example: mine.py MODEL DATA/train RECORD/statements.jsonl.gz OUT --forbidden RECORD/claims_dev.jsonl.gz
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from packed import (
    CONTRADICTION,
    ENTAILMENT,
    Pair,
    encode,
    forbidden_claims,
    load_model,
    load_tokenizer,
    normalise,
    pick_device,
    predict,
    read_lines,
    softmax,
    write_lines,
)
from retrieve import Index

SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z\"(])")
CHUNK = 1000  # candidates scored between two saves
COVERED = 0.6  # share of a claim's words from which another statement may well decide it
STOP = frozenset("a an the of in on at to and or is was were are be by for with as it its he she his her".split())  # noqa: SIM905


@dataclass
class Claim:
    """A training claim with all its gold evidence texts; label is that of the gold pairs."""

    text: str
    label: str
    gold: list[str]


@dataclass
class Candidate:
    """A retrieved statement for a claim that is not its gold evidence."""

    claim: Claim
    statement: str
    rank: int
    coverage: float


def sentences(text: str) -> list[str]:
    """A rough split; a wrong one only moves a boundary inside a premise."""
    return [s for s in SENTENCE_END.split(text) if s]


def content(text: str) -> set[str]:
    """Content words, cut to five letters as a poor man's stem."""
    return {w[:5] for w in normalise(text).split() if w not in STOP}


def repeats_gold(statement: str, gold: Sequence[str]) -> bool:
    """Whether the statement holds a sentence of some gold evidence, nearly word for word."""
    words = set(normalise(statement).split())
    for premise in gold:
        for sentence in sentences(premise):
            own = set(normalise(sentence).split())
            if len(own) >= 4 and len(own & words) / len(own) >= 0.7:
                return True
    return False


def load_claims(train: Path, forbidden: set[str]) -> list[Claim]:
    """Claims of the FEVER files. A claim with two labels is left out: its evidence is disputed."""
    by_text: dict[str, Claim] = {}
    disputed: set[str] = set()
    for name in ("fever", "fever_nei_retrieved"):
        for pair in read_lines(train / f"{name}.jsonl.gz"):
            key = normalise(pair["hypothesis"])
            if key in forbidden:
                continue
            claim = by_text.setdefault(key, Claim(pair["hypothesis"], pair["label"], []))
            claim.gold.append(pair["premise"])
            if claim.label != pair["label"]:
                disputed.add(key)
    return [claim for key, claim in by_text.items() if key not in disputed]


def sample_claims(claims: list[Claim], quota: dict[str, int], rng: random.Random) -> list[Claim]:
    """So many claims of each label, in an order fixed by the seed."""
    chosen: list[Claim] = []
    for label, count in quota.items():
        pool = [c for c in claims if c.label == label]
        chosen += rng.sample(pool, min(count, len(pool)))
    rng.shuffle(chosen)
    return chosen


def candidates(claims: list[Claim], statements: list[str], top: int, keep: int, rng: random.Random) -> list[Candidate]:
    """A few non-gold statements for each claim, the nearer the likelier.

    NEI claims keep their retrieved "gold" too: there it is only what another retriever found, so it is not excluded.
    """
    near = Index(statements).nearest([c.text for c in claims], top)
    found: list[Candidate] = []
    for claim, row in zip(claims, near, strict=True):
        words = content(claim.text)
        free = [
            (rank, statements[int(i)])
            for rank, i in enumerate(row)
            if claim.label == "neutral" or not repeats_gold(statements[int(i)], claim.gold)
        ]
        while len(free) > keep:
            free.pop(max(rng.randrange(len(free)), rng.randrange(len(free))))
        for rank, text in free:
            share = len(words & content(text)) / max(1, len(words))
            found.append(Candidate(claim, text, rank, share))
    return found


def veto(candidate: Candidate, p: npt.NDArray[np.float64]) -> bool:
    """Whether the presumption of neutrality is too risky.

    Another statement may well support a supported claim. It may also refute a refuted one, but there the model is
    believed only where the statement covers most of the claim, because wrong contradictions are what is being mined.
    """
    if p[ENTAILMENT] > (0.9 if candidate.claim.label == "neutral" else 0.7):
        return True
    return candidate.claim.label == "contradiction" and candidate.coverage >= COVERED and bool(p[CONTRADICTION] > 0.8)


def score(
    found: list[Candidate], model_path: Path, device_name: str, floor: float, cache: Path
) -> npt.NDArray[np.float64]:
    """The current model's probabilities; what shares few words with the claim cannot entail it and is not scored.

    This is nearly all of the stage's time: finished chunks are kept in `cache`, and a second start goes on from there.
    """
    device = pick_device(device_name)
    rows = [i for i, c in enumerate(found) if c.coverage >= floor]
    pairs: list[Pair] = [
        {"premise": found[i].statement, "hypothesis": found[i].claim.text, "label": "neutral"} for i in rows
    ]
    key = hashlib.sha256(json.dumps([str(model_path), pairs]).encode()).hexdigest()
    done = np.zeros((0, 3))
    if cache.exists():
        with np.load(cache, allow_pickle=False) as z:
            done = z["p"] if str(z["key"]) == key else done
    tokenizer, model = load_tokenizer(model_path), load_model(model_path, device)
    cache.parent.mkdir(parents=True, exist_ok=True)
    for start in range(len(done), len(pairs), CHUNK):
        packed = encode(tokenizer, [("mined", pairs[start : start + CHUNK])], 200, 64)
        done = np.concatenate([done, softmax(predict(model, packed, device))])
        np.savez(cache, key=np.array(key), p=done)
        print(f"scored {len(done)} of {len(rows)}; {len(found) - len(rows)} share too few words", flush=True)
    probabilities = np.tile(np.array([0.0, 1.0, 0.0]), (len(found), 1))
    probabilities[rows] = done
    return probabilities


def embed(middle: str, around: str, rng: random.Random, words: int = 140) -> str:
    """`middle` whole, somewhere among sentences of another statement, in at most about `words` words."""
    room = words - len(middle.split())
    others: list[str] = []
    for sentence in sentences(around):
        room -= len(sentence.split())
        if room < 0:
            break
        others.append(sentence)
    at = rng.randint(0, len(others))
    return " ".join([*others[:at], middle, *others[at:]])


def choose(
    found: list[Candidate], probabilities: npt.NDArray[np.float64], per_claim: int, rng: random.Random
) -> list[Candidate]:
    """Of each claim's safe candidates, the one most mistaken for a contradiction, then others at random."""
    by_claim: dict[str, list[tuple[float, Candidate]]] = defaultdict(list)
    for candidate, p in zip(found, probabilities, strict=True):
        if not veto(candidate, p):
            by_claim[candidate.claim.text].append((float(p[CONTRADICTION]), candidate))
    chosen: list[Candidate] = []
    for safe in by_claim.values():
        safe.sort(key=lambda item: (-item[0], item[1].rank))
        rest = [c for _, c in safe[1:]]
        chosen += [safe[0][1], *rng.sample(rest, min(per_claim - 1, len(rest)))]
    return chosen


def mined_pairs(chosen: list[Candidate], rng: random.Random) -> list[Pair]:
    """Neutral pairs; a third are two of the claim's statements mixed, as the long gold pairs are."""
    partners: dict[str, list[str]] = defaultdict(list)
    for candidate in chosen:
        partners[candidate.claim.text].append(candidate.statement)
    pairs: list[Pair] = []
    for candidate in chosen:
        premise = candidate.statement
        others = [s for s in partners[candidate.claim.text] if s != premise]
        if others and rng.random() < 0.35:
            premise = embed(premise, rng.choice(others), rng)
        pairs.append({"premise": premise, "hypothesis": candidate.claim.text, "label": "neutral"})
    return pairs


def long_gold_pairs(chosen: list[Candidate], most: dict[str, int], rng: random.Random) -> list[Pair]:
    """Gold evidence of the same claims among sentences of their hard negatives, label kept."""
    pairs: list[Pair] = []
    used: Counter[str] = Counter()
    for candidate in rng.sample(chosen, len(chosen)):
        claim = candidate.claim
        if claim.label == "neutral" or used[claim.label] >= most[claim.label]:
            continue
        used[claim.label] += 1
        premise = embed(rng.choice(claim.gold), candidate.statement, rng)
        pairs.append({"premise": premise, "hypothesis": claim.text, "label": claim.label})
    return pairs


def kind(candidate: Candidate) -> str:
    """The name of the file a candidate goes to unscored; it says how far its presumed neutrality can be trusted."""
    if candidate.claim.label == "contradiction":
        return "candidates_refuted_covered" if candidate.coverage >= COVERED else "candidates_refuted"
    return "candidates_undecided" if candidate.claim.label == "neutral" else "candidates_supported"


def write_unscored(found: list[Candidate], most: dict[str, int], out: Path, rng: random.Random) -> None:
    """All candidates, a claim's one after the other, and gold evidence among sentences of any of them."""
    files: dict[str, list[Pair]] = defaultdict(list)
    for c in found:
        files[kind(c)].append({"premise": c.statement, "hypothesis": c.claim.text, "label": "neutral"})
    files["long_gold"] = long_gold_pairs(found, most, rng)
    for name, pairs in files.items():
        write_lines(out / f"{name}.jsonl.gz", pairs)
        print(f"{name}: {len(pairs)} pairs", flush=True)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="current model, for the veto")
    parser.add_argument("train", type=Path, help="folder with fever.jsonl.gz and fever_nei_retrieved.jsonl.gz")
    parser.add_argument("statements", type=Path, help="the record: .jsonl.gz with a text in each line")
    parser.add_argument("out", type=Path, help="folder for mined_neutral.jsonl.gz and long_gold.jsonl.gz")
    parser.add_argument("--forbidden", type=Path, nargs="*", default=[], help="files whose claims must not be used")
    counts = ("NEI", "SUPPORTED", "REFUTED")
    parser.add_argument("--claims", type=int, nargs=3, default=[3600, 2400, 2400], metavar=counts)
    parser.add_argument("--top", type=int, default=8)
    parser.add_argument("--scored", type=int, default=4, help="candidates of a claim shown to the model")
    parser.add_argument("--per-claim", type=int, default=2, help="pairs kept of a claim")
    parser.add_argument("--floor", type=float, default=0.5, help="word overlap from which the model is asked")
    parser.add_argument("--gold", type=int, nargs=2, default=[5000, 5000], metavar=counts[1:])
    parser.add_argument("--unscored", action="store_true", help="leave the choice to distil.py, which scores on a GPU")
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--device", default="auto")
    return parser.parse_args()


def main() -> None:
    """Mine, veto, write two pair files."""
    args = arguments()
    torch.set_flush_denormal(True)
    rng = random.Random(args.seed)  # noqa: S311
    statements = [row["text"] for row in read_lines(args.statements)]
    quota = dict(zip(("neutral", "entailment", "contradiction"), args.claims, strict=True))
    claims = sample_claims(load_claims(args.train, forbidden_claims(args.forbidden)), quota, rng)
    found = candidates(claims, statements, args.top, args.scored, rng)
    if args.unscored:
        write_unscored(found, {"entailment": args.gold[0], "contradiction": args.gold[1]}, args.out, rng)
        return
    probabilities = score(found, args.model, args.device, args.floor, args.out / "scores.npz")
    for label in quota:
        rows = [i for i, c in enumerate(found) if c.claim.label == label]
        called = Counter(int(k) for k in probabilities[rows].argmax(1))
        vetoed = sum(veto(found[i], probabilities[i]) for i in rows)
        print(f"{label} claims: {len(rows)} candidates, called {dict(called)}, {vetoed} vetoed", flush=True)
    chosen = choose(found, probabilities, args.per_claim, rng)
    neutral = mined_pairs(chosen, rng)
    gold = long_gold_pairs(chosen, {"entailment": args.gold[0], "contradiction": args.gold[1]}, rng)
    write_lines(args.out / "mined_neutral.jsonl.gz", neutral)
    write_lines(args.out / "long_gold.jsonl.gz", gold)
    print(f"{len(neutral)} hard negatives, {len(gold)} long gold pairs {Counter(p['label'] for p in gold)}")


if __name__ == "__main__":
    main()
