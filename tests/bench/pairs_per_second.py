"""Pairs per second: this server's inference worker against sentence-transformers CrossEncoder, same weights and pairs.

    python tests/bench/pairs_per_second.py --pairs PAIRS.jsonl [--rounds 3] [--steps]

PAIRS.jsonl holds lines {"premise": …, "hypothesis": …}. The contenders take turns; of each the best round counts, so
that other load on the machine hits all alike. `--steps` also shows what each step gives by itself.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch

from onrecord_models import nli_path
from onrecord_server.checking.worker import InferenceWorker
from onrecord_server.nli import EncodedPair, PairScorer, load_encoder, load_scorer

Pairs = list[tuple[str, str]]
CALL = 8  # pairs of one claim, as a batch of claims sends them
WORKER_BATCH_TOKENS = 1_024


def batches(encoded: Sequence[EncodedPair], budget: int) -> Iterator[list[EncodedPair]]:
    """In the given order, at most `budget` tokens each."""
    batch: list[EncodedPair] = []
    tokens = 0
    for pair in encoded:
        if batch and tokens + len(pair) > budget:
            yield batch
            batch, tokens = [], 0
        batch.append(pair)
        tokens += len(pair)
    yield batch


def direct(scorer: PairScorer, pairs: Pairs, budget: int) -> None:
    """Tokenise and score, no worker."""
    for batch in batches(scorer.encode(pairs), budget):
        scorer.score(batch)


def through_worker(scorer: PairScorer, pairs: Pairs, per_call: int) -> None:
    """A fresh worker (empty cache) and concurrent callers of `per_call` pairs each."""

    async def go() -> None:
        worker = InferenceWorker(
            scorer,
            load_encoder("fake"),
            max_batch_tokens=WORKER_BATCH_TOKENS,
            max_queue_tokens=1_000_000,
            cache_pairs=50_000,
        )
        await worker.start()
        await asyncio.gather(*(worker.score(pairs[i : i + per_call]) for i in range(0, len(pairs), per_call)))
        await worker.stop(10)

    asyncio.run(go())


def padded(pairs: Pairs, folder: Path) -> Callable[[], None]:
    """transformers' own forward on batches of like length: what bucketing alone gives."""
    from onrecord_server.nli import hf
    from onrecord_server.nli.files import find_model
    from onrecord_server.nli.tokens import PairTokenizer, read_tokenizer

    files = find_model(str(folder), builtin=None, builtin_id="", revision=None)
    model = hf.load(files, "AutoModelForSequenceClassification")
    classifier = hf.PaddedClassifier(model, pad_id=0, segments=True)
    tokenizer = PairTokenizer(read_tokenizer(folder), 512)

    def run() -> None:
        with torch.inference_mode():
            classifier.logits(tokenizer(pairs))

    return run


def contenders(pairs: Pairs, args: argparse.Namespace) -> dict[str, Callable[[], object]]:
    """Name -> one run over all pairs."""
    from sentence_transformers import CrossEncoder

    folder: Path = args.model
    scorer = load_scorer(str(folder), precision=args.precision, threads=args.threads)
    # without dtype it would compute in the files' fp16, which a CPU does many times slower
    cross = CrossEncoder(str(folder), device="cpu", max_length=512, model_kwargs={"dtype": torch.float32})
    runs: dict[str, Callable[[], object]] = {}
    for size in (16, 32, 64):
        runs[f"CrossEncoder.predict, batches of {size}"] = lambda size=size: cross.predict(  # type: ignore[misc]
            pairs, batch_size=size, show_progress_bar=False
        )
    if args.steps:
        runs["transformers, like lengths together"] = padded(pairs, folder)
        for budget in (512, 1_024, 2_048, 4_096, 8_192):
            runs[f"packed, {budget} tokens a batch"] = lambda budget=budget: direct(  # type: ignore[misc]
                scorer, pairs, budget
            )
    runs["worker, one caller"] = lambda: through_worker(scorer, pairs, len(pairs))
    runs[f"worker, callers of {CALL} pairs"] = lambda: through_worker(scorer, pairs, CALL)
    return runs


def main() -> None:
    """Run and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=768, help="pairs to use (default 768)")
    parser.add_argument("--model", type=Path, default=nli_path(), help="folder of the NLI model (default: built in)")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=None, help="threads of every contender (default: one per core)")
    parser.add_argument("--steps", action="store_true")
    args = parser.parse_args()
    lines = args.pairs.read_text(encoding="utf-8").splitlines()[: args.limit]
    pairs = [(row["premise"], row["hypothesis"]) for row in map(json.loads, lines)]
    runs = contenders(pairs, args)
    best = dict.fromkeys(runs, float("inf"))
    cpu = dict.fromkeys(runs, float("inf"))
    for _ in range(args.rounds):
        for name, run in runs.items():
            began, used = time.perf_counter(), time.process_time()
            run()
            best[name] = min(best[name], time.perf_counter() - began)
            cpu[name] = min(cpu[name], time.process_time() - used)
    anchor, cpu_anchor = (min(s for name, s in times.items() if name.startswith("Cross")) for times in (best, cpu))
    print(f"{len(pairs)} pairs, {torch.get_num_threads()} threads, best of {args.rounds} rounds\n")
    print(f"{'':40}{'pairs/s':>9}{'to CrossEncoder':>17}{'pairs/CPU s':>13}{'to CrossEncoder':>17}")
    for name in runs:
        wall, used = best[name], cpu[name]
        print(
            f"{name:40}{len(pairs) / wall:9.1f}{anchor / wall:16.2f}x"
            f"{len(pairs) / used:13.1f}{cpu_anchor / used:16.2f}x"
        )


if __name__ == "__main__":
    main()
