"""Fit `weighing.json`: how much the model's word on a pair is worth, given how near statement and claim are.

The claims are checked against the record as the service does it. What each statement does to a claim is not known, only
the verdict; so a claim's score for support is the smooth maximum of its statements' scores (temperature TAU), the same
for contradiction, zero for neutral, and the cross-entropy of the three is minimised (L-BFGS, a little L2). The figure
printed is of a fit on half of the claims, judged on the other half, both ways.

Example: weigh.py HELD.jsonl.gz RECORD/statements.jsonl.gz --model OUT --out OUT/weighing.json --cache build/eval
"""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from packed import read_lines

from onrecord_server.domain.switches import Switches
from onrecord_server.domain.types import Claim, StatementDraft
from onrecord_server.domain.weighing import FEATURES, features, nearness
from onrecord_server.evaluation.claims import Recorded, embed_record, open_bench
from onrecord_server.evaluation.data import LabelledClaim
from onrecord_server.evaluation.scoring import pair_file
from onrecord_server.nli import load_encoder, load_scorer

CLASSES = ("SUPPORTED", "NOT_ENOUGH_EVIDENCE", "CONTRADICTED")
TAU = 0.5
L2 = 1e-3
LEAST_SIMILARITY = 0.4  # of a statement that is fitted on; somewhat below the gate of the service
# one reading of each statement, and nothing but the model's word on it
ALONE = ("compounds", "joined_premises", "weighing")
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def read_features(args: argparse.Namespace) -> tuple[Floats, Ints, Ints]:
    """Features of every (claim, statement) the model reads, the claim each row belongs to, each claim's class."""
    rows = read_lines(args.claims)[: args.limit]
    claims = [LabelledClaim(Claim(row["claim"]), row["label"]) for row in rows]
    record = [Recorded(row["id"], StatementDraft(text=row["text"])) for row in read_lines(args.statements)]
    scorer, encoder = load_scorer(args.model), load_encoder()

    class Quiet:
        def __init__(self, label: str, unit: str, total: int) -> None:
            print(f"{label}: {total} {unit}", flush=True)

        def __enter__(self) -> object:
            return lambda done: None

        def __exit__(self, *_: object) -> None:
            return None

    vectors = embed_record(encoder, record, args.cache, Quiet)

    async def gather() -> list[tuple[int, tuple[float, ...]]]:
        found = []
        async with open_bench(scorer, encoder, record, vectors, pair_file(args.cache, scorer.info), Quiet) as bench:
            gathered = await bench.gather(claims, Switches().without(ALONE), "checking", every_topic=True)
        for number, one in enumerate(gathered):
            content = one.attribution.content
            for scored in one.scored:
                near = nearness(content, scored.premise.text, scored.hit.similarity)
                if near.similarity >= LEAST_SIMILARITY:
                    found.append((number, features(scored.score.scores, near)))
        return found

    found = asyncio.run(gather())
    owner = np.array([number for number, _ in found], np.int64)
    return np.array([x for _, x in found]), owner, np.array([CLASSES.index(c.verdict) for c in claims], np.int64)


def claim_scores(weights: torch.Tensor, x: torch.Tensor, owner: torch.Tensor, claims: int) -> torch.Tensor:
    """Log-odds against neutral, shape (claims, 3); a claim without statements is at the far end of neutral."""
    z = torch.exp((x @ weights.T).clamp(-30, 30) / TAU)
    sums = torch.full((claims, 2), 1e-9, dtype=z.dtype).index_add(0, owner, z)
    support, contradiction = (TAU * torch.log(sums)).T
    return torch.stack([support, torch.zeros_like(support), contradiction], 1)


def fit(x: Floats, owner: Ints, gold: Ints) -> torch.Tensor:
    """Coefficients, shape (2, features): support, contradiction."""
    weights = torch.zeros(2, x.shape[1], dtype=torch.float64)
    weights[0, 0] = weights[1, 1] = 1.0
    weights.requires_grad_()
    data, rows, classes = torch.from_numpy(x), torch.from_numpy(owner), torch.from_numpy(gold)
    optimizer = torch.optim.LBFGS([weights], max_iter=500, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        scores = claim_scores(weights, data, rows, len(gold))
        loss = torch.nn.functional.cross_entropy(scores, classes) + L2 * (weights[:, :-1] ** 2).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    return weights.detach()


def half(x: Floats, owner: Ints, gold: Ints, odd: int) -> tuple[Floats, Ints, Ints]:
    """Every other claim, renumbered."""
    keep = owner % 2 == odd
    return x[keep], owner[keep] // 2, gold[odd::2]


def cross_checked(x: Floats, owner: Ints, gold: Ints) -> float:
    """Share of claims right when each half is judged by a fit on the other."""
    right = 0
    for odd in (0, 1):
        weights = fit(*half(x, owner, gold, 1 - odd))
        data, rows, classes = half(x, owner, gold, odd)
        scores = claim_scores(weights, torch.from_numpy(data), torch.from_numpy(rows), len(classes))
        right += int((scores.argmax(1).numpy() == classes).sum())
    return right / len(gold)


def main() -> None:
    """Read, fit, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("claims", type=Path, help="held-back claims of hold.py, .jsonl.gz")
    parser.add_argument("statements", type=Path, help="the record, .jsonl.gz")
    parser.add_argument("--model", default="builtin", help="weights with their calibration.json, or builtin")
    parser.add_argument("--out", type=Path, required=True, help="weighing.json to write, beside the weights")
    parser.add_argument("--cache", type=Path, help="folder that keeps vectors and scores, as onrecord eval's")
    parser.add_argument("--limit", type=int, help="only so many claims")
    args = parser.parse_args()
    x, owner, gold = read_features(args)
    accuracy = cross_checked(x, owner, gold)
    support, contradiction = ([round(float(w), 4) for w in row] for row in fit(x, owner, gold))
    made = {
        "features": FEATURES,
        "support": support,
        "contradiction": contradiction,
        "claims": len(gold),
        "accuracy_cross_checked": round(accuracy, 4),
    }
    args.out.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(made, indent=1))


if __name__ == "__main__":
    main()
