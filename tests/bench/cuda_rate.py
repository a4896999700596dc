"""What a CUDA device does with the NLI model: the same labels as a CPU in fp32, and pairs per second by batch size.

    python tests/bench/cuda_rate.py --pairs PAIRS.jsonl [--rivals]

PAIRS.jsonl (or .jsonl.gz) holds lines {"premise": …, "hypothesis": …}. Prints one line for each precision with how far
its probabilities are from fp32 on a CPU and how many labels differ, then pairs per second (best of three rounds,
tokenising apart) for budgets of tokens a batch. `--rivals` adds sentence-transformers' `CrossEncoder.predict`, whose
time includes tokenising, in fp32 and bf16. Exit status 1 where more than one label in a hundred differs.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from onrecord_models import nli_path
from onrecord_server.nli import EncodedPair, PairScorer, load_encoder, load_scorer

BUDGETS = (512, 1_024, 2_048, 4_096, 8_192, 16_384, 65_536)
ROUNDS = 3


def batches(encoded: Sequence[EncodedPair], budget: int) -> Iterator[list[EncodedPair]]:
    """Like lengths together, at most `budget` tokens each."""
    batch: list[EncodedPair] = []
    for pair in sorted(encoded, key=len):
        if batch and (len(batch) + 1) * len(pair) > budget:
            yield batch
            batch = []
        batch.append(pair)
    yield batch


def best_seconds(run: Callable[[], object]) -> float:
    """The best of a few rounds, after one that does not count."""
    run()
    took = []
    for _ in range(ROUNDS):
        torch.cuda.synchronize()
        began = time.perf_counter()
        run()
        torch.cuda.synchronize()
        took.append(time.perf_counter() - began)
    return min(took)


def score_all(scorer: PairScorer, pairs: list[tuple[str, str]], budget: int) -> np.ndarray:
    """Probabilities of all pairs, in their order."""
    encoded = scorer.encode(pairs)
    found = np.concatenate([scorer.score(batch) for batch in batches(encoded, budget)])
    order = sorted(range(len(pairs)), key=lambda i: len(encoded[i]))
    return found[np.argsort(order)]


def rivals(pairs: list[tuple[str, str]], folder: Path) -> None:
    """CrossEncoder at several sizes of batch."""
    from sentence_transformers import CrossEncoder

    for name in ("float32", "bfloat16"):
        cross = CrossEncoder(str(folder), device="cuda", max_length=512, model_kwargs={"dtype": getattr(torch, name)})
        for size in (32, 128, 512):
            run = lambda size=size, cross=cross: cross.predict(pairs, batch_size=size, show_progress_bar=False)  # noqa: E731
            print(f"CrossEncoder {name}, batches of {size}: {len(pairs) / best_seconds(run):,.0f} pairs/s", flush=True)


def main() -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=Path, required=True)
    parser.add_argument("--model", type=Path, default=nli_path(), help="folder of the NLI model (default: built in)")
    parser.add_argument("--rivals", action="store_true")
    args = parser.parse_args()
    opened = gzip.open if args.pairs.suffix == ".gz" else open
    with opened(args.pairs, "rt", encoding="utf-8") as lines:
        pairs = [(row["premise"], row["hypothesis"]) for row in map(json.loads, lines)]
    print(f"{torch.cuda.get_device_name()}, {len(pairs)} pairs", flush=True)
    reference = score_all(load_scorer(str(args.model), precision="fp32", device="cpu"), pairs, 4_096)
    worst = 0.0
    for precision in ("fp32", "bf16"):
        scorer = load_scorer(str(args.model), precision=precision, device="cuda")
        found = score_all(scorer, pairs, 16_384)
        moved = float((found.argmax(1) != reference.argmax(1)).mean())
        worst = max(worst, moved)
        print(f"{precision}: largest difference {np.abs(found - reference).max():.4f}, labels that differ {moved:.2%}")
        began = time.perf_counter()
        encoded = scorer.encode(pairs)
        print(f"tokenising alone: {len(pairs) / (time.perf_counter() - began):,.0f} pairs/s", flush=True)
        for budget in BUDGETS:
            run = lambda budget=budget, scorer=scorer, encoded=encoded: [  # noqa: E731
                scorer.score(batch) for batch in batches(encoded, budget)
            ]
            print(f"{precision}, {budget} tokens a batch: {len(pairs) / best_seconds(run):,.0f} pairs/s", flush=True)
    if args.rivals:
        rivals(pairs, args.model)
    texts = [premise for premise, _ in pairs[:64]]
    try:
        here, there = (load_encoder(device=device).encode(texts) for device in ("cpu", "cuda"))
        print(f"encoder: least cosine between CPU and CUDA {float((here * there).sum(1).min()):.5f}")
    except Exception as error:  # the encoder's weights may not be at hand
        print(f"encoder not tried: {error}")
    return int(worst > 0.01)


if __name__ == "__main__":
    sys.exit(main())
