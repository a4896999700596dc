"""Choose a mixture of the pair files and tokenise it into one pack.

Example: pack.py MODEL DATA/train OUT.npz --extra MINED --forbidden RECORD/claims_dev.jsonl.gz
"""

from __future__ import annotations

import argparse
import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from packed import Pair, encode, forbidden_claims, load_tokenizer, normalise, read_lines
from reported import wrap

ALL = 10**9
# Caps per file. Sentence-level sources close to what is judged (encyclopedic and news claims, numbers, dates) come
# whole or nearly so; logic fragments and captions only in doses that keep what they teach. A file not named stays out.
MIXTURE: dict[str, int] = {
    "mnli_llmsknow": ALL, "mnli_nyuhw": ALL, "mnli_pada": ALL, "taxinli_mnli": ALL, "lingnli": 16000,
    "newprotocols": 10000, "vitaminc_real_pages": ALL, "vitaminc_synthetic": 8000,
    "fever": 44000, "fever_nei_retrieved": 7000, "mined_neutral": 26000, "long_gold": 13000,
    "snli_cat": 5000, "snli_cnlisub": 9000, "cfda_nli": 4000, "conjnli": 5000, "scone": 1000, "monli": 400,
    "dnc_megaveridicality": 1200, "contrast_templates": 6000, "checkcovid": ALL, "covidfact": 1000, "nli4ct": ALL,
    "wice_nst": ALL, "fracas": ALL, "add_one_rte": 500, "fnc1_headline": 500, "fnc1_unrelated": 250,
    "curr_negation": 400, "curr_quantifier": 400, "curr_counting": 400, "curr_comparative": 400, "curr_boolean": 200,
    "curr_temporal": 400, "curr_entailment_tree": 300, "curr_monotonicity_infer": 600, "wikiresnli": 400,
}  # fmt: skip
# What differs where minutes of a GPU see all of it several times over; distil.py chooses hard negatives for itself.
WHOLE: dict[str, int] = {
    "lingnli": ALL, "newprotocols": ALL, "vitaminc_synthetic": ALL, "fever": 100000, "fever_nei_retrieved": ALL,
    "mined_neutral": 0, "long_gold": ALL, "snli_cat": ALL, "snli_cnlisub": ALL, "cfda_nli": ALL, "conjnli": ALL,
    "scone": 3000, "monli": ALL, "dnc_megaveridicality": 4000, "contrast_templates": ALL, "covidfact": ALL,
    "add_one_rte": 1500, "fnc1_headline": 1500, "fnc1_unrelated": 700, "curr_negation": 1500, "curr_quantifier": 1500,
    "curr_counting": 1500, "curr_comparative": 1500, "curr_boolean": 600, "curr_conditional": 600,
    "curr_temporal": 1500, "curr_entailment_tree": 1000, "curr_monotonicity_infer": 2000, "wikiresnli": 1500,
}  # fmt: skip
DEV = [
    "mnli_matched", "snli", "lingnli", "newprotocols", "conjnli", "cfda_nli", "anli", "vitaminc_real_pages",
    "fever_nli_sem", "fever_symmetric", "fm2", "healthver", "checkcovid", "averitec", "wice_claim_oracle",
    "attributionbench", "nli4ct",
]  # fmt: skip
CANDIDATES = ("undecided", "supported", "refuted", "refuted_covered")
MIXTURES: dict[str, dict[str, int]] = {
    "afternoon": MIXTURE,
    "whole": MIXTURE | WHOLE,
    "candidates": {f"candidates_{name}": ALL for name in CANDIDATES},
    "dev": dict.fromkeys(DEV, ALL),
}
# FEVER has 2.6 supported claims for a refuted one; a contradiction is what the model most needs examples of.
SHARES: dict[str, dict[str, float]] = {"fever": {"entailment": 0.4, "contradiction": 0.6}}
NUMBERED = ("fever", "vitaminc_real_pages", "mnli_nyuhw", "snli_cat", "newprotocols", "long_gold")
NUMBER = re.compile(r"(?<![\w.,-])(\d{1,3}(?:,\d{3})+|\d+)(?![\w-]|[.,]\d)")


def change_number(hypothesis: str, premise: str, rng: random.Random) -> str | None:
    """An entailed hypothesis with one number changed that the premise states: a contradiction. None without one."""
    found = [m for m in NUMBER.finditer(hypothesis) if m.group(1) in premise]
    if not found:
        return None
    match = rng.choice(found)
    old = match.group(1)
    value = int(old.replace(",", ""))
    if 1000 <= value <= 2100 and "," not in old:  # most likely a year: near misses are the hard ones
        new = value + rng.choice([-30, -12, -9, -5, -4, -3, -2, -1, 1, 2, 3, 4, 6, 8, 15, 40])
    else:
        choices = [value + 1, value - 1, value * 2, value + 5, abs(value - 3), value * 10, max(1, value // 2)]
        new = max(0, rng.choice(choices))
    text = f"{new:,}" if "," in old else str(new)
    if new == value or text in premise:
        return None
    return hypothesis[: match.start(1)] + text + hypothesis[match.end(1) :]


def changed_numbers(pairs: Sequence[Pair], most: int, rng: random.Random) -> list[Pair]:
    """Contradictions made from the entailed pairs that hold a number."""
    made: list[Pair] = []
    for pair in pairs:
        if pair["label"] == "entailment":
            hypothesis = change_number(pair["hypothesis"], pair["premise"], rng)
            if hypothesis:
                made.append({"premise": pair["premise"], "hypothesis": hypothesis, "label": "contradiction"})
    return rng.sample(made, min(most, len(made)))


def capped(name: str, cap: int, pairs: list[Pair], rng: random.Random) -> list[Pair]:
    """A sample up to the cap, with the label shares asked for."""
    if cap >= len(pairs) and name not in SHARES:
        return pairs
    rng.shuffle(pairs)
    if name not in SHARES:
        return pairs[:cap]
    chosen: list[Pair] = []
    for label, share in SHARES[name].items():
        chosen += [p for p in pairs if p["label"] == label][: round(min(cap, len(pairs)) * share)]
    rng.shuffle(chosen)
    return chosen


def reported_pairs(pool: Sequence[Pair], share: float, rng: random.Random) -> list[Pair]:
    """A share of the mixture once more, in reported speech; long premises stay as they are."""
    fit = [p for p in pool if p["label"] != "not_entailment" and len(p["premise"].split()) <= 80]
    return [wrap(p, rng) for p in rng.sample(fit, min(len(fit), round(share * len(pool))))]


def sources(args: argparse.Namespace, rng: random.Random) -> Iterator[tuple[str, list[Pair]]]:
    """The mixture, source by source, without pairs on forbidden claims; derived sources follow the files."""
    forbidden = forbidden_claims(args.forbidden)
    files = [p for folder in (args.train, *args.extra) for p in folder.glob("*.jsonl.gz")]
    known = {p.name.removesuffix(".jsonl.gz"): p for p in files}
    pool: list[Pair] = []
    numbered: list[Pair] = []
    mixture = MIXTURES[args.mixture]
    for name in sorted(set(known) & set(mixture)):
        rows: list[Pair] = read_lines(known[name])
        clean = [p for p in rows if normalise(p["hypothesis"]) not in forbidden]
        pairs = capped(name, mixture[name], clean, rng)[: args.limit]
        report(name, pairs, len(rows) - len(clean))
        pool += pairs
        if name in NUMBERED:
            numbered += changed_numbers(pairs, args.numbers, rng)
        yield name, pairs
    report("numbers_changed", numbered, 0)
    yield "numbers_changed", numbered
    spoken = reported_pairs(pool, args.reported, rng)
    report("reported_speech", spoken, 0)
    yield "reported_speech", spoken


def report(name: str, pairs: Sequence[Pair], dropped: int) -> None:
    """One line for the log, from which the model card's counts are taken."""
    print(name, len(pairs), dict(sorted(Counter(p["label"] for p in pairs).items())), f"dropped {dropped}", flush=True)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="folder with the tokenizer")
    parser.add_argument("train", type=Path, help="folder with the training pair files")
    parser.add_argument("out", type=Path, help="the pack to write, .npz")
    parser.add_argument("--extra", type=Path, nargs="*", default=[], help="more folders, such as mine.py's")
    parser.add_argument("--forbidden", type=Path, nargs="*", default=[], help="files with claims to keep out")
    parser.add_argument("--mixture", choices=MIXTURES, default="afternoon", help="all but the first: for distil.py")
    parser.add_argument("--limit", type=int, default=ALL, help="at most so many pairs of a source (for a trial)")
    parser.add_argument("--numbers", type=int, default=1000, help="changed-number pairs a source")
    parser.add_argument("--reported", type=float, default=0.05, help="share wrapped in reported speech")
    parser.add_argument("--max-premise", type=int, default=200)
    parser.add_argument("--max-hypothesis", type=int, default=64)
    parser.add_argument("--seed", type=int, default=7)
    return parser.parse_args()


def main() -> None:
    """Write the pack."""
    args = arguments()
    rng = random.Random(args.seed)  # noqa: S311
    packed = encode(load_tokenizer(args.model), sources(args, rng), args.max_premise, args.max_hypothesis)
    packed.save(args.out)
    print(f"{len(packed)} pairs, mean length {float(np.mean(packed.n)):.1f} tokens")


if __name__ == "__main__":
    main()
