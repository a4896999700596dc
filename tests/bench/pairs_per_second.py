"""Pairs per second in process against sentence-transformers and Hugging Face, same weights and pairs.

    python tests/bench/pairs_per_second.py --pairs PAIRS.jsonl [--rounds 3] [--steps]

PAIRS.jsonl (or .jsonl.gz) holds lines {"premise": …, "hypothesis": …}. Contenders: this engine's `score_pairs`, fed by
one caller and by many, without a memory of scores; `CrossEncoder.predict` at several batch sizes;
`pipeline("text-classification")` at several. They take turns; of each the best round counts, and of each rival its best
size, so that other load on the machine hits all alike. `--steps` also shows what each step gives by itself. Exit status
1 when below 2.5 times CrossEncoder or 4 times the pipeline.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import torch
from common import figure

from onrecord_models import nli_path
from onrecord_server.app import Engine, open_engine
from onrecord_server.config import ServerConfig
from onrecord_server.nli import EncodedPair, PairScorer, load_scorer
from onrecord_server.nli.cores import cores

Pairs = list[tuple[str, str]]
CALL = 8  # pairs of one claim, as a batch of claims sends them
OURS, CROSS, PIPELINE = "score_pairs", "CrossEncoder.predict", "pipeline"


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


def through_engine(runner: asyncio.Runner, engine: Engine, pairs: Pairs, per_call: int) -> None:
    """Concurrent callers of `per_call` pairs each."""

    async def go() -> None:
        calls = (engine.checker.score_pairs(pairs[i : i + per_call]) for i in range(0, len(pairs), per_call))
        await asyncio.gather(*calls)

    runner.run(go())


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


def hugging_face(pairs: Pairs, folder: Path) -> dict[str, Callable[[], object]]:
    """The pipeline of transformers, by batch size. All three probabilities, as the others give them."""
    from transformers import pipeline

    classify = pipeline("text-classification", model=str(folder), device=-1, dtype=torch.float32, top_k=None)
    inputs = [{"text": premise, "text_pair": hypothesis} for premise, hypothesis in pairs]
    return {
        f"{PIPELINE}, batches of {size}": lambda size=size: classify(  # type: ignore[misc]
            inputs, batch_size=size, truncation=True
        )
        for size in (1, 8, 32)
    }


def contenders(
    pairs: Pairs, args: argparse.Namespace, runner: asyncio.Runner, engine: Engine
) -> dict[str, Callable[[], object]]:
    """Name -> one run over all pairs."""
    from sentence_transformers import CrossEncoder

    folder: Path = args.model
    scorer = load_scorer(str(folder), precision=args.precision, threads=args.threads)
    # without dtype it would compute in the files' fp16, which a CPU does many times slower
    cross = CrossEncoder(str(folder), device="cpu", max_length=512, model_kwargs={"dtype": torch.float32})
    runs: dict[str, Callable[[], object]] = {}
    for size in (8, 16, 32, 64):
        runs[f"{CROSS}, batches of {size}"] = lambda size=size: cross.predict(  # type: ignore[misc]
            pairs, batch_size=size, show_progress_bar=False
        )
    if args.steps:
        runs["transformers, like lengths together"] = padded(pairs, folder)
        for budget in (512, 1_024, 2_048, 4_096, 8_192):
            runs[f"packed, {budget} tokens a batch"] = lambda budget=budget: direct(  # type: ignore[misc]
                scorer, pairs, budget
            )
    runs |= hugging_face(pairs, folder)
    runs[f"{OURS}, one caller"] = lambda: through_engine(runner, engine, pairs, len(pairs))
    runs[f"{OURS}, callers of {CALL} pairs"] = lambda: through_engine(runner, engine, pairs, CALL)
    return runs


def best_of(times: dict[str, float], name: str) -> float:
    """Seconds of the quickest contender of that name."""
    return min(seconds for contender, seconds in times.items() if contender.startswith(name))


def main() -> int:
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
    with (gzip.open if args.pairs.suffix == ".gz" else open)(args.pairs, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in islice(lines, args.limit)]
    pairs = [(row["premise"], row["hypothesis"]) for row in rows]
    config = ServerConfig(
        store=":memory:", model=str(args.model), encoder="fake", precision=args.precision, threads=args.threads,
        cache_pairs=0, max_queue_tokens=10_000_000,
    )  # fmt: skip
    with asyncio.Runner() as runner:
        opening = open_engine(config)
        engine = runner.run(opening.__aenter__())
        try:
            return compare(pairs, contenders(pairs, args, runner, engine), args.rounds, args.threads or cores())
        finally:
            runner.run(opening.__aexit__(None, None, None))


def compare(pairs: Pairs, runs: dict[str, Callable[[], object]], rounds: int, threads: int) -> int:
    """Let them take turns, print the table; the exit status."""
    torch.set_num_threads(threads)  # of this thread, in which the rivals compute
    best = dict.fromkeys(runs, float("inf"))
    cpu = dict.fromkeys(runs, float("inf"))
    for _ in range(rounds):
        for name, run in runs.items():
            began, used = time.perf_counter(), time.process_time()
            run()
            best[name] = min(best[name], time.perf_counter() - began)
            cpu[name] = min(cpu[name], time.process_time() - used)
    anchor, cpu_anchor = (best_of(times, CROSS) for times in (best, cpu))
    print(f"{len(pairs)} pairs, {torch.get_num_threads()} threads, best of {rounds} rounds\n")
    print(f"{'':40}{'pairs/s':>9}{'to CrossEncoder':>17}{'pairs/CPU s':>13}{'to CrossEncoder':>17}")
    for name in runs:
        wall, used = best[name], cpu[name]
        print(
            f"{name:40}{len(pairs) / wall:9.1f}{anchor / wall:16.2f}x"
            f"{len(pairs) / used:13.1f}{cpu_anchor / used:16.2f}x"
        )
    print()
    ours, pipeline = best_of(best, OURS), best_of(best, PIPELINE)
    detail = f"{len(pairs) / ours:.1f} pairs/s against"
    met = [
        figure("pairs/s to CrossEncoder.predict", anchor / ours, 2.5, 5, "x", f"{detail} {len(pairs) / anchor:.1f}"),
        figure("pairs/s to pipeline", pipeline / ours, 4, 8, "x", f"{detail} {len(pairs) / pipeline:.1f}"),
    ]
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
