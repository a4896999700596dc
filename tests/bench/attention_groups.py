"""A forward of the NLI model by how sequences are joined to attend together: what layout.py's two numbers are worth.

    python tests/bench/attention_groups.py [--precision bf16 fp32] [--steps 1 16 32] [--calls 16 50 150] [--tokens 512]

One thread, CPU time. Pairs are sentences of seeds/article.txt with claims of seeds/claims.jsonl; `long` are several
sentences with one. `step 1` pads each sequence to the longest of its group and no further. All contenders take turns;
speeds are to the first, as the median of the rounds' ratios, so that other load on the machine hits all alike.
"""

from __future__ import annotations

import argparse
import itertools
import random
import re
import statistics
import time
from collections.abc import Iterator

import torch
from common import article, sample_claims

from onrecord_server.nli import EncodedPair, PairScorer, layout, load_encoder, load_scorer
from onrecord_server.nli import hands as one_core_each


def sentences() -> list[str]:
    """The article's, without remnants."""
    return [s for s in re.split(r"(?<=[.!?”])\s+", article()) if len(s) > 15]


def batch(encoded: list[EncodedPair], budget: int) -> list[EncodedPair]:
    """At most `budget` tokens, never none; from the beginning again where there are too few."""
    out: list[EncodedPair] = []
    for pair in itertools.cycle(encoded):
        if out and sum(map(len, out)) + len(pair) > budget:
            break
        out.append(pair)
    return out


def cases(scorer: PairScorer, budgets: list[int]) -> Iterator[tuple[str, list[EncodedPair]]]:
    """Name -> a batch."""
    chance = random.Random(0)
    pairs = [(sentence, claim) for sentence in sentences() for claim in sample_claims()]
    chance.shuffle(pairs)
    for budget in budgets:
        yield f"pairs, {budget}", batch(scorer.encode(pairs), budget)
    longer = [(" ".join(chance.sample(sentences(), 12)), claim) for claim in sample_claims()]
    yield "long, 2048", batch(scorer.encode(longer), 2_048)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--precision", nargs="+", default=["bf16", "fp32"])
    parser.add_argument("--steps", type=int, nargs="+", default=[1, 16, 32])
    parser.add_argument("--calls", type=int, nargs="+", default=[16, 50, 150])
    parser.add_argument("--tokens", type=int, nargs="+", default=[128, 512, 2_048])
    parser.add_argument("--rounds", type=int, default=9)
    args = parser.parse_args()
    torch.set_num_threads(1)
    settings = list(itertools.product(args.steps, args.calls))
    encoder = load_encoder(precision="fp32", threads=2, device="cpu")
    for precision in args.precision:
        scorer = one_core_each(load_scorer(precision=precision, threads=2, device="cpu"), encoder)[0][0]
        for name, some in cases(scorer, args.tokens):
            took: list[list[float]] = [[] for _ in settings]
            for turn in range(args.rounds + 1):  # the first is not counted
                for at in range(len(settings)) if turn % 2 else reversed(range(len(settings))):
                    layout._STEP, layout._CALL = settings[at]
                    began = time.thread_time()
                    scorer.score(some)
                    took[at].append(time.thread_time() - began)
            ratios = [statistics.median(a / b for a, b in zip(took[0][1:], t[1:], strict=True)) for t in took]
            cells = "".join(f"{f'{s}/{c}':>8} {ratio:.2f}x" for (s, c), ratio in zip(settings, ratios, strict=True))
            print(f"{precision}, {name:12}{1e3 * statistics.median(took[0][1:]):8.1f} ms{cells}")


if __name__ == "__main__":
    main()
